"""What the cgroups that we are in leave us of CPU time and memory: containers, systemd units, jobs.

Every group on the way up to the root limits us, the tightest counts. In a container without a namespace of its own for
cgroups, /proc/self/cgroup names a path that is not there: then the mounted root is our own group.

Sources: Documentation/admin-guide/cgroup-v2.rst; for v1, Documentation/scheduler/sched-bwc.rst and
Documentation/admin-guide/cgroup-v1/memory.rst.
"""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import msgspec

NO_LIMIT = 1 << 60
"""Bytes. cgroup v1 says "no limit" with the largest number of pages."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """0 is no limit."""

    cpus: float = float("inf")
    """CPUs' worth of time."""
    memory_mb: int = 0
    available_mb: int = 0
    """Of it. What the kernel keeps of files for us (weights that are mapped) can be had back."""


def read(root: Path) -> Limits:
    """root: holds /proc and /sys."""
    cpus = float("inf")
    memory, available = NO_LIMIT, NO_LIMIT
    for folder in _folders(root, "cpu"):
        cpus = min(cpus, _cpus(folder))
    for folder in _folders(root, "memory"):
        limit, left = _memory(folder)
        memory, available = min(memory, limit), min(available, left)
    if memory == NO_LIMIT:
        return Limits(cpus=cpus)
    return Limits(cpus=cpus, memory_mb=memory >> 20, available_mb=max(0, available) >> 20)


def _folders(root: Path, controller: str) -> Iterator[Path]:
    """Those of our groups, of v2 and of this controller of v1, from ours up to the root."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    mounts = root / "sys/fs/cgroup"
    for line in lines:
        number, controllers, path = line.split(":", 2)
        if number == "0":
            places = (mounts, mounts / "unified")
        elif controller in controllers.split(","):
            places = (mounts / controllers, mounts / controller)
        else:
            continue
        group = PurePosixPath(path.lstrip("/"))
        for place in places:
            for part in (group, *group.parents):
                if (place / part).is_dir():
                    yield place / part


def _cpus(folder: Path) -> float:
    """Of this group alone."""
    try:
        if (folder / "cpu.max").exists():
            quota, period = (folder / "cpu.max").read_text().split()
        else:
            quota = (folder / "cpu.cfs_quota_us").read_text().strip()
            period = (folder / "cpu.cfs_period_us").read_text().strip()
        return float("inf") if quota in ("max", "-1") else int(quota) / int(period)
    except (OSError, ValueError):
        return float("inf")


def _memory(folder: Path) -> tuple[int, int]:
    """Bytes: the limit, and what is left of it."""
    for limit_file, used_file in (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")):
        limit = _bytes(folder / limit_file)
        if limit >= NO_LIMIT:
            continue
        used = _bytes(folder / used_file)
        files = sum(_stat(folder, name) for name in ("active_file", "inactive_file"))
        return limit, limit - (used - files if used < NO_LIMIT else 0)
    return NO_LIMIT, NO_LIMIT


def _bytes(file: Path) -> int:
    try:
        text = file.read_text().strip()
        return NO_LIMIT if text == "max" else int(text)
    except (OSError, ValueError):
        return NO_LIMIT


def _stat(folder: Path, name: str) -> int:
    try:
        lines = (folder / "memory.stat").read_text().splitlines()
    except OSError:
        return 0
    values = dict(line.split()[:2] for line in lines if len(line.split()) == 2)
    # v1 counts a group and those below it under names of their own.
    return int(values.get(f"total_{name}", values.get(name, 0)))
