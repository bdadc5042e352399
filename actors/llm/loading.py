"""A GGUF file on its way to a model that answers, and the sentence for the operator where it is none.

What can be known from the file's head, the processor and the memory is looked at before anything is loaded: a library
that was built for another processor would not say so, it would be killed; and so would one that takes more memory than
there is.
"""

import logging
import os
import re
from dataclasses import dataclass
from pathlib import Path

import psutil

from actors.catalogue import Unusable
from config.engines import LlamaCpp as Settings
from models import gguf
from models.limits import read as cgroup_limits

log = logging.getLogger(__name__)

SETUP = "choose another with `ringmaster models setup`"

_NO_LANGUAGE_MODEL = frozenset(("clip", "bert", "nomic-bert", "jina-bert-v2", "wavtokenizer-dec", "t5encoder"))
"""Architectures (`general.architecture`) of files that belong to language models, and are none."""

_FLAGS = {"AVX512": "avx512f", "AVX2": "avx2", "AVX": "avx", "FMA": "fma", "F16C": "f16c"}
"""Instruction sets as the library and as /proc/cpuinfo name them."""

_OVERHEAD_MB = 150
"""What the library takes besides weights and memory of conversations: 100 to 140 MB were seen with 0.5 to 1.5 B."""

COPIES_SHARE = 0.4
"""Of the memory: copies of the weights may take no more. Reading 0.5 B with one thread: 314 tokens a second with a
copy, 130 without."""

CALLS = 4
"""Sequences where neither the settings nor the hardware tier say how many."""
BATCH = 64
"""The same for tokens of prompts in one step: 110 ms (0.5 B, 2 cores), at nine tenths of the speed of the fastest."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """The settings with numbers for all that may be left open."""

    threads: int
    batch_threads: int
    batch: int
    calls: int
    gpu_layers: int


def resolve(settings: Settings) -> Resolved:
    """What the settings leave open is usually filled in by the plan of the hardware tier; else by rules of thumb."""
    cores = _physical_cores()
    return Resolved(
        threads=settings.threads or cores,
        batch_threads=settings.batch_threads or settings.threads or cores,
        batch=settings.batch or BATCH,
        calls=settings.calls or CALLS,
        gpu_layers=settings.gpu_layers if settings.gpu_layers > -2 else 0,
    )


def _physical_cores() -> int:
    """Of those that this process may use: a second thread on a core makes it no faster."""
    usable = os.sched_getaffinity(0)
    firsts = set()
    for cpu in usable:
        try:
            siblings = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list").read_text()
        except OSError:
            return len(usable)
        firsts.add(siblings)
    return max(1, len(firsts))


def check_file(path: Path) -> None:
    """Raises `Unusable` for what is no language model in one file."""
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise Unusable(f"the language model {path} cannot be read ({error.strerror}): {SETUP}") from error
    if magic != b"GGUF":
        raise Unusable(f"{path} is no GGUF file (it begins with {magic!r}): {SETUP}")
    head = gguf.head(path)
    family, kind = head.get("general.architecture", ""), head.get("general.type", "model")
    if family in _NO_LANGUAGE_MODEL or f"{family}.pooling_type" in head:
        raise Unusable(f"{path} is no language model but a {family} one, which writes no text: {SETUP}")
    if kind != "model":
        raise Unusable(f"{path} is no language model but the {kind} of one: {SETUP}")
    parts = head.get("split.count", 1)
    if isinstance(parts, int) and parts > 1:
        raise Unusable(
            f"{path} is one of {parts} parts: join them with `llama-gguf-split --merge`, or take a model in one file"
        )


def check_processor(built_for: str, flags: frozenset[str] | None = None) -> None:
    """Raises `Unusable` where the library was built for another processor. `built_for`: as the library says it;
    `flags`: of this processor, as /proc/cpuinfo has them."""
    flags = _cpu_flags() if flags is None else flags
    if not flags:  # no x86: nothing is known
        return
    wanted = dict(re.findall(r"(\w+) = (\d)", built_for))
    missing = [name for name, flag in _FLAGS.items() if wanted.get(name) == "1" and flag not in flags]
    if missing:
        raise Unusable(
            f"llama.cpp was built for a processor with {', '.join(missing)}, which this one lacks: build it here, with "
            "`pip install --force-reinstall --no-binary llama-cpp-python llama-cpp-python`"
        )


def _cpu_flags() -> frozenset[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return frozenset()
    return next((frozenset(line.partition(":")[2].split()) for line in lines if line.startswith("flags")), frozenset())


def check_memory(path: Path, tokens: int, *, exact: bool, available_mb: int | None = None) -> None:
    """Raises `Unusable` where the model and what it must remember do not fit. `tokens`: of all calls together;
    `exact`: whether these are kept in 16 bits, and not in 8."""
    weights = path.stat().st_size >> 20
    cache = gguf.cache_bytes_per_token(path) * tokens // (1 if exact else 2) >> 20
    there = _available_mb() if available_mb is None else available_mb
    if weights + cache + _OVERHEAD_MB > there:
        raise Unusable(
            f"{path.name} needs {weights} MB, and {cache} MB for {tokens} tokens of conversations; there are {there} "
            "MB: take a smaller model, or lower `engines.llama_cpp.calls`, `context` or `kv_cache`"
        )


def copies(path: Path, weights: str, actors: int, memory_mb: int | None = None) -> bool:
    """Whether each actor may have the weights in an order of its own. `weights`: as the setting; `memory_mb`: of this
    machine, within its container."""
    if weights != "auto":
        return weights == "own"
    there = _total_mb() if memory_mb is None else memory_mb
    return max(1, actors) * (path.stat().st_size >> 20) <= COPIES_SHARE * there


def _total_mb() -> int:
    machine = psutil.virtual_memory().total >> 20
    return min(machine, cgroup_limits(Path("/")).memory_mb or machine)


def _available_mb() -> int:
    """Of this machine, within the limits of its container. Files that the kernel keeps count as free."""
    limits = cgroup_limits(Path("/"))
    machine = psutil.virtual_memory().available >> 20
    return min(machine, limits.available_mb) if limits.memory_mb else machine


def why(reason: str) -> str:
    """The library's own words, in ours where we know them."""
    reason = re.sub(r"^\w+: ", "", reason)
    if "not within the file bounds" in reason or "failed to read" in reason or "incomplete" in reason:
        return f"the file is incomplete ({reason})"
    if "unknown model architecture" in reason:
        return f"this llama.cpp does not know its kind ({reason}); a newer llama-cpp-python may"
    return reason
