"""One rung of the ladder: bring calls up, measure them for some seconds, end them; one JSON object.

A steady rung measures all calls over one window. A churning one begins calls at a rate and ends each after a time by
chance (exponential, so that ends and beginnings meet in every order), and measures each from its first second to its
hanging up.
"""

import asyncio
import os
import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench.load import figures, usage
from bench.load.callers import Call
from bench.load.criteria import Criterion, limit_of
from bench.load.figures import Floats, Health, Heard
from bench.load.venue import Setting, Venue, venue

SETTLE_S = 2.0
"""From the last call that came up to the first that is measured: conversations start, caches warm up."""
GRACE_S = 1.0
"""From the end of a window until a mark that has not come back is lost. An echo takes 22 ms; a second of it is an
agent that is no longer talking to this caller."""
SHORTEST_CALL_S = 0.5
GAP_EDGES_MS = (0, 5, 10, 12, 14, 16, 17, 18, 18.5, 19, 19.25, 19.5, 19.75, 20, 20.25, 20.5, 20.75, 21, 21.5, 22, 23,
                24, 26, 28, 30, 35, 40, 60, 100)  # fmt: skip
ONE_S_NS = 1_000_000_000


@dataclass(frozen=True)
class Progress:
    """Where a rung is, once a second."""

    stage: str
    elapsed_s: float
    total_s: float
    calls_up: int
    worst_gap_ms: float
    """Among some of the calls, so far."""


Tell = Callable[[Progress], None]


@dataclass(frozen=True, kw_only=True)
class Rung:
    """seconds: of measuring. arrivals: calls begun per second. churn: mean duration of a call in seconds; 0 keeps all
    calls up to the end. title: for people."""

    setting: Setting
    seconds: float = 30.0
    arrivals: float = 10.0
    churn: float = 0.0
    criteria: tuple[Criterion, ...] = ()
    name: str = ""
    title: str = ""


@dataclass(frozen=True, eq=False)
class Result:
    rung: Rung
    figures: dict[str, Any]
    """As in the report; those that say something about the system are missing where the generators were not fit."""
    ok: bool
    plots: dict[str, Any] = field(default_factory=dict)
    """For the page: histogram of gaps, the worst second."""

    def json(self) -> dict[str, Any]:
        criteria = [criterion.json(self.figures) for criterion in self.rung.criteria]
        return {"name": self.rung.name, **self.figures, "ok": self.ok, "criteria": criteria, "plots": self.plots}


@dataclass(frozen=True)
class Span:
    """One call, from when to when it is looked at."""

    call: Call
    begin_ns: int
    end_ns: int


@dataclass(frozen=True, eq=False)
class Measured:
    """What a rung leaves; figures are made of it when all calls have ended, because that keeps the event loop, and so
    the stand-in Asterisk, busy for a second."""

    spans: list[Span]
    begin_ns: int
    end_ns: int
    before: usage.Look
    after: usage.Look
    calls_s: float
    """Seconds of calls: what CPU is divided by."""
    first_ms: list[float]


@dataclass(frozen=True, eq=False)
class Window:
    """What was heard, before it is summed up."""

    measured: Measured
    heard: list[Heard]
    barge_ins: list[figures.BargeIn]
    health: Health


async def measure(rung: Rung, tell: Tell = lambda progress: None, folder: Path | None = None) -> Result:
    """The whole rung. Raises `bench.system.NotReady` or `callers.NoGenerator`."""
    async with venue(rung.setting, folder) as place:
        run = _Run(rung, place, tell)
        idle_mb = sum(_memory(place).values())
        measured = await (run.churning() if rung.churn else run.steady())
        memory, shared_mb = _memory(place), place.shared_mb()
        processes = usage.tree(place.system.process.pid).values()
        up = max(1, len(run.up))
        gone_ms = run.gone_ms + await run.end()
        window = _window(measured, place)
        found = {**_about(rung, place), **_sums(window), **_processes(measured, place)}
        found["refused"] = len(place.refused)
        found["refused_because"] = sorted(set(place.refused))
        found["gone_ms"] = figures.quantiles(np.array(gone_ms))
        found["uss_mb_per_call"] = round(sum(memory.values()) / up, 3)
        found["uss_mb_per_further_call"] = round((sum(memory.values()) - idle_mb) / up, 3)
        found["uss_mb"] = usage.by_role(processes, memory)
        found["shared_mb_per_call"] = round(shared_mb / up, 3)
        return _result(rung, found, window)


