"""What was put on this machine: of each model its files with their checksums, as they were when they came.

`<folder>/records/<name>.json`. With it `ringmaster models check` finds what was damaged since, also in models whose
publisher gives no checksum.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from models import files
from models.checksum import sha256_of

RECORDS = "records"


class Item(msgspec.Struct, frozen=True, kw_only=True):
    path: str
    """Relative to the folder of the models."""
    bytes: int
    sha256: str


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One model that is there."""

    name: str
    path: str
    """What the engine is given, relative to the folder of the models."""
    sources: dict[str, str]
    """Of each file that was fetched, its name and the SHA-256 that it had."""
    came_from: str
    """Where it came from, for people."""
    items: tuple[Item, ...]

    @property
    def bytes(self) -> int:
        return sum(item.bytes for item in self.items)


def read(folder: Path, name: str) -> Record | None:
    """None where the model was never put here, or nobody can read the record."""
    try:
        return msgspec.json.decode(_file(folder, name).read_bytes(), type=Record)
    except (OSError, msgspec.DecodeError):
        return None


def every(folder: Path) -> Iterator[Record]:
    """Of all models that were put here."""
    for file in sorted((folder / RECORDS).glob("*.json")):
        if record := read(folder, file.stem):
            yield record


def save(folder: Path, record: Record) -> None:
    """Raises OSError."""
    text = msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n"
    files.write(_file(folder, record.name), text)


def items(folder: Path, path: Path, on_bytes: Callable[[int], None] | None = None) -> Iterator[Item]:
    """Reads a file, or all files of a folder. Raises OSError."""
    for file in [path] if path.is_file() else sorted(found for found in path.rglob("*") if found.is_file()):
        size = file.stat().st_size
        yield Item(path=str(file.relative_to(folder)), bytes=size, sha256=sha256_of(file))
        if on_bytes:
            on_bytes(size)


def damage(folder: Path, record: Record, *, whole: bool = True) -> str:
    """What is wrong with the files, in words; "" for nothing. whole: their checksums too, not only their sizes."""
    for item in record.items:
        file = folder / item.path
        try:
            size = file.stat().st_size
            if size != item.bytes:
                return f"{file} has {size:,} bytes instead of {item.bytes:,}"
            if whole and sha256_of(file) != item.sha256:
                return f"{file} is damaged: its checksum is not what it was when it came"
        except FileNotFoundError:
            return f"{file} is gone"
        except OSError as error:
            return f"{file} cannot be read: {error.strerror}"
    return ""


def _file(folder: Path, name: str) -> Path:
    return folder / RECORDS / f"{name}.json"
