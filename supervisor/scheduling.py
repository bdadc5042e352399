"""Which cores and which urgency each role is to ask for, and what a process was granted, as the kernel tells it.

A child asks for its place itself, at birth and before it has any thread (`actors.scheduling`): the kernel keeps all of
this per thread, so it cannot be given from outside later on.
"""

import os

from config.schema import Settings
from ipc.lifeline import Placement
from supervisor.specs import AUDIO, CALL_CONTROL, POOLS

AUDIO_NICE = -10
"""For audio actors where real-time priority is not allowed, but niceness is. Beside 4 busy processes on 2 cores, a tick
of 20 ms is 2.6 to 7.4 ms late (p99) with neither, and 0.06 to 0.12 ms with real-time priority."""

CALL_CONTROL_NICE = -5
"""It is small and answers Asterisk, which waits for it; no model may hold it up."""

_POLICIES = {os.SCHED_FIFO: "fifo", os.SCHED_RR: "rr", os.SCHED_BATCH: "batch", os.SCHED_IDLE: "idle"}


def placement(settings: Settings, role: str) -> Placement:
    if role == AUDIO:
        cores = settings.audio.cores
        return Placement(cores=() if cores == "any" else cores, realtime=settings.audio.priority, nice=AUDIO_NICE)
    if role == CALL_CONTROL:
        return Placement(nice=CALL_CONTROL_NICE)
    if role in POOLS:
        actor = getattr(settings.actors, role)
        return Placement(cores=() if actor.cores == "any" else actor.cores, nice=actor.nice)
    return Placement()


def granted(pid: int) -> tuple[tuple[int, ...], str]:
    """A process's cores, and its class: "fifo:20", "nice:5" or "normal". Raises `ProcessLookupError`."""
    cores = tuple(sorted(os.sched_getaffinity(pid)))
    policy = os.sched_getscheduler(pid) & ~os.SCHED_RESET_ON_FORK
    if policy in _POLICIES:
        return cores, f"{_POLICIES[policy]}:{os.sched_getparam(pid).sched_priority}"
    nice = os.getpriority(os.PRIO_PROCESS, pid)
    return cores, f"nice:{nice}" if nice else "normal"
