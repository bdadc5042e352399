"""Recogniser and synthesiser by themselves, as `ringmaster models setup` measures them: in a process of their own."""

import asyncio
import json
import sys
import wave
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.models.bundle import EMBEDDED_STT, Bundle
from bench.models.figures import Figure
from bench.voices import CallerVoice

Say = Callable[[str], None]

MEASURE_S = 240.0
RATE = 8000
SPEECH = (
    "what are your opening hours", "can i make an appointment", "on wednesday", "at half past two", "yes please",
    "where are you located", "how much does a cleaning cost", "no that is all",
)  # fmt: skip
VOICE = CallerVoice("en-us+m3", words_per_minute=150, pitch=45, noise_snr_db=30.0, seed=7)


class NotMeasured(Exception):
    """An engine could not be measured. The text is its own reason."""


async def stt(folder: Path, bundle: Bundle, say: Say) -> list[Figure]:
    """Every recogniser that can be used here, on a caller's speech, on one core."""
    wav = folder / "caller.wav"
    _record(wav)
    figures = []
    for engine, model in dict.fromkeys(((bundle.stt, bundle.stt_model), (EMBEDDED_STT, ""))):
        found = await _measure("stt", [*([model] if model else []), "--engine", engine, "--wav", str(wav)])
        note = f"{found['memory_mb']:.0f} MB, text {found['finish_ms']:.0f} ms after the end"
        factor = found["real_time_factor"]
        figures += [
            Figure(row="stt", name=f"{engine}, real-time factor on one core", value=factor, unit="s/s", note=note),
            Figure(row="stt", name=f"{engine}, callers who speak, a core", value=found["calls_per_core"], unit="calls"),
        ]
    return figures


async def tts(folder: Path, bundle: Bundle, say: Say) -> list[Figure]:
    """The voice, and the embedded one."""
    figures = []
    for engine, model in (("piper", [str(bundle.tts)]), ("espeak", [])):
        found = await _measure("tts", [*model, "--engine", engine])
        note = f"{found['threads']} threads"
        factor, first = found["real_time_factor"], found["first_audio_ms"]
        figures += [
            Figure(row="tts", name=f"{engine}, first audio of twelve words", value=first, unit="ms", note=note),
            Figure(row="tts", name=f"{engine}, real-time factor", value=factor, unit="s/s", note=note),
        ]
    return figures


def _record(wav: Path) -> None:
    """A caller's sentences, with pauses."""
    spoken = [VOICE.say(text, RATE, before_ms=300, after_ms=700) for text in SPEECH]
    wav.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(wav), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(np.concatenate(spoken).astype("<i2").tobytes())


async def _measure(role: str, arguments: Sequence[str]) -> dict[str, Any]:
    """What `python -m actors.<role>.measure` says. Raises `NotMeasured`."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", f"actors.{role}.measure", *arguments, "--json",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(MEASURE_S):
            out, errors = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise NotMeasured(f"{role}: nothing was measured within {MEASURE_S:g} s") from None
    if process.returncode:
        raise NotMeasured(f"{role}: {errors.decode(errors='replace').strip()[-500:]}")
    found: dict[str, Any] = json.loads(out)
    return found
