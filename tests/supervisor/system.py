"""A whole system in a process of its own, with puppets for actors but for the audio, and what a test does with it.

`python -m tests.supervisor.system CONFIG` is that process.
"""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self, TypeVar

from config.load import Config, load
from ipc import prctl
from ipc.bus import Bus
from ipc.messages import CallList, CloseCall, Done, ListCalls, MediaChanged, Message
from ipc.orders import ActorStatus, Status, SystemStatus
from supervisor import service
from supervisor.instance import segment_prefix
from tests.supervisor.stage import DEADLINE_S, environment, small_house, wait_until_dead

M = TypeVar("M", bound=Message)

FRAME_BYTES = 3 + 320

MODULE = "tests.supervisor.system"


class System:
    """The process. A context manager: ready when entered, ended when left."""

    def __init__(self, config: Config, extra: Mapping[str, str] | None = None, module: str = MODULE) -> None:
        self.config = config
        self.run_dir = Path(config.settings.run.directory)
        self.log_path = config.path.with_suffix(".log")
        self.told: list[str] = []
        self._notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notified.bind("")  # a name in the abstract namespace that nobody else has
        self._notified.settimeout(1.0)
        with self.log_path.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", module, str(config.path)],
                env={
                    **environment(),
                    "NOTIFY_SOCKET": "@" + self._notified.getsockname()[1:].decode(),
                    **(extra or {}),
                },
                stdout=log,
                stderr=log,
            )

    def __enter__(self) -> Self:
        self.wait_for("STATUS=ready")
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()
        self._notified.close()

    def wait_for(self, word: str) -> None:
        """Until the supervisor has told systemd that."""
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            with contextlib.suppress(TimeoutError):
                self.told.append(self._notified.recv(4096).decode())
                if self.told[-1] == word:
                    return
        raise AssertionError(f"no {word}; the log:\n{self.log()}")

    def stop(self) -> int:
        """Gives the exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(DEADLINE_S)

    def log(self) -> str:
        return self.log_path.read_text()

    @property
    def port(self) -> int:
        return self.config.settings.audiosocket.port

    def segments(self, kind: str = "") -> list[str]:
        """But for the flight recorders, of which each process has one: these are of the kind "flight"."""
        prefix = segment_prefix(self.run_dir)
        names = sorted(path.name.removeprefix(prefix) for path in Path("/dev/shm").glob(f"{prefix}*"))
        return [prefix + name for name in names if name.startswith("flight") == (kind == "flight")]

    def play(self, scene: Callable[["Visit"], Awaitable[None]]) -> None:
        """One scene with an actor called "test" on the bus."""

        async def run() -> None:
            async with asyncio.timeout(DEADLINE_S), visit(self) as visitor:
                await scene(visitor)

        try:
            asyncio.run(run())
        except TimeoutError:
            raise AssertionError(f"the scene did not end; the log:\n{self.log()}") from None


class Visit:
    def __init__(self, system: System, bus: Bus) -> None:
        self.system = system
        self.bus = bus
        self._media: asyncio.Queue[MediaChanged] = asyncio.Queue()
        self._peers: list[Peer] = []

    async def ask(self, command: Message, kind: type[M]) -> M:
        return await self.bus.expect("supervisor", command, kind, within=DEADLINE_S)

    async def status(self) -> SystemStatus:
        return await self.ask(Status(), SystemStatus)

    async def actor(self, name: str) -> ActorStatus:
        return next(actor for actor in (await self.status()).actors if actor.name == name)

    async def warm(self, count: int = 1) -> None:
        """Until that many audio actors wait."""
        while (await self.status()).warm_audio < count:
            await asyncio.sleep(0.02)

    async def media(self, call_id: str, state: str) -> MediaChanged:
        """The next event of this kind for this call."""
        while True:
            event = await self._media.get()
            if (event.call_id, event.state) == (call_id, state):
                return event

    async def note_media(self, sender: str, event: MediaChanged) -> None:
        self._media.put_nowait(event)

    async def connect(self, media_uuid: str) -> "Peer":
        reader, writer = await asyncio.open_connection("127.0.0.1", self.system.port)
        writer.write(b"\x01\x00\x10" + uuid.UUID(media_uuid).bytes)
        peer = Peer(reader, writer)
        self._peers.append(peer)
        return peer

    async def leave(self) -> None:
        """Tidies up, also after a scene that failed."""
        for peer in self._peers:
            peer.writer.close()
        if self.system.process.poll() is None:
            for call in (await self.ask(ListCalls(), CallList)).calls:
                await self.ask(CloseCall(call_id=call.call_id), Done)


class Peer:
    """Asterisk's end of a media connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def hear(self, frames: int) -> None:
        """That many frames of 20 ms, each whole and of the right kind."""
        for _ in range(frames):
            head = await self.reader.readexactly(3)
            assert head == b"\x10\x01\x40", head
            await self.reader.readexactly(320)

    def say(self, frames: int) -> None:
        self.writer.write((b"\x10\x01\x40" + bytes(320)) * frames)

    async def hear_the_end(self) -> bytes:
        """The rest up to the end; gives its last frame."""
        rest = await self.reader.read()
        assert len(rest) % FRAME_BYTES in (0, 3), "the stream was cut in the middle of a frame"
        return rest[-(len(rest) % FRAME_BYTES) :] if len(rest) % FRAME_BYTES else b""


@asynccontextmanager
async def visit(system: System) -> AsyncIterator[Visit]:
    async with Bus(system.run_dir, "test") as bus:
        visitor = Visit(system, bus)
        await bus.subscribe("supervisor", MediaChanged, visitor.note_media)
        # A subscription takes effect a moment later; the answer to a question comes after that moment.
        await visitor.status()
        try:
            yield visitor
        finally:
            await visitor.leave()


def descendants(pid: int) -> list[int]:
    """All processes below this one."""
    below = []
    for thread in Path(f"/proc/{pid}/task").iterdir():
        for child in (thread / "children").read_text().split():
            below += [int(child), *descendants(int(child))]
    return below


def kill_with_everything(system: System) -> None:
    """Kills the supervisor alone, and waits until all its children are gone by themselves."""
    below = descendants(system.process.pid)
    assert below
    os.kill(system.process.pid, signal.SIGKILL)
    system.process.wait(DEADLINE_S)
    wait_until_dead(below)


if __name__ == "__main__":
    prctl.die_with_parent()  # whoever breaks the tests off breaks this off too
    loaded = load(Path(sys.argv[1]))
    again = (sys.executable, "-m", "tests.supervisor.system", sys.argv[1])
    sys.exit(service.up(loaded, Path(loaded.settings.run.directory), small_house(), again))
