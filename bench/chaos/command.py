"""`ringmaster bench chaos`: its options, and the order of things."""

import argparse
import asyncio
import json
import logging
import sys
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path

from bench.chaos import deaths, freezes, report, shortages, talking, upheavals
from bench.chaos.fault import Fault
from bench.chaos.scene import NotBack, scene
from bench.chaos.trial import Outcome, trial
from bench.load.callers import NoGenerator
from bench.system import NotReady

FINE, NOT_FINE, WRONG_USE = 0, 1, 2

CALLS = 50

FAULTS = (*deaths.FAULTS, *freezes.FAULTS, *shortages.FAULTS, *upheavals.FAULTS)
"""Those that strike the calls, in the order in which they are done."""


def names() -> list[str]:
    return [fault.name for fault in FAULTS] + [engine.name for engine in talking.ENGINES]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--calls", type=int, default=CALLS, metavar="N", help=f"open calls ({CALLS})")
    parser.add_argument("--only", default="", metavar="NAME,...", help=f"of these: {', '.join(names())}")
    parser.add_argument("--repeat", type=int, metavar="N", help="strikes of each fault, instead of what each has")
    parser.add_argument("--out", type=Path, default=Path("out/chaos"), help="folder for the report and the log")
    parser.add_argument("--json", action="store_true", help="one JSON object a fault, and nothing else")


def run(arguments: argparse.Namespace) -> int:
    wanted = [name for name in arguments.only.split(",") if name] or names()
    unknown = [name for name in wanted if name not in names()]
    if unknown or arguments.calls < 2:
        problem = f"there is no fault {', '.join(unknown)}" if unknown else "at least 2 calls are needed"
        print(f"{problem}; the faults are {', '.join(names())}", file=sys.stderr)
        return WRONG_USE
    # The stand-in says of each connection that broke that it broke, which is the purpose here.
    logging.basicConfig(level=logging.ERROR)
    arguments.out = arguments.out.resolve()
    arguments.out.mkdir(parents=True, exist_ok=True)
    outcomes: list[Outcome] = []
    problem = ""
    try:
        asyncio.run(_run(arguments, wanted, outcomes))
    except (NotReady, NoGenerator, NotBack) as error:
        problem = str(error)
    except KeyboardInterrupt:
        problem = "interrupted"
    report.write(outcomes, arguments.calls, arguments.out)
    if not arguments.json:
        print(f"\n{report.table(outcomes)}\n\nwritten: {arguments.out}/report.md and report.json")
    if problem:
        print(f"not all faults were done: {problem}", file=sys.stderr)
    return FINE if not problem and all(outcome.ok for outcome in outcomes) else NOT_FINE


async def _run(arguments: argparse.Namespace, wanted: Sequence[str], outcomes: list[Outcome]) -> None:
    """Adds to `outcomes` as they come. Raises `NotReady`, `NoGenerator` or `NotBack` where no system comes up."""

    def done(outcome: Outcome) -> None:
        outcomes.append(outcome)
        print(json.dumps(outcome.json()) if arguments.json else report.line(outcome), flush=True)

    left: Sequence[Fault] = [fault for fault in FAULTS if fault.name in wanted]
    for number in count(1):
        if not left:
            break
        left = await _one_system(left, arguments, arguments.out / f"system-{number}", done)
    engines = [engine for engine in talking.ENGINES if engine.name in wanted]
    if engines:
        async with talking.conversation(arguments.out / "talking") as talk:
            for engine in engines:
                done(await talking.trial(engine, talk, arguments.repeat))


async def _one_system(
    faults: Sequence[Fault], arguments: argparse.Namespace, folder: Path, done: Callable[[Outcome], None]
) -> Sequence[Fault]:
    """Faults on the same system, until one breaks it for good; gives those that are left. Its log is in `folder`."""
    async with scene(arguments.calls, folder) as place:
        for number, fault in enumerate(faults, 1):
            outcome = await trial(fault, place, arguments.repeat)
            done(outcome)
            if not outcome.back:
                return faults[number:]
    return ()
