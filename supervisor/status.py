"""How the system is: what the tree knows, and what the kernel says of each process."""

import asyncio
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

from ipc.orders import ActorStatus
from supervisor import scheduling
from supervisor.children import Children
from supervisor.specs import CALL_CONTROL, GATEWAY, POOLS
from supervisor.tree import Child, State

Shown = Literal["starting", "ready", "stopping", "restarting", "degraded"]

_SHOWN: dict[State, Shown] = {
    State.DOWN: "starting",
    State.RESTARTING: "restarting",
    State.STARTING: "starting",
    State.READY: "ready",
    State.STOPPING: "stopping",
    State.DEGRADED: "degraded",
}


@dataclass(frozen=True)
class Usage:
    cores: tuple[int, ...] = ()
    scheduling: str = ""
    cpu_percent: float = 0.0
    memory_mb: float = 0.0


class Gauge:
    """Measures processes. CPU is counted from one look to the next, so the gauge is kept."""

    def __init__(self) -> None:
        self._known: dict[int, psutil.Process] = {}

    def measure(self, pids: list[int]) -> dict[int, Usage]:
        """Reads procfs: about 0.3 ms a process. Processes that have gone are left out."""
        self._known = {pid: process for pid, process in self._known.items() if pid in pids}
        return {pid: usage for pid in pids if (usage := self._measure(pid)) is not None}

    def _measure(self, pid: int) -> Usage | None:
        try:
            process = self._known.setdefault(pid, psutil.Process(pid))
            cores, granted = scheduling.granted(pid)
            return Usage(cores, granted, process.cpu_percent(None), private_bytes(pid) / 1e6)
        except (psutil.NoSuchProcess, ProcessLookupError, FileNotFoundError):
            return None


def private_bytes(pid: int) -> int:
    """Memory that only this process has (USS). Raises `ProcessLookupError` or `FileNotFoundError`."""
    kilobytes = 0
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(("Private_Clean:", "Private_Dirty:", "Private_Hugetlb:")):
            kilobytes += int(line.split()[1])
    return kilobytes * 1024


async def actors(children: Children, gauge: Gauge, started: float) -> tuple[ActorStatus, ...]:
    """All processes, the supervisor first, the others from left to right. `started` is the supervisor's birth."""
    now = time.monotonic()
    pids = [process.pid for child in children.tree if (process := children.process(child.name)) is not None]
    # In a thread: reading the memory maps of a hundred processes would hold the supervisor up for tens of ms.
    usages = await asyncio.to_thread(gauge.measure, [os.getpid(), *pids])
    own = usages.get(os.getpid(), Usage())
    supervisor = ActorStatus(
        name="supervisor",
        role="supervisor",
        pid=os.getpid(),
        state="ready",
        cores=own.cores,
        scheduling=own.scheduling,
        cpu_percent=own.cpu_percent,
        memory_mb=own.memory_mb,
        restarts=0,
        calls=0,
        uptime_s=now - started,
    )
    return supervisor, *(_actor(child, children, usages, now) for child in children.tree)


def _actor(child: Child, children: Children, usages: dict[int, Usage], now: float) -> ActorStatus:
    process = children.process(child.name)
    usage = usages.get(process.pid, Usage()) if process else Usage()
    return ActorStatus(
        name=child.name,
        role=child.spec.role,
        pid=process.pid if process else 0,
        state=_SHOWN[child.state],
        cores=usage.cores,
        scheduling=usage.scheduling,
        cpu_percent=usage.cpu_percent,
        memory_mb=usage.memory_mb,
        restarts=child.restarts,
        calls=children.calls(child.name),
        uptime_s=now - children.born(child.name) if process else 0.0,
        note=child.note,
    )


def excuses(children: Children) -> list[str]:
    """Why children are out of service, one sentence for all of a role that give the same reason."""
    by_reason: dict[str, list[str]] = {}
    for child in children.tree:
        if child.state is State.DEGRADED:
            by_reason.setdefault(child.note, []).append(child.name)
    return [f"{', '.join(names)}: {reason}" for reason, names in by_reason.items()]


def up(children: Children) -> bool:
    """Whether it can be spoken to: by Asterisk, or where it only serves other machines, by these."""
    door = CALL_CONTROL if CALL_CONTROL in children.tree else GATEWAY
    return children.tree.capacity(door) > 0


def lacking(children: Children) -> list[str]:
    """Which of the pools that a call needs have nobody ready, and which call-controls are not: each has an Asterisk of
    its own, so none stands in for another. What the house does not have, calls do not need."""
    there = {child.spec.role for child in children.tree}
    pools = [pool for pool in (*POOLS, GATEWAY) if pool in there and children.tree.capacity(pool) == 0]
    controls = (child for child in children.tree if child.spec.role == CALL_CONTROL)
    return pools + [child.name for child in controls if child.state is not State.READY]
