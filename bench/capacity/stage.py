"""The system with the operator's own settings, the stand-in Asterisk and callers on it: calls in, figures out.

Of the settings only this is changed: Asterisk and the ports (the stand-in's), the run directory (its own), how many
calls may come and how long they last (as is tried), and what an attempt is about: the density, the number of actors,
the cores.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import yaml

from bench.capacity import sentences, talking
from bench.capacity.attempts import Attempt
from bench.capacity.figures import Figures
from bench.capacity.talking import Talking
from bench.load import figures, usage
from bench.load.callers import Call
from bench.load.figures import Heard
from bench.load.venue import SPARE_CALLS, WARM, Flow, Setting, Venue, venue
from config.load import Config
from ipc.messages import ActorChanged

SETTLE_S = 3.0
"""From the last call that came up to the first frame that is measured."""
GRACE_S = 1.0
"""From the end of a measurement until what has not come counts as lost."""
TURN_S = 30.0
"""On top of a measurement's seconds, for callers who have had no turn in it: a long answer, and one that never came."""
LONGEST_CALL_S = 86_400
MOST_CALLS = 1000
"""`audio.max_calls` allows no more."""
EDGE_FRAMES = 2
"""A call's window begins and ends in the middle of a frame, and its last may be a little late."""
NOT_TALKING = ("loopback", "speaker")
"""Providers for tests of the line: callers have nothing to say to them."""


@dataclass(frozen=True, kw_only=True)
class Manner:
    """How it is measured. seconds: at each number of calls. arrivals: calls begun per second."""

    seconds: float = 20.0
    arrivals: float = 5.0
    flow: Flow = "ari"
    say: tuple[str, ...] = ()
    """Sentences of the callers; () for those that the agent's script expects."""


def setting(config: Config, attempt: Attempt, most: int, flow: Flow) -> Setting:
    """What is up, for `bench.load.venue`."""
    given: dict[str, Any] = yaml.safe_load(config.path.read_text()) or {}

    def section(name: str, **changes: Any) -> dict[str, Any]:
        return {**(given.get(name) or {}), **changes}

    def placed(role: str) -> dict[str, list[int] | str]:
        return {"cores": list(attempt.cores[role]) or "any"} if role in attempt.cores else {}

    audio = {
        "max_calls": min(MOST_CALLS, most + SPARE_CALLS),
        "calls_per_process": attempt.density,
        "warm": max(WARM, config.settings.audio.warm),
        **placed("audio"),
    }
    actors = {
        role: {**((given.get("actors") or {}).get(role) or {}), "count": count, **placed(role)}
        for role, count in attempt.counts.items()
    }
    changes = {
        **{name: value for name, value in given.items() if name not in ("asterisk", "audiosocket", "default_provider")},
        "audio": section("audio", **audio),
        "audiosocket": {
            key: value for key, value in section("audiosocket").items() if key not in ("host", "port", "direct_calls")
        },
        "actors": section("actors", **actors),
        "agents": section("agents", directory=str(config.path.parent / config.settings.agents.directory)),
        "turns": section("turns", max_call_s=LONGEST_CALL_S, refuse_above_ms=0),
        "run": {"log_level": "warning"},
    }
    return Setting(
        calls=most,
        flow=flow,
        provider=config.settings.default_provider,
        dense=attempt.density,
        conversations=attempt.counts.get("conversation", 1),
        changes=changes,
    )


def lines_for(config: Config, manner: Manner) -> tuple[bytes, ...]:
    """What the callers say; () for a provider to which there is nothing to say. Raises `sentences.Unspeakable`."""
    if config.settings.default_provider in NOT_TALKING:
        return ()
    said = manner.say or sentences.expected(config.agent)
    return sentences.spoken(said, config.agent.language)


@dataclass
class Window:
    """What was noted before and after a measurement."""

    begin_ns: int
    end_ns: int
    before: usage.Look
    after: usage.Look


