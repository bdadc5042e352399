"""A file that is on its way: `<name>.part`, with the whole of its space, and `<name>.part.json`, which says what of it
has come. Both survive the end of the process; the next one goes on from there.

What the second file says is on the disk: the bytes are flushed before it is written.
"""

import errno
import os
import time
from pathlib import Path

import msgspec

from models import files
from models.spans import Span, Spans

NOTE_EVERY_S = 2.0
"""After a power cut at most so much of the download is fetched again. Beside a network, flushing costs nothing that one
would notice."""

BLOCK = 1 << 20
"""Bytes that are read back at once."""

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""No space, no quota, no file so large (a limit of the process, or of a FAT file system: 4 GB)."""

UNCLAIMABLE = {errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS}
"""What file systems say that cannot give space before it is written to."""


class NoSpace(Exception):
    """The disk, or the quota, has no room for the file. Nothing of it was left there."""


class _Note(msgspec.Struct, frozen=True, kw_only=True):
    bytes: int
    wanted: str
    """The checksum that the file is to have; parts of another file are worth nothing."""
    tag: str = ""
    """The server's ETag, where no checksum is known."""
    there: tuple[Span, ...]


class Partial:
    """An open partial file of `length` bytes. `wanted` is the checksum that it is to have ("" is not known)."""

    def __init__(self, target: Path, length: int, wanted: str) -> None:
        """Takes over what an earlier process left. Raises `NoSpace`, OSError."""
        self.target = target
        self.length = length
        self._wanted = wanted
        self._part = target.with_name(target.name + ".part")
        self._note = target.with_name(target.name + ".part.json")
        target.parent.mkdir(parents=True, exist_ok=True)
        note = self._read_note()
        self.there = Spans(note.there if note else ())
        self.tag = note.tag if note else ""
        self._handle = os.open(self._part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self._noted = time.monotonic()
        try:
            # The space is claimed before the first byte comes: a disk that is too small says so now and not after
            # hours, and nobody takes the space away meanwhile.
            os.posix_fallocate(self._handle, 0, length)
        except OSError as error:
            if error.errno not in UNCLAIMABLE:
                self.discard()
                if error.errno in FULL:
                    raise self._full(error) from error
                raise

    def write(self, offset: int, data: bytes) -> None:
        """Raises `NoSpace`: then the whole file is given back, for a full disk stops more than us."""
        try:
            while data:
                written = os.pwrite(self._handle, data, offset)
                data, offset = data[written:], offset + written
        except OSError as error:
            if error.errno not in FULL:
                raise
            self.discard()
            raise self._full(error) from error

    def note(self, now: bool = False) -> None:
        """Writes down what has come, every few seconds or `now`."""
        if not now and time.monotonic() - self._noted < NOTE_EVERY_S:
            return
        note = _Note(bytes=self.length, wanted=self._wanted, tag=self.tag, there=tuple(self.there))
        try:
            os.fdatasync(self._handle)
            files.write(self._note, msgspec.json.encode(note))
        except OSError as error:
            if error.errno not in FULL:
                raise
            self.discard()
            raise self._full(error) from error
        self._noted = time.monotonic()

    def read(self, offset: int) -> bytes:
        """The next megabyte."""
        return os.pread(self._handle, min(BLOCK, self.length - offset), offset)

    def finish(self) -> None:
        """It is complete and right: it takes its place."""
        os.ftruncate(self._handle, self.length)
        os.fsync(self._handle)
        os.close(self._handle)
        self._handle = -1
        self._part.replace(self.target)
        files.sync(self.target.parent)
        self._note.unlink(missing_ok=True)

    def keep(self) -> None:
        """It is not complete; what came is kept for the next time, and the rest of the space is given back."""
        if self._handle < 0:
            return
        if not self.there.total():
            self.discard()
            return
        os.ftruncate(self._handle, max(end for _, end in self.there))
        self.note(now=True)
        self._close()

    def forget(self) -> None:
        """What came is worth nothing, but the space stays claimed."""
        self.there = Spans()
        self.tag = ""
        self._note.unlink(missing_ok=True)

    def discard(self) -> None:
        """Gives everything back."""
        self.there = Spans()
        self._close()
        self._part.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def _close(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def _read_note(self) -> _Note | None:
        try:
            note = msgspec.json.decode(self._note.read_bytes(), type=_Note)
        except (OSError, msgspec.DecodeError):
            return None
        usable = self._part.exists() and note.bytes == self.length and note.wanted == self._wanted
        return note if usable and all(0 <= start < end <= self.length for start, end in note.there) else None

    def _full(self, error: OSError) -> NoSpace:
        return NoSpace(
            f"{self.target.parent} has no room for the {self.length / 1e6:,.0f} MB of {self.target.name}"
            f" ({error.strerror}); nothing of it was left there: make room, or name another disk in `models.directory`"
        )


def waiting(target: Path) -> int:
    """Bytes that an earlier process claimed on the disk for this file already."""
    try:
        return target.with_name(target.name + ".part").stat().st_blocks * 512
    except OSError:
        return 0
