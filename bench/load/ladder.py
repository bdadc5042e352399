"""The standard ladder: what the system is held to on a small machine, and how far it climbs before something breaks.

Criteria are bounds of acceptance, not measurements; what was measured is in the report.
"""

from collections.abc import Iterator
from typing import Literal

from bench.load.criteria import Criterion, at_least, at_most, no_loss
from bench.load.rung import Rung
from bench.load.venue import Setting

DENSE = 200
"""Calls per audio process where density is wanted: one process for each of two cores with 400 calls."""

BARGE_IN_MS = 300
"""From a caller's first word to silence: 140 ms are needed to tell speech from a cough, 20 for its frame to arrive, 20
for the one that is on its way, the rest is margin for one late turn."""

GONE_MS = 2000
CLIMB = (25, 50, 100, 150, 200, 250, 300, 350, 400, 500, 600, 700, 800)
CLIMB_SECONDS = 10.0
CLIMB_ARRIVALS = 25.0

GONE = at_most("gone_ms.max", GONE_MS, "teardown")


def pacing(p99_ms: float) -> Criterion:
    return at_most("pace_error_ms.p99", p99_ms, "pacing")


def standard(seconds: float) -> list[Rung]:
    """The rungs with a letter, each of so many seconds."""
    many = Setting(calls=400, dense=DENSE, flow="direct", conversations=2)
    return [
        Rung(
            name="a",
            title="100 calls, one process each",
            setting=Setting(calls=100),
            seconds=seconds,
            criteria=(
                pacing(1.0),
                at_most("pace_error_ms.p999", 5.0, "pacing"),
                *no_loss(0.9995),
                at_most("cpu_percent_per_call", 0.8, "cpu"),
                at_most("uss_mb_per_call", 5.0, "memory"),
                GONE,
            ),
        ),
        Rung(
            name="b",
            title=f"400 calls, {DENSE} to a process",
            setting=many,
            seconds=seconds,
            arrivals=CLIMB_ARRIVALS,
            criteria=(pacing(5.0), *no_loss(), GONE),
        ),
        Rung(
            name="c",
            title="50 calls beside 2 busy processes, real-time priority",
            setting=Setting(calls=50, beside=2),
            seconds=seconds,
            criteria=(pacing(2.0), *no_loss(), GONE),
        ),
        Rung(
            name="d",
            title="the same without any priority",
            setting=Setting(calls=50, beside=2, unprivileged=True),
            seconds=seconds,
            criteria=(pacing(10.0), GONE),
        ),
        Rung(
            name="e",
            title="50 calls: what the way through the agent adds",
            setting=Setting(calls=50),
            seconds=seconds,
            criteria=(at_most("added_latency_ms.p99", 45.0, "latency"), *no_loss(), GONE),
        ),
        Rung(
            name="f",
            title="50 callers within one second, warm start",
            setting=Setting(calls=50, warm=64),
            seconds=5.0,
            arrivals=50.0,
            criteria=(at_most("first_frame_ms.p99", 150.0, "setup"), GONE),
        ),
        Rung(
            name="g",
            title="50 callers who interrupt the agent every 5 s",
            setting=Setting(calls=50, provider="speaker"),
            seconds=seconds,
            criteria=(
                pacing(1.0),
                at_most("barge_in_ms.p99", BARGE_IN_MS, "latency"),
                at_most("barge_ins_unnoticed", 0, "loss"),
                at_most("not_talking_again", 0, "loss"),
                GONE,
            ),
        ),
    ]


def climb(kind: Literal["alone", "dense"]) -> Iterator[Rung]:
    """Ever more calls; the caller stops at the first that is not fine."""
    for calls in CLIMB:
        yield Rung(
            name=f"{kind}-{calls}",
            title=f"{calls} calls, {'one process each' if kind == 'alone' else f'{DENSE} to a process'}",
            setting=Setting(calls=calls, flow="direct", dense=1 if kind == "alone" else DENSE, conversations=2),
            seconds=CLIMB_SECONDS,
            arrivals=CLIMB_ARRIVALS,
            criteria=(pacing(5.0), at_least("audio_ratio", 0.999, "loss"), at_most("lost", 0, "loss")),
        )
