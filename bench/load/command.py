"""`ringmaster bench load`: rungs of the load ladder, one after another; a table or JSON, and a page.

Exit code 0 when every rung with criteria met them, else 1. The climbing rungs end where something breaks, on purpose:
they do not count.
"""

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TextIO

from bench.load import ladder, machine, page
from bench.load.callers import NoGenerator
from bench.load.criteria import no_loss
from bench.load.rung import Progress, Result, Rung, measure
from bench.load.venue import WARM, Setting
from bench.system import NotReady

OUT = Path("out/bench")
PACE_P99_MS = 5.0
"""What a rung of one's own is held to."""
OK, NOT_FINE = 0, 1

COLUMNS = (
    ("rung", 9),
    ("calls", 6),
    ("flow", 7),
    ("p50", 7),
    ("p99", 7),
    ("p99.9", 7),
    ("max", 8),
    ("lost", 6),
    ("ratio", 7),
    ("latency", 8),
    ("first", 7),
    ("gone", 7),
    ("cpu/call", 9),
    ("MB/call", 8),
    ("bound by", 10),
    ("", 6),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Synthetic callers on an exact 20 ms grid, against the real system. Without --calls: the standard ladder."
    )
    parser.add_argument("--standard", action="store_true", help="the standard ladder, which is also the default")
    parser.add_argument("--only", default="", metavar="LETTERS", help="of the standard ladder only these, such as abe")
    parser.add_argument("--no-climb", action="store_true", help="of the standard ladder not the climbing rungs")
    parser.add_argument("--calls", type=_numbers, metavar="N,N,...", help="a rung with so many calls, for each")
    parser.add_argument("--dense", type=int, default=1, metavar="N", help="calls per audio process (default 1)")
    parser.add_argument("--flow", choices=("ari", "direct"), default="ari", help="by ARI, or AudioSocket alone")
    parser.add_argument("--provider", choices=("loopback", "speaker"), default="loopback", help="what answers")
    parser.add_argument("--seconds", type=float, default=30.0, help="of measuring, for each rung (default 30)")
    parser.add_argument(
        "--arrivals", type=float, default=10.0, metavar="CALLS_PER_SECOND", help="how fast calls begin (default 10)"
    )
    parser.add_argument("--churn", type=float, default=0.0, metavar="S", help="calls come and go, S seconds on average")
    parser.add_argument("--beside", type=int, default=0, metavar="N", help="N processes burn a core each meanwhile")
    parser.add_argument("--unprivileged", action="store_true", help="no real-time priority, no negative niceness")
    parser.add_argument("--conversations", type=int, default=1, metavar="N", help="processes of the conversation role")
    parser.add_argument("--warm", type=int, default=WARM, metavar="N", help=f"warm audio actors (default {WARM})")
    parser.add_argument("--generators", type=int, default=0, metavar="N", help="processes that speak (default: enough)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="one JSON object per rung and line, and nothing else")
    parser.add_argument("--out", type=Path, default=OUT, metavar="DIR", help=f"for the report (default {OUT})")


def _numbers(text: str) -> list[int]:
    numbers = [int(word) for word in text.split(",")]
    if min(numbers) < 1:
        raise argparse.ArgumentTypeError("a rung has at least one call")
    return numbers


def run(arguments: argparse.Namespace) -> int:
    """Gives the exit code."""
    try:
        return asyncio.run(_run(arguments))
    except asyncio.CancelledError:
        return NOT_FINE


async def _run(arguments: argparse.Namespace) -> int:
    task = asyncio.current_task()
    assert task is not None
    # Whoever ends it early (`timeout`, systemd) leaves no system and no callers behind.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    teller = Teller(arguments.json)
    results: list[Result] = []
    try:
        for rung in _own(arguments) if arguments.calls else _letters(arguments):
            results.append(await _measure(rung, teller))
        fine = all(result.ok for result in results)
        if not arguments.calls and not arguments.no_climb:
            for kind in ("alone", "dense"):
                for rung in ladder.climb("alone" if kind == "alone" else "dense"):
                    results.append(await _measure(rung, teller))
                    if not results[-1].ok:
                        break
    except (NotReady, NoGenerator) as error:
        print(error, file=sys.stderr)
        return NOT_FINE
    finally:
        write(arguments.out, results)
    if not arguments.json:
        print(f"report: {arguments.out / 'report.html'} and report.json")
    return OK if fine else NOT_FINE


def _letters(arguments: argparse.Namespace) -> list[Rung]:
    rungs = ladder.standard(arguments.seconds)
    return [rung for rung in rungs if rung.name in arguments.only] if arguments.only else rungs


def _own(arguments: argparse.Namespace) -> Iterable[Rung]:
    """What the options describe, once for each number of calls."""
    criteria = (ladder.pacing(PACE_P99_MS), *(no_loss() if arguments.provider == "loopback" else ()), ladder.GONE)
    for calls in arguments.calls:
        setting = Setting(
            calls=calls,
            flow=arguments.flow,
            provider=arguments.provider,
            dense=arguments.dense,
            warm=arguments.warm,
            conversations=arguments.conversations,
            unprivileged=arguments.unprivileged,
            beside=arguments.beside,
            generators=arguments.generators,
            seed=arguments.seed,
        )
        yield Rung(
            setting=setting,
            seconds=arguments.seconds,
            arrivals=arguments.arrivals,
            churn=arguments.churn,
            criteria=criteria,
            name=str(calls),
            title=f"{calls} calls",
        )


async def _measure(rung: Rung, teller: "Teller") -> Result:
    teller.begins(rung)
    result = await measure(rung, teller.progress)
    teller.ended(result)
    return result


def write(folder: Path, results: list[Result]) -> None:
    """report.json and report.html; nothing when there are no results."""
    if not results:
        return
    folder.mkdir(parents=True, exist_ok=True)
    report = {"machine": machine.facts(), "rungs": [result.json() for result in results]}
    (folder / "report.json").write_text(json.dumps(report, indent=1) + "\n")
    (folder / "report.html").write_text(page.render(report))


class Teller:
    """What appears while it runs: a row per rung on standard output, progress on standard error."""

    def __init__(self, as_json: bool, out: TextIO | None = None, err: TextIO | None = None) -> None:
        self._json = as_json
        self._out, self._err = out or sys.stdout, err or sys.stderr
        self._rung = ""
        self._rows = 0

    def begins(self, rung: Rung) -> None:
        self._rung = rung.name
        if not self._json and self._err.isatty():
            print(f"\r{rung.name}: {rung.title}: starting", end="\x1b[K", file=self._err, flush=True)

    def progress(self, progress: Progress) -> None:
        if self._json or not self._err.isatty():
            return
        text = (
            f"{self._rung}: {progress.stage}, {progress.elapsed_s:.0f} of {progress.total_s:.0f} s,"
            f" {progress.calls_up} calls up, longest gap so far {progress.worst_gap_ms:.1f} ms"
        )
        print(f"\r{text}", end="\x1b[K", file=self._err, flush=True)

    def ended(self, result: Result) -> None:
        if self._json:
            print(json.dumps(result.json()), file=self._out, flush=True)
            return
        if self._err.isatty():
            print("\r", end="\x1b[K", file=self._err, flush=True)
        if self._rows == 0:
            print("times in ms; pacing error p50 to max, latency p99, first frame p99, gone max", file=self._out)
            print("".join(name.rjust(width) for name, width in COLUMNS), file=self._out)
        self._rows += 1
        cells = zip(row(result), COLUMNS, strict=True)
        print("".join(text.rjust(width) for text, (_, width) in cells), file=self._out, flush=True)
        for missed in result.json()["criteria"]:
            if not missed["met"]:
                print(f"{'':9} missed: {missed['criterion']} (was {missed['value']})", file=self._out, flush=True)
        for reason in result.figures.get("refused_because", [])[:3]:
            print(f"{'':9} refused: {reason}", file=self._out, flush=True)


def row(result: Result) -> list[str]:
    """One rung, cell by cell; empty where nothing was measured."""

    def figure(path: str, digits: int) -> str:
        found: Any = result.figures
        for key in path.split("."):
            found = found.get(key) if isinstance(found, dict) else None
        return "" if found is None else f"{found:.{digits}f}"

    return [
        result.rung.name,
        str(result.rung.setting.calls),
        result.rung.setting.flow,
        *(figure(f"pace_error_ms.{name}", 2) for name in ("p50", "p99", "p999", "max")),
        figure("lost", 0),
        figure("audio_ratio", 3),
        figure("added_latency_ms.p99", 1),
        figure("first_frame_ms.p99", 0),
        figure("gone_ms.max", 0),
        figure("cpu_percent_per_call", 2) + "%" if figure("cpu_percent_per_call", 2) else "",
        figure("uss_mb_per_call", 2),
        result.figures["limit"],
        "fine" if result.ok else "FAIL",
    ]
