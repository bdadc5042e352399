"""The machine's cores, as the kernel describes them in /sys/devices/system/cpu.

Sources: Documentation/admin-guide/cputopology.rst of Linux: `core_id` is unique within a `physical_package_id`, and
CPUs that share both are threads of one core.
"""

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/sys/devices/system/cpu")


@dataclass(frozen=True)
class Core:
    """A physical core. threads: the CPU numbers that it is known by, the lowest first. node: of its memory (NUMA)."""

    threads: tuple[int, ...]
    node: int = 0

    @property
    def first(self) -> int:
        return self.threads[0]


def cores(root: Path = ROOT, allowed: Collection[int] | None = None) -> tuple[Core, ...]:
    """Those that this process may use, node by node, in the order of their numbers. A core of which only some threads
    are allowed has only these. Where the kernel describes nothing, every CPU counts as a core."""
    usable = os.sched_getaffinity(0) if allowed is None else allowed
    threads: dict[tuple[int, int, int], list[int]] = {}
    for number in sorted(usable):
        threads.setdefault(_place(root / f"cpu{number}", number), []).append(number)
    found = (Core(tuple(numbers), node) for (node, _, _), numbers in threads.items())
    return tuple(sorted(found, key=lambda core: (core.node, core.first)))


def _place(folder: Path, number: int) -> tuple[int, int, int]:
    """Node, package, core."""
    node = next((int(path.name[4:]) for path in sorted(folder.glob("node[0-9]*"))), 0)
    try:
        package = int((folder / "topology/physical_package_id").read_text())
        core = int((folder / "topology/core_id").read_text())
    except (FileNotFoundError, ValueError):
        return node, -1, number
    return node, package, core
