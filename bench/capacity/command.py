"""`ringmaster bench capacity`: how many calls this machine carries, and the settings for that.

The table's CPU is in percent of all cores: busy by whomever, by the system itself, by the callers and the stand-in
Asterisk. The recommendation goes to stdout as YAML, which can be pasted; `--persist` writes it down.
"""

import argparse
import asyncio
import json
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

from bench.capacity.advice import CALL_S, as_yaml
from bench.capacity.attempts import Attempt
from bench.capacity.limits import Limits
from bench.capacity.sentences import Unspeakable
from bench.capacity.stage import MOST_CALLS, Manner, lines_for
from bench.capacity.survey import DENSE, MOST, Plan, Report, Rung, Survey
from bench.load.callers import NoGenerator
from bench.system import NotReady
from config.load import Config
from config.persist import CannotPersist, persist
from supervisor.commands import common

OK, NOT_FINE, WRONG_USE = 0, 1, 2

MOST_DENSE = 500
"""As in the schema."""
MOST_SECONDS = 240.0
"""The callers' notes hold 5.5 minutes (`bench.load.sheet`)."""

LIMITS = {
    "pacing_ms": "p99 of how far the agent's frames are from their 20 ms grid",
    "turn_ms": "p95 from a caller's last sample to the answer's first; one call's and half of it, where that is more",
    "age_ms": "p95 of how old a frame is when it is heard",
    "memory_free": "percent of the memory that stays free",
    "cpu_busy": "percent of all cores, with what other machines on the same hardware take",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    common.add_config(parser)
    add = parser.add_argument
    add("--seconds", type=positive, default=20.0, help="of measuring, at each number of calls (default: %(default)g)")
    add("--calls", type=int, default=0, metavar="N", help="so many are enough (default: as many as possible)")
    add("--most", type=int, default=MOST, metavar="N", help="try no more than so many calls (default: %(default)d)")
    add("--dense", type=int, default=DENSE, metavar="N",
        help="calls that share an audio process, where that is tried; 1: never (default: %(default)d)")  # fmt: skip
    add("--arrivals", type=positive, default=5.0, help="calls begun per second (default: %(default)g)")
    add("--call-seconds", type=positive, default=CALL_S, help="mean length of your calls (default: %(default)g)")
    add(
        "--flow",
        choices=("ari", "direct"),
        default="ari",
        help="as your dialplan does it: over ARI, or AudioSocket only",
    )
    add("--say", action="append", default=[], metavar="TEXT",
        help="what callers say; may be repeated (default: sentences that the agent's script expects)")  # fmt: skip
    add(
        "--tries",
        type=int,
        default=2,
        help="how often a number of calls may fail before it counts (default: %(default)d)",
    )
    defaults = Limits()
    for field in fields(Limits):
        option, default = f"--{field.name.replace('_', '-')}", getattr(defaults, field.name)
        add(option, type=float, default=default, help=f"limit: {LIMITS[field.name]} (default: {default:g})")
    add("--persist", action="store_true", help="write the recommendation into the configuration file")
    add("--json", action="store_true", help="one JSON object on stdout; the table goes to stderr")


def positive(text: str) -> float:
    value = float(text)
    if value <= 0:
        raise argparse.ArgumentTypeError(f"{text} is not more than 0")
    return value


def _wrong(arguments: argparse.Namespace) -> str:
    """What cannot be, in a sentence; "" when all is well."""
    for option, value, least, most in (
        ("--calls", arguments.calls, 0, MOST_CALLS),
        ("--most", arguments.most, 1, MOST_CALLS),
        ("--dense", arguments.dense, 1, MOST_DENSE),
        ("--tries", arguments.tries, 1, 10),
        ("--seconds", arguments.seconds, 0.0, MOST_SECONDS),
    ):
        if not least <= value <= most:
            return f"{option} is {value:g}; from {least:g} to {most:g} is possible"
    return ""


def run(arguments: argparse.Namespace) -> int:
    config = common.loaded(arguments)
    if wrong := _wrong(arguments):
        print(wrong, file=sys.stderr)
        return WRONG_USE
    plan = _plan(arguments)
    table = Table(sys.stderr if arguments.json else sys.stdout)
    try:
        lines_for(config, plan.manner)
        report = asyncio.run(Survey(config, plan, table.tell).run())
    except Unspeakable as error:
        print(error, file=sys.stderr)
        return WRONG_USE
    except (NotReady, NoGenerator) as error:
        print(error, file=sys.stderr)
        return NOT_FINE
    if arguments.json:
        print(json.dumps(as_json(report), indent=2))
    _show(report, plan, table)
    if arguments.persist and not _persisted(config, report, table):
        return NOT_FINE
    return OK if report.fine and _enough(report, plan.wanted) else NOT_FINE


def _enough(report: Report, wanted: int) -> bool:
    return report.advice is not None and report.advice.calls >= wanted


def _plan(arguments: argparse.Namespace) -> Plan:
    limits = Limits(**{field.name: getattr(arguments, field.name) for field in fields(Limits)})
    say = tuple(arguments.say)
    manner = Manner(seconds=arguments.seconds, arrivals=arguments.arrivals, flow=arguments.flow, say=say)
    return Plan(
        limits=limits,
        manner=manner,
        wanted=arguments.calls,
        most=arguments.most,
        dense=arguments.dense,
        tries=arguments.tries,
        call_s=arguments.call_seconds,
    )


HEAD = " calls  pacing p99  turn p50      p95   age p95  lost   busy  by us  callers   free"
NOT_UNDERSTOOD = 0.5
"""Share of the turns: an agent that understands less is not doing its work, and that costs less."""

OTHERS_PERCENT = 20.0
"""Of all cores: what others may take before it is said."""


class Table:
    """What is shown while it climbs."""

    def __init__(self, out: Any) -> None:
        self._out = out

    def say(self, text: str) -> None:
        print(text, file=self._out, flush=True)

    def tell(self, what: Attempt | Rung) -> None:
        if isinstance(what, Attempt):
            self.say(f"\n{what}\n{HEAD}")
            return
        self.say(row(what))


def row(rung: Rung) -> str:
    found = rung.figures
    verdict = "; ".join(breach.text for breach in rung.breaches) or "held"
    if found.understood is not None and found.understood < NOT_UNDERSTOOD:
        verdict += f" (the agent understood {found.understood:.0%}: name sentences that it knows with --say)"
    return (
        f"{found.calls:6d}{found.pacing_p99_ms:9.2f} ms{_ms(found.turn_p50_ms):>10}{_ms(found.turn_p95_ms):>9}"
        f"{_ms(found.age_p95_ms):>10}{found.lost:6d}{found.cpu_busy:5.0f} %{found.cpu_ours:5.0f} %"
        f"{found.callers_cpu:7.0f} %"
        f"{found.memory_free:5.0f} %  {verdict}"
    )


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} ms"


