"""Other machines: small trees of /proc and /sys, as their kernels describe them. What nobody reads is left out."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from models.machine import Machine, detect

X86 = "fpu sse2 avx f16c fma avx2"
ARM = "fp asimd evtstrm aes asimdhp asimddp"


@dataclass(frozen=True)
class Cpu:
    """One logical CPU, as /sys/devices/system/cpu/cpuN has it."""

    number: int
    core: int
    package: int = 0
    node: int = 0
    max_khz: int = 0
    capacity: int = 0


@dataclass(frozen=True)
class Tree:
    """A machine's files. files: further ones, by path."""

    cpus: Sequence[Cpu]
    memory_gb: float
    model: str = "Some Processor"
    flags: str = X86
    arm: bool = False
    nodes_gb: Sequence[float] = ()
    files: dict[str, str] = field(default_factory=dict)

    def detect(self, folder: Path, allowed: Collection[int] | None = None, nvidia_smi: str = "") -> Machine:
        """The tree is written into the folder, and looked at."""
        for path, text in self._files().items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text + "\n")
        usable = [cpu.number for cpu in self.cpus] if allowed is None else allowed
        smi = nvidia_smi or str(folder / "no-such-program")
        return detect(folder, root=folder, allowed=usable, nvidia_smi=smi)

    def _files(self) -> dict[str, str]:
        made = {"proc/meminfo": _meminfo(self.memory_gb), "proc/cpuinfo": self._cpuinfo()}
        for node, size in enumerate(self.nodes_gb or (self.memory_gb,)):
            kilobytes = int(size * 1024 * 1024)
            made[f"sys/devices/system/node/node{node}/meminfo"] = f"Node {node} MemTotal:       {kilobytes} kB"
        for cpu in self.cpus:
            place = f"sys/devices/system/cpu/cpu{cpu.number}"
            made[f"{place}/topology/core_id"] = str(cpu.core)
            made[f"{place}/topology/physical_package_id"] = str(cpu.package)
            made[f"{place}/node{cpu.node}/cpulist"] = ""
            if cpu.max_khz:
                made[f"{place}/cpufreq/cpuinfo_max_freq"] = str(cpu.max_khz)
            if cpu.capacity:
                made[f"{place}/cpu_capacity"] = str(cpu.capacity)
        return made | self.files

    def _cpuinfo(self) -> str:
        if self.arm:
            of_each = [
                f"processor\t: {cpu.number}\nBogoMIPS\t: 108.00\nFeatures\t: {self.flags}\n" for cpu in self.cpus
            ]
            return "\n".join([*of_each, f"Model\t\t: {self.model}"])
        of_each = [
            f"processor\t: {cpu.number}\nmodel\t\t: 151\nmodel name\t: {self.model}\nflags\t\t: {self.flags}\n"
            for cpu in self.cpus
        ]
        return "\n".join(of_each)


def _meminfo(size_gb: float) -> str:
    kilobytes = int(size_gb * 1024 * 1024)
    free = f"MemFree:        1000 kB\nMemAvailable:   {kilobytes // 2} kB"
    return f"MemTotal:       {kilobytes} kB\n{free}\nHugePages_Total: 0"


VM = Tree([Cpu(0, 0), Cpu(1, 1)], 3.8, "AMD EPYC", flags=X86 + " avx512f avx512_vnni")
"""Two CPUs, each of which is a core as far as it can tell."""

SINGLE = Tree([Cpu(0, 0)], 2.0)

DESKTOP = Tree([Cpu(number, number % 4, max_khz=3_900_000) for number in range(8)], 15.5, "Intel(R) Core(TM) i7-7700")
"""4 cores with 8 threads: 0 and 4 are one core."""

SERVER = Tree(
    [Cpu(number, number % 16, package=number // 16 % 2, node=number // 16 % 2) for number in range(64)],
    125.8,
    "Intel(R) Xeon(R) Gold 6226R",
    flags=X86 + " avx512f avx512_vnni amx_tile amx_int8",
    nodes_gb=(62.9, 62.9),
)
"""Two processors with 16 cores each; 0 to 15 and 16 to 31 are first threads, 32 to 63 second ones."""

LAPTOP = Tree(
    [
        *(Cpu(number, number // 2 * 4, max_khz=5_000_000 if number in (2, 3) else 4_800_000) for number in range(12)),
        *(Cpu(number, 24 + number, max_khz=3_600_000) for number in range(12, 20)),
    ],
    31.1,
    "12th Gen Intel(R) Core(TM) i7-12700H",
    flags=X86 + " avx_vnni",
)
"""6 fast cores with two threads each, 0 to 11, and 8 slow ones, 12 to 19."""

BOARD = Tree(
    [Cpu(number, number, capacity=1024) for number in range(4)], 7.6, "Raspberry Pi 5 Model B", flags=ARM, arm=True
)
"""4 cores of Arm."""

PHONE = Tree(
    [Cpu(number, -1, capacity=1024 if number >= 4 else 380) for number in range(8)], 7.6, flags=ARM + " i8mm", arm=True
)
"""4 slow and 4 fast cores, and a kernel that numbers no cores."""

CONTAINER = Tree(
    [Cpu(number, number % 8) for number in range(16)],
    62.7,
    files={
        "proc/self/cgroup": "0::/",
        "sys/fs/cgroup/cpu.max": "150000 100000",
        "sys/fs/cgroup/memory.max": str(4 << 30),
        "sys/fs/cgroup/memory.current": str(3 << 30),
        "sys/fs/cgroup/memory.stat": f"anon {1 << 30}\nactive_file {1 << 30}\ninactive_file {512 << 20}",
    },
)
"""A large host, of which a quota leaves 1.5 CPUs and 4 GB."""

OLD_CONTAINER = Tree(
    [Cpu(number, number) for number in range(8)],
    31.0,
    files={
        "proc/self/cgroup": "5:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n1:name=systemd:/docker/abc",
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "200000",
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": str(2 << 30),
        "sys/fs/cgroup/memory/memory.usage_in_bytes": str(1 << 30),
        "sys/fs/cgroup/memory/memory.stat": f"total_active_file {256 << 20}\ntotal_inactive_file 0",
    },
)
"""cgroup v1, in a container that sees its own group as the root while /proc tells the host's path."""

WORKSTATION = Tree([Cpu(number, number) for number in range(8)], 31.0, "AMD Ryzen 7 9700X")
"""8 cores; with `graphics_card`, one of 12 GB."""

AMD_CARD = {
    "sys/class/drm/card1/device/mem_info_vram_total": str(16 << 30),
    "sys/class/drm/card1/device/mem_info_vram_used": str(1 << 30),
    "sys/class/drm/card0/device/mem_info_vram_total": str(512 << 20),
    "sys/class/drm/card0/device/mem_info_vram_used": "0",
}
"""A card of 16 GB, and what a processor's own graphics sets aside."""


def graphics_card(folder: Path, *lines: str) -> str:
    """A program that answers as nvidia-smi does; its path."""
    program = folder / "nvidia-smi"
    program.write_text("#!/bin/sh\n" + "".join(f"echo '{line}'\n" for line in lines))
    program.chmod(0o755)
    return str(program)


CARD = "NVIDIA GeForce RTX 3060, Rev. 2, 12288, 11900"
"""As it answers; with a comma in its name."""
