"""Segments of shared memory: one process makes and unlinks a segment by name, any other may attach to it.

`multiprocessing.shared_memory` does the mapping. Two things about it are unsafe between processes that do not descend
from one another through `multiprocessing`, and are put right here:

- Up to Python 3.12 whoever merely attaches is registered with a resource tracker, which unlinks the segment under
  everybody else when that process ends (bpo-38119), and is a process of its own, started at the first use. From 3.13
  on `track=False` switches that off; before, we attach while a tracker that forgets everything is in its place.
- A segment is made by `ftruncate`, which promises memory that may not be there: on a full /dev/shm the first write to
  it ends the process by SIGBUS. Here the memory is reserved first, so a full /dev/shm is an `OSError` with a remedy.
"""

import contextlib
import os
import sys
import threading
from collections.abc import Collection
from multiprocessing import shared_memory
from pathlib import Path
from types import TracebackType
from typing import Any, Self

DIRECTORY = Path("/dev/shm")
"""Where Linux keeps POSIX shared memory: `shm_open("/name")` is this folder's file `name` (shm_overview(7))."""

_attaching = threading.Lock()


class Segment:
    """A mapped segment: `name`, `size` in bytes, and `buf`, all of its memory, writable.

    Whoever made it unlinks it, once; everybody closes their own mapping. Also a context manager that closes.
    """

    def __init__(self, memory: "_Memory", name: str) -> None:
        """For `create` and `attach` only."""
        self._memory = memory
        self.name = name

    @classmethod
    def create(cls, name: str, size: int) -> Self:
        """Makes a segment of `size` zero bytes. Raises `FileExistsError`, or `OSError` when there is no room for it."""
        path = DIRECTORY / name
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, size)
        except OSError as error:
            path.unlink(missing_ok=True)
            raise OSError(error.errno, _remedy(size, error)) from error
        finally:
            os.close(descriptor)
        return cls.attach(name)

    @classmethod
    def attach(cls, name: str) -> Self:
        """Maps a segment that another process made. Raises `FileNotFoundError`."""
        return cls(_map(name), name)

    @property
    def size(self) -> int:
        return self._memory.size

    @property
    def buf(self) -> memoryview:
        """Keep the segment as long as you look into it. Raises `ValueError` after `close`."""
        memory = self._memory.buf
        if memory is None:
            raise ValueError(f"segment {self.name} is closed")
        return memory

    def close(self) -> None:
        """Unmaps. Raises `BufferError` while anything (a slice, a NumPy array) still looks into `buf`."""
        self._memory.close()

    def unlink(self) -> None:
        """Takes the name away; the memory goes with the last mapping. Also when it is gone already."""
        unlink(self.name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def unlink(name: str) -> None:
    """`Segment.unlink` for a process that has not mapped it."""
    (DIRECTORY / name).unlink(missing_ok=True)


def reap(prefix: str, spared: Collection[str] = ()) -> list[str]:
    """Unlinks every segment whose name begins with `prefix`, but for the spared; gives their names.

    What is mapped stays usable.
    """
    found = (path.name for path in DIRECTORY.iterdir() if path.name.startswith(prefix))
    leftovers = sorted(name for name in found if name not in spared)
    for name in leftovers:
        unlink(name)
    return leftovers


class _Memory(shared_memory.SharedMemory):
    def unlink(self) -> None:
        """The base class does it where it cannot map a segment (no memory, no descriptor left), whosever that is: a
        process that is about to die of it would take a live call's rings with it."""

    def __del__(self) -> None:
        # The base class lets a BufferError out of here, which Python prints as noise at exit. The kernel unmaps anyway.
        with contextlib.suppress(BufferError):
            super().__del__()


class _Forgetful:
    """Stands where Python's resource tracker is while a segment is attached."""

    @staticmethod
    def register(name: str, kind: str) -> None:
        """Not ours to unlink."""


if sys.version_info >= (3, 13):

    def _map(name: str) -> _Memory:
        return _Memory(name, track=False)

else:

    def _map(name: str) -> _Memory:
        module: Any = shared_memory
        with _attaching:
            tracker = module.resource_tracker
            module.resource_tracker = _Forgetful
            try:
                return _Memory(name)
            finally:
                module.resource_tracker = tracker


def _remedy(size: int, error: OSError) -> str:
    free = os.statvfs(DIRECTORY)
    return (
        f"no room for {size / 1e6:.1f} MB of shared memory ({error.strerror}): {DIRECTORY} has "
        f"{free.f_bavail * free.f_frsize / 1e6:.1f} MB free. Make it larger (`mount -o remount,size=1G {DIRECTORY}`; "
        f"in Docker `shm_size: 1gb`), or take fewer calls at once (`audio.max_calls`)"
    )
