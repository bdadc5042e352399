"""What the turn machine is told, and what it asks for. All of it is data; times are CLOCK_MONOTONIC nanoseconds."""

from dataclasses import dataclass
from typing import Literal

from actors.conversation.reply import Kind
from ipc.journal import Record
from ipc.messages import WordAt

# -- events -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Started:
    """The call's media is there: the agent may begin."""


@dataclass(frozen=True, slots=True)
class FrameHeard:
    """The next 20 ms of the caller."""

    number: int
    captured_ns: int
    speech: bool


@dataclass(frozen=True, slots=True)
class PartialText:
    utterance: int
    text: str


@dataclass(frozen=True, slots=True)
class Transcript:
    """The utterance's final text; "" when nothing was understood."""

    utterance: int
    text: str
    confidence: float
    lost_frames: int


@dataclass(frozen=True, slots=True)
class AnswerText:
    answer: int
    text: str


@dataclass(frozen=True, slots=True)
class AnswerTool:
    answer: int
    name: str
    arguments: dict[str, str]


@dataclass(frozen=True, slots=True)
class AnswerEnd:
    answer: int


@dataclass(frozen=True, slots=True)
class ClauseBegun:
    """The clause's first samples are in the mouth."""

    generation: int
    clause: int
    written_ns: int


@dataclass(frozen=True, slots=True)
class ClauseWritten:
    """The clause has been synthesised: how it lies in its generation's audio. The end may still wait for room."""

    generation: int
    clause: int
    first_sample: int
    samples: int
    words: tuple[WordAt, ...]


@dataclass(frozen=True, slots=True)
class WirePlayed:
    """How much of a generation has gone on the wire."""

    generation: int
    samples: int
    first_ns: int
    last_ns: int


@dataclass(frozen=True, slots=True)
class DigitPressed:
    digit: str


@dataclass(frozen=True, slots=True)
class CallOver:
    """The caller is gone: what was said until now is all that was said."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Nothing happened but time."""


Event = (
    Started
    | FrameHeard
    | PartialText
    | Transcript
    | AnswerText
    | AnswerTool
    | AnswerEnd
    | ClauseBegun
    | ClauseWritten
    | WirePlayed
    | DigitPressed
    | CallOver
    | Clock
)

# -- actions ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BeginHearing:
    utterance: int
    from_frame: int


@dataclass(frozen=True, slots=True)
class FinishHearing:
    utterance: int
    to_frame: int


@dataclass(frozen=True, slots=True)
class HistoryLine:
    who: Literal["caller", "agent"]
    text: str


@dataclass(frozen=True, slots=True)
class Ask:
    """Have the language model answer."""

    answer: int
    lines: tuple[HistoryLine, ...]


@dataclass(frozen=True, slots=True)
class CancelAnswer:
    answer: int


@dataclass(frozen=True, slots=True)
class Flush:
    """Begin this generation of the mouth: nothing older is heard from now on."""

    generation: int


@dataclass(frozen=True, slots=True)
class Say:
    generation: int
    clause: int
    text: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class RunTool:
    name: str
    arguments: dict[str, str]
    turn: int


@dataclass(frozen=True, slots=True)
class EndCall:
    """Hang up: the goodbye has been heard to its last sample."""

    reason: str


@dataclass(frozen=True, slots=True)
class Write:
    """Put a record into the journal."""

    record: Record


Action = BeginHearing | FinishHearing | Ask | CancelAnswer | Flush | Say | RunTool | EndCall | Write