def _show(report: Report, plan: Plan, table: Table) -> None:
    chosen = report.advice.outcome if report.advice else report.outcomes[-1]
    if chosen.broke is not None and chosen.broke.others_cpu > OTHERS_PERCENT:
        table.say(
            f"\nCareful: with {chosen.broke.calls} calls, others took {chosen.broke.others_cpu:.0f} % of this machine's"
            " cores. It may carry more when they do not."
        )
    if report.advice is None:
        table.say("\nThis machine does not carry a single call within the limits: see the table for why.")
        return
    advice, check = report.advice, report.check
    assert check is not None
    table.say(f"\n{_reason(report)}\n\n{as_yaml(advice, limits_text(plan.limits, report.turn_ms))}")
    verdict = "does not hold: " + "; ".join(breach.text for breach in check.breaches) if check.breaches else "holds"
    table.say(f"Measured once more as recommended, it {verdict}.\n{HEAD}\n{row(check)}")
    if not _enough(report, plan.wanted):
        table.say(f"\nThat is not enough: {plan.wanted} calls are wanted.")


def _reason(report: Report) -> str:
    """Why this density."""
    assert report.advice is not None
    tried = [outcome for outcome in report.outcomes if outcome.attempt.density > 1]
    if report.advice.density > 1:
        alone = max(outcome.calls for outcome in report.outcomes if outcome.attempt.density == 1)
        return f"Calls share audio processes: {report.advice.outcome.calls} held, and {alone} with one process a call."
    if tried:
        return f"One audio process a call: sharing them did not carry a quarter more ({tried[0].calls} calls)."
    return "One audio process a call: sharing them would not move the limit, or was not needed."


def limits_text(limits: Limits, turn_ms: float) -> str:
    return (
        f"pacing {limits.pacing_ms:g} ms, turns {turn_ms:.0f} ms, frame age {limits.age_ms:g} ms, no frame lost,"
        f" memory left {limits.memory_free:g} %, cores busy {limits.cpu_busy:g} %"
    )


def as_json(report: Report) -> dict[str, Any]:
    return {
        "ok": report.fine,
        "turn_limit_ms": round(report.turn_ms, 1),
        "rungs": [rung.json() for rung in report.rungs],
        "recommendation": report.advice.json() if report.advice else None,
        "check": report.check.json() if report.check else None,
    }


def _persisted(config: Config, report: Report, table: Table) -> bool:
    """False, with a word about it, where nothing was written."""
    if report.advice is None or not report.fine:
        table.say(f"{config.path} was not changed: there is no recommendation that holds.")
        return False
    try:
        persist(Path(config.path), report.advice.settings())
    except CannotPersist as error:
        print(error, file=sys.stderr)
        return False
    table.say(f"written into {config.path}; it holds from the next start on")
    return True