def _window(measured: Measured, place: Venue) -> Window:
    busiest = max(usage.cpu_percent(measured.before, measured.after, [pid]) for pid in place.callers.pids)
    return Window(
        measured,
        [span.call.heard(span.begin_ns, span.end_ns) for span in measured.spans],
        [found for span in measured.spans for found in figures.barge_ins(span.call.row, span.begin_ns, span.end_ns)],
        place.callers.health(measured.begin_ns, measured.end_ns, busiest),
    )


def _result(rung: Rung, found: dict[str, Any], window: Window) -> Result:
    fit = window.health.fit
    limit = limit_of(found, rung.criteria, fit=fit)
    if not fit:
        # Nothing of this is the system's.
        found = {key: value for key, value in found.items() if key in OWN}
    plots = {"gap_edges_ms": list(GAP_EDGES_MS), "gaps": _gap_histogram(window), "worst": worst_second(window)}
    return Result(rung, {**found, "limit": limit}, limit == "", plots if fit else {})


def _memory(place: Venue) -> dict[int, float]:
    """Private MB of every process of the system."""
    pids = usage.tree(place.system.process.pid)
    return {pid: found.private for pid in pids if (found := usage.memory(pid)) is not None}


class _Run:
    """One rung under way."""

    def __init__(self, rung: Rung, place: Venue, tell: Tell) -> None:
        self.rung = rung
        self.place = place
        self.up: list[Call] = []
        self.gone_ms: list[float] = []
        self._tell = tell
        self._begun = time.monotonic()
        self._worst_ms = 0.0

    async def steady(self) -> Measured:
        rung, place = self.rung, self.place
        watch = asyncio.ensure_future(self._show("bringing calls up", rung.setting.calls / rung.arrivals))
        try:
            self.up = await place.calls(rung.setting.calls, 1 / rung.arrivals)
        finally:
            watch.cancel()
        await asyncio.sleep(SETTLE_S)
        before, begin = self._look(), figures.now_ns()
        watch = asyncio.ensure_future(self._show("measuring", rung.seconds))
        await asyncio.sleep(rung.seconds)
        watch.cancel()
        end, after = figures.now_ns(), self._look()
        await asyncio.sleep(GRACE_S)
        spans = [Span(call, begin, end) for call in self.up]
        first = [(call.first_ns - call.began_ns) / 1e6 for call in self.up]
        return Measured(spans, begin, end, before, after, len(self.up) * (end - begin) / 1e9, first)

    async def churning(self) -> Measured:
        """Each call is looked at from one second after its first frame until it hangs up."""
        rung = self.rung
        chance = random.Random(rung.setting.seed)
        before, begin = self._look(), figures.now_ns()
        latest_s = begin / 1e9 + rung.seconds
        watch = asyncio.ensure_future(self._show("calls come and go", rung.seconds))
        lives: list[asyncio.Task[_Life | None]] = []
        for number in range(int(rung.seconds * rung.arrivals)):
            await asyncio.sleep(max(0.0, begin / 1e9 + number / rung.arrivals - time.monotonic()))
            stay_s = max(SHORTEST_CALL_S, chance.expovariate(1 / rung.churn))
            lives.append(asyncio.ensure_future(self._live(stay_s, latest_s)))
        await asyncio.sleep(max(0.0, latest_s - time.monotonic()))
        watch.cancel()
        end, after = figures.now_ns(), self._look()
        lived = [life for life in await asyncio.gather(*lives) if life is not None]
        spans = [life.span for life in lived if life.span.end_ns > life.span.begin_ns]
        seconds = sum(life.seconds for life in lived)
        return Measured(spans, begin, end, before, after, seconds, [life.first_ms for life in lived])

    async def _live(self, stay_s: float, latest_s: float) -> "_Life | None":
        """One call from its beginning to its end; one that is up at `latest_s` stays up."""
        call = await self.place.call()
        if not await self.place.is_served(call):
            return None
        self.up.append(call)
        await asyncio.sleep(max(0.0, min(stay_s, latest_s - time.monotonic())))
        span = Span(call, call.first_ns + ONE_S_NS, figures.now_ns())
        if time.monotonic() < latest_s:
            self.gone_ms += await self.place.hang_up([call])
            self.up.remove(call)
        else:
            await asyncio.sleep(GRACE_S)
        return _Life(span, max(0.0, (span.end_ns - call.first_ns) / 1e9), (call.first_ns - call.began_ns) / 1e6)

    async def end(self) -> list[float]:
        """Hangs up all that are still there, at the rate at which they came."""
        return await self.place.hang_up(self.up, 1 / max(self.rung.arrivals, 1.0))

    def _look(self) -> usage.Look:
        # All of this bench: itself with the stand-in, the system, the generators, the neighbours that it has made.
        return usage.look(os.getpid())

    async def _show(self, stage: str, total_s: float) -> None:
        begun = time.monotonic()
        while True:
            up = [call for call in self.place.callers.calls if call.is_up]
            if stage != "bringing calls up":
                self._worst_ms = max([self._worst_ms, *(_last_gap_ms(call) for call in up[:SAMPLED])])
            self._tell(Progress(stage, time.monotonic() - begun, total_s, len(up), self._worst_ms))
            await asyncio.sleep(1.0)


