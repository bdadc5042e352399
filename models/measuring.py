"""Has an engine measured, or only loaded, in a process of its own: `python -m actors.<role>.measure`.

The engine's library may be missing, may abort on a broken model, or want more memory than there is: none of that is to
happen here.
"""

import subprocess
import sys
from pathlib import Path

import msgspec

from config.engines import Role
from models.measured import Llm, Stt, Tts

KINDS: dict[Role, type[Stt] | type[Llm] | type[Tts]] = {"stt": Stt, "llm": Llm, "tts": Tts}

LONGEST_S = 300.0
"""For a model of some gigabytes on a slow disk. A measurement itself takes up to half a minute."""


class CannotMeasure(Exception):
    """The engine could not be measured, or loaded. The text says why, in one line."""


def measure(role: Role, engine: str, path: Path, name: str) -> Stt | Llm | Tts:
    """name: of the model, as it will be known. Raises `CannotMeasure`."""
    text = _run(role, engine, path, "--json")
    try:
        found = msgspec.json.decode(text[max(0, text.find("{")) :], type=KINDS[role])
    except msgspec.DecodeError as error:
        raise CannotMeasure(f"the measurement of {engine} said nothing that we understand: {error}") from error
    return msgspec.structs.replace(found, engine=engine, model=name)


def load(role: Role, engine: str, path: Path) -> None:
    """Lets the engine load the model. Raises `CannotMeasure`."""
    _run(role, engine, path, "--check")


def _last_words(text: str) -> str:
    """Of what a process complained, the sentence. A measurement in a process of its own may have said why before."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return "; ".join(lines[-1:] if "Traceback" in text else lines[-2:])


def _run(role: Role, engine: str, path: Path, option: str) -> str:
    command = [sys.executable, "-m", f"actors.{role}.measure", "--engine", engine, str(path), option]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST_S, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired as error:
        raise CannotMeasure(f"{engine} was not ready with {path} after {LONGEST_S:.0f} s") from error
    if done.returncode < 0:
        raise CannotMeasure(f"{engine} was ended by signal {-done.returncode} while it loaded {path}")
    if done.returncode:
        raise CannotMeasure(_last_words(done.stderr) or f"{engine} ended with exit code {done.returncode}")
    return done.stdout
