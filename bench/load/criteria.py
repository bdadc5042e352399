"""What a rung is held to, and what bound it where it was not fine. Pure: figures in, verdicts out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Limit = Literal[
    "", "generator", "refused", "loss", "pacing", "latency", "cpu", "memory", "setup", "teardown", "elsewhere"
]

BUSY_PERCENT = 92.0
"""Of the machine: pacing that fails while it is busier than this has failed for want of CPU."""

ELSEWHERE_PERCENT = 15.0
"""Of the machine, used by what is neither the system nor this bench."""
STAND_IN_PERCENT = 90.0
"""Of a core, used by the bench's own process, in which the stand-in Asterisk runs."""


@dataclass(frozen=True)
class Criterion:
    """figure: a key of the rung's figures, or two joined by a dot; bound: its largest value, or least, inclusive."""

    figure: str
    relation: Literal["<=", ">="]
    bound: float
    limit: Limit
    """What is to blame where it is not met."""

    def value(self, figures: Mapping[str, Any]) -> float | None:
        """None when it was not measured."""
        found: Any = figures
        for key in self.figure.split("."):
            found = found.get(key) if isinstance(found, Mapping) else None
        return None if found is None else float(found)

    def met(self, figures: Mapping[str, Any]) -> bool:
        """What was not measured was not met."""
        value = self.value(figures)
        if value is None:
            return False
        return value <= self.bound if self.relation == "<=" else value >= self.bound

    def __str__(self) -> str:
        return f"{self.figure} {self.relation} {self.bound:g}"

    def json(self, figures: Mapping[str, Any]) -> dict[str, Any]:
        return {"criterion": str(self), "value": self.value(figures), "met": self.met(figures)}


def at_most(figure: str, bound: float, limit: Limit) -> Criterion:
    return Criterion(figure, "<=", bound, limit)


def at_least(figure: str, bound: float, limit: Limit) -> Criterion:
    return Criterion(figure, ">=", bound, limit)


def no_loss(ratio: float = 0.999) -> tuple[Criterion, ...]:
    """Every mark came back once and in order, and all of the time had sound."""
    return (
        at_most("lost", 0, "loss"),
        at_most("duplicates", 0, "loss"),
        at_most("foreign", 0, "loss"),
        at_least("audio_ratio", ratio, "loss"),
    )


def limit_of(figures: Mapping[str, Any], criteria: Sequence[Criterion], *, fit: bool) -> Limit:
    """The first thing that bound the rung, "" where nothing did. fit: the generators were.

    Whatever fails while others use much of the machine says nothing about the system ("elsewhere"), and what
    fails while the stand-in Asterisk has no CPU left is its doing ("generator").
    """
    if not fit:
        return "generator"
    fails = bool(figures.get("refused")) or not all(criterion.met(figures) for criterion in criteria)
    if fails and float(figures.get("elsewhere_percent") or 0) > ELSEWHERE_PERCENT:
        return "elsewhere"
    if fails and float(figures.get("bench_cpu_percent") or 0) > STAND_IN_PERCENT:
        return "generator"
    if figures.get("refused"):
        return "refused"
    for criterion in criteria:
        if not criterion.met(figures):
            starved = criterion.limit in ("pacing", "loss", "latency", "setup")
            busy = float(figures.get("machine_busy_percent") or 0) > BUSY_PERCENT
            return "cpu" if starved and busy else criterion.limit
    return ""