SAMPLED = 25
"""Calls that progress looks at: it is to cost nothing."""
OWN = frozenset({"title", "calls", "calls_up", "seconds", "flow", "provider", "calls_per_process", "priority",
                 "unprivileged", "beside", "churn", "arrivals", "conversations", "generators", "generator_granted",
                 "generator_late_ms", "generator_skipped", "generator_cpu_percent", "arrival_clock",
                 "bench_cpu_percent", "machine_busy_percent", "elsewhere_percent",
                 "steal_percent", "refused", "refused_because"})  # fmt: skip
"""Figures that are not the system's: all that is left of a rung whose generators were not fit."""


@dataclass(frozen=True, eq=False)
class _Life:
    span: Span
    seconds: float
    first_ms: float


def _last_gap_ms(call: Call) -> float:
    now = figures.now_ns()
    _, at, _ = call.row.arrived(50)
    at = at[at > now - 2 * ONE_S_NS]
    return float(np.diff(at).max() / 1e6) if len(at) > 1 else 0.0


def _about(rung: Rung, place: Venue) -> dict[str, Any]:
    setting, callers = rung.setting, place.callers
    return {
        "title": rung.title,
        "calls": setting.calls,
        "seconds": rung.seconds,
        "flow": setting.flow,
        "provider": setting.provider,
        "calls_per_process": setting.dense,
        "conversations": setting.conversations,
        "priority": setting.priority,
        "unprivileged": setting.unprivileged,
        "beside": setting.beside,
        "arrivals": rung.arrivals,
        "churn": rung.churn,
        "generators": len(callers.pids),
        "generator_granted": callers.granted,
        "arrival_clock": callers.clock,
    }


def _joined(parts: Sequence[Floats]) -> Floats:
    return np.concatenate(parts) if parts else np.empty(0)


