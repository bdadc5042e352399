"""Whether the models that are on this machine are whole, and whether the engines can load those that are in use."""

from dataclasses import dataclass
from pathlib import Path

from config.engines import Role, environment_path
from config.schema import Settings
from models import measuring, records, shelf
from models.registry import ROLES

REMEDY = "run `ringmaster models setup`, which fetches it anew"


@dataclass(frozen=True, slots=True)
class Finding:
    """On one model."""

    role: Role | None
    """None for a model that is here and not in use."""
    name: str
    path: Path
    problem: str = ""
    """What is wrong, and what to do; "" when it is fine."""


def check(settings: Settings) -> list[Finding]:
    """Reads every byte, and loads what is in use."""
    folder = settings.models.folder
    try:
        choice = shelf.choice(settings.models)
    except shelf.NoModel as error:
        return [Finding(role=None, name=shelf.CHOSEN, path=folder / shelf.CHOSEN, problem=str(error))]
    chosen = dict(choice.models) if choice else {}
    found = [_in_use(settings, role, chosen.get(role)) for role in ROLES]
    used = {item.name for item in chosen.values()}
    for record in records.every(folder):
        # What somebody deleted, and nothing uses, is not missed.
        if record.name in used or not (folder / record.path).exists():
            continue
        damage = records.damage(folder, record)
        problem = f"{damage}; nothing uses this model: delete {folder / record.path}" if damage else ""
        found.append(Finding(role=None, name=record.name, path=folder / record.path, problem=problem))
    return found


def _in_use(settings: Settings, role: Role, chosen: shelf.Chosen | None) -> Finding:
    folder = settings.models.folder
    own = _given(settings, role, chosen.engine if chosen else "")
    engine = chosen.engine if chosen else _USUAL[role]
    try:
        path = shelf.path_of(settings.models, role, own)
    except shelf.NoModel as error:
        return Finding(role=role, name=chosen.name if chosen else "", path=folder, problem=str(error))
    named = bool(own or environment_path(role))
    name = path.name if named or chosen is None else chosen.name
    if not named and chosen:
        record = records.read(folder, chosen.name)
        damage = records.damage(folder, record) if record else f"nobody knows how {path} was when it came"
        if damage:
            return Finding(role=role, name=name, path=path, problem=f"{damage}: {REMEDY}")
    try:
        measuring.load(role, engine, path)
    except measuring.CannotMeasure as error:
        return Finding(role=role, name=name, path=path, problem=f"{engine} cannot load it: {error}")
    return Finding(role=role, name=name, path=path)


_USUAL: dict[Role, str] = {"stt": "vosk", "llm": "llama_cpp", "tts": "piper"}
"""Engines of models that are named outside the registry."""


def _given(settings: Settings, role: Role, engine: str) -> str:
    own: str = getattr(getattr(settings.engines, engine or _USUAL[role], None), "model", "")
    return own
