"""The system under test, and how the tests wait: for something to be the case, looked at whenever anything happens.

Nothing here sleeps until it may be over, and nothing is timed: a deadline is reached only when a test fails.
"""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Self, TypeVar

import yaml

from bench.asterisk import Answer, Asterisk, AudioSocket, Dialplan, Hangup, NoOp, Stasis
from bench.system import APP, PASSWORD, USER, Sections, System, free_port, settings
from ipc.messages import ActorChanged, Journaled, MediaChanged
from ipc.orders import ActorStatus, SystemStatus
from supervisor.instance import segment_prefix

T = TypeVar("T")

DEADLINE_S = 25.0
"""For anything that a test waits for, on slow and shared cores."""
LOOK_S = 0.2
"""What is waited for is looked at again this often, whatever happens: events may be lost (`ipc.messages`)."""
LAST_LINES = 12
"""Of the log, in a failure's text."""

WARM = 2

FEW: Mapping[str, Mapping[str, int]] = {"stt": {"count": 1}, "llm": {"count": 1}, "tts": {"count": 1}}
"""As few actors as can be: a system starts sooner."""

SETTINGS: Sections = {
    "agents": {"directory": str(Path(__file__).parent / "agents"), "default_agent": "desk"},
    # A machine that is busy with other things for a second makes no test fail: the pacer then catches up.
    "audio": {"warm": WARM, "max_calls": 2, "catch_up_frames": 50},
    "actors": {**FEW, "stt": {"count": 2}, "stall_s": 3},
    "turns": {"no_input": {"after_s": 120}},
}


def dialplan(audio_port: int) -> Dialplan:
    """1000 comes to us over ARI, 1001 straight over AudioSocket; whoever leaves us goes on where it can be seen."""
    return {
        "inbound": {
            "1000": [Stasis(APP), NoOp("${AGENT_STATUS}"), Hangup()],
            "1001": [Answer(), AudioSocket("${UUID()}", f"127.0.0.1:{audio_port}"), NoOp("after the agent"), Hangup()],
        },
        "people": {"100": [NoOp("a person takes the call"), Hangup()]},
    }


class House:
    """A running system and its stand-in. A context manager: entered when the system is ready."""

    def __init__(self, system: System, asterisk: Asterisk, audio_port: int) -> None:
        self.system = system
        self.asterisk = asterisk
        self.audio_port = audio_port
        self.changes: list[ActorChanged | MediaChanged] = []
        """What the supervisor has told, from the beginning."""
        self._stirred = asyncio.Event()

    async def __aenter__(self) -> Self:
        await self.system.__aenter__()
        try:
            await self._listen()
            await self.system.until_ready()
        except BaseException:
            await self.system.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.system.__aexit__(None, None, None)

    async def _listen(self) -> None:
        bus = self.system.bus
        await bus.subscribe("supervisor", ActorChanged, self._changed)
        await bus.subscribe("supervisor", MediaChanged, self._changed)
        await bus.subscribe("conversation.1", Journaled, self._stir)

    async def _changed(self, sender: str, change: ActorChanged | MediaChanged) -> None:
        self.changes.append(change)
        self._stirred.set()

    async def _stir(self, sender: str, event: Journaled) -> None:
        self._stirred.set()

    # -- waiting

    async def until(self, what: str, look: Callable[[], T | None]) -> T:
        """What `look` finds, once it finds something. `what` is for the text of the failure."""

        async def at_once() -> T | None:
            return look()

        return await self._until(what, at_once)

    async def until_status(self, what: str, look: Callable[[SystemStatus], T | None]) -> T:
        """What `look` finds in the system's status, once it finds something."""

        async def ask() -> T | None:
            return look(await self.status())

        return await self._until(what, ask)

    async def _until(self, what: str, look: Callable[[], Awaitable[T | None]]) -> T:
        try:
            async with asyncio.timeout(DEADLINE_S):
                while True:
                    self._stirred.clear()
                    if found := await look():
                        return found
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._stirred.wait(), LOOK_S)
        except TimeoutError:
            raise AssertionError(f"{what}: not within {DEADLINE_S:g} s\n{self.last_words()}") from None

    def last_words(self) -> str:
        return "\n".join(["the end of the system's log:", *self.system.log()[-LAST_LINES:]])

    # -- what is the case

    async def status(self) -> SystemStatus:
        return await self.system.status(within=DEADLINE_S)

    async def actor(self, name: str) -> ActorStatus:
        return next(actor for actor in (await self.status()).actors if actor.name == name)

    async def serving(self, role: str) -> ActorStatus:
        """The actor of this role that works on a call."""
        return next(actor for actor in (await self.status()).actors if actor.role == role and actor.calls)

    async def comes_back(self, before: ActorStatus) -> ActorStatus:
        """The actor of this name, in its next life."""

        def look(status: SystemStatus) -> ActorStatus | None:
            named = (actor for actor in status.actors if actor.name == before.name)
            return next((actor for actor in named if actor.state == "ready" and actor.pid != before.pid), None)

        return await self.until_status(f"{before.name} comes back", look)

    async def problem(self, words: str) -> str:
        """A problem that `status` tells of."""

        def look(status: SystemStatus) -> str | None:
            return next((problem for problem in status.problems if words in problem), None)

        return await self.until_status(f"a problem with {words!r}", look)

    async def takes_calls(self) -> None:
        """Ready, without problems, and connected to Asterisk."""
        await self.until_status("ready and without problems", lambda status: status.ready and not lacks(status))
        await self.system.until_connected(self.asterisk)

    async def send_everybody_home(self) -> None:
        """Ends the calls that a scene has left, so that the next one finds the house as it expects it."""
        if self.asterisk_runs:
            for channel in list(self.asterisk.exchange.channels.values()):
                if channel.phone is not None:
                    channel.phone.hang_up()

    async def nothing_is_left(self) -> None:
        """Of any call: no channel, bridge, ring or open call, nobody at work, the next callers awaited."""

        def look(status: SystemStatus) -> bool:
            left[:] = self._left(status)
            return not left

        left: list[str] = []
        try:
            await self.until_status("nothing is left", look)
        except AssertionError as error:
            raise AssertionError(f"left: {', '.join(left)}\n{error}") from None

    def _left(self, status: SystemStatus) -> list[str]:
        left = [f"open call {call.call_id}" for call in status.calls]
        left += [f"{actor.name} at work" for actor in status.actors if actor.calls]
        left += [f"channel {channel}" for channel in self.asterisk.channels] if self.asterisk_runs else []
        left += [f"bridge {bridge}" for bridge in self.asterisk.bridges] if self.asterisk_runs else []
        left += [f"/dev/shm/{name}" for name in self.segments("call")]
        left += [f"rings in the memory of {actor.name}" for actor in status.actors if self._maps_rings(actor.pid)]
        return left + ([f"{status.warm_audio} warm audio actors"] if status.warm_audio < WARM else [])

    @property
    def asterisk_runs(self) -> bool:
        try:
            return self.asterisk.exchange is not None
        except RuntimeError:
            return False

    def segments(self, kind: str = "") -> list[str]:
        """The system's names in shared memory: the progress board's, and one for each open call.

        But for the flight recorders, of which each process has one.
        """
        prefix = segment_prefix(self.system.run_dir)
        names = sorted(path.name for path in Path("/dev/shm").iterdir() if path.name.startswith(prefix + kind))
        return [name for name in names if not name.startswith(f"{prefix}flight")]

    def _maps_rings(self, pid: int) -> bool:
        with contextlib.suppress(FileNotFoundError):
            return f"{segment_prefix(self.system.run_dir)}call" in Path(f"/proc/{pid}/maps").read_text()
        return False


