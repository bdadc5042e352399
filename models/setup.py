"""`ringmaster models setup`, without its words on the terminal: detects, chooses, fetches, measures, writes down.

what the machine has      models.machine
which tier that is        models.tiers
which models it means     models.registry
bringing them             models.install
how fast they are here    models.measuring, in processes of their own -> measured.json
too slow for the tier?    the next weaker one, unless a tier was named
what was chosen           chosen.json
"""

import datetime
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from msgspec import structs

from config.engines import Role, environment_path
from config.schema import Settings
from models import graphics, install, measured, measuring, shelf, tiers
from models.install import Store
from models.machine import Machine, detect
from models.measured import Measured
from models.registry import ROLES, Model, Registry

MOST_ROUNDS = 3
"""Times that a measurement may speak against a tier."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What the operator asks for."""

    tier: str = tiers.AUTO
    language: str = "en-us"
    roles: tuple[Role, ...] = ROLES
    measure: bool = True


@dataclass(frozen=True, slots=True)
class Row:
    """One role's model, and why it is that one."""

    role: Role
    model: Model | None
    """None where the operator names one outside the registry."""
    path: Path
    why: str
    there: bool
    """It need not be fetched."""

    @property
    def name(self) -> str:
        return self.model.name if self.model else self.path.name


@dataclass(frozen=True, slots=True)
class Selection:
    """What is to be on this machine."""

    machine: Machine
    choice: tiers.Choice
    language: str
    rows: tuple[Row, ...]

    @property
    def missing(self) -> tuple[Model, ...]:
        return tuple(row.model for row in self.rows if row.model and not row.there)


@dataclass(slots=True)
class Outcome:
    selection: Selection
    measured: Measured | None
    complaints: list[str] = field(default_factory=list)
    """What could not be measured, and why."""


def select(
    settings: Settings, registry: Registry, wish: Wish, known: Measured | None = None, *, whole: bool = True
) -> Selection:
    """What would be put on this machine. Raises `registry.Unknown`.

    known: what was measured here. whole: what is there is read to its last byte, a second or two for a gigabyte.
    """
    folder = settings.models.folder
    machine = detect(folder)
    choice = tiers.choose(machine, registry, known, wanted=wish.tier, can_offload=graphics.can_offload())
    language = registry.language(wish.language)
    bundle = registry.bundle(choice.name, language)
    rows = tuple(_row(settings, folder, bundle[role], choice, language, whole) for role in ROLES if role in wish.roles)
    return Selection(machine=machine, choice=choice, language=language, rows=rows)


async def carry_out(
    settings: Settings,
    registry: Registry,
    wish: Wish,
    selection: Selection,
    store: Store,
    say: Callable[[str], None],
) -> Outcome:
    """Brings what is missing, measures, and writes down what was chosen.

    Raises `CannotInstall`, `CannotFetch`, `CannotUnpack`, `NotThere`, `NoSpace`, OSError.
    """
    folder = settings.models.folder
    for _ in range(MOST_ROUNDS):
        install.check_room(folder, selection.missing)
        for model in selection.missing:
            await install.install(model, store)
        outcome = Outcome(selection=selection, measured=measured.read(folder))
        _choose(settings, selection)
        outcome.complaints += [f"there is no {row.role} model at {row.path}, {row.why}" for row in _nowhere(selection)]
        if not wish.measure:
            return outcome
        _measure(settings, outcome, say)
        # What was measured speaks against the tier: each token takes too long. Whoever named the tier wants it so.
        after = select(settings, registry, wish, outcome.measured, whole=False)
        if after.choice.name == selection.choice.name:
            return outcome
        why = next(verdict.why for verdict in after.choice.verdicts if verdict.name == selection.choice.name)
        say(f"{selection.choice.name} is too much for this machine: {why}. So {after.choice.name} is taken.")
        selection = after
    return outcome


def _row(settings: Settings, folder: Path, model: Model, choice: tiers.Choice, language: str, whole: bool) -> Row:
    own, given_by = _given(settings, model.role, model.engine)
    if own:
        path = Path(own).expanduser()
        return Row(role=model.role, model=None, path=path, why=f"named by {given_by}", there=path.exists())
    why = {
        "stt": f"understands {language}; about {model.memory_mb:,} MB of memory",
        "llm": f"what {choice.name} carries; about {model.memory_mb:,} MB of memory, and more for each call",
        "tts": f"speaks {language}; about {model.memory_mb:,} MB of memory",
    }[model.role]
    there = install.present(folder, model, whole=whole) is not None
    return Row(role=model.role, model=model, path=folder / model.path, why=why, there=there)


def _given(settings: Settings, role: Role, engine: str) -> tuple[str, str]:
    """A model that the operator names, and where."""
    own: str = getattr(getattr(settings.engines, engine), "model", "")
    if own:
        return own, f"`engines.{engine}.model`"
    return environment_path(role), f"LOCAL_{role.upper()}_MODEL_PATH"


def _nowhere(selection: Selection) -> list[Row]:
    """Models that the operator names, and that are not there."""
    return [row for row in selection.rows if row.model is None and not row.there]


def _choose(settings: Settings, selection: Selection) -> None:
    """Writes down what was chosen; roles that were not asked for keep theirs."""
    folder = settings.models.folder
    try:
        before = shelf.choice(settings.models)
    except shelf.NoModel:
        before = None
    models = dict(before.models) if before else {}
    for row in selection.rows:
        if row.model:
            models[row.role] = shelf.Chosen(
                name=row.model.name, engine=row.model.engine, path=row.model.path, language=selection.language
            )
    shelf.save(folder, shelf.Choice(tier=selection.choice.name, models=models))


def _measure(settings: Settings, outcome: Outcome, say: Callable[[str], None]) -> None:
    machine = outcome.selection.machine
    found = outcome.measured
    if found is None or (found.cpu, found.cores) != (machine.cpu, machine.physical):
        found = Measured(cpu=machine.cpu, cores=machine.physical)
    for row in outcome.selection.rows:
        if row in _nowhere(outcome.selection):
            continue
        engine = row.model.engine if row.model else _engine_of(row.role)
        say(f"measuring {engine} with {row.name} on this machine ...")
        try:
            figures = measuring.measure(row.role, engine, row.path, row.name if row.model else str(row.path))
        except measuring.CannotMeasure as error:
            outcome.complaints.append(f"{row.role} was not measured: {error}")
            continue
        found = structs.replace(found, **{row.role: figures})
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    outcome.measured = structs.replace(found, at=now)
    measured.save(settings.models.folder, outcome.measured)


def _engine_of(role: Role) -> str:
    return {"stt": "vosk", "llm": "llama_cpp", "tts": "piper"}[role]
