"""How fast a synthesiser is on this machine: `python -m actors.tts.measure --engine piper MODEL --json`.

For each number of threads up to the cores that there are: loading, seconds of computing for a second of speech, and the
time to the first samples of a short and of a long clause. What the JSON has outside `threads_tried` is of the threads
with which the long clause is heard soonest.
"""

import argparse
import json
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import msgspec
import psutil
from msgspec.structs import replace

from actors.catalogue import Unusable
from actors.tts import engines
from actors.tts.engine import Pcm, TtsEngine, Voice
from actors.tts.rendering import Render
from actors.tts.turns import Turn, Turns
from config.engines import Engines, Piper
from config.load import SHIPPED, load
from models import machine

SHORT = "Yes, one moment, please."
LONG = "We are open from nine to five, and are closed on Sunday."
"""Twelve words."""
CALL_RATE = 8000
ROUNDS = 5
"""Of each; the middle one counts. Others use the machine as well."""


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """With one number of threads."""

    threads: int
    real_time_factor: float
    first_audio_short_ms: float
    """Four words."""
    first_audio_ms: float
    """Twelve words."""
    load_s: float
    memory_mb: float


def say(engine: TtsEngine, text: str) -> tuple[float, float, float]:
    """Seconds to the first samples, to the last, and of speech."""
    begun = time.perf_counter()
    first, samples = 0.0, 0

    def sink(pcm: Pcm) -> bool:
        nonlocal first, samples
        first = first or time.perf_counter() - begun
        samples += len(pcm)
        return True

    engine.synthesize(text, Voice(), sink)
    return first, time.perf_counter() - begun, samples / engine.sample_rate


def loaded(name: str, model: Path | None, threads: int) -> TtsEngine:
    """Raises `Unusable`."""
    config = load(SHIPPED)
    piper = Piper(model=str(model) if model else "", threads=threads)
    settings = replace(config.settings, engines=Engines(piper=piper))
    return engines.load(name, replace(config, settings=settings))


def measure(name: str, model: Path | None, threads: int) -> Trial:
    """Loads the engine and speaks with it. Raises `Unusable`."""
    begun = time.perf_counter()
    engine = loaded(name, model, threads)
    load_s = time.perf_counter() - begun
    short = [say(engine, SHORT) for _ in range(ROUNDS)]
    long = [say(engine, LONG) for _ in range(ROUNDS)]
    return Trial(
        threads=threads,
        real_time_factor=round(median(total / speech for _, total, speech in long), 4),
        first_audio_short_ms=round(median(first for first, _, _ in short) * 1000, 1),
        first_audio_ms=round(median(first for first, _, _ in long) * 1000, 1),
        load_s=round(load_s, 2),
        memory_mb=round(psutil.Process().memory_info().rss / 1e6),
    )


class Together(msgspec.Struct, frozen=True, kw_only=True):
    """Calls that all ask for the long clause at the same moment."""

    first_audio_ms: tuple[float, ...]
    """Of each, the earliest first."""
    holes_ms: float
    """Silence in the middle of clauses, of all together: samples that came later than they were to be heard."""


def together(engine: TtsEngine, calls: int) -> Together:
    """As the actor has them take turns."""
    turns, begun = Turns(getattr(engine, "at_once", 1)), time.monotonic()
    first: list[float] = []
    holes: list[float] = []

    def call() -> None:
        heard_until = 0.0

        def put(pcm: bytes) -> bool:
            nonlocal heard_until
            now = time.monotonic()
            if not heard_until:
                first.append(now - begun)
            elif now > heard_until:
                holes.append(now - heard_until)
            heard_until = max(now, heard_until) + len(pcm) / 2 / CALL_RATE
            return True

        Render(engine, LONG, Voice(), CALL_RATE, put, Turn(time.monotonic_ns())).run(turns)

    threads = [threading.Thread(target=call) for _ in range(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Together(
        first_audio_ms=tuple(round(each * 1000, 1) for each in sorted(first)), holes_ms=round(sum(holes) * 1000, 1)
    )


def in_a_process(name: str, model: Path | None, threads: int) -> Trial:
    """The same in a process of its own, whose memory is that of an actor with this engine. Raises `Unusable`."""
    given = [] if model is None else [str(model)]
    command = [
        sys.executable,
        "-m",
        "actors.tts.measure",
        *given,
        "--engine",
        name,
        "--threads",
        str(threads),
        "--json",
    ]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise Unusable(done.stderr.strip() or f"the measurement of {name} ended with exit code {done.returncode}")
    return msgspec.json.decode(done.stdout, type=Trial)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m actors.tts.measure", description="Measures a synthesiser.")
    parser.add_argument("model", nargs="?", type=Path, help="a voice, `<name>.onnx`; engines without models have none")
    parser.add_argument("--engine", default="piper", choices=("piper", "espeak"), help="default: %(default)s")
    parser.add_argument("--threads", type=int, action="append", help="only so many (may be repeated)")
    parser.add_argument("--calls", type=int, metavar="N", help="what each of N calls hears that ask at once, as JSON")
    parser.add_argument("--check", action="store_true", help="only say whether it can be loaded and speaks")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    cores = len(machine.detect().cores) or 1
    counts = options.threads or ([*range(1, min(cores, 4) + 1)] if options.engine == "piper" else [1])
    try:
        if options.check:
            loaded(options.engine, options.model, counts[0])
            print("fine")
            return 0
        if options.calls:
            engine = loaded(options.engine, options.model, counts[0])
            engine.synthesize(LONG, Voice(), lambda pcm: True)
            print(msgspec.json.encode(together(engine, options.calls)).decode())
            return 0
        tried = measure if len(counts) == 1 else in_a_process
        trials = [tried(options.engine, options.model, threads) for threads in counts]
    except Unusable as error:
        print(error, file=sys.stderr)
        return 1
    best = min(trials, key=lambda trial: trial.first_audio_ms)
    if options.json:
        told = {"engine": options.engine, "model": str(options.model or ""), **msgspec.structs.asdict(best)}
        print(json.dumps({**told, "threads_tried": [msgspec.structs.asdict(trial) for trial in trials]}, indent=1))
        return 0
    print(f"{'threads':>7} {'real time':>9} {'4 words':>9} {'12 words':>9} {'load':>7} {'memory':>8}")
    for trial in trials:
        print(
            f"{trial.threads:>7} {trial.real_time_factor:>9.3f} {trial.first_audio_short_ms:>6.0f} ms"
            f" {trial.first_audio_ms:>6.0f} ms {trial.load_s:>5.1f} s {trial.memory_mb:>5.0f} MB"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
