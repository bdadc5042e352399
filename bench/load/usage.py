"""What processes use and how busy the machine is, as the kernel counts it (proc(5)).

CPU of a tree of processes between two looks is the sum over those that live of their own time and of that of children
that they have waited for: a process that ends in between is counted once, in its parent. Looks are cheap (20 us a
process); memory is not (0.3 ms a process), so it is read when nothing is being measured.
"""

import os
import resource
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

_TICKS_S = os.sysconf("SC_CLK_TCK")
_PPID, _UTIME, _CSTIME = 1, 11, 14
"""Fields of /proc/<pid>/stat after the name, from 0."""
_IDLE, _IOWAIT, _STEAL = 3, 4, 7
"""Fields of the first line of /proc/stat, from 0."""
_COUNTED = 8
"""The rest, guests, is in the others already."""


@dataclass(frozen=True)
class Process:
    pid: int
    parent: int
    name: str
    cpu_s: float
    """User and system, with that of children it has waited for."""


@dataclass(frozen=True)
class Memory:
    """MB."""

    private: float
    """USS: what would be free again without the process."""
    proportional: float
    """PSS: shared pages divided among those who share them."""


@dataclass(frozen=True)
class Look:
    """One instant. CPU seconds by process; those of the whole machine by what it did."""

    at_ns: int
    processes: Mapping[int, Process]
    machine: tuple[int, ...]


def process(pid: int) -> Process | None:
    """None when it has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name is in brackets and may hold some itself.
    name = text[text.index("(") + 1 : text.rindex(")")]
    fields = text[text.rindex(")") + 2 :].split()
    spent = sum(map(int, fields[_UTIME : _CSTIME + 1])) / _TICKS_S
    return Process(pid, int(fields[_PPID]), name, spent)


def everybody() -> dict[int, Process]:
    pids = (int(entry.name) for entry in os.scandir("/proc") if entry.name.isdigit())
    return {pid: found for pid in pids if (found := process(pid)) is not None}


def tree(root: int) -> dict[int, Process]:
    """`root` and all its descendants."""
    return _under(everybody(), root)


def under(look: "Look", root: int) -> Iterable[Process]:
    """Those of a look that are `root` or its descendants."""
    return _under(look.processes, root).values()


def _under(processes: Mapping[int, Process], root: int) -> dict[int, Process]:
    children = defaultdict(list)
    for found in processes.values():
        children[found.parent].append(found.pid)
    inside: dict[int, Process] = {}
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        if pid in processes:
            inside[pid] = processes[pid]
            waiting += children[pid]
    return inside


def look(root: int, others: Iterable[int] = ()) -> Look:
    """At the tree under `root`, and at some others."""
    processes = tree(root)
    processes.update((pid, found) for pid in others if (found := process(pid)) is not None)
    first = Path("/proc/stat").read_text().partition("\n")[0]
    return Look(time.monotonic_ns(), processes, tuple(int(field) for field in first.split()[1 : 1 + _COUNTED]))


def cpu_percent(before: Look, after: Look, pids: Iterable[int]) -> float:
    """Of one core. A process that was not there before has spent all of its time meanwhile."""
    seconds = (after.at_ns - before.at_ns) / 1e9
    spent = 0.0
    for pid in pids:
        if pid in after.processes:
            earlier = before.processes.get(pid)
            spent += after.processes[pid].cpu_s - (earlier.cpu_s if earlier else 0.0)
    return 100.0 * spent / seconds


def machine_percent(before: Look, after: Look) -> tuple[float, float]:
    """Busy, and stolen by other machines on the same hardware; of all cores."""
    spent = [now - then for now, then in zip(after.machine, before.machine, strict=True)]
    total = sum(spent) or 1
    idle = spent[_IDLE] + spent[_IOWAIT]
    return 100.0 * (total - idle - spent[_STEAL]) / total, 100.0 * spent[_STEAL] / total


def role(found: Process) -> str:
    """Our processes are named after their role, with a number."""
    return found.name.partition(".")[0]


def memory(pid: int) -> Memory | None:
    """None when it has ended."""
    private = proportional = 0
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith(("Private_Clean:", "Private_Dirty:", "Private_Hugetlb:")):
                private += int(line.split()[1])
            elif line.startswith("Pss:"):
                proportional = int(line.split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return None
    return Memory(private * 1024 / 1e6, proportional * 1024 / 1e6)


def by_role(processes: Iterable[Process], values: Mapping[int, float]) -> dict[str, float]:
    """The sum of `values` (by process id) of each role."""
    sums: dict[str, float] = defaultdict(float)
    for found in processes:
        sums[role(found)] += values.get(found.pid, 0.0)
    return {name: round(value, 2) for name, value in sorted(sums.items())}


def shared_mb(prefix: str) -> float:
    """What the segments take whose names begin so: pages in use, not their size."""
    total = 0
    for entry in os.scandir("/dev/shm"):
        if entry.name.startswith(prefix):
            try:
                total += entry.stat().st_blocks * 512
            except FileNotFoundError:
                continue
    return total / 1e6


def most_open_files() -> int:
    """Raises this process's own limit as far as it may, for a socket a call, and gives it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
