"""The whole system as a user runs it, beside the stand-in Asterisk: for the demo, for benches, for tests.

    async with Asterisk(dialplan, user=USER, password=PASSWORD) as asterisk:
        async with System(folder, run_dir, settings(asterisk.port, audio_port)) as system:
            await system.until_ready()
            phone = asterisk.dial("1000")

`together` is all of that in one.
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from bench.asterisk import Asterisk, Dialplan, Hangup, NoOp, Stasis
from config.load import SHIPPED
from ipc.bus import Bus, NoAnswer, Refused
from ipc.orders import Status, SystemStatus

READY_S = 60.0
STATUS_S = 3.0
LOOK_S, CONNECTED_LOOK_S = 0.1, 0.01
"""Between two looks at whether the system is ready, or connected."""
LAST_LINES = 15
"""Of the log, in the text of an error."""

USER = PASSWORD = "demo"
APP = "asterisk-ai-voice-agent"
COMMAND = (sys.executable, "-m", "supervisor.cli")
"""`ringmaster`, also where it has not been installed."""

DIALPLAN: Dialplan = {
    "inbound": {"1000": [Stasis(APP), NoOp("${AGENT_STATUS}"), Hangup()]},
    "people": {"100": [Hangup()]},
}

Sections = Mapping[str, Any]
"""Settings as in the file: section, key, value; or key, value where no section is around them."""


_places = count(1)
"""On the bus: no two that are there at the same time may have the same name."""


class NotReady(Exception):
    """The system did not start. The text says why, with the end of its log."""


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def settings(ari_port: int, audio_port: int, changes: Sections | None = None) -> Sections:
    """The settings that ship, for these ports; `changes` goes over them section by section."""
    sections: dict[str, Any] = {
        "asterisk": {"port": ari_port, "username": USER, "password": PASSWORD},
        "audiosocket": {"port": audio_port},
        "agents": {"directory": str(SHIPPED.parent / "agents")},
        "transfers": {"destinations": {"person": {"context": "people", "extension": "100"}}},
    }
    for name, section in (changes or {}).items():
        sections[name] = {**sections.get(name, {}), **section} if isinstance(section, Mapping) else section
    return sections


class System:
    """One run of `ringmaster up`, and a place on its bus. A context manager: entered when the process has been started
    (see `until_ready`), left when it has ended."""

    def __init__(
        self,
        folder: Path,
        run_dir: Path,
        sections: Sections,
        command: Sequence[str] = COMMAND,
        arguments: Sequence[str] = (),
    ) -> None:
        """folder: for the settings and the log. run_dir: an existing folder, with a short path: that of a socket has
        room for 107 characters. command: what `up` is given to. arguments: further ones of `up`."""
        self.run_dir = run_dir
        self.settings = folder / "settings.yaml"
        self._log = folder / "ringmaster.log"
        self._command = tuple(command)
        self._arguments = tuple(arguments)
        self._sections = {
            **sections,
            "run": {"directory": str(run_dir), **sections.get("run", {})},
            # Never that of a service: this one would write its calls there.
            "history": {**sections.get("history", {}), "directory": str(folder / "history")},
        }
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        self.settings.write_text(yaml.safe_dump(self._sections))
        with self._log.open("wb") as log:
            self.process = await asyncio.create_subprocess_exec(
                *self._command, "up", "--config", str(self.settings), *self._arguments, stdout=log, stderr=log
            )
        self._stack.push_async_callback(self.stop)
        self.bus = await self._stack.enter_async_context(Bus(self.run_dir, f"bench.{os.getpid()}.{next(_places)}"))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Without telling the bus of the error, which it would wrap into a group.
        await self._stack.aclose()

    async def until_ready(self, warm: int = 0) -> None:
        """`warm`: so many audio actors must wait, too. Raises `NotReady`."""
        deadline = time.monotonic() + READY_S
        problems: Sequence[str] = ()
        while time.monotonic() < deadline and self.process.returncode is None:
            with contextlib.suppress(NoAnswer, Refused):
                status = await self.status(within=0.5)
                problems = status.problems
                if status.ready and status.warm_audio >= warm:
                    return
            await asyncio.sleep(LOOK_S)
        raise NotReady("\n".join(["the system did not become ready:", *problems, *self.log()[-LAST_LINES:]]))

    async def until_connected(self, asterisk: Asterisk) -> None:
        """Until Asterisk has calls for it: a moment after it is ready. Raises `NotReady`."""
        deadline = time.monotonic() + READY_S
        while APP not in asterisk.applications:
            if time.monotonic() > deadline:
                raise NotReady("\n".join(["the system did not connect to Asterisk:", *self.log()[-LAST_LINES:]]))
            await asyncio.sleep(CONNECTED_LOOK_S)

    async def status(self, within: float = STATUS_S) -> SystemStatus:
        """Raises `NoAnswer`."""
        return await self.bus.expect("supervisor", Status(), SystemStatus, within=within)

    async def stop(self) -> int:
        """Gives the exit code."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        return await self.process.wait()

    def log(self) -> list[str]:
        """What it has logged so far, line by line."""
        return self._log.read_text(errors="replace").splitlines()


@contextlib.asynccontextmanager
async def together(folder: Path, changes: Sections | None = None) -> AsyncIterator[tuple[System, Asterisk]]:
    """The system with the settings that ship, and `changes` to them, ready for calls, and its stand-in; both end with
    the context. Raises `NotReady`."""
    folder.mkdir(parents=True, exist_ok=True)
    # Not under `folder`: nobody knows how long its path is.
    with tempfile.TemporaryDirectory(prefix="ringmaster-") as run_dir:
        asterisk = Asterisk(DIALPLAN, user=USER, password=PASSWORD)
        async with asterisk, System(folder, Path(run_dir), settings(asterisk.port, free_port(), changes)) as system:
            await system.until_ready()
            await system.until_connected(asterisk)
            yield system, asterisk
