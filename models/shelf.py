"""The models that are on this machine: which one was chosen for each role, and where it lies.

`<folder>/chosen.json`, written by `ringmaster models setup`, says what was chosen. What is nearer wins: the engine's
own setting, then the environment (`LOCAL_STT_MODEL_PATH`, `LOCAL_LLM_MODEL_PATH`, `LOCAL_TTS_MODEL_PATH`), then the
choice.
"""

from pathlib import Path

import msgspec

from config.engines import Models, Role, environment_path
from models.files import write

CHOSEN = "chosen.json"

SETUP = "run `ringmaster models setup`"


class NoModel(Exception):
    """There is no usable model for a role. The text says what was looked for, and what to do."""


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """One role's model."""

    name: str
    """As in the registry."""
    engine: str
    """Which engine loads it."""
    path: str
    """Relative to the folder: a file, or a folder for engines that take one."""
    language: str = ""


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """What `chosen.json` holds."""

    tier: str
    models: dict[Role, Chosen]


def choice(models: Models) -> Choice | None:
    """What was chosen on this machine; None before the first setup. Raises `NoModel` where the file cannot be read."""
    file = models.folder / CHOSEN
    try:
        return msgspec.json.decode(file.read_bytes(), type=Choice)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise NoModel(f"{file} cannot be read ({error}): {SETUP}") from error


def path_of(models: Models, role: Role, given: str = "") -> Path:
    """Where the role's model lies. `given` is the engine's own setting. Raises `NoModel`."""
    if given or (given := environment_path(role)):
        path = Path(given).expanduser()
        if not path.exists():
            raise NoModel(f"there is no {role} model at {path}: correct the path, or {SETUP}")
        return path
    chosen = choice(models)
    if chosen is None or role not in chosen.models:
        raise NoModel(f"no {role} model has been set up in {models.folder}: {SETUP}")
    path = models.folder / chosen.models[role].path
    if not path.exists():
        raise NoModel(f"the {role} model {chosen.models[role].name} is gone from {path}: {SETUP}")
    return path


def save(folder: Path, chosen: Choice) -> None:
    """Replaces the file whole. Raises OSError."""
    write(folder / CHOSEN, msgspec.json.format(msgspec.json.encode(chosen), indent=2) + b"\n")
