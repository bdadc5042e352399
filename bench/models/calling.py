"""Whole calls, from the caller's last sample to the agent's first one, through the real system; and the same with a
language model that dies over a question."""

from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from bench import report
from bench.caller import Line
from bench.chaos import talking
from bench.demo import one_call
from bench.models.alone import VOICE
from bench.models.bundle import Bundle
from bench.models.figures import Figure, quantile
from bench.models.place import place

Say = Callable[[str], None]

VOICE_P50_MS, VOICE_P95_MS = 1200.0, 1800.0
"""The issue's figures, for one call on two cores."""
KILLS = 2
PIPELINE = {"llm": "llama_cpp", "tts": "piper"}
LINES = (
    Line("what are your opening hours", heard=("opening", "hours")),
    Line("can i make an appointment", heard=("appointment",)),
    Line("on wednesday", heard=("wednesday",)),
    Line("at half past two", heard=("half", "past", "two")),
    Line("yes please", heard=("yes",)),
    Line("where are you", heard=("where", "are", "you")),
)
"""What is answered is not judged: random weights know one sentence."""
QUIET = {"turns": {"no_input": {"after_s": 120}}, "run": {"log_level": "warning"}}


async def voice(folder: Path, bundle: Bundle, say: Say, calls: int = 1) -> list[Figure]:
    """Voice to voice, each part of it named."""
    reports: list[dict[str, Any]] = []
    async with place(folder, bundle, {"stt": bundle.stt, **PIPELINE}, QUIET) as (system, asterisk):
        for _ in range(calls):
            outcome = await one_call(system, asterisk, LINES, VOICE, show=False)
            reports.append(outcome.report())
    turns = [turn for made in reports for turn in made["turns"]]
    for turn in turns:
        parts = ", ".join(f"{part} {ms:.0f}" for part, ms in turn["parts_ms"].items())
        say(f"{turn.get('voice_to_voice_ms', 0):5.0f} ms ({parts})  {turn['caller_said']} -> {turn.get('heard')}")
    times = [turn["voice_to_voice_ms"] for turn in turns if "voice_to_voice_ms" in turn]
    heard = sum(turn["understood"] for turn in turns)
    note = f"{len(times)} turns in {calls} calls"
    made = [
        Figure(
            row="voice", name="voice to voice, p50", value=median(times), unit="ms", at_most=VOICE_P50_MS, note=note
        ),
        Figure(
            row="voice",
            name="voice to voice, p95",
            value=quantile(times, 0.95),
            unit="ms",
            at_most=VOICE_P95_MS,
            note=note,
        ),
    ]
    for part in report.PARTS:
        values = [turn["parts_ms"][part] for turn in turns if part in turn["parts_ms"]]
        worst = f"p95 {quantile(values, 0.95):.0f}"
        made.append(Figure(row="voice", name=f"of it {part}, p50", value=quantile(values, 0.5), unit="ms", note=worst))
    made.append(Figure(row="voice", name="turns understood", value=heard / max(1, len(LINES) * calls), unit="of 1"))
    return made


async def kill(folder: Path, bundle: Bundle, say: Say) -> list[Figure]:
    """The language model's actor is killed over a question, as `ringmaster bench chaos --only kill-llm` does it."""
    killed = next(engine for engine in talking.ENGINES if engine.role == "llm")
    async with place(folder, bundle, {"stt": bundle.stt, **PIPELINE}, QUIET) as (system, asterisk):
        talk = talking.Talk(system, asterisk)
        await talk.begin()
        outcome = await talking.trial(killed, talk, KILLS)
    for broken in outcome.broken:
        say(f"kill: {broken}")
    late = outcome.took_ms["answer begins later by"]
    return [
        Figure(
            row="kill",
            name="answer begins later, most",
            value=max(late, default=float("inf")),
            unit="ms",
            at_most=talking.RECOVERY_MS,
            note=f"{outcome.strikes} deaths; an answer usually begins after {talk.usual_ms:.0f} ms",
        ),
        Figure(row="kill", name="questions lost or answered wrongly", value=len(outcome.broken), unit="", at_most=0),
    ]
