"""What a soak is held to. Pure: looks and counts in, slopes and sentences out."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bench.soak.gauge import MANY, SUPERVISOR, Look
from bench.soak.series import Slope, slope

MEMORY_FLOOR_KB = 10.0
"""A minute: 14 MB a day, which a weekly restart makes good. Less is not told from a cache that fills."""
ARENA_KB = 1024.0
"""Python takes memory from the system by so much, so one step of it is no leak, whenever it comes."""
COUNT_FLOOR, COUNT_STEP = 0.2, 10.0
"""Descriptors, segments, processes: a minute, and in all. A call has 20 descriptors in several processes, so the
numbers go up and down by so many. 50 callers who stay a minute each would leave 50 a minute if each left one, and what
is left of fewer is seen at the end, when there must be none."""

LOST_SHARE = 0.001
"""Of the callers' frames. What the echo gives up to catch up with a machine that was busy is of this order."""

Series = dict[str, list[float]]


def series(looks: Sequence[Look]) -> Series:
    """By name, such as "conversation memory kB"."""
    found: dict[str, Callable[[Look], float]] = {
        "calls": lambda look: look.calls,
        "segments": lambda look: look.segments,
    }
    found["processes"] = lambda look: look.processes
    found[f"{SUPERVISOR} RSS kB"] = lambda look: look.rss_kb
    for role in sorted({role for look in looks for role in look.memory_kb}):
        one = " of one" if role == MANY else ""
        found[f"{role} memory{one} kB"] = lambda look, role=role: look.memory_kb.get(role, 0.0)  # type: ignore[misc]
    for role in sorted({role for look in looks for role in look.descriptors}):
        found[f"{role} descriptors"] = lambda look, role=role: look.descriptors.get(role, 0)  # type: ignore[misc]
    return {name: [float(value(look)) for look in looks] for name, value in found.items()}


def slopes(at_s: Sequence[float], found: Series) -> dict[str, Slope]:
    return {name: slope(at_s, values) for name, values in found.items() if name != "calls"}


def floor(name: str, found: Slope) -> float:
    """The slope per minute below which a series counts as level."""
    least, step = (MEMORY_FLOOR_KB, ARENA_KB) if name.endswith("kB") else (COUNT_FLOOR, COUNT_STEP)
    return max(least, step / found.minutes) if found.minutes > 0 else least


def leaks(found: Mapping[str, Slope]) -> list[str]:
    """One sentence for each series that grows."""
    return [
        f"{name} grows by {found.per_minute:.1f} a minute (uncertain by {found.uncertainty:.1f}; up to"
        f" {floor(name, found):.1f} is let pass)"
        for name, found in found.items()
        if found.grows(floor(name, found))
    ]


def complaints(tally: Mapping[str, Any]) -> list[str]:
    """What callers have against it, by the counts of `churn.Tally`."""
    found = [
        f"{tally[what]} calls {text}"
        for what, text in (("refused", "were not served"), ("dropped", "were dropped by the system"))
        if tally.get(what)
    ]
    if tally.get("foreign"):
        found.append(f"{tally['foreign']} frames went to another caller")
    lost, spoken = tally.get("lost", 0), tally.get("spoken", 0)
    if lost > LOST_SHARE * spoken:
        found.append(f"{lost} of {spoken} frames of the callers never came back")
    if not tally.get("calls"):
        found.append("no call was made")
    return found


def left(before: Look, after: Look) -> list[str]:
    """What has not gone with the last call. `before`: the system when it had served a few calls and none was open."""
    found = [f"{after.segments} segments of calls"] if after.segments else []
    if after.processes > before.processes:
        found.append(f"{after.processes - before.processes} processes more than at the beginning")
    for role, count in after.descriptors.items():
        more = count - before.descriptors.get(role, 0)
        if more > 0:
            found.append(f"{more} descriptors of {role} more than at the beginning")
    return found
