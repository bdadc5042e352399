"""What is done to processes, with processes for whom it does not matter."""

import asyncio
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.chaos import harm, small_shm


@pytest.fixture
def victim() -> Iterator[subprocess.Popen[bytes]]:
    """Waits for a line, takes 64 MB, and tells whether it got them."""
    program = (
        "import sys; print('up', flush=True); sys.stdin.readline()\n"
        "try: print(len(bytearray(64 << 20)), flush=True)\n"
        "except MemoryError: print('none', flush=True)\n"
        "sys.stdin.readline()"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def test_who_may_map_no_more_than_it_has_gets_no_memory(victim: subprocess.Popen[bytes]) -> None:
    assert victim.stdin is not None
    assert victim.stdout is not None
    with harm.limited(victim.pid, resource.RLIMIT_AS, harm.address_space(victim.pid)):
        victim.stdin.write(b"\n")
        victim.stdin.flush()
        assert victim.stdout.readline() == b"none\n"
    assert resource.prlimit(victim.pid, resource.RLIMIT_AS) == resource.getrlimit(resource.RLIMIT_AS)


def test_a_death_is_seen_and_so_is_that_there_is_none(victim: subprocess.Popen[bytes]) -> None:
    assert not asyncio.run(harm.ends(victim.pid, 0.0))
    harm.kill(victim.pid)
    assert asyncio.run(harm.ends(victim.pid, 10.0))
    victim.wait()
    assert asyncio.run(harm.ends(victim.pid, 10.0)), "also of who has gone altogether"


def test_who_was_frozen_goes_on(victim: subprocess.Popen[bytes]) -> None:
    assert asyncio.run(harm.freeze(victim.pid, 0.0))
    assert victim.stdin is not None
    assert victim.stdout is not None
    victim.stdin.write(b"\n")
    victim.stdin.flush()
    assert victim.stdout.readline() == b"67108864\n"


def test_who_is_killed_while_it_is_frozen_is_noticed(victim: subprocess.Popen[bytes]) -> None:
    async def scene() -> bool:
        freezing = asyncio.create_task(harm.freeze(victim.pid, 10.0))
        while "T (stopped)" not in Path(f"/proc/{victim.pid}/status").read_text():
            await asyncio.sleep(0)
        harm.kill(victim.pid)
        return await freezing

    assert not asyncio.run(scene())


@pytest.mark.skipif(not small_shm.possible(), reason="needs a mount namespace of its own")
def test_a_shm_of_its_own_is_filled_from_outside_and_nobody_else_notices() -> None:
    command = [sys.executable, "-m", "bench.chaos.small_shm", "4", "cat"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"there\n")
        process.stdin.flush()
        process.stdout.readline()
        theirs = Path(f"/proc/{process.pid}/root/dev/shm")
        with harm.filled(theirs) as size:
            assert size <= 4 << 20
            with pytest.raises(OSError, match="No space left"), (theirs / "more").open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, 1 << 20)
            assert not (Path("/dev/shm") / harm.FILLER).exists()
        assert os.statvfs(theirs).f_bavail * os.statvfs(theirs).f_frsize > 3 << 20
        process.stdin.close()
