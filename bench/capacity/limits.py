"""What a number of calls is held to, and which limits it broke. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bench.capacity.figures import Figures

Name = Literal[
    "generator", "silent", "refused", "ended", "lost", "pacing", "age", "turn", "unanswered", "memory", "cpu"
]

STRETCH = 1.5
"""A configuration whose turns take long with a single call is held to so much more than that instead."""
UNANSWERED_PERCENT = 2.0
"""Of the turns. One that the agent took for noise happens with a single call as well."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """pacing_ms:  p99 of the distance of the agent's frames from their 20 ms grid, at the caller's end
    turn_ms:     p95, from the last sample that a caller speaks to the first of the answer
    age_ms:      p95 of how old a frame is when it is heard: with the provider loopback the whole way there and back,
                 with a pipeline how long after the silence that ends a turn its final text is there
    memory_free: least memory that stays free, in percent of the machine's
    cpu_busy:    percent of all cores, with what other machines on the same hardware take
    """

    pacing_ms: float = 5.0
    turn_ms: float = 1500.0
    age_ms: float = 200.0
    memory_free: float = 10.0
    cpu_busy: float = 90.0


@dataclass(frozen=True)
class Breach:
    """One limit that did not hold. by: how far beyond its bound, in percent of that; 0 where none may be."""

    name: Name
    text: str
    by: float = 0.0


def turn_limit_ms(limits: Limits, alone: Figures) -> float:
    """What turns are held to, where `alone` is what was measured with the fewest calls."""
    return max(limits.turn_ms, (alone.turn_p95_ms or 0.0) * STRETCH)


def breaches(found: Figures, limits: Limits, turn_ms: float) -> list[Breach]:
    """All limits that do not hold, what excludes the others first. `turn_ms`: of `turn_limit_ms`."""
    if not found.generator_fit:
        text = (
            f"this machine cannot generate {found.calls} calls: the callers were {found.generator_late_ms:.1f} ms late"
        )
        return [Breach("generator", text)]
    broken: list[Breach] = []
    if found.up < found.calls:
        because = f" ({'; '.join(found.refused)})" if found.refused else ""
        broken.append(Breach("refused", f"{found.calls - found.up} of {found.calls} calls were not up{because}"))
    if found.ended:
        broken.append(Breach("ended", f"calls that ended: {found.ended}"))
    if found.lost:
        broken.append(Breach("lost", f"frames lost: {found.lost}"))
    if found.turns < found.talkers:
        broken.append(Breach("unanswered", f"only {found.turns} of {found.talkers} callers had a turn"))
    elif found.unanswered * 100.0 > found.turns * UNANSWERED_PERCENT:
        broken.append(Breach("unanswered", f"{found.unanswered} of {found.turns} turns had no answer within 10 s"))
    for name, what, value, bound, unit in (
        ("pacing", "pacing error p99", found.pacing_p99_ms, limits.pacing_ms, "ms"),
        ("age", "frame age p95", found.age_p95_ms, limits.age_ms, "ms"),
        ("turn", "turn latency p95", found.turn_p95_ms, turn_ms, "ms"),
        ("cpu", f"cores busy (by the system {found.cpu_ours:.0f} %)", found.cpu_busy, limits.cpu_busy, "%"),
    ):
        if value is not None and value > bound:
            text = f"{what} {value:.1f} {unit}, limit {bound:g} {unit}"
            broken.append(Breach(name, text, 100.0 * (value - bound) / bound))  # type: ignore[arg-type]
    if found.memory_free < limits.memory_free:
        text = f"memory left {found.memory_free:.1f} %, limit {limits.memory_free:g} %"
        broken.append(Breach("memory", text, 100.0 * (limits.memory_free - found.memory_free) / limits.memory_free))
    return broken


def binding(broken: Sequence[Breach]) -> Breach:
    """The one to blame: a figure that broke says more than what followed from it, and the furthest beyond says most."""
    for only in ("generator", "silent", "memory"):
        if chosen := [breach for breach in broken if breach.name == only]:
            return chosen[0]
    return max(broken, key=lambda breach: breach.by)
