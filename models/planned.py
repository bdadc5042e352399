"""The plan of a running system: made once, by the supervisor, and applied by every process to the settings it reads.

    supervisor   load the settings -> make the plan -> <run directory>/plan.json -> apply it -> start the house
    every actor  load the settings -> read plan.json -> apply it

So all see the same numbers, whatever cores each of them may use itself. Afterwards no setting says "as the hardware
tier says" any more. What the file says in numbers is never touched.
"""

from pathlib import Path
from typing import Any

import msgspec
from msgspec import structs

from config.decode import Decoder
from config.load import Config
from config.problem import ConfigError
from config.schema import Settings
from config.source import read
from models import graphics, measured, sizing
from models.files import write
from models.machine import Machine, detect
from models.measured import Measured
from models.plan import AUTO, Plan, plan
from models.registry import Unknown, registry
from models.tiers import AUTO as AUTO_TIER
from models.tiers import Choice, choose

PLAN = "plan.json"


class CannotPlan(ConfigError):
    """The settings ask for a tier that there is not."""


class Outlook(msgspec.Struct, frozen=True, kw_only=True):
    """All that a plan is made of, and the plan."""

    machine: Machine
    choice: Choice
    measured: Measured | None
    """On this machine, with the models that are in use."""
    plan: Plan


def look(config: Config, other: Machine | None = None) -> Outlook:
    """At this machine, or at another one, of which nothing has been measured. Raises `CannotPlan`."""
    settings = config.settings
    here = other or detect(settings.models.folder)
    known = None if other else measured_here(settings, here)
    # Of another machine we suppose that its graphics card is made use of.
    can_offload = other is not None or graphics.can_offload()
    try:
        choice = choose(here, registry(), known, wanted=settings.models.tier, can_offload=can_offload)
    except Unknown as error:
        place = Decoder(read(config.path))
        place.decode(Settings)
        place.note(("models", "tier"), f"{error}, and `{AUTO_TIER}`.")
        raise CannotPlan(place.problems) from error
    sizes = sizing.sizes(settings, choice.name, known)
    known = sizing.fitting(settings, known)
    made = plan(here, choice, settings, sizes, known, can_offload=can_offload)
    return Outlook(machine=here, choice=choice, measured=known, plan=made)


def make(config: Config) -> Plan:
    """The plan for this machine. Raises `CannotPlan`."""
    return look(config).plan


def begin(config: Config, run_dir: Path) -> tuple[Config, Plan]:
    """For the supervisor: a new plan, written down, and the configuration with it. Raises `CannotPlan`, OSError."""
    made = make(config)
    write_down(made, run_dir)
    return apply(config, made), made


def write_down(made: Plan, run_dir: Path) -> None:
    """For those who read the settings after us. Raises OSError."""
    write(run_dir / PLAN, msgspec.json.format(msgspec.json.encode(made), indent=2) + b"\n")


def forget(run_dir: Path) -> None:
    """The system has ended."""
    (run_dir / PLAN).unlink(missing_ok=True)


def applied(config: Config, run_dir: Path) -> Config:
    """The configuration with the plan of the system that runs there. Raises `CannotPlan`."""
    try:
        made = msgspec.json.decode((run_dir / PLAN).read_bytes(), type=Plan)
    except (FileNotFoundError, msgspec.DecodeError):  # of another version, or tidied away
        made = make(config)
    return apply(config, made)


def apply(config: Config, made: Plan) -> Config:
    """The same with numbers, where the settings leave them to the tier."""
    settings = config.settings
    for tuned in made.tuned:
        keys = tuned.key.split(".")
        if tuned.source == "plan":
            settings = _set(settings, keys, tuned.value)
    return structs.replace(config, settings=settings)


def _set(section: Any, keys: list[str], value: object) -> Any:
    key, *below = keys
    if below:
        return structs.replace(section, **{key: _set(getattr(section, key), below, value)})
    return structs.replace(section, **{key: value}) if getattr(section, key) == AUTO[key] else section


def measured_here(settings: Settings, here: Machine | None = None) -> Measured | None:
    """What was measured, if it was measured on this very machine."""
    known = measured.read(settings.models.folder)
    if known is None:
        return None
    here = here or detect(settings.models.folder)
    return known if known.cpu == here.cpu and known.cores in (here.physical, here.cpus) else None
