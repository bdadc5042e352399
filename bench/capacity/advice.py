"""The recommended settings, the reasons for them, and how they are written down. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.capacity.attempts import KEPT, Outcome
from bench.capacity.figures import Figures
from bench.capacity.limits import binding
from bench.capacity.placement import place
from models.machine import Core

CALL_S = 120.0
"""Mean length of a call, unless told otherwise: with so many calls at once, one comes every `CALL_S` / calls."""
MISSED = 0.001
"""Share of the callers that may come while all warm audio actors are taken and new ones are still being started."""
LEAST_WARM, MOST_WARM = 2, 64
"""Two that call at the same moment are nothing special. `audio.warm` allows no more than 64."""
START_MS = 50.0
"""From an audio actor's fork to ready, where too few were started to tell: 10 ms on an idle machine."""
MOST_TURN_MS = 60_000
"""`turns.refuse_above_ms` allows no more."""

Key = tuple[str, ...]
Value = int | str | list[int]


@dataclass(frozen=True)
class Advice:
    """calls: `audio.max_calls`. rate: arrivals per second that `warm` can serve."""

    outcome: Outcome
    calls: int
    warm: int
    rate: float
    places: Mapping[str, tuple[int, ...]]
    arrivals: float
    """Per second, that are expected."""
    turn_ms: int
    """What turns were held to; 0 where callers did not talk."""

    @property
    def density(self) -> int:
        return self.outcome.attempt.density

    def settings(self) -> dict[Key, Value]:
        """What goes into the configuration."""
        keys: dict[Key, Value] = {
            ("audio", "max_calls"): self.calls,
            ("audio", "calls_per_process"): self.density,
            ("audio", "warm"): self.warm,
            ("audio", "cores"): _cores(self.places["audio"]),
        }
        for role, count in self.outcome.attempt.counts.items():
            keys["actors", role, "count"] = count
            keys["actors", role, "cores"] = _cores(self.places[role])
        if self.turn_ms:
            keys["turns", "refuse_above_ms"] = self.turn_ms
        return keys

    def json(self) -> dict[str, Any]:
        return {
            "settings": {".".join(key): value for key, value in self.settings().items()},
            "calls_held": self.outcome.calls,
            "limit": self.limit,
            "why": self.why,
            "arrivals_per_second": round(self.rate, 2),
        }

    @property
    def limit(self) -> str:
        return self.outcome.limit

    @property
    def why(self) -> str:
        """What bound, and by how much."""
        held, broke = self.outcome.calls, self.outcome.broke
        if broke is None:
            return f"nothing broke up to {held} calls, which is as far as was tried: the limit lies above"
        breach = binding(self.outcome.breaches)
        if breach.name == "generator":
            return f"{breach.text}; {held} held, and the limit of the system lies above"
        beyond = f" ({breach.by:.0f} % beyond)" if breach.by else ""
        return f"{held} calls held; with {broke.calls}: {breach.text}{beyond}"


def advise(outcome: Outcome, cores: Sequence[Core], turn_ms: float, call_s: float = CALL_S) -> Advice:
    """Of an outcome in which something held. turn_ms: what turns were held to."""
    assert outcome.held is not None
    calls = outcome.recommended
    roles = ("audio", *outcome.attempt.counts)
    share = calls / outcome.held.calls
    need = {role: outcome.held.cpu.get(role, 0.0) / 100.0 * share for role in roles}
    start_s = (outcome.held.start_p95_ms or START_MS) / 1000.0
    expected = calls / call_s
    processes = expected / outcome.attempt.density
    warm = warm_for(processes, start_s)
    rate = rate_of(warm, start_s) * outcome.attempt.density
    enforced = min(round(turn_ms), MOST_TURN_MS) if outcome.held.turns else 0
    return Advice(outcome, calls, warm, rate, place(cores, need, roles), expected, enforced)


def warm_for(rate: float, start_s: float) -> int:
    """Fewest warm audio actors with which hardly anybody (`MISSED`) finds none: so many are taken, by chance (Poisson),
    while another one starts. rate: that are taken per second."""
    warm = LEAST_WARM
    while warm < MOST_WARM and _more_than(warm, rate * start_s) > MISSED:
        warm += 1
    return warm


def rate_of(warm: int, start_s: float) -> float:
    """The highest rate per second for which so many are enough, to 1 %."""
    low, high = 0.0, warm / start_s
    while high - low > 0.01 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if _more_than(warm, middle * start_s) <= MISSED else (low, middle)
    return low


def _more_than(most: int, mean: float) -> float:
    """The chance of more than so many, of a Poisson distribution with this mean."""
    if mean <= 0.0:
        return 0.0
    return 1.0 - sum(math.exp(count * math.log(mean) - mean - math.lgamma(count + 1)) for count in range(most + 1))


def _cores(numbers: Sequence[int]) -> str | list[int]:
    return list(numbers) or "any"


def as_yaml(advice: Advice, limits: str) -> str:
    """The keys as part of a configuration, the figures beside them. `limits`: the bounds that they were held to."""
    held = advice.outcome.held
    assert held is not None
    notes: dict[Key, str] = {
        ("audio", "max_calls"): f"{KEPT:.0%} of the {held.calls} that held",
        ("audio", "calls_per_process"): "isolation: a death is missed by one caller"
        if advice.density == 1
        else f"density: carries {held.calls}; a death is missed by up to {advice.density} callers",
        ("audio", "warm"): f"for {advice.rate:.1f} arrivals a second; {advice.arrivals:.2f} are expected",
        ("audio", "cores"): _load("audio", held, advice.calls),
        ("turns", "refuse_above_ms"): "the limit that turns were held to",
    }
    notes |= {("actors", role, "cores"): _load(role, held, advice.calls) for role in advice.outcome.attempt.counts}
    lines = [f"# {advice.why}", f"# held to: {limits}", *(f"# {line}" for line in measured(held))]
    section: Key = ()
    for key, value in advice.settings().items():
        for depth in range(1, len(key)):
            if section[:depth] != key[:depth]:
                lines.append(f"{'  ' * (depth - 1)}{key[depth - 1]}:")
        section = key[:-1]
        line = f"{'  ' * (len(key) - 1)}{key[-1]}: {value}"
        lines.append(f"{line:<40}# {notes[key]}" if key in notes else line)
    return "\n".join(lines) + "\n"


def _load(role: str, held: Figures, calls: int) -> str:
    return f"takes {held.cpu.get(role, 0.0) * calls / held.calls / 100.0:.2f} of a core with {calls} calls"


def measured(held: Figures) -> list[str]:
    """The figures of the calls that held, for people."""
    parts = [f"pacing error p99 {held.pacing_p99_ms:.2f} ms", f"frames lost {held.lost}"]
    if held.turn_p95_ms is not None and held.turn_p50_ms is not None:
        parts.append(f"turn latency p50 {held.turn_p50_ms:.0f} ms, p95 {held.turn_p95_ms:.0f} ms in {held.turns} turns")
    if held.age_p95_ms is not None:
        parts.append(f"frame age p95 {held.age_p95_ms:.0f} ms")
    used = f"machine busy {held.cpu_busy:.0f} %: {held.cpu_ours:.0f} % the system, {held.callers_cpu:.0f} % the callers"
    return [
        f"with {held.calls} calls: {', '.join(parts)}",
        f"{used}; memory {held.memory_mb:.0f} MB, {held.memory_free:.0f} % left",
    ]
