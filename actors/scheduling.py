"""A process's place on the machine: which cores, and how urgent. What is not allowed is left out, and said."""

import logging
import os

from ipc import prctl
from ipc.lifeline import NICE_REMEDY, REALTIME_REMEDY, Placement

log = logging.getLogger(__name__)

SLICE_NS = 100_000
"""Of CPU at a time, for whoever is urgent and not real-time: the least that the kernel takes. An audio actor needs 40
to 150 us for a frame, a conversation 15, and is then served before those who want the usual 3 ms."""


def take(placement: Placement) -> str:
    """Puts the calling process in its place, as far as the system allows, and logs one line that says what came of it.

    Gives the class that was granted: "fifo:20", "nice:5" or "normal". To be called before any thread is started, for
    the kernel keeps all of this per thread, and before the first large allocation, which is to be near its core.
    """
    missed: list[str] = []
    if placement.cores:
        try:
            os.sched_setaffinity(0, placement.cores)
        except OSError as error:
            cores = ",".join(map(str, placement.cores))
            there = ",".join(map(str, sorted(os.sched_getaffinity(0))))
            missed.append(f"not cores {cores} ({error.strerror}; this machine has {there})")
    granted = _take_class(placement, missed)
    cores = ",".join(map(str, sorted(os.sched_getaffinity(0))))
    message = f"runs as {granted} on cores {cores}" + "".join(f"; {miss}" for miss in missed)
    log.log(logging.WARNING if missed else logging.INFO, "%s", message)
    return granted


def _take_class(placement: Placement, missed: list[str]) -> str:
    if placement.realtime:
        try:
            # Whoever this process forks begins as a normal one: helpers of a library must not inherit the urgency.
            os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(placement.realtime))
            return f"fifo:{placement.realtime}"
        except PermissionError:
            missed.append(f"not fifo:{placement.realtime} (not permitted; {REALTIME_REMEDY})")
    if placement.nice:
        try:
            os.setpriority(os.PRIO_PROCESS, 0, placement.nice)
        except PermissionError:
            missed.append(f"not nice:{placement.nice} (not permitted; {NICE_REMEDY})")
    if placement.realtime or placement.nice < 0:
        prctl.set_slice(SLICE_NS)
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    return f"nice:{nice}" if nice else "normal"
