"""Which way of running the actors is tried next, and which one is recommended. Pure.

The first attempt is isolation, one audio process a call, with as many other actors as configured. Then, where that
carries fewer calls than are wanted:

- A pool whose busiest process is nearly a whole core, while callers wait and the machine has cores to spare, gets more
  processes.
- Where CPU, memory or the pacing of the audio bound, and audio is what takes them, calls share audio processes.

Isolation is recommended as long as it carries what is wanted, or four fifths of what density does: the death of an
audio process is then missed by one caller, and not by all that share it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from bench.capacity.figures import Figures
from bench.capacity.limits import Breach, binding

KEPT = 0.8
"""Of what held: neighbours, longer sentences and a worse hour must fit as well."""
SATURATED = 80.0
"""Percent of one core: beyond it callers wait for a process that computes for others (M/D/1: two turns' time)."""
SPARE_CPU = 75.0
"""Percent of the machine: with less to spare than a quarter, more processes only wait for each other."""
FULL = 0.7
"""Of a core: what each process of a pool is to take at most."""
WORTH = 1.25
"""Density has to carry so many times what isolation does."""
AUDIO_SHARE = 0.25
"""Of the CPU or memory of the system: where audio takes less, sharing its processes gains little."""
MOST_ATTEMPTS = 4
WAITING = ("turn", "age", "unanswered")
AUDIO_BOUND = ("pacing", "lost", "refused")


@dataclass(frozen=True)
class Attempt:
    """counts: processes by role. cores: by role, () for any; roles that are missing run as configured."""

    density: int
    counts: Mapping[str, int]
    cores: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def __str__(self) -> str:
        audio = "one audio process a call" if self.density == 1 else f"{self.density} calls an audio process"
        return ", ".join([audio, *(f"{count} {role}" for role, count in self.counts.items())])


@dataclass(frozen=True)
class Outcome:
    """What came of one attempt. held: the most calls that held, None when not even one did. broke: the fewest that did
    not, None when nothing broke up to the most that were tried. breaches: what broke then."""

    attempt: Attempt
    held: Figures | None
    broke: Figures | None
    breaches: tuple[Breach, ...] = ()

    @property
    def calls(self) -> int:
        return self.held.calls if self.held else 0

    @property
    def limit(self) -> str:
        """Name of the binding limit, "" for none."""
        return binding(self.breaches).name if self.breaches else ""

    @property
    def recommended(self) -> int:
        """Calls; 0 when not even one held."""
        return max(1, int(self.calls * KEPT)) if self.calls else 0


def to_try(wanted: int, most: int) -> int:
    """The most calls worth trying, where so many are wanted (0: as many as possible)."""
    return min(most, math.ceil(wanted / KEPT)) if wanted else most


def following(outcomes: Sequence[Outcome], *, wanted: int, dense: int, cores: int) -> Attempt | None:
    """The next attempt; None when nothing promises more. dense: calls that may share a process, 1 for none. cores: of
    the machine."""
    last = outcomes[-1]
    best = max(outcomes, key=lambda outcome: outcome.calls)
    if len(outcomes) >= MOST_ATTEMPTS or last.broke is None or (wanted and best.recommended >= wanted):
        return None
    if last.limit in WAITING:
        counts = more_processes(last, cores)
        return replace(last.attempt, counts=counts) if counts != last.attempt.counts else None
    tried = any(outcome.attempt.density > 1 for outcome in outcomes)
    if dense > 1 and not tried and audio_binds(last):
        return replace(best.attempt, density=dense)
    return None


def more_processes(outcome: Outcome, cores: int) -> dict[str, int]:
    """The counts, with more for pools in which a process has no more to give."""
    counts = dict(outcome.attempt.counts)
    broke = outcome.broke
    if broke is None or broke.cpu_busy > SPARE_CPU:
        return counts
    for role, count in counts.items():
        if broke.busiest.get(role, 0.0) >= SATURATED:
            counts[role] = max(count, min(cores, max(count + 1, math.ceil(broke.cpu.get(role, 0.0) / 100.0 / FULL))))
    return counts


def audio_binds(outcome: Outcome) -> bool:
    """True where fewer audio processes would help against the limit that bound."""
    if outcome.limit in AUDIO_BOUND or outcome.limit == "memory":
        return True
    if outcome.limit != "cpu" or outcome.broke is None:
        return False
    cpu = outcome.broke.cpu
    return cpu.get("audio", 0.0) >= AUDIO_SHARE * sum(cpu.values())


def best(outcomes: Sequence[Outcome], wanted: int) -> Outcome:
    """The one to recommend."""
    isolated = max((one for one in outcomes if one.attempt.density == 1), key=lambda one: one.calls)
    most = max(outcomes, key=lambda one: one.calls)
    if (wanted and isolated.recommended >= wanted) or most.calls < isolated.calls * WORTH:
        return isolated
    return most
