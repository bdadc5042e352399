"""Which cores and which urgency each role is to ask for, and what a process was granted, as the kernel tells it.

A child asks for its place itself, at birth and before it has any thread (`actors.scheduling`), for the kernel keeps all
of this per thread. An operator may say otherwise while the system runs (`supervisor.retune`, `supervisor.threads`).
"""

import os
from collections.abc import Collection, Mapping
from typing import TypeVar

import msgspec

from config.schema import Settings
from ipc.lifeline import Placement
from supervisor.specs import AUDIO, CALL_CONTROL, POOLS

AUDIO_NICE = -10
"""For audio actors where real-time priority is not allowed, but niceness is. Beside 4 busy processes on 2 cores, a tick
of 20 ms is 2.6 to 7.4 ms late (p99) with neither, and 0.06 to 0.12 ms with real-time priority."""

CALL_CONTROL_NICE = -5
"""It is small and answers Asterisk, which waits for it; no model may hold it up."""

T = TypeVar("T")

_POLICIES = {os.SCHED_FIFO: "fifo", os.SCHED_RR: "rr", os.SCHED_BATCH: "batch", os.SCHED_IDLE: "idle"}


def placement(settings: Settings, role: str) -> Placement:
    if role == AUDIO:
        cores = settings.audio.cores
        return Placement(cores=_numbers(cores), realtime=settings.audio.priority, nice=AUDIO_NICE)
    if role == CALL_CONTROL:
        return Placement(nice=CALL_CONTROL_NICE)
    if role in POOLS:
        actor = getattr(settings.actors, role)
        return Placement(cores=_numbers(actor.cores), nice=actor.nice)
    return Placement()


def _numbers(cores: tuple[int, ...] | str) -> tuple[int, ...]:
    """Without a plan, "auto" is any."""
    return () if isinstance(cores, str) else cores


def urgency(realtime: int, nice: int) -> str:
    """As an operator writes it: "fifo:20", "nice:5", "normal"."""
    return f"fifo:{realtime}" if realtime else f"nice:{nice}" if nice else "normal"


def granted(pid: int) -> tuple[tuple[int, ...], str]:
    """A process's cores, and its class: "fifo:20", "nice:5" or "normal". Raises `ProcessLookupError`."""
    cores = tuple(sorted(os.sched_getaffinity(pid)))
    policy = os.sched_getscheduler(pid) & ~os.SCHED_RESET_ON_FORK
    if policy in _POLICIES:
        return cores, f"{_POLICIES[policy]}:{os.sched_getparam(pid).sched_priority}"
    nice = os.getpriority(os.PRIO_PROCESS, pid)
    return cores, f"nice:{nice}" if nice else "normal"


def own_urgency() -> tuple[int, int]:
    """This process's real-time priority (0 for none) and niceness."""
    realtime = os.sched_getparam(0).sched_priority
    return realtime, os.getpriority(os.PRIO_PROCESS, 0)


class Placements:
    """What each child is to ask for at birth: as configured, unless an operator has said otherwise since.

    What was said of a role holds for all its actors; what was said of one actor holds for its name.
    """

    def __init__(self, settings: Settings, own: Mapping[str, tuple[int, ...]] | None = None) -> None:
        """To be made before the process has been moved. own: of actors that have cores of their own."""
        self._settings = settings
        self._own = own or {}
        self._cores: dict[str, tuple[int, ...]] = {}  # by name of the role or the actor
        self._urgency: dict[str, tuple[int, int]] = {}  # likewise: real-time priority, niceness
        self.home = tuple(sorted(os.sched_getaffinity(0)))
        """The cores with which the system was started: those of whoever may run on any."""

    def of(self, name: str, role: str) -> Placement:
        asked = placement(self._settings, role)
        if name in self._own:
            asked = msgspec.structs.replace(asked, cores=self._own[name])
        if self._cores:
            # A child begins where its parent is: nobody can be left without a word where somebody has been moved.
            cores = self._cores.get(name, self._cores.get(role, asked.cores))
            asked = msgspec.structs.replace(asked, cores=cores or self.home)
        urgency = self._urgency.get(name, self._urgency.get(role))
        if urgency is not None:
            realtime, nice = urgency
            # Where real-time priority is refused after all, niceness stays what it would have been.
            asked = msgspec.structs.replace(asked, realtime=realtime, nice=asked.nice if realtime else nice)
        return asked

    @property
    def moved(self) -> bool:
        """True when an operator has said anything of cores: from then on everybody is told theirs."""
        return bool(self._cores)

    def urged(self, name: str, role: str) -> bool:
        """True when an operator has said how urgent this actor or its role is."""
        return name in self._urgency or role in self._urgency

    def set_cores(self, target: str, cores: tuple[int, ...], members: Collection[str]) -> None:
        """`members`: the actors of a role, whose own settings it replaces; none for a single actor."""
        _set(self._cores, target, cores, members)

    def set_urgency(self, target: str, realtime: int, nice: int, members: Collection[str]) -> None:
        _set(self._urgency, target, (realtime, nice), members)


def _set(said: dict[str, T], target: str, value: T, members: Collection[str]) -> None:
    for name in members:
        said.pop(name, None)
    said[target] = value