def _sums(window: Window) -> dict[str, Any]:
    heard, late = window.heard, window.health.late_ms
    silences = [found.silent_after_ms for found in window.barge_ins if found.silent_after_ms is not None]
    sums: dict[str, Any] = {
        "calls_up": len(heard),
        "frames_in": sum(one.spoken for one in heard),
        "frames_out": sum(one.frames for one in heard),
        **{
            name: sum(getattr(one, name) for one in heard)
            for name in ("lost", "duplicates", "reordered", "foreign", "silent", "late")
        },
        "audio_ratio": round(statistics.fmean(one.audio_ratio for one in heard), 4) if heard else 0.0,
        "worst_audio_ratio": round(min((one.audio_ratio for one in heard), default=0.0), 4),
        "pace_error_ms": figures.quantiles(np.abs(_joined([one.pace_ms for one in heard]))),
        "gap_ms": figures.quantiles(_joined([one.gap_ms for one in heard])),
        "added_latency_ms": figures.quantiles(_joined([one.latency_ms for one in heard])),
        "first_frame_ms": figures.quantiles(np.array(window.measured.first_ms)),
        "generator_late_ms": figures.quantiles(late),
        "generator_skipped": window.health.skipped,
        "generator_cpu_percent": round(window.health.cpu_percent, 1),
    }
    if window.barge_ins:
        sums["barge_in_ms"] = figures.quantiles(np.array(silences))
        sums["barge_ins"] = len(window.barge_ins)
        sums["barge_ins_unnoticed"] = len(window.barge_ins) - len(silences)
        sums["not_talking_again"] = sum(
            found.talks_again_ms is None and found.onset_ns < window.measured.end_ns - 3 * ONE_S_NS
            for found in window.barge_ins
        )
    return sums


def _processes(measured: Measured, place: Venue) -> dict[str, Any]:
    before, after = measured.before, measured.after
    system = list(usage.under(after, place.system.process.pid))
    percent = {found.pid: usage.cpu_percent(before, after, [found.pid]) for found in system}
    busy, stolen = usage.machine_percent(before, after)
    everything = usage.cpu_percent(before, after, after.processes)
    lasted = (measured.end_ns - measured.begin_ns) / 1e9
    return {
        "cpu_percent_per_call": round(sum(percent.values()) * lasted / max(measured.calls_s, 1e-9), 4),
        "cpu_percent": usage.by_role(system, percent),
        "bench_cpu_percent": round(usage.cpu_percent(before, after, [os.getpid()]), 1),
        "machine_busy_percent": round(busy, 1),
        "elsewhere_percent": round(max(0.0, busy - everything / (os.cpu_count() or 1)), 1),
        "steal_percent": round(stolen, 2),
    }


def _gap_histogram(window: Window) -> list[int]:
    return figures.histogram(_joined([one.gap_ms for one in window.heard]), GAP_EDGES_MS)


def worst_second(window: Window) -> dict[str, Any]:
    """The call whose frame was furthest from its grid, half a second to each side of that frame: ms from the middle,
    and the pacing error in ms, of its frames and of all others' (the largest in each 10 ms)."""
    heard = [one for one in window.heard if one.frames]
    if not heard:
        return {}
    worst = max(heard, key=lambda one: float(np.abs(one.pace_ms).max()))
    middle = int(worst.arrived_ns[int(np.abs(worst.pace_ms).argmax())])
    others: dict[int, float] = {}
    for one in heard:
        near = np.abs(one.arrived_ns - middle) <= ONE_S_NS // 2
        for at, error in zip(one.arrived_ns[near], one.pace_ms[near], strict=True):
            place = int((at - middle) // 10_000_000) * 10
            others[place] = max(others.get(place, 0.0), abs(float(error)))
    near = np.abs(worst.arrived_ns - middle) <= ONE_S_NS // 2
    points = zip(worst.arrived_ns[near], worst.pace_ms[near], strict=True)
    return {
        "at_s": round((middle - window.measured.begin_ns) / 1e9, 2),
        "worst_call": [[round((int(at) - middle) / 1e6, 1), round(float(error), 3)] for at, error in points],
        "all_calls": [[place, round(error, 3)] for place, error in sorted(others.items())],
    }
