"""One running system per run directory: a lock that the kernel gives back however its holder ends."""

import fcntl
import os
import zlib
from collections.abc import Collection
from pathlib import Path
from types import TracebackType
from typing import Self

from ipc import segment

LOCK_NAME = "supervisor.lock"

LONGEST_PATH = 80
"""Of the run directory, in bytes. A Unix socket's path has room for 107 (unix(7)), of which the longest of our names,
such as "conversation.10.events", takes 23."""


class CannotRun(Exception):
    """The system cannot be started here. The text is one sentence for the operator, with the remedy."""


def segment_prefix(run_dir: Path) -> str:
    """With what the names of all this system's shared-memory segments begin."""
    return f"ringmaster-{zlib.crc32(str(run_dir.resolve()).encode()):08x}-"


def holder(run_dir: Path) -> int | None:
    """Process id of the supervisor that runs here; None when there is none."""
    try:
        with (run_dir / LOCK_NAME).open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(lock.read() or 0)
    except FileNotFoundError:
        return None
    return None


class Instance:
    """The right to run in a directory. A context manager; leaving it gives the right back."""

    def __init__(self, run_dir: Path, lock_fd: int | None = None) -> None:
        """Makes the directory and takes the lock, or goes on with that of a predecessor. Raises `CannotRun`."""
        self.run_dir = run_dir
        self.segment_prefix = segment_prefix(run_dir)
        if len(os.fsencode(run_dir)) > LONGEST_PATH:
            raise CannotRun(
                f"{run_dir} is too long for the sockets in it: set `run.directory` to a path of at most"
                f" {LONGEST_PATH} bytes"
            )
        try:
            run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            if run_dir.stat().st_uid != os.geteuid():
                raise CannotRun(f"{run_dir} belongs to another user: set `run.directory` to a folder of your own")
            self._lock = (run_dir / LOCK_NAME).open("a+") if lock_fd is None else os.fdopen(lock_fd, "a+")
        except OSError as error:
            raise CannotRun(f"cannot work in {run_dir}: {error.strerror}; set `run.directory` to a folder") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise CannotRun(
                f"Ringmaster already runs in {run_dir}, as process {holder(run_dir) or 'unknown'}: stop it, or give"
                " this one another folder (`--run-dir`)"
            ) from None
        self._lock.truncate(0)
        self._lock.write(str(os.getpid()))
        self._lock.flush()

    @property
    def lock_fd(self) -> int:
        return self._lock.fileno()

    def reap(self, spared: Collection[str] = ()) -> list[str]:
        """Removes what a predecessor that was killed has left: sockets, and segments, whose names it gives. Those that
        are `spared` it has not left, but handed over."""
        for pattern in ("*.inbox", "*.events", "*.sock"):
            for path in self.run_dir.glob(pattern):
                path.unlink(missing_ok=True)
        return segment.reap(self.segment_prefix, spared)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.truncate(0)
        self._lock.close()
