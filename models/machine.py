"""What this machine has: cores, memory, instruction sets, graphics cards. `detect()` reads it from the kernel.

Only what this process may use counts: its CPU affinity, and the limits of the cgroups (containers, systemd units) that
it is in. Nothing is measured here, only read.

Sources: Linux, Documentation/admin-guide/cputopology.rst (a core is what shares `core_id` and `physical_package_id`),
Documentation/admin-guide/cgroup-v2.rst (cpu.max, memory.max), Documentation/scheduler/sched-bwc.rst (cgroup v1),
Documentation/ABI/testing/sysfs-devices-system-cpu (cpu_capacity), Documentation/arch/x86/ and perf's
/sys/devices/cpu_atom (Intel's small cores).
"""

import os
import platform
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Literal

import msgspec

from models import graphics, limits
from models.graphics import Gpu

ROOT = Path("/")

SMALL = 0.85
"""A core below this share of the fastest core's capacity, or of its top frequency, is an efficiency core. Favoured
cores of one kind differ by some per cent (Turbo Boost Max), the two kinds of one chip by a fifth and more."""

_INSTRUCTIONS = (
    ("avx", "avx"),
    ("avx2", "avx2"),
    ("fma", "fma"),
    ("f16c", "f16c"),
    ("avx512f", "avx512"),
    ("avx512_vnni", "vnni"),
    ("avx_vnni", "vnni"),
    ("amx_int8", "amx"),
    ("asimd", "neon"),
    ("neon", "neon"),
    ("asimddp", "dotprod"),
    ("i8mm", "i8mm"),
    ("sve", "sve"),
)
"""As /proc/cpuinfo calls them, and as we do: those that llama.cpp, Kaldi and ONNX Runtime have code for."""


class Core(msgspec.Struct, frozen=True, kw_only=True):
    """A physical core."""

    threads: tuple[int, ...]
    """The CPU numbers that it is known by and that we may use, the lowest first: two with hyper-threading."""
    node: int = 0
    """The memory (NUMA node) that is near it."""
    kind: Literal["performance", "efficiency"] = "performance"

    @property
    def first(self) -> int:
        return self.threads[0]


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the memory, near to some of the cores (NUMA)."""

    number: int
    memory_mb: int


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes are in MB of 1,048,576 bytes."""

    cpu: str = ""
    """The processor's name."""
    architecture: str = "x86_64"
    """As `uname -m` says it: x86_64, aarch64."""
    cores: tuple[Core, ...]
    """The physical cores that may be used, node by node."""
    quota: float = 0.0
    """CPUs' worth of time that may be taken (container, systemd unit); 0: no limit."""
    nodes: tuple[Node, ...] = ()
    memory_mb: int
    """In all, or as much as the container may have."""
    available_mb: int
    """Of it, what can still be taken without driving anything out."""
    disk_mb: int = 0
    """Free where the models are to lie."""
    instructions: tuple[str, ...] = ()
    """Among avx, avx2, fma, f16c, avx512, vnni, amx (x86), neon, dotprod, i8mm, sve (Arm)."""
    gpus: tuple[Gpu, ...] = ()

    @property
    def cpus(self) -> int:
        """Logical CPUs that may be used: hyper-threads count."""
        return sum(len(core.threads) for core in self.cores)

    @property
    def physical(self) -> int:
        """Physical cores that may be used."""
        return len(self.cores)

    @property
    def hybrid(self) -> bool:
        """Whether there are cores of two kinds."""
        return len({core.kind for core in self.cores}) > 1

    @property
    def power(self) -> float:
        """Cores' worth of computing that a model can have: physical performance cores, or what a quota leaves of them.

        Efficiency cores do not count: a matrix that is divided evenly over both kinds waits for the slow ones. Where a
        quota is smaller than the cores, threads beyond it are stopped in the middle of their work.
        """
        fast = sum(core.kind == "performance" for core in self.cores) or len(self.cores)
        return min(float(fast), self.quota) if self.quota else float(fast)

    @property
    def gpu_mb(self) -> int:
        """Memory of the largest graphics card; 0 where there is none."""
        return max((gpu.memory_mb for gpu in self.gpus), default=0)


def detect(
    folder: Path = ROOT,
    *,
    root: Path = ROOT,
    allowed: Collection[int] | None = None,
    nvidia_smi: str = "nvidia-smi",
) -> Machine:
    """This machine. folder: where the models are to lie, which need not be there yet.

    The others are for looking at another machine's files: `root` holds its /proc and /sys, `allowed` are the CPUs that
    we would have there, and `nvidia_smi` is the program that knows of its cards.
    """
    sys_cpu = root / "sys/devices/system/cpu"
    usable = sorted(os.sched_getaffinity(0) if allowed is None else allowed)
    found, cpuinfo = _cores(sys_cpu, usable, _small(root, sys_cpu, usable)), _cpuinfo(root)
    limit = limits.read(root)
    total, free = _memory(root)
    if limit.memory_mb and limit.memory_mb < total:
        total, free = limit.memory_mb, min(free, limit.available_mb)
    return Machine(
        cpu=cpuinfo.get("model name", cpuinfo.get("model", "")),
        architecture=_architecture(root, cpuinfo),
        cores=found,
        quota=limit.cpus if limit.cpus < sum(len(core.threads) for core in found) else 0.0,
        nodes=_nodes(root),
        memory_mb=total,
        available_mb=free,
        disk_mb=free_disk_mb(folder),
        instructions=_instructions(cpuinfo),
        gpus=graphics.found(root, nvidia_smi),
    )


