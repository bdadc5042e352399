"""How a process is harmed, and healed, from outside. Sources: prlimit(2), pidfd_open(2), posix_fallocate(3)."""

import asyncio
import contextlib
import itertools
import os
import resource
import signal
from collections.abc import Iterator
from pathlib import Path

FILLER = "chaos-filler"
PAGES_LEFT = 4
"""Of the full file system: a file's own bookkeeping may need one."""


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


async def ends(pid: int, within_s: float) -> bool:
    """True once the process has ended, and at once when it is not there; False when it lives on for so long."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(pidfd, ended.set)
    try:
        async with asyncio.timeout(within_s):
            await ended.wait()
    except TimeoutError:
        return False
    finally:
        loop.remove_reader(pidfd)
        os.close(pidfd)
    return True


async def freeze(pid: int, seconds: float) -> bool:
    """Stops it for so long; False when it has been ended meanwhile by somebody else."""
    os.kill(pid, signal.SIGSTOP)
    try:
        return not await ends(pid, seconds)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def limited(pid: int, which: int, soft: int) -> Iterator[None]:
    """The process may have no more than `soft` of a resource (`resource.RLIMIT_*`) meanwhile."""
    before = resource.prlimit(pid, which)
    resource.prlimit(pid, which, (soft, before[1]))
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(pid, which, before)


def address_space(pid: int) -> int:
    """Bytes that the process has mapped: what RLIMIT_AS counts."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
    return pages * resource.getpagesize()


def open_files(pid: int) -> int:
    """How many descriptors it has. Raises `FileNotFoundError` for one that has ended."""
    return len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 (a soak counts thousands of them, in a tenth of the time)


def file_limit(pid: int, spare: int) -> int:
    """The RLIMIT_NOFILE that leaves it so many descriptors: the kernel bounds their numbers, and those that are open
    have gaps. Raises `FileNotFoundError` for a process that has ended."""
    taken = {int(name) for name in os.listdir(f"/proc/{pid}/fd")}  # noqa: PTH208 (as above)
    free = (number for number in itertools.count() if number not in taken)
    return next(itertools.islice(free, spare, None))


def mapped(pid: int, prefix: str) -> set[str]:
    """The segments that it has mapped whose names begin so. None of a process that has ended."""
    try:
        lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return set()
    names = (line.rpartition("/dev/shm/")[2].partition(" ")[0] for line in lines if "/dev/shm/" in line)
    return {name for name in names if name.startswith(prefix)}


@contextlib.contextmanager
def filled(folder: Path) -> Iterator[int]:
    """The file system of `folder` has no room meanwhile. Gives how many bytes were taken."""
    path = folder / FILLER
    room = os.statvfs(folder)
    size = max(1, room.f_bavail - PAGES_LEFT) * room.f_frsize
    try:
        with path.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, size)
        yield size
    finally:
        path.unlink(missing_ok=True)
