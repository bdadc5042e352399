"""Moves living processes: to other cores, to another urgency. The kernel keeps both for each thread by itself.

A thread inherits from the one that started it, so the threads of a process are gone over again until no new one has
appeared: those that come later then have a parent that has been moved.
"""

import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

MOST_CORES = 1024
"""As in the schema. The kernel ignores the numbers of cores that it does not have."""


def each(pid: int, act: Callable[[int], None]) -> None:
    """Does it to every thread of the process. Raises what `act` raises, and `ProcessLookupError` when it has ended."""
    done: set[int] = set()
    while new := _threads(pid) - done:
        for thread in new:
            try:
                act(thread)
            except ProcessLookupError:
                if thread == pid:
                    raise
                # An ordinary end of a thread.
        done |= new


def _threads(pid: int) -> set[int]:
    try:
        return {int(path.name) for path in Path(f"/proc/{pid}/task").iterdir()}
    except FileNotFoundError:
        raise ProcessLookupError(f"process {pid} has ended") from None


def move(thread: int, cores: Iterable[int]) -> None:
    """Raises `OSError` where none of the cores may be used."""
    os.sched_setaffinity(thread, cores)


def urge(thread: int, realtime: int, nice: int) -> None:
    """SCHED_FIFO with `realtime` 1..99, or with 0 the normal class at `nice`. Raises `PermissionError`."""
    policy = os.sched_getscheduler(thread)
    if realtime:
        # Whoever this thread starts begins as a normal one: helpers of a library must not inherit the urgency.
        os.sched_setscheduler(thread, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(realtime))
        return
    # The same for niceness below 0. Once set, the flag stays: only the privileged may take it away (sched(7)).
    flag = os.SCHED_RESET_ON_FORK if nice < 0 else policy & os.SCHED_RESET_ON_FORK
    if policy != os.SCHED_OTHER | flag:
        os.sched_setscheduler(thread, os.SCHED_OTHER | flag, os.sched_param(0))
    os.setpriority(os.PRIO_PROCESS, thread, nice)


def allowed_cores() -> frozenset[int]:
    """All cores that the kernel lets this process have, whichever it has at the moment."""

    def ask() -> frozenset[int]:
        os.sched_setaffinity(0, range(MOST_CORES))
        return frozenset(os.sched_getaffinity(0))

    return _aside(ask)


def permits(realtime: int, nice: int) -> bool:
    """True when the kernel lets this process have such an urgency; it is tried, and nobody is changed by it."""

    def ask() -> bool:
        try:
            urge(threading.get_native_id(), realtime, nice)
        except PermissionError:
            return False
        return True

    return _aside(ask)


def _aside(ask: Callable[[], T]) -> T:
    """What `ask` gives in a thread of its own, which it may spoil. Takes 0.1 ms."""
    answers: list[T] = []
    thread = threading.Thread(target=lambda: answers.append(ask()))
    thread.start()
    thread.join()
    return answers[0]
