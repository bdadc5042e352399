"""Models that somebody has already: another machine's folder of models, a USB stick, the archives as they were loaded.

A file is looked for by the path that it has among our models, by its name, and by the name that its address ends with.
"""

import asyncio
import hashlib
import shutil
import tempfile
from pathlib import Path
from urllib.parse import unquote

from models.checksum import Digest
from models.partial import Partial
from models.registry import File, Model
from models.transfer import Progress
from models.unpack import NEEDED, put

BLOCK = 1 << 20


class NotThere(Exception):
    """The folder does not have it, or has another one. The text names it."""


def names(file: File) -> tuple[str, ...]:
    """Under which the file may lie in a folder, the best first."""
    return tuple(dict.fromkeys((file.path, file.name, unquote(file.url.rpartition("/")[2]))))


def find(file: File, folder: Path) -> Path | None:
    return next((folder / name for name in names(file) if (folder / name).is_file()), None)


def unpacked(model: Model, folder: Path) -> Path | None:
    """The folder of a model whose archive was unpacked already."""
    for path in (folder / model.path, folder / model.name, folder):
        if any((path / name).is_file() for name in NEEDED.get(model.engine, ())) and path.name in (model.name, ""):
            return path
    return None


async def copy(file: File, found: Path, target: Path, progress: Progress) -> str:
    """Copies the file to its place. Gives its SHA-256. Raises `NotThere`, `NoSpace`, OSError."""
    size = found.stat().st_size
    if size != file.bytes:
        raise NotThere(f"{found} has {size:,} bytes instead of the {file.bytes:,} that the registry says")
    partial = Partial(target, file.bytes, file.sha256 or file.md5)
    partial.forget()
    digest = Digest(md5=bool(file.md5))
    try:
        with found.open("rb") as source:
            while data := await asyncio.to_thread(source.read, BLOCK):
                await asyncio.to_thread(partial.write, digest.at, data)
                await asyncio.to_thread(digest.came, digest.at, data)
                progress.came(len(data))
        if (file.sha256 and digest.sha256 != file.sha256) or (not file.sha256 and file.md5 and digest.md5 != file.md5):
            raise NotThere(f"{found} is not the file that the registry means: its checksum differs")
        partial.finish()
    except BaseException:
        partial.discard()
        raise
    return digest.sha256


def copy_folder(found: Path, target: Path) -> str:
    """Copies an unpacked model to its place. Gives the SHA-256 over its files' names and contents. Raises OSError."""
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        made = beside / target.name
        # Links are followed: the place that they lead to need not be here.
        shutil.copytree(found, made, symlinks=False)
        put(made, target)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return tree_checksum(target)


def tree_checksum(folder: Path) -> str:
    """Over the names and contents of all files."""
    digest = hashlib.sha256()
    for path in sorted(found for found in folder.rglob("*") if found.is_file()):
        digest.update(str(path.relative_to(folder)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
