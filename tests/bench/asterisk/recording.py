"""A recording of a real Asterisk, read as a script: what its client did, and what it was told.

A recording is a list of lines in the order in which the client saw them. The client's own doings are in it as `rest`,
`note`, `audiosocket.tx` and `ws.*` lines; what the caller did is only visible in what it caused. `script` finds both
and puts between them what the client must have seen before it went on, so that ten recorded seconds replay in a
moment.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "recordings" / "asterisk-22"
# Lines further apart than this have nothing to do with each other: the client slept in between.
PAUSE_S = 0.25
# Events that nobody's doing causes: the client waits for them.
BY_THEMSELVES = frozenset({"PlaybackFinished", "ChannelDialplan"})

Line = dict[str, Any]


@dataclass
class Step:
    """One thing that the client or the caller did.

    what:   the kind of a line that the client or a called phone ("human") has written, or "dial", "hang up", "press",
            "holds", "resumes", "second client", "close", "open"
    line:   the recorded line
    events: how many events must have come before, on all event connections together
    sounds: how many frames of sound must have come before on the media connection, or as RTP
    texts:  how many events must have come before on a media WebSocket
    needs:  the channel that must be in Stasis before
    """

    what: str
    line: Line
    events: int
    sounds: int = 0
    texts: int = 0
    needs: str = ""


@dataclass
class Recording:
    name: str
    lines: list[Line]
    steps: list[Step] = field(default_factory=list)

    def of_kind(self, kind: str) -> list[Line]:
        return [line for line in self.lines if line["kind"] == kind]

    @property
    def events(self) -> list[Line]:
        return [line["body"] for line in self.of_kind("event")]


def load(path: Path) -> Recording:
    recording = Recording(path.stem, [json.loads(line) for line in path.read_text().splitlines()])
    recording.steps = script(recording.lines)
    return recording


def script(lines: list[Line]) -> list[Step]:
    caller = next((line["body"]["channel"]["id"] for line in lines if "channel" in line.get("body", {})), "")
    started = {line["body"]["channel"]["id"] for line in lines if line.get("body", {}).get("type") == "StasisStart"}
    steps: list[Step] = []
    seen = Seen()
    hung_up = False
    for place, line in enumerate(lines):
        paused = seen.line(line)
        what = callers_doing(caller, line, hung_up) if paused else ""
        what = what or clients_doing(line)
        if what == "close" and not any(later["kind"] == "ws.open" for later in lines[place:]):
            continue  # the end of the recording
        hung_up = hung_up or what == "hang up" or line.get("path") == f"/channels/{caller}"
        if what:
            needs = needed(line, started)
            steps.append(Step(what, line, seen.events_settled, seen.sounds_settled, seen.texts_settled, needs))
        if what == "open" and len(steps) == 1 and caller:
            steps.append(Step("dial", line, 0))
        seen.count(line, paused)
    return steps


class Seen:
    """How much had come by a line of the recording, and how much of that had surely come before the client acted."""

    def __init__(self) -> None:
        self.events = self.events_settled = 0
        self.sounds = self.sounds_settled = 0
        self.texts = self.texts_settled = 0
        self._before_s = 0.0

    def line(self, line: Line) -> bool:
        """Whether there was a pause before the line; whatever came before a pause has come."""
        paused = bool(line["t"] - self._before_s > PAUSE_S)
        self._before_s = line["t"]
        if paused:
            self.events_settled, self.sounds_settled, self.texts_settled = self.events, self.sounds, self.texts
        return paused

    def count(self, line: Line, paused: bool) -> None:
        if line["kind"] == "event":
            self.events += 1
            if paused and line["body"]["type"] in BY_THEMSELVES:
                self.events_settled = self.events
        elif line["kind"] == "media.rx":
            self.texts += line["opcode"] == "text"
            self.sounds += line["opcode"] == "binary"
        elif line["kind"] == "rtp.rx" or int(line.get("frame_kind", "0"), 16) >= 0x10:
            self.sounds += 1


def callers_doing(caller: str, line: Line, hung_up: bool) -> str:
    """What the caller must have done just before the line, "" if nothing."""
    if line["kind"] != "event":
        return ""
    if line["body"]["type"] == "ChannelDtmfReceived":
        return "press"
    return "hang up" if not hung_up and is_hangup_of(caller, line["body"]) else ""


def clients_doing(line: Line) -> str:
    """What the client did in that line, "" if it only watched."""
    kind = line["kind"]
    if kind in ("rest", "audiosocket.tx", "media.connect", "media.tx", "media.refused", "human"):
        return str(kind)
    if kind == "caller":
        return str(line["what"])
    if kind == "note":
        if "second client" in line["what"]:
            return "second client"
        return "hang up" if "the caller hangs up while it is away" in line["what"] else ""
    return {"ws.open": "open", "ws.closed": "close"}.get(kind, "")


def is_hangup_of(channel: str, event: Line) -> bool:
    """Whether the caller must have hung up just before: its statistics, or the request itself where there are none."""
    if event.get("channel", {}).get("id") != channel:
        return False
    if event["type"] == "ChannelVarset":
        return bool(event["variable"].startswith("RTPAUDIOQOS"))
    return event["type"] == "ChannelHangupRequest" and not event.get("soft", False)


def needed(line: Line, started: set[str]) -> str:
    """The channel that a request names and that has to be in Stasis first."""
    if line["kind"] != "rest":
        return ""
    named = line["params"].get("channel", line["path"].split("/")[2] if line["path"].count("/") > 1 else "")
    return named if named in started else ""
