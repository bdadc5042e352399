"""Puts a model in its place: fetched or copied, checked, unpacked, and written down. What is there and right is left.

A model is either in its place as a whole or not at all: files come beside it and are renamed at the end.
"""

import asyncio
import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import aiohttp

from models import folders, partial, records
from models.checksum import Digest
from models.http_source import Patience, session
from models.records import Item, Record
from models.registry import ROLES, File, Model
from models.transfer import Progress, Transfer
from models.unpack import unpack

UNPACKED = 2.0
"""Times its size an archive needs when it is unpacked, beside itself. Known exactly once it is there."""

MARGIN = 64 << 20
"""Bytes that are to stay free on the disk."""

LOCK = "setup.lock"

STALE_S = 7 * 86_400
"""What came of a download that nobody goes on with holds the whole file's space; after a week it is given back."""


class CannotInstall(Exception):
    """The model is not there. The text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Store:
    """Where models go, and where they come from."""

    folder: Path
    bar: Callable[[str, int], Progress]
    """Shows how a file comes: its name, its bytes."""
    from_directory: Path | None = None
    """Then nothing is fetched from the network."""
    mirrors: tuple[str, ...] = ()
    """Addresses and folders that are asked first."""
    patience: Patience = field(default_factory=Patience)


def present(folder: Path, model: Model, *, whole: bool = True) -> Record | None:
    """The model's record, if it is there and right. whole: by its checksums too, a second or two for a gigabyte."""
    record = records.read(folder, model.name)
    if record is None or records.damage(folder, record, whole=whole):
        return None
    wanted = {file.name: file.sha256 for file in model.files if file.sha256}
    other = any(name in record.sources and record.sources[name] != checksum for name, checksum in wanted.items())
    return None if other else record


def needed(folder: Path, models: Iterable[Model]) -> int:
    """Bytes of disk that the models take while they come, besides what is claimed for them already."""
    total, largest_archive = 0, 0
    for model in models:
        waiting = sum(partial.waiting(folder / file.path) for file in model.files)
        total += max(0, model.bytes - waiting)
        if model.type == "zip":
            # The archive goes when its folder is there.
            total += int((UNPACKED - 1) * model.bytes)
            largest_archive = max(largest_archive, model.bytes)
    return total + largest_archive


def check_room(folder: Path, models: Iterable[Model]) -> None:
    """Raises `CannotInstall`."""
    wanted = needed(folder, models)
    there = folder
    while not there.exists():
        there = there.parent
    free = shutil.disk_usage(there).free
    if free < wanted + MARGIN:
        raise CannotInstall(
            f"{folder} needs {wanted / 1e6:,.0f} MB of room and its disk has {free / 1e6:,.0f} MB left: make room, or"
            " name another disk in `models.directory`"
        )


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Nobody else puts models there meanwhile. Raises `CannotInstall`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise CannotInstall(
            f"{folder} cannot be written to ({error.strerror}): use the service's account, or name another folder in"
            " `models.directory`"
        ) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise CannotInstall(f"another `ringmaster models setup` is at work in {folder}: wait for its end") from error
    finally:
        os.close(handle)


async def install(model: Model, store: Store) -> Record:
    """Raises `CannotInstall`, `CannotFetch`, `CannotUnpack`, `NotThere`, `NoSpace`, OSError."""
    place = store.folder / model.path
    sources: dict[str, str] = {}
    came_from = ""
    if found := await asyncio.to_thread(_unpacked, model, store):
        checksum = await asyncio.to_thread(folders.copy_folder, found, place)
        sources, came_from = {model.name: checksum}, f"a folder, {found}"
    else:
        async with _web(store) as http:
            for file in model.files:
                sources[file.name], came_from = await _file(file, model, store, http)
        if model.type == "zip":
            archive = store.folder / model.files[0].path
            await asyncio.to_thread(unpack, archive, place, model.engine)
            archive.unlink()
    record = Record(
        name=model.name,
        path=model.path,
        sources=sources,
        came_from=came_from,
        items=await asyncio.to_thread(_items, store.folder, model),
    )
    records.save(store.folder, record)
    return record


