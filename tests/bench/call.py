"""A call as records and lines, for the tests of what is made of it. Times are in ms from the call's arrival."""

from bench.caller import Line, Spoken
from ipc.journal import AgentSaid, BargedIn, CallEnded, CallerSaid, CallStarted, DigitsPressed, TurnTimed

MS = 1_000_000
START = 5_000_000_000_000


def at(ms: float) -> int:
    return START + round(ms * MS)


def started() -> CallStarted:
    return CallStarted(
        at_ns=at(5),
        call_id="c1",
        holder="conversation.1",
        agent="desk",
        pipeline="embedded",
        engines={"stt": "pocketsphinx", "llm": "scripted", "tts": "espeak"},
        caller_number="5551234",
        caller_name="Ann",
        rate=8000,
        arrived_ns=at(0),
        wall="2026-08-01T12:00:00.000+00:00",
    )


def agent(
    first_ms: float,
    last_ms: float,
    text: str,
    turn: int = 0,
    *,
    kind: str = "answer",
    heard: str | None = None,
    played: int = 800,
) -> AgentSaid:
    return AgentSaid(
        at_ns=at(last_ms + 20),
        turn=turn,
        kind=kind,
        text=text,
        heard=text if heard is None else heard,
        interrupted=heard is not None,
        generation=turn + 1,
        samples=800,
        played=played,
        first_ns=at(first_ms),
        last_ns=at(last_ms),
    )


def caller(onset_ms: float, last_ms: float, text: str, turn: int) -> CallerSaid:
    return CallerSaid(
        at_ns=at(last_ms + 430),
        turn=turn,
        text=text,
        confidence=0.9,
        onset_ns=at(onset_ms),
        last_speech_ns=at(last_ms),
        speech_ms=int(last_ms - onset_ms),
        lost_frames=0,
    )


def timed(last_ms: float, turn: int) -> TurnTimed:
    """400 ms of silence, 30 for the text, 20 for the clause, 15 for its samples, 10 to the wire: 475 in all."""
    return TurnTimed(
        at_ns=at(last_ms + 475),
        turn=turn,
        last_speech_ns=at(last_ms),
        decided_ns=at(last_ms + 400),
        heard_ns=at(last_ms + 430),
        first_token_ns=at(last_ms + 440),
        first_clause_ns=at(last_ms + 450),
        first_audio_ns=at(last_ms + 465),
        on_wire_ns=at(last_ms + 475),
        filler=False,
    )


def barged_in(onset_ms: float, turn: int) -> BargedIn:
    return BargedIn(
        at_ns=at(onset_ms + 900),
        turn=turn,
        onset_ns=at(onset_ms),
        flushed_ns=at(onset_ms + 120),
        silent_ns=at(onset_ms + 130),
    )


def keys(ms: float, digits: str) -> DigitsPressed:
    return DigitsPressed(at_ns=at(ms), digits=digits)


def ended(ms: float) -> CallEnded:
    return CallEnded(
        at_ns=at(ms),
        cause="caller hung up",
        frames_sent=1500,
        frames_received=1490,
        underruns=1,
        skipped=2,
        corrupt=3,
        takeovers=0,
        late_ms={"p50": 0.1, "p99": 1.2, "max": 4.0},
    )


def spoken(line: Line, onset_ms: float, end_ms: float, reply_ms: float = 0, silent_ms: float = 0) -> Spoken:
    return Spoken(
        line,
        onset_ns=at(onset_ms),
        speech_end_ns=at(end_ms),
        silent_ns=at(silent_ms) if silent_ms else 0,
        reply_ns=at(reply_ms) if reply_ms else 0,
    )