def lacks(status: SystemStatus) -> list[str]:
    """Its problems, but for late audio: the machine is shared with other tests, and the system says so."""
    return [problem for problem in status.problems if not problem.startswith("callers hear gaps")]


def held(pid: int) -> set[str]:
    """The sockets and eventfds that a process holds, by names that are the same in every process."""
    names = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            target = str(descriptor.readlink())
            if target == "anon_inode:[eventfd]":
                info = Path(f"/proc/{pid}/fdinfo/{descriptor.name}").read_text()
                target = next(line for line in info.splitlines() if line.startswith("eventfd-id"))
            if target.startswith(("socket:", "eventfd-id")):
                names.add(target)
    return names


@contextlib.asynccontextmanager
async def started(folder: Path, changes: Sections | None = None, *, asterisk_runs: bool = True) -> AsyncIterator[House]:
    """A system that is ready for calls, with the settings above and `changes` to them."""
    audio_port = free_port()
    asterisk = Asterisk(dialplan(audio_port), user=USER, password=PASSWORD, port=free_port())
    sections = settings(asterisk.port, audio_port, merged(SETTINGS, changes or {}))
    async with contextlib.AsyncExitStack() as stack:
        run_dir = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ringmaster-")))
        stack.push_async_callback(asterisk.stop_listening)
        if asterisk_runs:
            await asterisk.start()
        house = House(System(folder, run_dir, sections), asterisk, audio_port)
        await stack.enter_async_context(house)
        if asterisk_runs:
            await house.takes_calls()
        yield house


@contextlib.asynccontextmanager
async def same_again(house: House, folder: Path) -> AsyncIterator[House]:
    """A successor of a system that has ended: in the same run directory, beside the same Asterisk."""
    system = System(folder, house.system.run_dir, yaml.safe_load(house.system.settings.read_text()))
    async with House(system, house.asterisk, house.audio_port) as successor:
        yield successor


def merged(sections: Sections, changes: Sections) -> Sections:
    both = dict(sections)
    for name, change in changes.items():
        both[name] = {**both.get(name, {}), **change} if isinstance(change, Mapping) else change
    return both
