"""`ringmaster bench soak`: its options."""

import argparse
import asyncio
import json
import logging
import sys
import time
from pathlib import Path

from bench.load.callers import NoGenerator
from bench.soak.churn import Churn
from bench.soak.gauge import Look
from bench.soak.run import Plan, soak
from bench.system import NotReady

FINE, NOT_FINE, WRONG_USE = 0, 1, 2

TELL_S = 10.0
"""Between two lines while it runs."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    plan = Plan()
    parser.add_argument("--minutes", type=float, default=plan.minutes, metavar="N", help=f"({plan.minutes:g})")
    parser.add_argument("--calls", type=int, default=plan.calls, metavar="N", help=f"at a time ({plan.calls})")
    parser.add_argument(
        "--mean", type=float, default=plan.mean_s, metavar="SECONDS", help=f"that a call lasts ({plan.mean_s:g})"
    )
    parser.add_argument("--out", type=Path, default=Path("out/soak"), help="folder for the report and the log")
    parser.add_argument("--json", action="store_true", help="the outcome as one JSON object, and nothing else")


def run(arguments: argparse.Namespace) -> int:
    if arguments.minutes <= 0 or arguments.calls < 1 or arguments.mean <= 0:
        print("--minutes, --calls and --mean must be more than 0", file=sys.stderr)
        return WRONG_USE
    logging.basicConfig(level=logging.ERROR)
    out = arguments.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    plan = Plan(arguments.minutes, arguments.calls, arguments.mean)
    teller = Teller(arguments.json)
    try:
        found = asyncio.run(soak(plan, out, teller.hear))
    except (NotReady, NoGenerator) as error:
        print(error, file=sys.stderr)
        return NOT_FINE
    (out / "report.json").write_text(json.dumps(found.json(), indent=1) + "\n")
    (out / "report.html").write_text(found.html())
    if arguments.json:
        print(json.dumps({name: value for name, value in found.json().items() if name != "looks"}))
    else:
        print(f"\n{found.summary()}\n\nwritten: {arguments.out}/report.html and report.json")
    return NOT_FINE if found.broken else FINE


class Teller:
    """A line now and then."""

    def __init__(self, silent: bool) -> None:
        self._silent = silent
        self._told = time.monotonic()

    def hear(self, look: Look, churn: Churn) -> None:
        if self._silent or time.monotonic() - self._told < TELL_S:
            return
        self._told = time.monotonic()
        counts = churn.tally.counts
        memory = ", ".join(f"{role} {kb / 1000:.1f}" for role, kb in look.memory_kb.items())
        print(
            f"{look.at_s / 60:5.1f} min: {look.calls} calls, {counts['calls']} ended, {counts['refused']} not served,"
            f" {counts['dropped']} dropped, {counts['lost']} frames lost; MB: {memory}; descriptors of the supervisor:"
            f" {look.descriptors.get('ringmaster', 0)}",
            flush=True,
        )