def remove_leftovers(folder: Path) -> None:
    """Of processes that were killed: folders that were being unpacked, and copies that were being replaced. And
    downloads that nobody goes on with."""
    for role in ROLES:
        for path in (folder / role).glob(".*"):
            shutil.rmtree(path, ignore_errors=True)
        for path in (folder / role).glob("*.part*"):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > STALE_S:
                    path.unlink()


def _unpacked(model: Model, store: Store) -> Path | None:
    """The folder of a model that is to be copied as it is. Nobody publishes checksums of these; in another machine's
    folder of models there is a record of what it should be. Raises `CannotInstall`."""
    if model.type != "zip" or store.from_directory is None:
        return None
    if folders.find(model.files[0], store.from_directory):
        return None
    record = records.read(store.from_directory, model.name)
    if record and (damage := records.damage(store.from_directory, record)):
        raise CannotInstall(f"{damage}: bring it from where it is whole")
    return folders.unpacked(model, store.from_directory)


def _items(folder: Path, model: Model) -> tuple[Item, ...]:
    if model.type == "zip":
        return tuple(records.items(folder, folder / model.path))
    return tuple(item for file in model.files for item in records.items(folder, folder / file.path))


@asynccontextmanager
async def _web(store: Store) -> AsyncIterator[aiohttp.ClientSession | None]:
    if store.from_directory is not None:
        yield None
        return
    async with session(store.patience) as http:
        yield http


async def _file(file: File, model: Model, store: Store, http: aiohttp.ClientSession | None) -> tuple[str, str]:
    """Its SHA-256, and where it came from."""
    target = store.folder / file.path
    if there := await asyncio.to_thread(_adopted, file, model, store.folder):
        return there, "what was there"
    bar = store.bar(file.name, file.bytes)
    try:
        came = await _brought(file, target, store, http, bar)
    except BaseException:
        bar.stopped()
        raise
    bar.done()
    return came


async def _brought(
    file: File, target: Path, store: Store, http: aiohttp.ClientSession | None, bar: Progress
) -> tuple[str, str]:
    for folder in _folders(store):
        if found := folders.find(file, folder):
            return await folders.copy(file, found, target, bar), f"a folder, {found}"
    if http is None:
        looked = " or ".join(folders.names(file))
        raise CannotInstall(f"{store.from_directory} has no {looked}: fetch it from {file.url} and put it there")
    web = [mirror for mirror in store.mirrors if "://" in mirror]
    named = [f"{mirror.rstrip('/')}/{quote(file.name)}" for mirror in web]
    groups = [named, [*file.mirrors, file.url]]
    fetched = await Transfer(file, target, groups, http, bar, store.patience).run()
    return fetched.sha256, ", ".join(fetched.from_hosts) or "an earlier try"


def _adopted(file: File, model: Model, folder: Path) -> str:
    """The SHA-256 of what is in the file's place already, put there by hand or by a setup that was killed just then;
    "" where that is not the right one."""
    target = folder / file.path
    try:
        if target.stat().st_size != file.bytes:
            return ""
        digest = Digest(md5=bool(file.md5))
        with target.open("rb") as content:
            while data := content.read(1 << 20):
                digest.came(digest.at, data)
    except OSError:
        return ""
    if file.sha256:
        right = digest.sha256 == file.sha256
    elif file.md5:
        right = digest.md5 == file.md5
    else:
        # Where there is a record, it says that this is not what came.
        right = records.read(folder, model.name) is None
    return digest.sha256 if right else ""


def _folders(store: Store) -> list[Path]:
    if store.from_directory is not None:
        return [store.from_directory]
    return [Path(mirror).expanduser() for mirror in store.mirrors if "://" not in mirror]
