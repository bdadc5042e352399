"""What every role of the system has in memory and open, at one instant."""

import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from bench.chaos.harm import open_files
from bench.load import usage

SUPERVISOR = "ringmaster"
"""Its process's name; all others are named after their role."""
MANY = "audio"
"""The role of which there are as many as calls, each for one call: what one of them takes is what may not grow."""


@dataclass(frozen=True)
class Look:
    """at_s: since the first look. memory_kb: by role, USS, of MANY for one process. rss_kb: of the supervisor.
    descriptors: by role, without MANY. segments: of calls."""

    at_s: float
    calls: int
    memory_kb: dict[str, float]
    rss_kb: float
    descriptors: dict[str, int]
    segments: int
    processes: int


class Gauge:
    def __init__(self, supervisor: int, prefix: str) -> None:
        """`prefix`: of the names of the system's segments."""
        self._supervisor = supervisor
        self._prefix = prefix
        self._began = time.monotonic()

    def look(self, calls: int) -> Look:
        """About 0.5 ms for each process. One that ends meanwhile is left out."""
        tree = usage.tree(self._supervisor)
        memory: dict[str, list[float]] = defaultdict(list)
        descriptors: dict[str, int] = defaultdict(int)
        for pid, found in tree.items():
            role = usage.role(found)
            taken = usage.memory(pid)
            if taken is None:
                continue
            memory[role].append(taken.private * 1000)
            if role != MANY:
                try:
                    descriptors[role] += open_files(pid)
                except FileNotFoundError:
                    continue
        one = memory.get(MANY)
        if one:
            memory[MANY] = [sum(one) / len(one)]
        return Look(
            at_s=time.monotonic() - self._began,
            calls=calls,
            memory_kb={role: sum(values) for role, values in sorted(memory.items())},
            rss_kb=self._rss_kb(),
            descriptors=dict(sorted(descriptors.items())),
            segments=self.segments(),
            processes=len(tree),
        )

    def segments(self) -> int:
        return sum(path.name.startswith(f"{self._prefix}call") for path in Path("/dev/shm").iterdir())

    def _rss_kb(self) -> float:
        for line in Path(f"/proc/{self._supervisor}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return float(line.split()[1])
        return 0.0
