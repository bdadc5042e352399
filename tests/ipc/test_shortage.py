"""Without memory, and without descriptors: what belongs to others stays as it is, and what serves goes on serving."""

import asyncio
import logging
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ipc.descriptors import SOCKET_NAME, DescriptorStore
from ipc.segment import DIRECTORY, Segment

NAME = f"ringmaster-test-shortage-{os.getpid()}"
SIZE = 64 << 20

WITHOUT_MEMORY = f"""
import resource
from pathlib import Path
from ipc.segment import Segment
pages = int(Path("/proc/self/statm").read_text().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (1 << 20), -1))
try:
    Segment.attach("{NAME}")
except OSError as error:
    print(error.strerror)
"""


@pytest.fixture
def segment() -> Iterator[Segment]:
    with Segment.create(NAME, SIZE) as made:
        yield made
        made.unlink()


def test_who_has_no_memory_to_map_a_segment_does_not_take_it_from_the_others(segment: Segment) -> None:
    told = subprocess.run([sys.executable, "-c", WITHOUT_MEMORY], capture_output=True, text=True, check=True)
    assert told.stdout == "Cannot allocate memory\n"
    assert told.stderr == ""
    assert (DIRECTORY / NAME).exists()


class Told(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.event = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.event.set()


def no_more_files() -> int:
    """Gives how many there may be, so that none is left."""
    free = os.dup(0)
    os.close(free)
    return free


def test_a_store_that_may_open_no_more_files_serves_again_when_it_may(tmp_path: Path) -> None:
    async def scene() -> bytes:
        told = Told()
        logging.getLogger("ipc.descriptors").addHandler(told)
        serving = asyncio.create_task(DescriptorStore(tmp_path, lambda call_id: None).serve())
        while not (tmp_path / SOCKET_NAME).exists():
            await asyncio.sleep(0)
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
            client.setblocking(False)
            client.connect(str(tmp_path / SOCKET_NAME))
            client.send(b"a call")
            resource.setrlimit(resource.RLIMIT_NOFILE, (no_more_files(), before[1]))
            try:
                async with asyncio.timeout(10):
                    await told.event.wait()
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, before)
                logging.getLogger("ipc.descriptors").removeHandler(told)
            async with asyncio.timeout(10):
                answer = await asyncio.get_running_loop().sock_recv(client, 100)
        serving.cancel()
        return answer

    assert asyncio.run(scene()) == b"unknown"
