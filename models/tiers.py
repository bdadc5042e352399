"""Which class of hardware this machine is, and why not the others. Pure: `choose(...)`.

A tier fits where there are cores, memory and, if it asks for one, a graphics card enough, and where the language model
that belongs to it writes faster than one speaks: by what was measured here with another model, for each token takes a
time that is in proportion to the weights that are read for it.
"""

import msgspec

from models.machine import Machine
from models.measured import Measured
from models.registry import Model, Registry, Tier, Unknown

AUTO = "auto"

LEAST_TOKENS_S = 10.0
"""English is spoken at about 4 tokens a second; the first clause has to come sooner than that, and others write too."""

SLOW_CORE = 0.5
"""What an efficiency core counts for: it keeps house and holds calls, and no model is computed on it."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """On one tier."""

    name: str
    fits: bool
    why: str
    """What is lacking, or what is there."""


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    why: str
    forced: bool = False
    """The settings say so (`models.tier`), or a command's option."""
    cpu_only: bool = False
    """A tier without a graphics card is wanted although there may be one."""
    verdicts: tuple[Verdict, ...]
    """On every tier, the weakest first."""

    @property
    def fits(self) -> bool:
        return any(verdict.fits for verdict in self.verdicts if verdict.name == self.name)


def choose(
    machine: Machine,
    registry: Registry,
    measured: Measured | None = None,
    *,
    wanted: str = AUTO,
    can_offload: bool = False,
) -> Choice:
    """The strongest tier that fits, or the one that is wanted. Raises `Unknown` where that does not exist.

    can_offload: whether llama.cpp could compute on a graphics card here.
    """
    verdicts = tuple(
        _verdict(name, tier, machine, registry, measured, can_offload) for name, tier in registry.tiers.items()
    )
    if wanted != AUTO:
        tier = registry.tier(wanted)
        own = next(verdict for verdict in verdicts if verdict.name == wanted)
        why = "set in the settings (`models.tier`)" + ("" if own.fits else f", though it does not fit: {own.why}")
        cpu_only = not tier.requirements.gpu_memory_mb
        return Choice(name=wanted, why=why, forced=True, cpu_only=cpu_only, verdicts=verdicts)
    fitting = [verdict for verdict in verdicts if verdict.fits]
    if fitting:
        return Choice(name=fitting[-1].name, why="the strongest that fits", verdicts=verdicts)
    return Choice(
        name=verdicts[0].name, why=f"the weakest, though it does not fit: {verdicts[0].why}", verdicts=verdicts
    )


def power(machine: Machine) -> float:
    """The cores that count for a tier."""
    slow = sum(core.kind == "efficiency" for core in machine.cores) if machine.hybrid else 0
    worth = len(machine.cores) - slow + SLOW_CORE * slow
    return min(worth, machine.quota) if machine.quota else worth


def _verdict(
    name: str, tier: Tier, machine: Machine, registry: Registry, measured: Measured | None, can_offload: bool
) -> Verdict:
    needs, lacking, has = tier.requirements, list[str](), list[str]()

    def ask(what: str, enough: bool, lack: str) -> None:
        (has if enough else lacking).append(what if enough else lack)

    cores = power(machine)
    ask(
        f"{_cores(machine)}",
        cores >= needs.cores,
        f"it needs {needs.cores} cores, and this machine has {_cores(machine)}",
    )
    memory = _gb(machine.memory_mb)
    enough = machine.memory_mb >= needs.memory_mb
    ask(f"{memory} of memory", enough, f"it needs {_gb(needs.memory_mb)} of memory, and this machine has {memory}")
    if needs.gpu_memory_mb:
        card = f"a graphics card with {_gb(machine.gpu_mb)}"
        lack = f"this machine has one with {_gb(machine.gpu_mb)}" if machine.gpu_mb else "this machine has none"
        enough = machine.gpu_mb >= needs.gpu_memory_mb
        ask(card, enough, f"it needs a graphics card with {_gb(needs.gpu_memory_mb)}, and {lack}")
        if enough:
            remedy = "llama-cpp-python cannot use the graphics card: install it anew with CMAKE_ARGS=-DGGML_CUDA=on"
            ask("a llama.cpp that can use it", can_offload, remedy)
    elif rate := _rate(registry, tier, measured):
        text = f"about {rate:.0f} tokens a second with {tier.models.llm}, by what was measured"
        ask(text, rate >= LEAST_TOKENS_S, f"it would write {text}, and speech needs {LEAST_TOKENS_S:.0f}")
    return Verdict(name=name, fits=not lacking, why="; ".join(lacking) or ", ".join(has))


def _rate(registry: Registry, tier: Tier, measured: Measured | None) -> float:
    """Tokens a second that the tier's model would write here; 0 where nothing is known."""
    if measured is None or measured.llm is None or not measured.llm.tokens_per_s:
        return 0.0
    try:
        known, wanted = registry.model(measured.llm.model), registry.model(tier.models.llm)
    except Unknown:
        return 0.0
    return measured.llm.tokens_per_s * _read_for_a_token(known) / _read_for_a_token(wanted)


def _read_for_a_token(model: Model) -> float:
    """Bytes of weights."""
    return model.bytes * (model.active_m / model.params_m if model.active_m and model.params_m else 1.0)


def _cores(machine: Machine) -> str:
    """In words."""
    if machine.quota:
        return f"{machine.quota:g} CPUs' worth of time"
    slow = sum(core.kind == "efficiency" for core in machine.cores) if machine.hybrid else 0
    if slow:
        return f"{len(machine.cores) - slow} fast cores and {slow} slow ones, of which each counts for half"
    return f"{machine.physical} physical cores" if machine.physical != 1 else "1 physical core"


def _gb(megabytes: float) -> str:
    return f"{megabytes / 1024:.1f} GB"
