"""A call's journal: everything that happened, one JSON object a line, in the order in which it happened.

The conversation actor writes it as the call goes on; reports, timelines and a restarted conversation are made from it.
It is in `<run directory>/journal/<call id>.jsonl`. Times (`*_ns`) are CLOCK_MONOTONIC nanoseconds, so that they can be
subtracted from each other and from anything else on the machine; `CallStarted.wall` ties them to the calendar.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Union

import msgspec


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="event", tag=True, kw_only=True):
    """Base of all records. `event` is the class's name."""

    at_ns: int
    """When it was written down."""


class CallStarted(Record, frozen=True):
    call_id: str
    holder: str
    """Name of the conversation actor that holds the call."""
    agent: str
    pipeline: str
    """Name of the pipeline that holds the conversation; "" where a provider does."""
    engines: dict[str, str]
    caller_number: str
    caller_name: str
    rate: int
    arrived_ns: int
    """When the call reached us: StasisStart, or the media connection of a direct call."""
    wall: str
    """The same instant in ISO 8601, UTC."""
    provider: str = ""
    """Name of the provider that holds the conversation; "" where a pipeline does."""
    control: str = "call-control"
    """Name of the call-control that holds the call."""
    outbound: bool = False
    """We called them."""
    variables: dict[str, str] = {}
    """What the call brought with it, for the agent's sentences."""


class AgentSaid(Record, frozen=True):
    """One reply of the agent, written once the caller has heard the last of it that they will hear."""

    turn: int
    """The caller's turn that it answers; 0 for the greeting."""
    kind: str
    """greeting, answer, prompt, notice, filler or goodbye."""
    text: str
    """What the agent set out to say."""
    heard: str
    """What of it the caller heard: `text` up to where the pacer's samples ended."""
    interrupted: bool
    generation: int
    samples: int
    """Samples that the synthesiser wrote."""
    played: int
    """Samples that went on the wire."""
    first_ns: int
    """When the first of them did; 0 if none did."""
    last_ns: int


class AgentSaying(Record, frozen=True):
    """All of a reply is in the mouth: from here on it will be heard also when whoever made it dies. `AgentSaid` follows
    once it has been."""

    turn: int
    kind: str
    text: str
    generation: int
    samples: int
    ending: str = ""
    """The tool that is to be run once it has been heard; "" for none."""
    arguments: dict[str, str] = {}


class CallerSaid(Record, frozen=True):
    """One turn of the caller. Who goes on talking before the answer is heard adds to it: its last record counts."""

    turn: int
    text: str
    """What was understood; "" for speech that was not."""
    confidence: float
    onset_ns: int
    """When the first frame of speech had arrived."""
    last_speech_ns: int
    """When the last frame of speech had arrived."""
    speech_ms: int
    lost_frames: int


class TurnTimed(Record, frozen=True):
    """Where the time of one turn went, from the caller's last sample to the reply's first on the wire."""

    turn: int
    last_speech_ns: int
    decided_ns: int
    """The turn was taken to be over."""
    heard_ns: int
    """The final text was there."""
    first_token_ns: int
    first_clause_ns: int
    """The first clause went to the synthesiser."""
    first_audio_ns: int
    """Its first samples were in the mouth."""
    on_wire_ns: int
    filler: bool
    """True when what came first on the wire was the agent's filler."""


class BargedIn(Record, frozen=True):
    """The caller interrupted the agent."""

    turn: int
    onset_ns: int
    """When the first frame of the caller's speech had arrived."""
    flushed_ns: int
    """When the agent's audio was given up."""
    silent_ns: int
    """When its last frame had gone on the wire."""


class FalseBargeIn(Record, frozen=True):
    """What interrupted the agent was no speech: it goes on with the rest."""

    speech_ms: int


class NoiseIgnored(Record, frozen=True):
    """A sound passed for speech, was too short to be a turn and held no words."""

    speech_ms: int


class DigitsPressed(Record, frozen=True):
    digits: str
    dropped: int = 0
    """Keys of the same entry that came after these, and were too many."""


class ToolRun(Record, frozen=True):
    turn: int
    name: str
    arguments: dict[str, str]
    outcome: str


class CallerAway(Record, frozen=True):
    """The caller cannot hear the agent, or can again: they have put us on hold, or somebody else is being asked."""

    away: bool


