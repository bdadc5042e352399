"""An engine's actor in the test's own process: a real bus, real rings, and a real supervisor's hand for the bells.

    async with Service(tmp_path, "stt.1") as service:
        call = service.open_call("c1")
        Listening(service.actor, engine)
        await service.ask(Attend(...))
        partial = await service.note(Partial)

Nothing is timed: `note` waits for the next note of a kind, and says what came instead if it does not come.
"""

import asyncio
import contextlib
import os
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from actors.actor import Actor
from config.agent import Agent
from config.load import SHIPPED, Config
from config.schema import Settings
from ipc import rings as ring
from ipc.bus import Bus, Refused
from ipc.descriptors import DescriptorStore
from ipc.ear import EarWriter
from ipc.lifeline import Lifeline
from ipc.messages import Message, Partial, Placed, Release, Speaking, Spoken
from ipc.mouth import MouthGauge, MouthReader
from ipc.progress import Board, Progress
from ipc.rings import Bell, Rings
from ipc.thinking import Generated, Token, ToolWanted

M = TypeVar("M", bound=Message)

ASKER = "conversation.1"
PATIENCE_S = 20.0
NOTES = (Partial, Placed, Speaking, Spoken, Token, ToolWanted, Generated)

AGENT = Agent(name="desk", greeting="Good morning.")


class OpenCall:
    """What the supervisor and the audio actor have of a call."""

    def __init__(self, call_id: str, rate: int) -> None:
        self.id = call_id
        self.segment = f"ringmaster-test-{os.getpid()}-{call_id}"
        ring.create(self.segment, rate)
        self.rings = Rings(self.segment)
        self.bells = ring.make_bells()
        self.ear = EarWriter(self.rings)
        self.mouth = MouthReader(self.rings)
        self.gauge = MouthGauge(self.rings)

    def hear(self, *frames: bytes) -> None:
        """The caller says this, as far as the rings know."""
        for pcm in frames:
            self.ear.write(pcm, captured_ns=0, level=-20.0, speech=True)
            for bell in self.bells[:-1]:
                Bell(bell).ring()

    def play(self, frames: int | None = None) -> bytes:
        """Takes so many frames, or all there are, out of the mouth, as the pacer does; gives their samples."""
        played = b""
        while frames is None or frames > 0:
            before = self.mouth.slot
            taken = self.mouth.take()
            if self.mouth.slot != before:
                Bell(self.bells[-1]).ring()
            if taken is None:
                break
            played += taken[0]
            frames = None if frames is None else frames - 1
        return played

    def end(self) -> None:
        """As the supervisor ends it."""
        self.rings.mark_closed()
        for bell in self.bells:
            Bell(bell).ring()

    def close(self) -> None:
        self.rings.close()
        ring.unlink(self.segment)
        for bell in self.bells:
            os.close(bell)


class Service:
    def __init__(self, run_dir: Path, name: str, *, agents: dict[str, Agent] | None = None) -> None:
        self.run_dir = run_dir
        self.name = name
        self.calls: dict[str, OpenCall] = {}
        self.came: list[Message] = []
        """All notes that the actor has sent, in order."""
        self._new = asyncio.Event()
        self._looked_at: dict[type[Message], int] = {}
        self._fences = 0
        agents = {AGENT.name: AGENT} if agents is None else agents
        self._config = Config(path=SHIPPED, settings=Settings(), agents=agents)

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(asyncio.timeout(2 * PATIENCE_S))
            self._board = Board(f"ringmaster-test-{os.getpid()}-service", 1)
            stack.callback(self._board.close)
            lifeline = Lifeline(
                name=self.name,
                role=self.name.partition(".")[0],
                run_dir=str(self.run_dir),
                config=str(SHIPPED),
                board=self._board.name,
                slot=self._board.take(),
                death_fd=-1,
                bell_fd=-1,
                parent=0,
            )
            progress = Progress(lifeline.board, lifeline.slot)
            stack.callback(progress.close)
            stack.callback(self._close_calls)
            bus = await stack.enter_async_context(Bus(self.run_dir, self.name))
            self.asker = await stack.enter_async_context(Bus(self.run_dir, ASKER))
            for kind in NOTES:
                self.asker.on(kind, self._came)
            store = DescriptorStore(self.run_dir, self._bells)
            self.store = asyncio.create_task(store.serve())
            stack.push_async_callback(self.no_supervisor)
            self.actor = Actor(lifeline, self._config, bus, progress)
            stack.push_async_callback(self._release_calls)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._stack.__aexit__(kind, error, trace)
        except BaseExceptionGroup as group:
            # What fails in the test itself is shown as it is, and not as the failure of a task among others.
            if error is None or group.split(lambda found: found is error)[1] is not None:
                raise

    def _close_calls(self) -> None:
        for call in self.calls.values():
            call.close()

    def _bells(self, call_id: str) -> list[int] | None:
        call = self.calls.get(call_id)
        return call.bells if call else None

    async def _release_calls(self) -> None:
        # Actors leave this to the end of their process, which here goes on.
        with contextlib.suppress(Refused):
            for call_id in self.calls:
                await self.ask(Release(call_id=call_id))

    async def no_supervisor(self) -> None:
        """From now on nobody hands out descriptors."""
        self.store.cancel()
        await asyncio.wait([self.store])

    async def _came(self, sender: str, message: Message) -> None:
        self.came.append(message)
        self._new.set()

    # -- what a test does

    def open_call(self, call_id: str = "c1", rate: int = 8000) -> OpenCall:
        call = self.calls[call_id] = OpenCall(call_id, rate)
        return call

    async def ask(self, command: Message) -> Message:
        return await self.asker.ask(self.name, command, within=PATIENCE_S)

    async def expect(self, command: Message, kind: type[M]) -> M:
        return await self.asker.expect(self.name, command, kind, within=PATIENCE_S)

    async def note(self, kind: type[M]) -> M:
        """The next note of this kind, after those that were looked at before."""
        at = self._looked_at.get(kind, 0)
        while True:
            for number, message in enumerate(self.came[at:], start=at):
                if isinstance(message, kind):
                    self._looked_at[kind] = number + 1
                    return message
            self._new.clear()
            try:
                await asyncio.wait_for(self._new.wait(), PATIENCE_S)
            except TimeoutError:
                raise AssertionError(f"no {kind.__name__} came; there came {self.came}") from None

    async def all_notes(self, kind: type[M]) -> list[M]:
        """All notes of this kind that the actor has sent up to now: its notes arrive in order, and so does this one."""
        self._fences += 1
        fence = Generated(request=f"fence {self._fences}")
        self.actor.bus.tell(ASKER, fence)
        while fence not in self.came:
            await self.note(Generated)
        return [message for message in self.came if isinstance(message, kind)]

    async def until(self, happened: asyncio.Event, what: str) -> None:
        try:
            await asyncio.wait_for(happened.wait(), PATIENCE_S)
        except TimeoutError:
            raise AssertionError(f"not in {PATIENCE_S:g} s: {what}; there came {self.came}") from None

    @property
    def calls_shown(self) -> int:
        """On how many calls the actor says it is working."""
        return self._board.calls(0)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
