"""What one call came to: the caller's account of it, by the wire, beside the agent's, by its journal."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.caller import Spoken
from ipc.journal import AgentSaid, BargedIn, CallEnded, CallerSaid, CallStarted, DigitsPressed, Record, TurnTimed

MATCH_NS = 1_500_000_000
"""The agent notices the end of speech at most this much after or before the wire had it."""


@dataclass(frozen=True)
class Turn:
    """One line of the caller and what it led to. Times in ms."""

    caller_said: str
    heard: str | None
    """None when the agent took it for no turn at all."""
    agent_said: str
    understood: bool
    """What had to be heard was heard, and the answer was the right one."""
    voice_to_voice_ms: float | None
    """From the last sample of the caller's speech to the first of the reply, at the caller's end of the wire."""
    barge_in_silence_ms: float | None
    """For an interruption: from the caller's onset to the agent's silence, at the caller's end of the wire."""
    parts_ms: dict[str, float]


PARTS = ("endpointing", "stt", "llm", "tts", "mouth")
"""The parts of an answer's time, in order: silence until the turn is taken to be over; the final text; the first
clause; its first samples; their way to the wire."""


def parts_ms(timed: TurnTimed) -> dict[str, float]:
    instants = (
        timed.last_speech_ns,
        timed.decided_ns,
        timed.heard_ns,
        timed.first_clause_ns,
        timed.first_audio_ns,
        timed.on_wire_ns,
    )
    return {
        part: round((after - before) / 1e6, 1)
        for part, before, after in zip(PARTS, instants, instants[1:], strict=False)
        if after and before
    }


def turns(spoken: Sequence[Spoken], records: Sequence[Record]) -> list[Turn]:
    """One turn for each line that was spoken, with the agent's records of it."""
    callers = {record.turn: record for record in records if isinstance(record, CallerSaid)}
    answers = _answers(records)
    timings = {record.turn: record for record in records if isinstance(record, TurnTimed)}
    made: list[Turn] = []
    for line in spoken:
        heard = _matching(line, callers)
        timed = timings.get(heard.turn) if heard else None
        expected, answer = line.line, answers.get(heard.turn, "") if heard else _answer_to_keys(line, records)
        text = heard.text if heard else ""
        understood = all(word in text.split() for word in expected.heard) and bool(text) == bool(expected.heard)
        made.append(
            Turn(
                caller_said=expected.text or f"(pressed {expected.press})",
                heard=heard.text if heard else None,
                agent_said=answer,
                understood=understood and expected.reply.lower() in answer.lower(),
                voice_to_voice_ms=line.voice_to_voice_ms and round(line.voice_to_voice_ms, 1),
                barge_in_silence_ms=line.silence_ms and round(line.silence_ms, 1),
                parts_ms=parts_ms(timed) if timed else {},
            )
        )
    return made


def _answers(records: Sequence[Record]) -> dict[int, str]:
    """What the agent answered to each turn. A reply that went on after a false alarm is in two records: the first holds
    all of it, the second what had not been heard. Prompts and goodbyes are no answers: the caller had said nothing."""
    found: dict[int, list[str]] = {}
    for record in records:
        if isinstance(record, AgentSaid) and record.kind not in ("prompt", "goodbye"):
            found.setdefault(record.turn, []).append(record.text)
    return {turn: texts[0] if texts[0].endswith(texts[-1]) else texts[-1] for turn, texts in found.items()}


def _answer_to_keys(line: Spoken, records: Sequence[Record]) -> str:
    """The agent's first reply once it knew of the keys; "" when the line was not pressed, or not noticed."""
    after = iter(records)
    pressed = (record for record in after if isinstance(record, DigitsPressed) and record.digits == line.line.press)
    if not line.line.press or next((keys for keys in pressed if keys.at_ns > line.onset_ns), None) is None:
        return ""
    return next((record.text for record in after if isinstance(record, AgentSaid) and record.kind == "answer"), "")


def _matching(line: Spoken, callers: dict[int, CallerSaid]) -> CallerSaid | None:
    near = [said for said in callers.values() if abs(said.last_speech_ns - line.speech_end_ns) < MATCH_NS]
    return min(near, key=lambda said: abs(said.last_speech_ns - line.speech_end_ns), default=None)


def audio(records: Sequence[Record]) -> dict[str, object]:
    """How the sound went out, by the pacer's own counters."""
    ended = next((record for record in records if isinstance(record, CallEnded)), None)
    said = [record for record in records if isinstance(record, AgentSaid) and not record.interrupted]
    return {
        "frames_sent": ended.frames_sent if ended else 0,
        "late_ms": dict(ended.late_ms) if ended else {},
        "underruns": ended.underruns if ended else 0,
        "lost": ended.skipped + ended.corrupt if ended else 0,
        "samples_made_but_not_played": sum(record.samples - record.played for record in said),
    }


def report(spoken: Sequence[Spoken], records: Sequence[Record], planned: int) -> dict[str, object]:
    """`planned`: how many lines the caller was to say."""
    made = turns(spoken, records)
    started = next((record for record in records if isinstance(record, CallStarted)), None)
    greeting = next((record for record in records if isinstance(record, AgentSaid)), None)
    first_ms = (greeting.first_ns - started.arrived_ns) / 1e6 if started and greeting and greeting.first_ns else None
    sounds = audio(records)
    return {
        "ok": len(made) == planned and all(turn.understood for turn in made),
        "engines": started.engines if started else {},
        "first_audio_ms": first_ms and round(first_ms, 1),
        "turns": [
            {name: getattr(turn, name) for name in Turn.__dataclass_fields__ if getattr(turn, name) is not None}
            for turn in made
        ],
        "barge_ins": sum(isinstance(record, BargedIn) for record in records),
        "audio": sounds,
    }
