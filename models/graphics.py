"""Graphics cards that could compute for us, and whether the installed llama.cpp could make use of one.

Sources: `nvidia-smi --help-query-gpu`; Linux, Documentation/gpu/amdgpu/driver-misc.rst (mem_info_vram_total).
"""

import importlib.util
import subprocess
from pathlib import Path
from typing import Literal

import msgspec

ASK_S = 10.0
"""For `nvidia-smi`: a second where the driver has to wake the card, for ever where the driver is broken."""

LEAST_MB = 1024
"""Less than this is a display of a server's management board, or a part of the main memory set aside."""


class Gpu(msgspec.Struct, frozen=True, kw_only=True):
    maker: Literal["nvidia", "amd"]
    name: str
    memory_mb: int
    available_mb: int
    """Not taken by others just now."""


def found(root: Path, nvidia_smi: str) -> tuple[Gpu, ...]:
    """All cards with memory of their own. root: holds /sys."""
    return (*_nvidia(nvidia_smi), *_amd(root))


def can_offload() -> bool:
    """Whether llama.cpp is installed and was built with anything but the CPU to compute on. Loads nothing."""
    spec = importlib.util.find_spec("llama_cpp")
    if spec is None or spec.origin is None:
        return False
    folder = Path(spec.origin).parent / "lib"
    return any(any(folder.glob(f"*ggml-{kind}*")) for kind in ("cuda", "hip", "vulkan", "sycl"))


def _nvidia(program: str) -> tuple[Gpu, ...]:
    query = ("--query-gpu=name,memory.total,memory.free", "--format=csv,noheader,nounits")
    try:
        asked = subprocess.run((program, *query), capture_output=True, text=True, timeout=ASK_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return ()
    cards: list[Gpu] = []
    for line in asked.stdout.splitlines():
        name, *sizes = line.rsplit(",", 2)  # a name may hold commas
        try:
            total, free = (int(size) for size in sizes)
        except ValueError:
            continue  # "[N/A]": a card that shares the main memory
        cards.append(Gpu(maker="nvidia", name=name.strip(), memory_mb=total, available_mb=free))
    return tuple(cards)


def _amd(root: Path) -> tuple[Gpu, ...]:
    cards: list[Gpu] = []
    for device in sorted((root / "sys/class/drm").glob("card[0-9]*/device")):
        try:
            total = int((device / "mem_info_vram_total").read_text()) >> 20
            used = int((device / "mem_info_vram_used").read_text()) >> 20
        except (OSError, ValueError):
            continue
        try:
            name = (device / "product_name").read_text().strip()
        except OSError:
            name = ""
        if total >= LEAST_MB:
            cards.append(Gpu(maker="amd", name=name or "AMD graphics", memory_mb=total, available_mb=total - used))
    return tuple(cards)
