"""What the call history says: the calls that fit a question, and everything about one of them.

Times (`arrived`, `answered`, `ended`) are Unix seconds; `*_ms` are milliseconds since the call arrived, but for those
of a turn and of `Quality`, which say from when on they count.
"""

from typing import Any, TypeVar

import msgspec

from ipc.history import History

OUTCOMES = (
    "caller hung up",
    "agent hung up",
    "transferred",
    "sent on",
    "busy",
    "failed",
    "abandoned",
    "no answer",
    "lost",
)
"""What can become of a call, besides "" while it goes on. `sent on`: back into the dialplan, by the agent's will or
because no answer was possible any more; `busy`: not admitted; `abandoned`: hung up before it was answered; `no answer`:
of a call that we placed; `lost`: it ended while nobody watched. `cause` says more."""


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to the call."""

    at_ms: float
    event: str
    stage: str
    """How far the call was then."""
    detail: str


class Leg(msgspec.Struct, frozen=True, kw_only=True):
    """A channel that the call had in Asterisk."""

    channel_id: str
    kind: str
    """caller, media or person."""
    transport: str
    """Of a media leg."""
    from_ms: float
    until_ms: float | None


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was said, or keys that were pressed. The times of a caller's turn count from the last sample of
    their speech."""

    at_ms: float
    who: str
    """caller or agent."""
    kind: str
    """Of the agent: greeting, answer, prompt, filler, goodbye. Of the caller: said, keys."""
    turn: int
    text: str
    heard: str
    """Of the agent: what of it the caller heard."""
    interrupted: bool
    confidence: float | None
    decided_ms: float | None
    """The turn was taken to be over."""
    understood_ms: float | None
    """The final text was there."""
    token_ms: float | None
    """The first word of the answer."""
    clause_ms: float | None
    audio_ms: float | None
    answer_ms: float | None
    """The caller heard the first sample of the answer: it went on the wire."""


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    at_ms: float
    turn: int
    name: str
    arguments: str
    """JSON."""
    outcome: str


class BargeIn(msgspec.Struct, frozen=True, kw_only=True):
    at_ms: float
    turn: int
    silent_ms: float | None
    """From the first frame of the caller's speech to the agent's silence on the wire."""


class Error(msgspec.Struct, frozen=True, kw_only=True):
    at_ms: float
    who: str
    """What failed: a command to Asterisk or to another process, an engine, a provider."""
    text: str


class Quality(msgspec.Struct, frozen=True, kw_only=True):
    """Of the audio, in frames of 20 ms."""

    frames_sent: int
    frames_received: int
    lost: int
    """Frames of the caller's speech that the recogniser never got."""
    underruns: int
    """Holes in the agent's speech."""
    skipped: int
    corrupt: int
    takeovers: int
    """How often an audio actor went on with the call: another one after a death, or one on another media connection."""
    late_p50_ms: float | None
    """How late frames went on the wire."""
    late_p99_ms: float | None
    late_max_ms: float | None


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the list."""

    number: int
    call_id: str
    control: str
    """The call-control that held it."""
    arrived: float
    answered: float | None
    ended: float | None
    """When the caller had gone. None while the call goes on, and until all of it has been written down."""
    direction: str
    """in, out, or direct: straight from the dialplan's AudioSocket()."""
    caller_number: str
    caller_name: str
    agent: str
    provider: str
    pipeline: str
    transports: str
    """Those that were used, in order, with commas."""
    outcome: str
    cause: str
    recording: str
    """Path, or Asterisk's name for it; "" where there is none."""
    remark: str
    """What could not be written down, and why."""
    turns: int
    """How often the caller said something."""
    barge_ins: int
    answer_ms: float | None
    """The mean over its turns, from the caller's last sample to the first of the answer."""

    @property
    def seconds(self) -> float | None:
        """How long it lasted; None while it goes on."""
        return None if self.ended is None else self.ended - self.arrived


class WholeCall(Call, frozen=True, kw_only=True):
    timeline: list[Moment]
    legs: list[Leg]
    transcript: list[Turn]
    tools: list[Tool]
    barges: list[BargeIn]
    errors: list[Error]
    quality: Quality | None


class Question(msgspec.Struct, frozen=True, kw_only=True):
    last: int = 20
    """Most calls, the newest."""
    since: float = 0.0
    """Unix seconds."""
    outcome: str = ""
    caller: str = ""
    """Part of the number or of the name, in any case."""
    agent: str = ""


_CALLS = """
SELECT calls.*,
    (SELECT count(DISTINCT turn) FROM turns
        WHERE turns.number = calls.number AND who = 'caller' AND kind = 'said') AS turns,
    (SELECT count(*) FROM barge_ins WHERE barge_ins.number = calls.number) AS barge_ins,
    (SELECT avg(answer_ms) FROM turns WHERE turns.number = calls.number) AS answer_ms
FROM calls
"""

T = TypeVar("T")


def listed(history: History, question: Question) -> list[Call]:
    """The calls that fit, the newest last. Raises `ipc.history.HistoryError`."""
    rows = history.read(
        f"{_CALLS} WHERE arrived >= ? AND (? = '' OR outcome = ?) AND (? = '' OR agent = ?)"
        " AND (? = '' OR instr(lower(caller_number || ' ' || caller_name), lower(?)) > 0)"
        " ORDER BY arrived DESC, number DESC LIMIT ?",
        question.since,
        *(question.outcome, question.outcome),
        *(question.agent, question.agent),
        *(question.caller, question.caller),
        question.last,
    )
    return [msgspec.convert(dict(row), Call) for row in reversed(rows)]


def named(history: History, call_id: str) -> list[WholeCall]:
    """All about the calls of this id: more than one where the dialplan brought the same channel back to us. The oldest
    first. Raises `ipc.history.HistoryError`."""
    rows = history.read(f"{_CALLS} WHERE call_id = ? ORDER BY arrived, number", call_id)
    return [whole(history, msgspec.convert(dict(row), Call)) for row in rows]


def whole(history: History, call: Call) -> WholeCall:
    """All about a call of the list. Raises `ipc.history.HistoryError`."""

    def rows(kind: type[T], table: str, order: str = "place") -> list[T]:
        found = history.read(f"SELECT * FROM {table} WHERE number = ? ORDER BY {order}", call.number)
        return [_made(kind, dict(row)) for row in found]

    qualities = rows(Quality, "quality", "number")
    return WholeCall(
        **msgspec.structs.asdict(call),
        timeline=rows(Moment, "transitions"),
        legs=rows(Leg, "legs", "from_ms, channel_id"),
        transcript=rows(Turn, "turns"),
        tools=rows(Tool, "tools"),
        barges=rows(BargeIn, "barge_ins"),
        errors=rows(Error, "errors", "at_ms, place"),
        quality=qualities[0] if qualities else None,
    )


def _made(kind: type[T], row: dict[str, Any]) -> T:
    """SQLite knows no truth values: 0 and 1 are taken for such where one is wanted."""
    return msgspec.convert(row, kind, strict=False)
