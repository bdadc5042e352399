"""Retuning: what an operator changes of the running system, at once and for those processes that are started later.

    ringmaster affinity, priority   ---> every thread of the living (`threads`), and the `Placements` of the unborn
    ringmaster density              ---> the warm pool
    ringmaster recycle              ---> one fresh process after the other

Whatever is not permitted is tried on ourselves first and then refused, so that an order is carried out for everybody or
for nobody. What can still go wrong with a single process stands in the answer, beside its name.

A process that is being born while the order comes asks for the old place once it gets so far. So it is moved again when
it has become ready.
"""

import asyncio
import difflib
import logging
import os
from collections.abc import Callable
from pathlib import Path

from ipc.bus import Bus, Refused
from ipc.lifeline import NICE_REMEDY, REALTIME_REMEDY
from ipc.orders import Granted, Recycle, Retuned, SetCores, SetDensity, SetPriority
from supervisor import cores, scheduling, threads
from supervisor.children import Children
from supervisor.specs import AUDIO, NURSERY
from supervisor.tree import State
from supervisor.warm_pool import WarmPool

log = logging.getLogger(__name__)

SUPERVISOR = "supervisor"

PARENTS = (SUPERVISOR, NURSERY)
"""Those who start others."""

WARM_S = 30.0
"""For an audio actor that a recycled one's calls can go to. On a busy machine three of them, one in a call, were
replaced one after the other in 32 to 104 ms. Reached only when the machine is drowning; then nobody is killed any
more."""


