"""Callers who come, stay for a while, go, and are followed by the next: always as many, for as long as it takes."""

import asyncio
import contextlib
import random
from collections import Counter
from typing import Any

import numpy as np

from bench.load import figures
from bench.load.callers import Call, NotServed
from bench.load.figures import Floats
from bench.load.venue import UP_S, Venue

LEAST_S, MOST_S = 4.0, 240.0
"""How long a call lasts: the sheet keeps the frames of 5.5 minutes, and all of a call's are wanted."""
EACH_S = 0.1
"""Between the first callers."""
AGAIN_S = 1.0
"""After a call that was not served, before the same place is tried again."""
SETTLING_NS = 2_000_000_000
"""Of a call's beginning, in which the agent's clock finds its place beside the caller's: no grid holds yet."""
SETTLE_S = 0.3
"""For marks that are on their way."""
BIN_MS, MOST_MS = 0.05, 200.0
"""Errors are counted in bins: an eight-hour soak has 70 million frames."""


class Tally:
    """What all callers together heard, call by call as they end."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        """calls, frames, spoken, lost, duplicates, foreign, late; dropped: calls that the system ended; refused."""
        self.reasons: Counter[str] = Counter()
        """Why calls were not served or were dropped."""
        self.longest_gap_ms = 0.0
        self.most_lost = 0
        """Frames of one caller: whether all lose a few, or one loses many."""
        self._bins = np.zeros(round(MOST_MS / BIN_MS) + 1, np.int64)
        self._caller_bins = np.zeros_like(self._bins)

    def add(self, heard: figures.Heard, settled: figures.Heard, own_late_ms: Floats) -> None:
        """One call. settled: without its beginning. own_late_ms: how late the generator was with each frame."""
        self.counts["calls"] += 1
        for name in ("frames", "spoken", "lost", "duplicates", "foreign"):
            self.counts[name] += getattr(heard, name)
        self.counts["late"] += settled.late
        self.most_lost = max(self.most_lost, heard.lost)
        self.longest_gap_ms = max(self.longest_gap_ms, float(settled.gap_ms.max(initial=0.0)))
        _count(self._bins, np.abs(settled.pace_ms))
        _count(self._caller_bins, own_late_ms)

    def json(self) -> dict[str, Any]:
        return {
            **self.counts,
            "most_lost_of_one_call": self.most_lost,
            "reasons": dict(self.reasons),
            "longest_gap_ms": round(self.longest_gap_ms, 2),
            "pace_ms": {name: quantile(self._bins, share) for name, share in (("p50", 0.5), ("p99", 0.99))},
            "generator_late_p99_ms": quantile(self._caller_bins, 0.99),
        }


def _count(bins: figures.Ints, values: Floats) -> None:
    numbers = np.clip((values / BIN_MS).astype(np.int64), 0, len(bins) - 1)
    bins += np.bincount(numbers, minlength=len(bins))


def quantile(bins: figures.Ints, share: float) -> float:
    """In ms, to the upper edge of a bin; 0 of nothing."""
    total = int(bins.sum())
    if not total:
        return 0.0
    return round((int(np.searchsorted(np.cumsum(bins), share * total)) + 1) * BIN_MS, 3)


class Churn:
    def __init__(self, place: Venue, calls: int, mean_s: float, seed: int = 1) -> None:
        """`mean_s`: how long a caller stays on average; exponentially distributed, as telephone calls are."""
        self.tally = Tally()
        self.open: set[Call] = set()
        self._place = place
        self._calls = calls
        self._mean_s = mean_s
        self._chance = random.Random(seed)
        self._over = asyncio.Event()

    @property
    def is_over(self) -> bool:
        """The callers are going, and no others come."""
        return self._over.is_set()

    async def run(self, seconds: float) -> None:
        """Returns when the last caller has gone."""
        async with asyncio.TaskGroup() as seats:
            for number in range(self._calls):
                seats.create_task(self._seat(number * EACH_S))
            await asyncio.sleep(seconds)
            self._over.set()

    async def _seat(self, after_s: float) -> None:
        """One caller after the other."""
        await self._wait(after_s)
        while not self._over.is_set():
            call = await self._place.call()
            try:
                await call.up(UP_S)
            except (NotServed, TimeoutError) as error:
                self.tally.counts["refused"] += 1
                self.tally.reasons[str(error) or f"not up within {UP_S:g} s"] += 1
                call.hang_up()
                await self._wait(AGAIN_S)
                continue
            self.open.add(call)
            await self._stay(call)
            self.open.discard(call)
            await self._account(call)

    async def _stay(self, call: Call) -> None:
        """Until the caller has had enough, or is dropped."""
        seconds = min(MOST_S, max(LEAST_S, self._chance.expovariate(1 / self._mean_s)))
        ends = (asyncio.create_task(call.over.wait()), asyncio.create_task(self._over.wait()))
        await asyncio.wait(ends, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for end in ends:
            end.cancel()
        if call.over.is_set():
            self.tally.counts["dropped"] += 1
            self.tally.reasons[f"dropped: {call.why}"] += 1
        call.hang_up()
        await call.over.wait()

    async def _account(self, call: Call) -> None:
        await asyncio.sleep(SETTLE_S)
        begin, end = call.first_ns, call.over_ns
        settled = call.heard(min(begin + SETTLING_NS, end - 1), end)
        self.tally.add(call.heard(begin, end), settled, figures.health([call.row], begin, end, 0.0).late_ms)
        call.forget()

    async def _wait(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._over.wait(), seconds)
