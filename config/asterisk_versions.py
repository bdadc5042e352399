"""What an Asterisk can do, and what is wrong with it, by its version: data with sources.

    can("22.4.0", SLIN16)  ->  False
    flaws("22.8.1")        ->  what is known to go wrong there, with reason and remedy

Branches 20, 22 and 23 are released together since 22.0: 20.17, 22.7 and 23.1 hold the same changes, and so on. 21 ended
with 21.12. Sources, unless another is named: git tags of github.com/asterisk/asterisk, and the ChangeLogs of its
releases. A version that is not known, such as a development branch's, is taken for a new one.
"""

import re
from collections.abc import Mapping
from typing import Literal, NamedTuple

from msgspec import Struct

Level = tuple[int, int]
"""Minor version and patch within a branch: (10, 1) of 22.10.1."""


class Version(NamedTuple):
    branch: int
    """22 of 22.10.1."""
    level: Level
    certified: bool
    """A certified release is a branch's old minor version with repairs of its own: what it can do is that version's,
    which repairs it holds its number does not say."""


_VERSION = re.compile(r"(?P<certified>certified[/-])?(?P<branch>\d+)\.(?P<minor>\d+)(?:\.(?P<patch>\d+))?")


def parse(version: str) -> Version | None:
    """As `GET /asterisk/info` and `core show version` say it: "22.11.0-rc1", "certified-20.7-cert5". None for what has
    no number, as "GIT-master-1234567"."""
    match = _VERSION.search(version)
    if match is None:
        return None
    level = (int(match["minor"]), int(match["patch"] or 0))
    return Version(int(match["branch"]), level, match["certified"] is not None)


# -- what it can do ----------------------------------------------------------------------------------------------------


class Feature(Struct, frozen=True, kw_only=True):
    what: str
    """As part of a sentence: "`what` needs Asterisk ..."."""
    since: Mapping[int, int | None]
    """First minor version of each branch that has it; None: never. Branches above those named have it, others below or
    between do not."""

    def __str__(self) -> str:
        """The versions that have it: "20.16, 21.11, 22.6 or later"."""
        return ", ".join(f"{branch}.{minor}" for branch, minor in self.since.items() if minor is not None) + " or later"


EXTERNAL_MEDIA = Feature(what="ARI's externalMedia", since={16: 6, 17: 1, 18: 0})
AUDIOSOCKET = Feature(what="AudioSocket, as channel, as application and as externalMedia", since={18: 0})
AUDIOSOCKET_DIGITS = Feature(
    what="digits through an AudioSocket channel (kind 0x03, commit d045f290b7)",
    since={18: None, 20: 14, 21: 9, 22: 4, 23: 0},
)
SLIN16 = Feature(what="AudioSocket at 16000 Hz (kind 0x12)", since={18: None, 20: 17, 21: 12, 22: 7, 23: 1})
RTP_FORMAT = Feature(
    what="the format of an externalMedia leg over RTP (`c()`; before, slin silently became ulaw: asterisk#394)",
    since={20: 6, 21: 1, 22: 0},
)
WEBSOCKET_CHANNEL = Feature(what="media over a WebSocket (chan_websocket)", since={20: 16, 21: 11, 22: 6, 23: 0})
WEBSOCKET_JSON = Feature(
    what="chan_websocket's control messages as JSON (`f(json)`)", since={20: 18, 21: None, 22: 8, 23: 2}
)
WEBSOCKET_MARKS = Feature(what="chan_websocket's MARK_MEDIA", since={20: 18, 21: None, 22: 8, 23: 2})
PROGRESS = Feature(what="early media by ARI (`POST /channels/<id>/progress`)", since={20: 16, 21: 11, 22: 6, 23: 0})
BULK_VARIABLES = Feature(
    what="several channel variables in one request (`/channels/<id>/variables`)",
    since={20: 20, 21: None, 22: 10, 23: 4},
)
UUID_FUNCTION = Feature(what="the dialplan function UUID()", since={20: 12, 21: 7, 22: 2})


def can(version: str, feature: Feature) -> bool:
    known = parse(version)
    if known is None or known.branch > max(feature.since):
        return True
    since = feature.since.get(known.branch)
    return since is not None and known.level[0] >= since


# -- what is wrong with it ---------------------------------------------------------------------------------------------


class Flaw(Struct, frozen=True, kw_only=True):
    """Something that goes wrong in some versions and concerns us."""

    name: str
    """Short, for lists and for JSON; never changes."""
    what: str
    """What happens, as a sentence."""
    why: str
    """What that means for a caller or an operator."""
    remedy: str
    source: str
    area: Literal["ari", "audiosocket", "websocket", "rtp", "hangup"]
    """Whom it concerns: who uses none of that is safe."""
    severity: Literal["security", "calls", "quality"]
    """What is at stake: the server, whole calls, or how they sound."""
    broken: Mapping[int, tuple[Level, Level | None]]
    """By branch: the first version that has it, and the first that has it no more; None: it was never repaired."""

    def concerns(self, version: Version) -> bool:
        if self.severity == "security" and version.certified:
            return False  # its number does not tell
        since, repaired = self.broken.get(version.branch, ((0, 0), (0, 0)))
        return since <= version.level and (repaired is None or version.level < repaired)


