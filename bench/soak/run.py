"""A soak from its first call to its report."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.load.venue import Setting, Venue, venue
from bench.soak import page, verdict
from bench.soak.churn import Churn
from bench.soak.gauge import Gauge, Look
from bench.soak.series import Slope
from supervisor.instance import segment_prefix

WARM_UP_CALLS = 5
"""Before the first look: connections that are made at the first call are there then, and stay."""
LOOK_S = 5.0
FEWEST_LOOKS = 40
"""A short soak looks more often."""
LEFT_S = 15.0
"""From the last caller's hanging up until nothing is left. A call is gone in 2 s; a closed connection of the bus may
take as long as its next use."""
LEFT_LOOK_S = 0.25
CONVERSATIONS = 2


@dataclass(frozen=True)
class Plan:
    """mean_s: how long a caller stays on average."""

    minutes: float = 30.0
    calls: int = 50
    mean_s: float = 60.0


@dataclass
class Soak:
    """What came of it. before, after: with no call open."""

    plan: Plan
    before: Look
    after: Look
    looks: list[Look]
    tally: dict[str, Any]
    left: list[str]
    series: verdict.Series = field(init=False)
    slopes: dict[str, Slope] = field(init=False)

    def __post_init__(self) -> None:
        self.series = verdict.series(self.looks)
        self.slopes = verdict.slopes([look.at_s for look in self.looks], self.series)

    @property
    def broken(self) -> list[str]:
        return [*verdict.complaints(self.tally), *verdict.leaks(self.slopes), *(f"left: {text}" for text in self.left)]

    def json(self) -> dict[str, Any]:
        return {
            "ok": not self.broken,
            "broken": self.broken,
            "plan": asdict(self.plan),
            "callers": self.tally,
            "slopes_per_minute": {name: asdict(found) for name, found in self.slopes.items()},
            "left": self.left,
            "before": asdict(self.before),
            "after": asdict(self.after),
            "looks": [asdict(look) for look in self.looks],
        }

    def summary(self) -> str:
        """For a person, in lines."""
        tally, plan = self.tally, self.plan
        lines = [
            f"{plan.minutes:g} minutes, {plan.calls} calls at a time of {plan.mean_s:g} s on average: {tally['calls']}"
            f" calls served, {tally.get('refused', 0)} not, {tally.get('dropped', 0)} dropped",
            f"callers' frames lost {tally['lost']} of {tally['spoken']} (at most {tally['most_lost_of_one_call']} of"
            f" one call), in another's ear {tally['foreign']}; pacing"
            f" p50 {tally['pace_ms']['p50']:g} ms, p99 {tally['pace_ms']['p99']:g} ms (the generator itself:"
            f" {tally['generator_late_p99_ms']:g} ms), longest gap {tally['longest_gap_ms']:g} ms",
            "",
        ]
        width = max(map(len, self.slopes), default=0)
        for name, found in self.slopes.items():
            values = self.series[name]
            lines.append(
                f"{name:{width}}  {values[0]:10.0f} -> {values[-1]:10.0f}   {found.per_minute:+9.2f} a minute"
                f" ± {found.uncertainty:.2f}"
            )
        lines += ["", "nothing was left at the end" if not self.left else f"left: {', '.join(self.left)}"]
        return "\n".join([*lines, *(f"BROKEN: {text}" for text in self.broken)])

    def html(self) -> str:
        at_s = [look.at_s for look in self.looks]
        return page.page("Soak", at_s, self.series, self.slopes, self.summary())


async def soak(plan: Plan, folder: Path, tell: Callable[[Look, Churn], None] = lambda look, churn: None) -> Soak:
    """`tell` hears of each look. Raises `NotReady` or `NoGenerator`."""
    async with venue(Setting(calls=plan.calls, conversations=CONVERSATIONS), folder) as place:
        gauge = Gauge(place.system.process.pid, segment_prefix(place.system.run_dir))
        await _warm_up(place, min(WARM_UP_CALLS, plan.calls))
        await _settled(gauge, None)
        before = await asyncio.to_thread(gauge.look, 0)
        churn = Churn(place, plan.calls, plan.mean_s)
        looks: list[Look] = []
        looking = asyncio.create_task(_look(gauge, churn, plan, looks, tell))
        try:
            await churn.run(plan.minutes * 60)
        finally:
            looking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await looking
        left = await _settled(gauge, before)
        after = await asyncio.to_thread(gauge.look, 0)
        left += [f"channel {name}" for name in place.asterisk.channels]
        left += [f"bridge {name}" for name in place.asterisk.bridges]
        return Soak(plan, before, after, looks, churn.tally.json(), left)


async def _warm_up(place: Venue, count: int) -> None:
    calls = await place.calls(count)
    for call in calls:
        call.hang_up()
    for call in calls:
        await call.over.wait()
        call.forget()


async def _look(gauge: Gauge, churn: Churn, plan: Plan, looks: list[Look], tell: Callable[[Look, Churn], None]) -> None:
    """Until cancelled."""
    every = min(LOOK_S, plan.minutes * 60 / FEWEST_LOOKS)
    due = time.monotonic()
    while True:
        due += every
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        if churn.is_over or (len(churn.open) < plan.calls and not looks):
            continue  # they are all going, or still coming: what grows with them is no leak
        looks.append(await asyncio.to_thread(gauge.look, len(churn.open)))
        tell(looks[-1], churn)


async def _settled(gauge: Gauge, before: Look | None) -> list[str]:
    """Waits until no more is left than there was `before`, or no more goes away; gives what is left."""
    deadline = time.monotonic() + LEFT_S
    last: Look | None = None
    while True:
        look = await asyncio.to_thread(gauge.look, 0)
        left: Sequence[str] = verdict.left(before or last or look, look)
        if time.monotonic() > deadline or (not left and last is not None and _same(last, look)):
            return list(left)
        last = look
        await asyncio.sleep(LEFT_LOOK_S)


def _same(last: Look, look: Look) -> bool:
    return (last.processes, last.segments, last.descriptors) == (look.processes, look.segments, look.descriptors)
