"""One fault: strike, wait until the system is at full strength again, ask the callers; as often as it wants."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.chaos import heard
from bench.chaos.fault import Fault, Strike
from bench.chaos.heard import Account, Limits, Toll
from bench.chaos.scene import NotBack, Scene
from bench.load import usage
from bench.load.callers import Call
from ipc.bus import NoAnswer, Refused

BEFORE_S = 1.0
"""Of undisturbed calls before each strike, to which the pacing is compared."""
AFTER_S = 0.5
"""At full strength, so that what comes late from before is seen."""
SETTLE_S = 0.3
"""For marks that are on their way: the echo takes 0.1 s at most."""


@dataclass
class Outcome:
    """What came of a fault. `skipped` says why there is nothing else."""

    name: str
    holds: str
    limits: Limits
    skipped: str = ""
    strikes: int = 0
    accounts: list[Account] = field(default_factory=list)
    took_ms: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    broken: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0
    fit: bool = True
    """False when a generator was late itself: nothing then says anything about the pacing of the others."""
    busy_percent: float = 0.0
    """Of all cores of the machine, by anybody. Near 100 the figures are those of a machine that is too small."""
    back: bool = True
    """False when the system did not come back to full strength."""

    @property
    def hit(self) -> Toll:
        return heard.toll([account for account in self.accounts if account.hit])

    @property
    def others(self) -> Toll:
        return heard.toll([account for account in self.accounts if not account.hit])

    @property
    def ok(self) -> bool:
        return not self.broken

    def judge(self) -> None:
        """Adds what the callers' accounts break."""
        broken = heard.broken(self.hit, self.others, self.limits)
        if not self.fit:
            pace = [sentence for sentence in broken if sentence.startswith("the pacing")]
            broken = [sentence for sentence in broken if sentence not in pace]
            self.notes += [f"the generator was late itself, so this says nothing: {sentence}" for sentence in pace]
        self.broken += broken

    def json(self) -> dict[str, Any]:
        spreads = {what: heard.spread(values) for what, values in self.took_ms.items()}
        return {
            "name": self.name,
            "holds": self.holds,
            "ok": self.ok,
            "skipped": self.skipped,
            "strikes": self.strikes,
            "hit": self.hit.json(),
            "others": self.others.json(),
            "took_ms": {what: vars(found) for what, found in spreads.items() if found},
            "limits": vars(self.limits),
            "broken": _counted(self.broken),
            "notes": _counted(self.notes),
            "generator_fit": self.fit,
            "machine_busy_percent": round(self.busy_percent, 1),
            "seconds": round(self.seconds, 1),
        }


def _counted(sentences: Sequence[str]) -> list[str]:
    """Each once, with how often it came."""
    counts = {sentence: sentences.count(sentence) for sentence in sentences}
    return [sentence if count == 1 else f"{sentence} ({count} times)" for sentence, count in counts.items()]


async def trial(fault: Fault, scene: Scene, repeat: int | None = None) -> Outcome:
    """`repeat` overrides the fault's. Never raises for what the system does wrong."""
    outcome = Outcome(fault.name, fault.holds, fault.limits, skipped=fault.needs(scene))
    if outcome.skipped:
        return outcome
    began, machine = time.monotonic(), usage.look(scene.supervisor)
    for number in range(repeat or fault.repeat):
        deaths = len(await scene.actors("audio")) if fault.deaths < 0 else fault.deaths
        await scene.allowance(deaths)
        await _once(fault, scene, number, outcome)
        if not outcome.back:
            break
    if outcome.back and await scene.new_call() is None:
        outcome.broken.append("afterwards a new call was not served")
    outcome.judge()
    outcome.busy_percent = usage.machine_percent(machine, usage.look(scene.supervisor))[0]
    outcome.seconds = time.monotonic() - began
    return outcome


async def _once(fault: Fault, scene: Scene, number: int, outcome: Outcome) -> None:
    strike = Strike(number)
    try:
        await scene.top_up()
        await scene.full_strength()
        calls = list(scene.calls)
        await asyncio.sleep(BEFORE_S)
        try:
            await fault.do(scene, strike)
            await scene.full_strength()
        finally:
            if strike.began_ns:
                strike.took("full strength")
                await asyncio.sleep(AFTER_S)
                end = time.monotonic_ns()
                await asyncio.sleep(SETTLE_S)
                _ask(calls, strike, end, outcome)
                outcome.fit = outcome.fit and scene.place.callers.health(strike.began_ns, end).fit
    except (NotBack, NoAnswer, Refused) as error:
        outcome.broken.append(str(error))
        outcome.back = False
    outcome.strikes += 1
    outcome.broken += strike.broken
    outcome.notes += strike.notes
    for what, ms in strike.took_ms.items():
        outcome.took_ms[what].append(ms)


def _ask(calls: Sequence[Call], strike: Strike, end: int, outcome: Outcome) -> None:
    begin = strike.began_ns
    for call in calls:
        if call.hung_up_ns:
            continue
        outcome.accounts.append(
            heard.account(
                call.heard(begin - int(BEFORE_S * 1e9), begin),
                call.heard(begin, end),
                hit=call in strike.hit,
                call_lost=call.over.is_set(),
            )
        )