def free_disk_mb(folder: Path) -> int:
    """Free there, or where it would be made; 0 where that cannot be told."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        return shutil.disk_usage(folder).free >> 20
    except OSError:
        return 0


def numbers(text: str) -> tuple[int, ...]:
    """The kernel's list format: "0-3,8" is 0, 1, 2, 3 and 8."""
    found: list[int] = []
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        if first.strip():
            found.extend(range(int(first), int(last or first) + 1))
    return tuple(found)


def _cores(sys_cpu: Path, usable: list[int], small: frozenset[int]) -> tuple[Core, ...]:
    """Where the kernel describes nothing, every CPU counts as a core."""
    threads: dict[tuple[int, int, int], list[int]] = {}
    for number in usable:
        threads.setdefault(_place(sys_cpu / f"cpu{number}", number), []).append(number)
    cores = (
        Core(threads=tuple(found), node=node, kind="efficiency" if found[0] in small else "performance")
        for (node, _, _), found in threads.items()
    )
    return tuple(sorted(cores, key=lambda core: (core.node, core.first)))


def _place(folder: Path, number: int) -> tuple[int, int, int]:
    """Node, package, core."""
    node = next((int(path.name[4:]) for path in sorted(folder.glob("node[0-9]*"))), 0)
    package = _number(folder / "topology/physical_package_id")
    core = _number(folder / "topology/core_id")
    # Some Arm kernels say -1 for what they do not know.
    if package is None or core is None or core < 0:
        return node, -1, number
    return node, package, core


def _small(root: Path, sys_cpu: Path, usable: list[int]) -> frozenset[int]:
    """The CPUs that are slower than the others, and are so by design."""
    try:
        return frozenset(numbers((root / "sys/devices/cpu_atom/cpus").read_text())) & frozenset(usable)
    except (OSError, ValueError):
        pass
    for file in ("cpu_capacity", "cpufreq/cpuinfo_max_freq"):
        speeds = {number: _number(sys_cpu / f"cpu{number}" / file) or 0 for number in usable}
        if all(speeds.values()) and speeds:
            fastest = max(speeds.values())
            slow = frozenset(number for number, speed in speeds.items() if speed < SMALL * fastest)
            if slow:
                return slow
    return frozenset()


def _nodes(root: Path) -> tuple[Node, ...]:
    found: list[Node] = []
    for folder in (root / "sys/devices/system/node").glob("node[0-9]*"):
        total = 0
        try:
            for line in (folder / "meminfo").read_text().splitlines():
                # "Node 0 MemTotal:       65820936 kB"
                if "MemTotal:" in line:
                    total = int(line.split()[-2]) >> 10
        except (OSError, ValueError):
            pass
        found.append(Node(number=int(folder.name[4:]), memory_mb=total))
    return tuple(sorted(found, key=lambda node: node.number))


def _memory(root: Path) -> tuple[int, int]:
    """In all, and what is available."""
    sizes: dict[str, int] = {}
    try:
        for line in (root / "proc/meminfo").read_text().splitlines():
            name, _, rest = line.partition(":")
            if rest.strip():
                sizes[name] = int(rest.split()[0]) >> 10
    except (OSError, ValueError):
        return 0, 0
    return sizes.get("MemTotal", 0), sizes.get("MemAvailable", sizes.get("MemFree", 0))


def _cpuinfo(root: Path) -> dict[str, str]:
    """Of the first CPU. Arm's has no "model name", but a line "Model" for the whole board, at its end."""
    found: dict[str, str] = {}
    try:
        text = (root / "proc/cpuinfo").read_text()
    except OSError:
        return found
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if colon:
            found.setdefault(name.strip().lower(), value.strip())
    # x86 has a line "model" too: a number.
    if found.get("model", "").isdigit():
        del found["model"]
    return found


def _architecture(root: Path, cpuinfo: dict[str, str]) -> str:
    if root == ROOT:
        return platform.machine()
    return "x86_64" if "flags" in cpuinfo else "aarch64" if "features" in cpuinfo else "unknown"


def _instructions(cpuinfo: dict[str, str]) -> tuple[str, ...]:
    flags = set(cpuinfo.get("flags", cpuinfo.get("features", "")).split())
    return tuple(dict.fromkeys(name for flag, name in _INSTRUCTIONS if flag in flags))


def _number(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None