class Consulted(Record, frozen=True):
    """How an attended transfer went on."""

    destination: str
    state: str
    """ringing, asking (the person has answered, and talks to the agent), joined or ended."""
    reason: str = ""
    """Of ringing: why the caller is to be put through. Of ended: why nothing came of it."""


class ConsultSaid(Record, frozen=True):
    """Something said between the agent and a person who was asked to take the call. The caller did not hear it."""

    who: str
    """agent or person."""
    text: str


class CallAnswered(Record, frozen=True):
    """An outbound call was answered, and by this the agent knew by whom."""

    by: str
    """person, machine or unknown."""
    after_ms: int
    """From the answer."""


class EngineLost(Record, frozen=True):
    """An engine's actor died or did not answer; another one took over, or none could."""

    role: str
    actor: str
    reason: str
    successor: str


class ProviderResumed(Record, frozen=True):
    """The conversation actor that held the call died, and its successor opened the provider for it again."""

    provider: str
    away_ms: int
    """From the predecessor's last sample on the wire, where it said anything at all, to now."""


class ProviderLost(Record, frozen=True):
    """The provider could not go on. A pipeline holds the conversation from now on."""

    provider: str
    reason: str
    pipeline: str
    engines: dict[str, str]


class ProviderClosed(Record, frozen=True):
    """What a provider did for the call, in its own figures (`actors.conversation.providers`), since it was opened."""

    provider: str
    figures: dict[str, int]


class Recorded(Record, frozen=True):
    """A recording of the call at the wire: once when it begins, and once when it ends."""

    path: str
    """The stereo WAV: caller left, agent right."""
    from_frame: int
    """The ear's frame that is its first."""
    frames: int
    """Of 20 ms; 0 when it begins."""
    ended: bool = False


class Noted(Record, frozen=True):
    """Something outside the conversation: a leg answered, the media connection moved, a process was restarted."""

    what: str
    detail: dict[str, str]


class CallEnded(Record, frozen=True):
    cause: str
    frames_sent: int
    frames_received: int
    underruns: int
    skipped: int
    corrupt: int
    takeovers: int
    late_ms: dict[str, float]
    """p50, p99 and max of how late frames went on the wire."""
    outcome: str = ""
    """What the dialplan was told as `AGENT_OUTCOME`; "" when the caller left before the agent ended it."""


LONGEST_NAME = 200
"""Characters of a call id that are in its journal's name. Asterisk's ids have 150 at most, a file name 255."""

_KINDS = tuple(
    kind for kind in list(globals().values()) if isinstance(kind, type) and issubclass(kind, Record) and kind != Record
)
_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Union[_KINDS])  # noqa: UP007 (made at run time)


def folder(run_dir: Path) -> Path:
    return run_dir / "journal"


def path(run_dir: Path, call_id: str) -> Path:
    """Where the journal of this call is. A call id comes from outside: what is no plain file name is replaced."""
    plain = "".join(
        character if character.isascii() and (character.isalnum() or character in ".-_") else "_"
        for character in call_id[:LONGEST_NAME]
    )
    return folder(run_dir) / f"{plain.lstrip('.')}.jsonl"


class Journal:
    """An open journal. Every record is one write, so that a reader sees whole lines and a kill loses none of them."""

    def __init__(self, file: Path) -> None:
        """Goes on with one that is there already; a last line that was cut off by a crash is taken away."""
        file.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        size = os.fstat(self._descriptor).st_size
        os.ftruncate(self._descriptor, os.pread(self._descriptor, size, 0).rfind(b"\n") + 1)

    def append(self, record: Record) -> str:
        """Writes the record; returns its line without the line end."""
        line = _encoder.encode(record)
        os.write(self._descriptor, line + b"\n")
        return line.decode()

    def close(self) -> None:
        os.close(self._descriptor)


def decode(line: str | bytes) -> Record:
    """Raises `msgspec.DecodeError` for a line that no journal of this version holds."""
    return _decoder.decode(line)


def read(file: Path) -> Iterator[Record]:
    """All records of a journal. A last line that was cut off by a crash is left out."""
    with file.open("rb") as lines:
        for line in lines:
            if line.endswith(b"\n"):
                yield decode(line)