class Retune:
    """The supervisor's answers to these orders."""

    def __init__(self, children: Children, pool: WarmPool, config: Path) -> None:
        """`config`: the file with which the system was started."""
        self._children = children
        self._pool = pool
        self._config = config
        self._recycling = ""
        self._own = scheduling.own_urgency()

    def wire(self, bus: Bus) -> None:
        bus.on(SetCores, self.set_cores)
        bus.on(SetPriority, self.set_priority)
        bus.on(SetDensity, self.set_density)
        bus.on(Recycle, self.recycle)

    def became_ready(self, name: str, role: str, pid: int) -> None:
        """Puts right whoever was being born while an order came."""
        placements = self._children.placements
        place = placements.of(name, role)
        try:
            problem = _move(pid, place.cores) if placements.moved else ""
            if placements.urged(name, role):
                problem = problem or _urge(pid, place.realtime, place.nice)
        except ProcessLookupError:
            return
        if problem:
            log.warning("%s: %s", name, problem)

    def take_back(self) -> None:
        """Puts this process itself back where it was started: the program that takes its place begins there, and knows
        nothing of what was said to this one (`supervisor.restart`)."""
        realtime, nice = self._own
        problem = _move(os.getpid(), self._children.placements.home) or _urge(os.getpid(), realtime, nice)
        if problem:
            log.warning("%s: %s", SUPERVISOR, problem)

    # -- where, and how urgent

    async def set_cores(self, sender: str, order: SetCores) -> Retuned:
        names = self._named(order.target)
        allowed = threads.allowed_cores()
        if missing := set(order.cores) - allowed:
            there = f"this machine lets Ringmaster have {cores.text(allowed)}"
            raise Refused(f"cores {cores.text(missing)} cannot be used here: {there}")
        placements = self._children.placements
        placements.set_cores(order.target, order.cores, self._members(order.target))
        wanted = order.cores or placements.home
        if order.target == AUDIO:
            self._pool.cores = len(wanted)
        log.info("%s: from now on on %s", order.target, cores.text(wanted))
        return self._retuned(names, lambda pid: _move(pid, wanted))

    async def set_priority(self, sender: str, order: SetPriority) -> Retuned:
        names = self._named(order.target)
        realtime, nice = order.realtime, order.nice
        if order.target in PARENTS and not realtime and nice > 0:
            raise Refused(
                f"every process that the {order.target} starts would yield like it, and could not change that"
            )
        if not threads.permits(realtime, nice):
            raise Refused(_not_permitted(realtime, nice))
        self._children.placements.set_urgency(order.target, realtime, nice, self._members(order.target))
        log.info("%s: from now on %s", order.target, scheduling.urgency(realtime, nice))
        return self._retuned(names, lambda pid: _urge(pid, realtime, nice))

    def _retuned(self, names: list[str], act: Callable[[int], str]) -> Retuned:
        actors = []
        for name in names:
            pid = self._pid(name)
            try:
                problem = act(pid) if pid else ""
            except ProcessLookupError:
                problem = ""
            actors.append(self._granted(name, problem))
        return Retuned(actors=tuple(actors), config=str(self._config))

    # -- how many calls to a process

    async def set_density(self, sender: str, order: SetDensity) -> Retuned:
        log.info("an audio actor takes up to %d calls from now on", order.calls_per_process)
        self._pool.density = order.calls_per_process
        return Retuned(actors=(), config=str(self._config))

    # -- fresh processes

    async def recycle(self, sender: str, order: Recycle) -> Retuned:
        names = self._named(order.target)
        if order.target == SUPERVISOR:
            raise Refused("the supervisor cannot be replaced from within: use `ringmaster restart`, calls go on")
        if self._recycling:
            raise Refused(f"{self._recycling} is being recycled at this moment: wait until that is over", busy=True)
        self._recycling = order.target
        log.info("%s: is being recycled", order.target)
        try:
            is_audio = any(self._children.tree[name].spec.role == AUDIO for name in names)
            actors = await (self._recycle_audio(names) if is_audio else self._recycle_actors(names))
        finally:
            self._recycling = ""
        return Retuned(actors=tuple(actors), config=str(self._config))

    async def _recycle_actors(self, names: list[str]) -> list[Granted]:
        """The next only when the one before is ready again. After the first that fails, nobody is touched any more."""
        actors: list[Granted] = []
        failed = ""
        for name in names:
            problem = f"left as it was, because {failed} did not come up again" if failed else await self._replace(name)
            failed = failed or (name if problem else "")
            actors.append(self._granted(name, problem))
        return actors

    async def _replace(self, name: str) -> str:
        """What went wrong, or ""."""
        tree = self._children.tree
        child, before = tree[name], self._pid(name)
        if child.state is not State.READY:
            before = 0  # whoever comes up next is fresh
        deaths = child.restarts
        self._children.recycle(name)
        await self._children.until(
            lambda: (
                tree.finishing
                or child.state is State.DEGRADED
                or child.restarts > deaths
                or (child.state is State.READY and self._pid(name) != before)
            )
        )
        if child.state is State.READY:
            return ""
        if tree.finishing:
            return "the system is stopping"
        return f"is out of service: {child.note}" if child.state is State.DEGRADED else f"failed to start: {child.note}"

    async def _recycle_audio(self, names: list[str]) -> list[Granted]:
        """Those that wait come first, so that calls are handed to fresh ones only."""
        problem = ""
        try:
            for name in self._pool.recycle(names):
                problem = problem or await self._retire(name)
        finally:
            self._pool.spare()
        return [
            self._granted(child.name, problem if child.name in names else "")
            for child in self._children.tree
            if child.spec.role == AUDIO and not child.retired
        ]

    async def _retire(self, name: str) -> str:
        """What went wrong, or ""."""
        tree, pool = self._children.tree, self._pool
        try:
            async with asyncio.timeout(WARM_S):
                await self._children.until(lambda: tree.finishing or name not in tree or pool.replaceable(name))
        except TimeoutError:
            return f"no other audio actor was ready within {WARM_S:g} s: left as it was"
        process = self._children.process(name)
        if tree.finishing or name not in tree or process is None:
            return "the system is stopping" if tree.finishing else ""
        tree.retire(name)
        process.kill()
        await self._children.until(lambda: name not in tree)
        return ""

    # -- who is meant

    def _named(self, target: str) -> list[str]:
        """The actors of that name or role. Raises `Refused`."""
        names = [SUPERVISOR, *(child.name for child in self._children.tree)]
        members = self._members(target)
        if members or target in names:
            return members or [target]
        roles = {AUDIO, *(child.spec.role for child in self._children.tree)}
        if target in roles:
            return []
        close = difflib.get_close_matches(target, [*names, *roles], n=1)
        raise Refused(
            f"there is no actor or role `{target}`"
            + (f"; did you mean `{close[0]}`?" if close else f"; the roles are {', '.join(sorted(roles))}")
        )

    def _members(self, role: str) -> list[str]:
        return [child.name for child in self._children.tree if child.spec.role == role and not child.retired]

    def _pid(self, name: str) -> int:
        """0 where none runs."""
        if name == SUPERVISOR:
            return os.getpid()
        process = self._children.process(name)
        return process.pid if process else 0

    def _granted(self, name: str, problem: str = "") -> Granted:
        pid = self._pid(name)
        try:
            place, granted = scheduling.granted(pid) if pid else ((), "")
        except ProcessLookupError:
            pid, place, granted = 0, (), ""
        return Granted(name=name, pid=pid, cores=place, scheduling=granted, problem=problem)


def _move(pid: int, wanted: tuple[int, ...]) -> str:
    """What was not granted, or "". Raises `ProcessLookupError`."""
    try:
        threads.each(pid, lambda thread: threads.move(thread, wanted))
    except OSError as error:
        if isinstance(error, ProcessLookupError):
            raise
        return f"not cores {cores.text(wanted)} ({error.strerror})"
    return ""


def _urge(pid: int, realtime: int, nice: int) -> str:
    """What was not granted, or "". Raises `ProcessLookupError`."""
    try:
        threads.each(pid, lambda thread: threads.urge(thread, realtime, nice))
    except PermissionError:
        # We may have it ourselves. A process that yields already may not take that back; a fresh one need not.
        wanted = scheduling.urgency(realtime, nice)
        return f"not {wanted} (not permitted to a process that lives; `ringmaster recycle` replaces it)"
    return ""


def _not_permitted(realtime: int, nice: int) -> str:
    return f"{scheduling.urgency(realtime, nice)} is not permitted, and nothing was changed: " + (
        REALTIME_REMEDY if realtime else f"allow it with {NICE_REMEDY}"
    )
