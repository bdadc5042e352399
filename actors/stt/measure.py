"""How fast a recogniser is on this machine: `python -m actors.stt.measure --engine vosk MODEL --json`, in seconds.

It runs on one core, as an actor does, and is given 20 ms at a time at the telephone's rate. Without `--wav` there is no
speech here to give: a signal with the rhythm of speech stands in for it, and `source` says so. Engines that search for
words (vosk, pocketsphinx) take longer with it than with speech, for nothing in it is likely.
"""

import argparse
import os
import sys
import time
import wave
from pathlib import Path

import msgspec
import numpy as np
import psutil
from msgspec import structs

from actors.catalogue import Unusable
from actors.pcm import Pcm, Resampler, resample
from actors.stt import engines
from actors.stt.engine import Hints, SttEngine, UnusableHints
from config.grammar import grammar
from config.load import SHIPPED, Config
from config.load import load as load_config
from models import measured

LINE_RATE = 8000
FRAME = 160
UTTERANCE_S = 5
"""Callers speak so long at a time, at most."""
LEAST_AUDIO_S = 20.0
"""So much is heard, over and over where the recording is shorter."""
FINE, NOT_FINE = 0, 1


class Measurement(measured.Stt, frozen=True, kw_only=True):
    """What is measured besides."""

    rss_mb: float = 0.0
    """Of the process, with what it shares with others; `memory_mb` counts that in parts."""
    audio_s: float = 0.0
    """Seconds of audio that were heard."""
    finish_ms: float = 0.0
    """From the end of an utterance to its text, on average."""
    source: str = ""
    """The recording, or "synthetic"."""


def measure(name: str, model: str, wav: Path | None = None) -> Measurement:
    """Loads the engine and lets it hear. Raises `Unusable`, and OSError, EOFError or wave.Error for the
    recording."""
    utterances = _cut(_recording(wav) if wav else _like_speech())
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    began = time.perf_counter()
    engine, hints = _engine(name, model)
    load_s = time.perf_counter() - began
    computing_s, finishing_s, audio_s, finished = 0.0, 0.0, 0.0, 0
    stream = engine.open(hints)
    while audio_s < LEAST_AUDIO_S:
        for pcm in utterances:
            resampler = Resampler(LINE_RATE, engine.sample_rate)
            began = time.process_time()
            for at in range(0, len(pcm), FRAME):
                stream.feed(resampler.feed(pcm[at : at + FRAME]))
            ended = time.process_time()
            stream.feed(resampler.flush())
            stream.finish()
            computing_s += time.process_time() - began
            finishing_s += time.process_time() - ended
            audio_s += len(pcm) / LINE_RATE
            finished += 1
    memory = psutil.Process().memory_full_info()
    return Measurement(
        engine=name,
        model=model,
        real_time_factor=round(computing_s / audio_s, 4),
        calls_per_core=round(audio_s / computing_s, 1),
        load_s=round(load_s, 3),
        memory_mb=round(memory.pss / 2**20, 1),
        rss_mb=round(memory.rss / 2**20, 1),
        audio_s=round(audio_s, 1),
        finish_ms=round(finishing_s / finished * 1000, 2),
        source=str(wav) if wav else "synthetic",
    )


def _engine(name: str, model: str) -> tuple[SttEngine, Hints]:
    """The engine, and the hints of the first of the agents that ship that it can use."""
    config = _config(name, model)
    engine = engines.load(name, config)
    refused: UnusableHints | None = None
    for agent in config.agents.values():
        hints = Hints(agent.language, grammar(agent))
        try:
            engine.open(hints).close()
        except UnusableHints as error:
            refused = error
        else:
            return engine, hints
    for language in ("en-us", "de", "fr", "es", "it", "pt", "nl", "ru", "pl", "zh"):
        try:
            engine.open(Hints(language)).close()
        except UnusableHints as error:
            refused = error
        else:
            return engine, Hints(language)
    raise Unusable(f'the stt engine "{name}" hears nobody: {refused}')


def _config(name: str, model: str) -> Config:
    config = load_config(SHIPPED)
    if not model:
        return config
    own = getattr(config.settings.engines, name, None)
    if own is None or not hasattr(own, "model"):
        raise Unusable(f'the stt engine "{name}" takes no model')
    every = structs.replace(config.settings.engines, **{name: structs.replace(own, model=model)})
    return structs.replace(config, settings=structs.replace(config.settings, engines=every))


def _recording(wav: Path) -> Pcm:
    """16-bit samples, of the first channel, at the telephone's rate."""
    with wave.open(str(wav), "rb") as file:
        if file.getsampwidth() != 2:
            raise wave.Error(f"{8 * file.getsampwidth()} bits a sample, not 16")
        pcm = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").reshape(-1, file.getnchannels())[:, 0]
        if not len(pcm):
            raise wave.Error("there is no sound in it")
        return resample(pcm.astype(np.int16), file.getframerate(), LINE_RATE)


def _like_speech() -> Pcm:
    """Ten seconds of syllables, four a second, each a buzz with two resonances that move, in phrases with pauses."""
    chance = np.random.default_rng(5)
    seconds = np.arange(10 * LINE_RATE) / LINE_RATE
    pitch = 120.0 + 20.0 * np.sin(2.0 * np.pi * 0.3 * seconds)
    phase = 2.0 * np.pi * np.cumsum(pitch) / LINE_RATE
    syllables = chance.uniform(0.0, 1.0, (2, 40)).repeat(LINE_RATE // 4, axis=1)
    low, high = 300.0 + 500.0 * syllables[0], 1000.0 + 1500.0 * syllables[1]
    sound = np.zeros(len(seconds))
    for harmonic in range(1, 28):
        hz = harmonic * pitch
        strength = 1.0 / (1.0 + ((hz - low) / 90.0) ** 2) + 0.6 / (1.0 + ((hz - high) / 140.0) ** 2)
        sound += strength * np.sin(harmonic * phase)
    loudness = np.clip(np.sin(np.pi * 4.0 * seconds) ** 2, 0.1, 1.0) * (seconds % 3.0 < 2.4)
    sound = sound / np.abs(sound).max() * loudness + chance.normal(0.0, 0.003, len(seconds))
    pcm: Pcm = np.clip(np.rint(sound * 12000.0), -32768, 32767).astype(np.int16)
    return pcm


def _cut(pcm: Pcm) -> list[Pcm]:
    return [pcm[at : at + UTTERANCE_S * LINE_RATE] for at in range(0, len(pcm), UTTERANCE_S * LINE_RATE)]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m actors.stt.measure", description="How fast a recogniser is on one core of this machine."
    )
    parser.add_argument("--engine", default="vosk", choices=sorted(set(engines.ENGINES) - {"gateway"}))
    parser.add_argument("model", nargs="?", default="", metavar="MODEL", help="folder of the model")
    parser.add_argument("--wav", type=Path, help="a recording of speech, 16 bits")
    parser.add_argument("--check", action="store_true", help="only load it, and say whether that was possible")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    try:
        if options.check:
            _engine(options.engine, options.model)
            print("fine")
            return FINE
        found = measure(options.engine, options.model, options.wav)
    except (Unusable, OSError) as error:
        print(error, file=sys.stderr)
        return NOT_FINE
    except (EOFError, wave.Error) as error:
        print(f"{options.wav} is no recording (WAV, 16 bits): {error or 'it ends at once'}", file=sys.stderr)
        return NOT_FINE
    print(msgspec.json.encode(found).decode() if options.json else _text(found))
    return FINE


def _text(found: Measurement) -> str:
    return "\n".join(f"{name:18} {value}" for name, value in structs.asdict(found).items())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
