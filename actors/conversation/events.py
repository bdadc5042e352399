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
class Answered:
    """The outbound call has been answered: whoever it is can be heard."""


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
class Held:
    """The caller has put us on hold with their telephone, or is back."""

    held: bool


@dataclass(frozen=True, slots=True)
class Tell:
    """The agent is to say this to the caller, once nobody speaks."""

    text: str
    instead: bool = False
    """Other news that is just being said is true no more, and is not said to its end."""


@dataclass(frozen=True, slots=True)
class ToolFailed:
    """The model is to hear of it, and says what it says about it."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class ConsultBegun:
    """An attended transfer is asked for: it rings, or will not."""

    destination: str
    """Its name in the configuration."""
    title: str
    """What it is called in speech."""
    reason: str
    """Why the caller is to be put through, as a sentence; may be empty."""
    ring_s: int
    decide_s: int


@dataclass(frozen=True, slots=True)
class ConsultChanged:
    """What call-control says of it: see `ipc.actions.ConsultChanged`."""

    state: Literal["asking", "joined", "ended"]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ConsultRefused:
    """It was not even begun."""

    reason: str


@dataclass(frozen=True, slots=True)
class CannotGoOn:
    """No engine of some role is left."""

    can_speak: bool


@dataclass(frozen=True, slots=True)
class CallOver:
    """The caller is gone: what was said until now is all that was said."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Nothing happened but time."""


Event = (
    Started
    | Answered
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
    | Held
    | Tell
    | ToolFailed
    | ConsultBegun
    | ConsultChanged
    | ConsultRefused
    | CannotGoOn
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
    who: Literal["caller", "agent", "tool"]
    text: str


@dataclass(frozen=True, slots=True)
class Ask:
    """Have the language model answer."""

    answer: int
    lines: tuple[HistoryLine, ...]


@dataclass(frozen=True, slots=True)
class Prepare:
    """Have the language model read this: the next question will probably begin so."""

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
    outcome: str
    """The same for the dialplan, in a word."""


@dataclass(frozen=True, slots=True)
class SendOn:
    """Send the caller to where somebody can serve them."""

    announced: bool
    """The agent has told them that it cannot."""


@dataclass(frozen=True, slots=True)
class Attend:
    """Have the recogniser expect what the caller says, or a person who is asked to take the call."""

    whom: Literal["caller", "person"]


@dataclass(frozen=True, slots=True)
class DecideConsult:
    """The person has decided, or has not in the time that they had."""

    accepted: bool
    reason: str
    destination: str


@dataclass(frozen=True, slots=True)
class CancelConsult:
    """Nobody is to be asked any more."""


@dataclass(frozen=True, slots=True)
class Result:
    """Values for the dialplan: `AGENT_` and these names, in capitals."""

    values: dict[str, str]


@dataclass(frozen=True, slots=True)
class Write:
    """Put a record into the journal."""

    record: Record


Action = (
    BeginHearing
    | FinishHearing
    | Attend
    | Ask
    | Prepare
    | CancelAnswer
    | Flush
    | Say
    | RunTool
    | EndCall
    | SendOn
    | DecideConsult
    | CancelConsult
    | Result
    | Write
)