_START: Level = (0, 0)
_UPDATE = "Update Asterisk to 22.10.1, 23.4.1 or 20.20.1, or a later one."

FLAWS = (
    Flaw(
        name="rest-over-websocket-read-only",
        what="A read-only ARI user may write over the events WebSocket, load modules included.",
        why="whoever has a read-only ARI password and reaches the HTTP port can take the server over",
        remedy=f"{_UPDATE} Until then let no read-only ARI user in (`read_only` in ari.conf), and bind the HTTP "
        "server to addresses that only Ringmaster reaches (`bindaddr` in http.conf).",
        source="GHSA-wcvv-g26m-wx5c; ARI over the WebSocket came with 20.14, 21.9, 22.4",
        area="ari",
        severity="security",
        broken={20: ((14, 0), (20, 1)), 21: ((9, 0), None), 22: ((4, 0), (10, 1)), 23: (_START, (4, 1))},
    ),
    Flaw(
        name="audiosocket-comfort-noise",
        what="A comfort-noise frame from the caller ends an AudioSocket media leg.",
        why="calls from phones and trunks that suppress silence lose their audio, until another leg is there",
        remedy=f"{_UPDATE} Until then switch comfort noise (silence suppression, VAD) off at the phone or trunk, or "
        "prefer another transport (`media.transports`).",
        source="ChangeLog of 22.10.0: res_audiosocket: Tolerate non-audio frame types",
        area="audiosocket",
        severity="calls",
        broken={
            18: (_START, None),
            19: (_START, None),
            20: (_START, (20, 0)),
            21: (_START, None),
            22: (_START, (10, 0)),
            23: (_START, (4, 0)),
        },
    ),
    Flaw(
        name="audiosocket-split-header",
        what="An AudioSocket header that arrives in two parts is put together wrongly.",
        why="the agent turns to noise, or its media leg ends; rare, for we send header and audio in one piece",
        remedy="Update Asterisk to 22.9, 23.3 or 20.19, or a later one.",
        source="ChangeLog of 22.9.0: res_audiosocket: Fix header read loop to use correct buffer offset",
        area="audiosocket",
        severity="calls",
        broken={
            20: ((17, 0), (19, 0)),
            21: ((12, 0), None),
            22: ((7, 0), (9, 0)),
            23: ((1, 0), (3, 0)),
        },
    ),
    Flaw(
        name="audiosocket-ari-stall",
        what="Under load, ARI requests about channels may get no answer for minutes, after calls with an AudioSocket "
        "leg were hung up at once.",
        why="calls are not answered, and those that are over are not cleared",
        remedy="Update to Asterisk 22.10.1 or later, for which it is not reported; or put `rtp` first in "
        "`media.transports`.",
        source="github.com/asterisk/asterisk/issues/2078 (open)",
        area="audiosocket",
        severity="calls",
        broken={20: ((18, 0), (20, 0))},
    ),
    Flaw(
        name="hangup-deadlock",
        what="A hang-up may lock Asterisk up: the RTP statistics are gathered where they must not be.",
        why="calls hang, or all of Asterisk does, until it is restarted",
        remedy=_UPDATE,
        source="github.com/asterisk/asterisk/issues/1928 and 1907, from the repair of 1816",
        area="hangup",
        severity="calls",
        broken={20: ((19, 0), (20, 0)), 22: ((9, 0), (10, 0)), 23: ((3, 0), (4, 0))},
    ),
    Flaw(
        name="websocket-crash",
        what="chan_websocket may crash Asterisk when a digit comes in or a channel is hung up early, and leaves "
        "channels behind.",
        why="every call on this Asterisk ends",
        remedy=f"{_UPDATE} Until then leave `websocket` out of `media.transports`.",
        source="github.com/asterisk/asterisk/issues/1604, 1643, 1645, repaired in 22.8",
        area="websocket",
        severity="calls",
        broken={
            20: ((16, 0), (18, 0)),
            21: ((11, 0), None),
            22: ((6, 0), (8, 0)),
            23: (_START, (2, 0)),
        },
    ),
    Flaw(
        name="audiosocket-nagle",
        what="Asterisk does not set TCP_NODELAY on AudioSocket connections.",
        why="the caller's audio may come in bunches, and the agent hears and answers late",
        remedy="Update Asterisk to 22.5, 21.10 or 20.15, or a later one.",
        source="TCP_NODELAY in res_audiosocket since 20.15, 21.10, 22.5",
        area="audiosocket",
        severity="quality",
        broken={
            18: (_START, None),
            19: (_START, None),
            20: (_START, (15, 0)),
            21: (_START, (10, 0)),
            22: (_START, (5, 0)),
        },
    ),
)


def flaws(version: str) -> tuple[Flaw, ...]:
    """What is known to be wrong with this version, the worst first; nothing for a version that is not known."""
    known = parse(version)
    return tuple(flaw for flaw in FLAWS if flaw.concerns(known)) if known else ()
