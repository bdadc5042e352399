"""Supervisor and conversation around call-control, on a bus without sockets. Each answer may be missing or be a no."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from ipc.actions import (
    CancelConsult,
    Consult,
    ConsultChanged,
    DecideConsult,
    HoldCaller,
    SetResult,
)
from ipc.bus import BadMessage, NoAnswer, Refused
from ipc.messages import (
    CallList,
    CallOpened,
    CloseCall,
    ConnectMedia,
    EndCall,
    ExpectMedia,
    HangUp,
    ListCalls,
    MediaAwaited,
    MediaChanged,
    Message,
    OpenCall,
    OpenedCall,
    StartCall,
    Transfer,
)
from tests.actors.call_control.storm.asterisk import Asterisk

M = TypeVar("M", bound=Message)
Handler = Callable[[str, Any], Awaitable[Message | None]]

RINGS_GONE_S = 5.0
"""`actors.conversation`: for how long a conversation waits for its end after its rings were closed."""

FAULTS = 0.04
"""Of all questions."""


class QuietBus:
    """`ipc.bus.Bus` as call-control uses it; the other end is a `House`. One for each life of call-control."""

    def __init__(self, house: "House", run_dir: Path) -> None:
        self.name = "call-control"
        self.run_dir = run_dir
        self.handlers: dict[type[Message], Handler] = {}
        self.subscriptions: dict[type[Message], Handler] = {}
        self._house = house
        self._tasks: dict[asyncio.Task[Any], None] = {}  # in order: a set's is another each time
        self.alive = True
        self.failures: list[BaseException] = []

    def on(self, kind: type[Message], handler: Handler) -> None:
        self.handlers[kind] = handler

    async def subscribe(self, publisher: str, kind: type[Message], handler: Handler) -> None:
        self.subscriptions[kind] = handler

    def spawn(self, work: Awaitable[Any], name: str) -> asyncio.Task[Any]:
        async def run() -> Any:
            return await work

        task = asyncio.get_running_loop().create_task(run(), name=name)
        self._tasks[task] = None
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.failures.append(error)

    async def ask(self, peer: str, command: Message, *, within: float) -> Message:
        return await self._house.asked(command, within)

    async def expect(self, peer: str, command: Message, kind: type[M], *, within: float) -> M:
        reply = await self.ask(peer, command, within=within)
        if not isinstance(reply, kind):
            raise BadMessage(f"{type(reply)} is no {kind}")
        return reply

    def tell(self, peer: str, note: Message) -> None:
        self._house.told(note)

    def publish(self, event: Message) -> None:
        return None

    def kill(self) -> None:
        """All that call-control was doing ends where it is."""
        self.alive = False
        for task in self._tasks:
            task.cancel()


class House:
    def __init__(self, chance: random.Random, asterisk: Asterisk) -> None:
        self.chance = chance
        self.asterisk = asterisk
        self.faulty = True
        self.calls: dict[str, OpenedCall] = {}
        self.conversations: set[str] = set()
        self.bus: QuietBus | None = None
        self.wanted: list[str] = []
        """What the conversations have asked for, and what came of it."""
        self._tasks: set[asyncio.Task[Any]] = set()
        asterisk.media_attached = self._media_attached

    # -- call-control asks

    async def asked(self, command: Message, within: float) -> Message:
        await asyncio.sleep(0.001)
        fault = self.faulty and self.chance.random() < FAULTS
        kind = self.chance.choice(("before", "after", "refused")) if fault else ""
        if kind == "before":
            await asyncio.sleep(within)
            raise NoAnswer(f"nobody answered {type(command).__name__}")
        if kind == "refused" and isinstance(command, OpenCall | StartCall | ExpectMedia | ConnectMedia):
            raise Refused("not now", busy=True)
        reply = self._answer(command)
        if kind == "after":
            await asyncio.sleep(within)
            raise NoAnswer(f"nobody answered {type(command).__name__}")
        return reply

    def _answer(self, command: Message) -> Message:
        match command:
            case OpenCall(call_id=call_id):
                opened = OpenedCall(
                    call_id=call_id,
                    segment=f"segment-{call_id}",
                    rate=command.rate,
                    media_uuid=command.media_uuid,
                    audio_actor="audio.1",
                    owner="call-control",
                )
                self.calls[call_id] = opened
                return CallOpened(segment=opened.segment, audio_actor="audio.1", host="127.0.0.1", port=18080)
            case ExpectMedia(call_id=call_id):
                if call_id not in self.calls:
                    raise Refused("there is no such call")
                known = self.calls[call_id]
                self.calls[call_id] = OpenedCall(
                    call_id=call_id,
                    segment=known.segment,
                    rate=known.rate,
                    media_uuid=command.media_uuid,
                    audio_actor="audio.1",
                    owner="call-control",
                )
                return MediaAwaited(host="127.0.0.1", port=18080)
            case ConnectMedia(media_uuid=uuid, path=path):
                if path and not self.asterisk.connect_websocket(f"media-{uuid}"):
                    raise Refused("404")
            case CloseCall(call_id=call_id):
                self.calls.pop(call_id, None)
                self.asterisk.later(RINGS_GONE_S, lambda: self._rings_gone(call_id))
            case ListCalls():
                return CallList(calls=tuple(self.calls.values()))
            case StartCall(call_id=call_id):
                self.conversations.add(call_id)
                self._spawn(self._converse(call_id))
            case EndCall(call_id=call_id):
                self.conversations.discard(call_id)
        return command  # anything: `ask` takes every reply but a refusal

    def _rings_gone(self, call_id: str) -> None:
        """A conversation whose rings are gone, and which nobody ends, ends by itself."""
        if call_id not in self.calls:
            self.conversations.discard(call_id)

    def told(self, note: Message) -> None:
        if isinstance(note, ConsultChanged) and note.state == "asking":
            self._spawn(self._decide(note.call_id))

    def _media_attached(self, uuid: str, there: bool) -> None:
        call = next((call for call in self.calls.values() if call.media_uuid == uuid), None)
        if call is None or self.bus is None or not self.bus.alive:
            return
        if self.faulty and self.chance.random() < 0.05:
            return
        change = MediaChanged(call_id=call.call_id, state="attached" if there else "lost", media_uuid=uuid)
        self._spawn(self.bus.subscriptions[MediaChanged]("supervisor", change))

    # -- conversations ask

    async def _converse(self, call_id: str) -> None:
        await asyncio.sleep(self.chance.uniform(0.1, 30))
        for _ in range(self.chance.randint(0, 3)):
            if call_id not in self.conversations:
                return
            await self._want(
                self.chance.choice(
                    (
                        HangUp(call_id=call_id, reason="goodbye"),
                        Transfer(call_id=call_id, destination="sales"),
                        Transfer(call_id=call_id, destination=""),
                        Consult(call_id=call_id, destination="sales"),
                        Consult(call_id=call_id, destination="sales"),
                        HoldCaller(call_id=call_id, on=True),
                        HoldCaller(call_id=call_id, on=False),
                        CancelConsult(call_id=call_id),
                        SetResult(call_id=call_id, variables={"AGENT_OUTCOME": "talked"}),
                    )
                )
            )
            await asyncio.sleep(self.chance.uniform(0.1, 20))

    async def _decide(self, call_id: str) -> None:
        await asyncio.sleep(self.chance.uniform(0.1, 12))
        if self.chance.random() < 0.9:
            await self._want(DecideConsult(call_id=call_id, accepted=self.chance.random() < 0.6, reason="declined"))

    async def _want(self, command: Message) -> None:
        bus = self.bus
        if bus is None or not bus.alive:
            return
        name = type(command).__name__
        try:
            async with asyncio.timeout(60):
                await bus.handlers[type(command)]("conversation.1", command)
        except Refused as refused:
            self.wanted.append(f"{name}: {refused}")
        except TimeoutError:
            # A command to a call-control that was killed is never answered; to one that lives it must be.
            assert not bus.alive, f"{command} was never answered"

    def _spawn(self, work: Awaitable[Any]) -> None:
        async def run() -> None:
            await work

        task = asyncio.get_running_loop().create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and self.bus is not None:
            self.bus.failures.append(error)
