"""`ringmaster models bench`: what the engines are worth on this machine, row by row, and a whole call at the end."""

import argparse
import asyncio
import json
import logging
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path

from bench.chaos.scene import NotBack
from bench.models import alone, calling, thinking
from bench.models.alone import NotMeasured
from bench.models.asking import NoText
from bench.models.bundle import LLM_SHAPE, TINY_VOSK, Bundle, bundle
from bench.models.figures import Figure, table
from bench.shapes.llm import SHAPES
from bench.system import NotReady
from ipc.bus import NoAnswer, Refused
from models import machine
from models.shelf import NoModel

FINE, NOT_FINE, WRONG_USE = 0, 1, 2

Say = Callable[[str], None]
Row = Callable[[Path, Bundle, Say], Awaitable[list[Figure]]]

ROWS: Mapping[str, Row] = {
    "first-token": thinking.first_token,
    "batch": thinking.batch,
    "cancel": thinking.cancel,
    "stt": alone.stt,
    "tts": alone.tts,
    "voice": calling.voice,
    "kill": calling.kill,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--only", default="", metavar="ROW,...", help=f"of these: {', '.join(ROWS)}")
    parser.add_argument("--calls", type=int, default=1, metavar="N", help="whole calls, one after another (1)")
    parser.add_argument("--shapes", action="store_true", help="random weights, even where models have been set up")
    parser.add_argument(
        "--llm-shape", choices=sorted(SHAPES), default=LLM_SHAPE, help=f"of the random language model ({LLM_SHAPE})"
    )
    parser.add_argument("--vosk", type=Path, default=TINY_VOSK, metavar="FOLDER", help="where none has been set up")
    parser.add_argument("--out", type=Path, default=Path("out/models-bench"), help="folder for models and reports")
    parser.add_argument("--json", action="store_true", help="one JSON object, and nothing else")


def run(arguments: argparse.Namespace) -> int:
    wanted = [name for name in arguments.only.split(",") if name] or list(ROWS)
    unknown = [name for name in wanted if name not in ROWS]
    if unknown or arguments.calls < 1:
        problem = f"there is no row {', '.join(unknown)}" if unknown else "at least one call is needed"
        print(f"{problem}; the rows are {', '.join(ROWS)}", file=sys.stderr)
        return WRONG_USE
    logging.basicConfig(level=logging.ERROR)
    out = arguments.out.resolve()
    out.mkdir(parents=True, exist_ok=True)

    def say(text: str) -> None:
        print(text, file=sys.stderr if arguments.json else sys.stdout, flush=True)

    try:
        models = bundle(
            out, say, shapes=arguments.shapes, llm_shape=arguments.llm_shape, tiny_vosk=arguments.vosk.resolve()
        )
    except NoModel as error:
        print(error, file=sys.stderr)
        return NOT_FINE
    for role, text in models.about.items():
        say(f"{role}: {text}")
    rows: dict[str, Row] = {**ROWS, "voice": partial(calling.voice, calls=arguments.calls)}
    figures, problems = asyncio.run(_measure({name: rows[name] for name in wanted}, out, models, say))
    found = {
        "machine": {"cores": machine.detect().cpus},
        "models": models.about,
        "figures": [figure.json() for figure in figures],
        "problems": problems,
    }
    (out / "report.json").write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found) if arguments.json else f"\n{table(figures)}\n\nwritten: {out}/report.json")
    for name, problem in problems.items():
        print(f"{name}: not measured: {problem}", file=sys.stderr)
    return NOT_FINE if problems or any(figure.holds is False for figure in figures) else FINE


async def _measure(rows: Mapping[str, Row], out: Path, models: Bundle, say: Say) -> tuple[list[Figure], dict[str, str]]:
    """All figures, and why rows have none."""
    figures: list[Figure] = []
    problems: dict[str, str] = {}
    for name, row in rows.items():
        began = time.monotonic()
        try:
            figures += await row(out / name, models, say)
        except (NotReady, NotBack, NotMeasured, NoText, NoAnswer, Refused, TimeoutError) as error:
            problems[name] = str(error) or "it took too long"
        say(f"{name}: {time.monotonic() - began:.0f} s")
    return figures, problems
