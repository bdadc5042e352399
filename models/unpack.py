"""Unpacks a model's archive: into a folder beside its place, which then takes its place at once.

Nothing of an archive is trusted: no member may lead out of the folder or be a link, and what comes out may not be many
times what went in.
"""

import errno
import shutil
import stat
import tempfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from models import files

MOST_TIMES = 20
"""As large as the archive. Models shrink to between a half and two thirds."""

NEEDED: dict[str, tuple[str, ...]] = {"vosk": ("am/final.mdl", "final.mdl")}
"""By engine: files of which its model's folder has one."""


class CannotUnpack(Exception):
    """The archive is no good, or there is no room. The text says which, and what to do; nothing is left behind."""


class BadArchive(CannotUnpack):
    """It is the archive's fault: it was deleted, so that the next try fetches another."""


def unpack(archive: Path, target: Path, engine: str) -> None:
    """The folder in the archive becomes `target`, and takes the place of what was there. Raises `CannotUnpack`,
    OSError."""
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        with zipfile.ZipFile(archive) as opened:
            _check(archive, opened)
            needed = sum(member.file_size for member in opened.infolist())
            _room(target.parent, needed, archive)
            opened.extractall(beside)
        put(_top(beside, archive, engine), target)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        archive.unlink(missing_ok=True)
        raise BadArchive(f"{archive.name} is damaged ({error}): run `ringmaster models setup` again") from error
    except RuntimeError as error:  # a password, or an unknown way to pack
        archive.unlink(missing_ok=True)
        raise BadArchive(f"{archive.name} is packed in a way that we do not know: {error}") from error
    except BadArchive:
        archive.unlink(missing_ok=True)
        raise
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise CannotUnpack(
            f"the disk was filled while {archive.name} was unpacked; nothing of it was left there: make room in"
            f" {target.parent} and run `ringmaster models setup` again"
        ) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def put(made: Path, target: Path) -> None:
    """A folder takes its place; what was there goes. What is open of the old one stays open."""
    made.chmod(0o755)
    for path in made.rglob("*"):
        if path.is_file():
            files.flush(path)
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    made.rename(target)
    files.sync(target.parent)
    shutil.rmtree(old, ignore_errors=True)


def _check(archive: Path, opened: zipfile.ZipFile) -> None:
    members = opened.infolist()
    for member in members:
        path = PurePosixPath(member.filename)
        leads_out = path.is_absolute() or ".." in path.parts or "\\" in member.filename or ":" in member.filename
        kind = stat.S_IFMT(member.external_attr >> 16)
        if leads_out or kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise BadArchive(
                f"{archive.name} is no model: its member {member.filename!r} is a link, or leads out of it"
            )
    if sum(member.file_size for member in members) > MOST_TIMES * archive.stat().st_size:
        raise BadArchive(f"{archive.name} is no model: it would become more than {MOST_TIMES} times as large")


def _room(folder: Path, needed: int, archive: Path) -> None:
    if (free := shutil.disk_usage(folder).free) < needed:
        raise CannotUnpack(
            f"{archive.name} needs {needed / 1e6:,.0f} MB to be unpacked and {folder} has {free / 1e6:,.0f} MB left:"
            " make room, or name another disk in `models.directory`"
        )


def _top(folder: Path, archive: Path, engine: str) -> Path:
    """Archives hold their folder, some hold it twice."""
    while not any((folder / name).is_file() for name in NEEDED.get(engine, ())):
        inside = [path for path in folder.iterdir() if path.name != "__MACOSX"]
        if len(inside) != 1 or not inside[0].is_dir():
            if engine in NEEDED:
                raise BadArchive(f"{archive.name} holds no model for {engine}: there is no {NEEDED[engine][0]} in it")
            break
        folder = inside[0]
    return folder
