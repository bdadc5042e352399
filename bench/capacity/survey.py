"""All of it: climb in one way of running after the other, recommend the best, and measure the recommendation itself."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.capacity.advice import CALL_S, Advice, advise
from bench.capacity.attempts import Attempt, Outcome, best, following, to_try
from bench.capacity.climb import Climb
from bench.capacity.figures import Figures
from bench.capacity.limits import Breach, Limits, breaches, turn_limit_ms
from bench.capacity.stage import Manner, Stage, stage
from config.load import Config
from ipc.bus import NoAnswer
from models import planned
from models.machine import detect
from supervisor.specs import pools

MOST = 400
"""Calls, unless told otherwise: what one generator process speaks and listens for with half a core."""
DENSE = 25
"""Calls that share an audio process where that is tried: with 25 a process takes about a tenth of a core."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """wanted: calls that are enough, 0 for as many as possible. most: calls beyond which nothing is tried."""

    limits: Limits = field(default_factory=Limits)
    manner: Manner = field(default_factory=Manner)
    wanted: int = 0
    most: int = MOST
    dense: int = DENSE
    tries: int = 2
    call_s: float = CALL_S


@dataclass(frozen=True)
class Rung:
    """One measurement and its verdict; none broken means that it held."""

    attempt: Attempt
    figures: Figures
    breaches: tuple[Breach, ...]

    def json(self) -> dict[str, Any]:
        return {
            "calls_per_process": self.attempt.density,
            "counts": dict(self.attempt.counts),
            **self.figures.json(),
            "held": not self.breaches,
            "broke": [breach.text for breach in self.breaches],
        }


Tell = Callable[[Attempt | Rung], None]
"""Called with each attempt as it begins, and with each measurement."""


@dataclass(frozen=True)
class Report:
    """advice: None when not even one call held. check: the recommendation, measured."""

    rungs: list[Rung]
    outcomes: list[Outcome]
    advice: Advice | None
    check: Rung | None
    turn_ms: float

    @property
    def fine(self) -> bool:
        return self.check is not None and not self.check.breaches


class Survey:
    """Lives once: `run`."""

    def __init__(self, config: Config, plan: Plan, tell: Tell, folder: Path | None = None) -> None:
        self._config = config
        self._plan = plan
        self._tell = tell
        self._folder = folder
        self._rungs: list[Rung] = []
        self._turn_ms = 0.0
        """What turns are held to; 0 until the first measurement."""

    async def run(self) -> Report:
        """Raises `bench.system.NotReady`, `callers.NoGenerator`, `sentences.Unspeakable`."""
        plan = self._plan
        cores = detect().cores
        attempt: Attempt | None = first(self._config)
        outcomes: list[Outcome] = []
        while attempt is not None:
            outcomes.append(await self._climb(attempt, max((one.calls for one in outcomes), default=0) or 1))
            attempt = following(outcomes, wanted=plan.wanted, dense=plan.dense, cores=len(cores))
        chosen = best(outcomes, plan.wanted)
        if chosen.held is None:
            return Report(self._rungs, outcomes, None, None, self._turn_ms)
        advice = advise(chosen, cores, self._turn_ms, plan.call_s)
        check = await self._check(advice)
        return Report(self._rungs, outcomes, advice, check, self._turn_ms)

    async def _climb(self, attempt: Attempt, start: int) -> Outcome:
        plan = self._plan
        most = to_try(plan.wanted, plan.most)
        climb = Climb(most, min(start, most), plan.tries)
        held: Figures | None = None
        broke: Rung | None = None
        self._tell(attempt)
        async with stage(self._config, attempt, plan.manner, most, self._folder) as on:
            while (calls := climb.next()) is not None:
                rung = await self._measure(on, attempt, calls)
                self._rungs.append(rung)
                self._tell(rung)
                climb.note(calls, not rung.breaches)
                if not rung.breaches:
                    held = rung.figures
                elif climb.broke == calls:
                    broke = rung
                if any(breach.name == "silent" for breach in rung.breaches):
                    broke = rung
                    break
        return Outcome(attempt, held, broke.figures if broke else None, broke.breaches if broke else ())

    async def _measure(self, on: Stage, attempt: Attempt, calls: int) -> Rung:
        try:
            figures = await on.at(calls)
        except NoAnswer as silence:
            return Rung(attempt, Figures(calls=calls, up=0), (Breach("silent", str(silence)),))
        if not self._turn_ms:
            self._turn_ms = turn_limit_ms(self._plan.limits, figures)
        return Rung(attempt, figures, tuple(breaches(figures, self._plan.limits, self._turn_ms)))

    async def _check(self, advice: Advice) -> Rung:
        """The recommended calls, on the recommended cores."""
        before = advice.outcome.attempt
        attempt = Attempt(before.density, before.counts, advice.places)
        async with stage(self._config, attempt, self._plan.manner, advice.calls, self._folder) as on:
            for _ in range(self._plan.tries):
                rung = await self._measure(on, attempt, advice.calls)
                if not rung.breaches:
                    break
        return rung


def first(config: Config) -> Attempt:
    """Isolation, and as many other actors as configured, or as this machine's tier says."""
    actors = planned.apply(config, planned.make(config)).settings.actors
    return Attempt(1, {role: getattr(actors, role).count for role in pools(config.settings)})
