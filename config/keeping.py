"""The settings of what is kept of calls, and of what is said when one cannot go on. Part of `config.schema`."""

import os
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

Name = Annotated[str, Meta(min_length=1)]


def state_directory() -> Path:
    """Where a service keeps what must outlast it: `$STATE_DIRECTORY` (systemd), else `~/.local/state/ringmaster`."""
    given = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    state_home = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(given) if given else Path(state_home).expanduser() / "ringmaster"


class History(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The call history: what happened in every call, in one SQLite file."""

    directory: str = ""
    """Folder of `calls.sqlite`; made if it is not there. Empty: `$STATE_DIRECTORY`, which systemd sets, or
    `~/.local/state/ringmaster`."""
    keep_days: Annotated[int, Meta(ge=0, le=3650)] = 90
    """Days after which a call is forgotten; 0 keeps it for ever."""
    redact: tuple[Literal["numbers", "names", "digits", "texts"], ...] = ()
    """What is never written: `numbers` leaves the last three digits of callers' numbers, `names` none of their names,
    `digits` nothing of the keys that they press, `texts` nothing of what is said."""

    @property
    def folder(self) -> Path:
        """The folder that is meant."""
        return Path(self.directory).expanduser() if self.directory else state_directory()


class Recording(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Recordings of calls. Tell callers where the law wants that."""

    directory: str = ""
    """Folder of the recordings; made if it is not there. Empty: `recordings` beside the call history."""
    calls: Literal["none", "wire", "asterisk"] = "none"
    """Which calls are recorded from the start: `wire` writes a stereo WAV of exactly what went over the media
    connection, caller left and agent right; `asterisk` has Asterisk record the bridge (module res_stasis_recording), in
    its own spool. Agents with the tool `record` may start and stop it themselves."""
    keep_days: Annotated[int, Meta(ge=0, le=3650)] = 30
    """Days after which a wire recording is deleted; 0 keeps it for ever."""


class Failure(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a caller hears when we can do nothing more for them, before they go to `transfers.on_failure`."""

    sound: str = "sound:tt-somethingwrong"
    """Played by Asterisk where the agent itself has no voice any more, as ARI names media; empty: nothing. The default
    is among Asterisk's core sounds."""
    longest_s: Annotated[float, Meta(ge=1, le=60)] = 8.0
    """Seconds after which the caller goes on even if the sound has not ended."""


class Outbound(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Calls that the agent makes: `ringmaster call`."""

    endpoint: Name = "Local/{number}@from-internal"
    """Whom Asterisk dials; `{number}` is the number that was asked for."""
    caller_id: str = ""
    """Shown to whoever is called, such as `"Maple Street" <5551000>`; empty: what the dialplan gives."""
    ring_s: Annotated[int, Meta(ge=5, le=300)] = 45
    """Seconds for which it rings."""
    answered_by: Literal["any", "voice", "key"] = "any"
    """What counts as a person, before the agent begins to speak: `voice`, a word and then a pause; `key`, a key press;
    `any` of the two."""
    detect_s: Annotated[float, Meta(ge=1, le=60)] = 5.0
    """Seconds after the answer for which the agent waits for that."""
    undetected: Literal["speak", "hang_up"] = "speak"
    """What the agent does when nothing of it came."""