class Stage:
    """Made by `stage`."""

    def __init__(self, place: Venue, manner: Manner, talks: Talking, provider: str) -> None:
        self._place = place
        self._manner = manner
        self._talks = talks
        self._provider = provider
        self._calls: list[Call] = []
        self._born: dict[str, float] = {}
        self._starts_ms: list[float] = []

    async def at(self, calls: int) -> Figures:
        """So many calls up, measured for some seconds."""
        self._starts_ms.clear()
        refused = await self._bring(calls)
        await asyncio.sleep(SETTLE_S)
        begun = [call for call in self._calls if call.is_up]
        before, begin = self._look(), figures.now_ns()
        await asyncio.sleep(self._manner.seconds)
        await self._talks.each_had_a_turn(begin, TURN_S)
        end, after = figures.now_ns(), self._look()
        free = 100.0 * psutil.virtual_memory().available / psutil.virtual_memory().total
        ended = sum(not call.is_up for call in begun)
        await asyncio.sleep(GRACE_S)
        return self._figures(calls, begun, ended, refused, free, Window(begin, end, before, after))

    async def _bring(self, calls: int) -> tuple[str, ...]:
        """Gives why any did not come up."""
        for call in [call for call in self._calls if not call.is_up]:
            self._drop(call)
        if leaving := self._calls[calls:]:
            await self._place.hang_up(leaving, 1 / self._manner.arrivals)
            for call in leaving:
                self._drop(call)
        wanted = calls - len(self._calls)
        earlier = len(self._place.refused)
        fresh = await self._place.calls(wanted, 1 / self._manner.arrivals) if wanted else []
        for call in fresh:
            self._calls.append(call)
            self._talks.add(call)
        return tuple(sorted(set(self._place.refused[earlier:])))

    def _drop(self, call: Call) -> None:
        self._calls.remove(call)
        self._talks.remove(call)
        call.forget()

    def _look(self) -> usage.Look:
        return usage.look(self._place.system.process.pid, [*self._place.callers.pids, os.getpid()])

    async def note_start(self, sender: str, change: ActorChanged) -> None:
        """How long audio actors take from their fork to ready."""
        if change.role != "audio":
            return
        if change.state == "starting":
            self._born[change.name] = time.monotonic()
        elif change.state == "ready" and change.name in self._born:
            self._starts_ms.append(1000.0 * (time.monotonic() - self._born.pop(change.name)))

    # -- what came of it

    def _figures(
        self, calls: int, begun: list[Call], ended: int, refused: tuple[str, ...], free: float, window: Window
    ) -> Figures:
        begin, end = window.begin_ns, window.end_ns
        heard = [call.heard(begin, end) for call in begun if call.is_up]
        generators = self._place.callers.pids
        busiest = max(usage.cpu_percent(window.before, window.after, [pid]) for pid in generators)
        health = self._place.callers.health(begin, end, busiest)
        pace = np.abs(np.concatenate([one.pace_ms for one in heard])) if heard else np.empty(0)
        latency = np.concatenate([one.latency_ms for one in heard]) if heard else np.empty(0)
        talk = self._turns(window)
        if len(latency):
            talk["age_p95_ms"] = quantile(latency.tolist(), 0.95)
        return Figures(
            calls=calls,
            up=len(begun),
            ended=ended,
            lost=sum(_lost(one, end - begin) for one in heard),
            pacing_p99_ms=quantile(pace.tolist(), 0.99) or 0.0,
            memory_free=free,
            generator_fit=health.fit,
            generator_late_ms=quantile(health.late_ms.tolist(), 0.99) or 0.0,
            start_p95_ms=quantile(self._starts_ms, 0.95) or 0.0,
            refused=refused,
            talkers=len(begun) if self._talks.talk else 0,
            **talk,
            **self._usage(window),
        )

    def _turns(self, window: Window) -> dict[str, Any]:
        turns = self._talks.turns(window.begin_ns, window.end_ns)
        answered = [turn.latency_ms for turn in turns if turn.latency_ms is not None]
        lags = self._talks.lags_ms(window.begin_ns, window.end_ns)
        return {
            "turns": len(turns),
            "unanswered": len(turns) - len(answered),
            "understood": self._talks.understood(window.begin_ns, window.end_ns),
            "turn_p50_ms": quantile(answered, 0.5),
            "turn_p95_ms": quantile(answered, 0.95),
            "age_p95_ms": quantile(lags, 0.95),
        }

    def _usage(self, window: Window) -> dict[str, Any]:
        before, after = window.before, window.after
        ours = {*self._place.callers.pids, os.getpid()}
        system = [found for pid, found in after.processes.items() if pid not in ours]
        percent = {found.pid: usage.cpu_percent(before, after, [found.pid]) for found in system}
        busiest: dict[str, float] = {}
        for found in system:
            role = usage.role(found)
            busiest[role] = round(max(busiest.get(role, 0.0), percent[found.pid]), 1)
        memory = sum(used.private for found in system if (used := usage.memory(found.pid)) is not None)
        busy, stolen = usage.machine_percent(before, after)
        cores = os.cpu_count() or 1
        return {
            "cpu": usage.by_role(system, percent),
            "busiest": busiest,
            "callers_cpu": usage.cpu_percent(before, after, ours) / cores,
            "cpu_busy": busy + stolen,
            "cpu_ours": sum(percent.values()) / cores,
            "memory_mb": memory + self._place.shared_mb(),
        }


def _lost(heard: Heard, lasted_ns: int) -> int:
    """Marks that did not come back, or frames that did not come: the agent sends one every 20 ms, silence included."""
    due = lasted_ns // 20_000_000
    return heard.lost + max(0, due - EDGE_FRAMES - heard.frames)


def quantile(values: list[float], share: float) -> float | None:
    """A value that occurred; None for no values."""
    return float(np.quantile(values, share, method="higher")) if values else None


@contextlib.asynccontextmanager
async def stage(
    config: Config, attempt: Attempt, manner: Manner, most: int, folder: Path | None = None
) -> AsyncIterator[Stage]:
    """All of it up. Raises `bench.system.NotReady`, `callers.NoGenerator`, `sentences.Unspeakable`."""
    lines = lines_for(config, manner)
    talks = Talking(lines, config.settings.turns)
    chosen = setting(config, attempt, most, manner.flow)
    async with venue(chosen, folder) as place, talking.running(talks):
        if lines:
            await talks.follow(place.system.bus, chosen.conversations)
        made = Stage(place, manner, talks, chosen.provider)
        await place.system.bus.subscribe("supervisor", ActorChanged, made.note_start)
        yield made
