"""What a C++ library says on standard error while it loads a model, made into the sentence that an operator reads.

Kaldi and OpenFst write down what they found wrong, and raise something that says nothing. Nobody else writes to
standard error meanwhile: engines load on the actor's only busy thread, before it has calls.
"""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from actors.catalogue import Unusable
from models import limits

STDERR = 2
MOST_CHARACTERS = 200
_SOURCE = re.compile(r"^\(VoskAPI:\S* ")
"""Where in its own source the library was."""


class Loading:
    """The time while the model in `path` is loaded: whatever is raised in it comes out as `Unusable`."""

    def __init__(self, engine: str, path: Path, files: Iterable[Path], remedy: str) -> None:
        """`files` are those that are loaded, `remedy` ends the sentence. Raises `Unusable` if there is less memory left
        than they are long on disk: both engines read them into memory as a whole."""
        self._engine = engine
        self._path = path
        self._remedy = remedy
        needed, left = sum(file.stat().st_size for file in files) >> 20, _available_mb()
        if needed > left:
            raise Unusable(
                f'the stt engine "{engine}" cannot load {path}, which takes at least {needed} MB of memory, and {left} '
                "MB are left: choose a smaller model, or start fewer actors"
            )

    def __enter__(self) -> Self:
        self._ours = os.dup(STDERR)
        self._file = os.memfd_create("complaints")
        os.dup2(self._file, STDERR)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.dup2(self._ours, STDERR)
        os.close(self._ours)
        with os.fdopen(self._file, "rb") as file:
            file.seek(0)
            lines = file.read().decode(errors="replace").splitlines()
        if isinstance(error, Exception) and not isinstance(error, Unusable):
            said = first_error(lines) or str(error).strip().partition("\n")[0]
            raise Unusable(
                f'the stt engine "{self._engine}" cannot load the model in {self._path}, it is damaged or not for this '
                f"engine ({said[:MOST_CHARACTERS]}): {self._remedy}"
            ) from error


def first_error(lines: list[str]) -> str:
    """The first thing that went wrong; what follows it is mostly of its making."""
    for line in lines:
        if line.startswith(("ERROR", "ASSERTION_FAILED")):
            _, _, rest = line.partition(" ")
            return _SOURCE.sub("", rest).strip()
    return ""


def _available_mb() -> int:
    """What can be had without driving anything out, of the machine and of the container."""
    machine = psutil.virtual_memory().available >> 20
    limit = limits.read(Path("/"))
    return min(machine, limit.available_mb) if limit.memory_mb else machine
