"""Call-control at work between a stand-in Asterisk and two fakes on real buses: supervisor and conversation.

    async with House(tmp_path) as house:
        phone = house.asterisk.dial("1000")
        await house.until(lambda: house.talking)

The supervisor fake has a real AudioSocket server, for the stand-in really connects to it; it tells what the supervisor
would tell. Nothing is timed: `until` waits for a state, and fails with all that was said when it does not come.
"""

import asyncio
import contextlib
import uuid
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from actors.call_control.ari import Ari
from actors.call_control.control import CallControl
from actors.call_control.store import Store
from bench.asterisk import Answer, Asterisk, AudioSocket, NoOp, Stasis, Wait
from bench.asterisk.lines import Line
from config import schema
from config.secret import Secret
from ipc.actions import KeyPressed
from ipc.bus import Bus, NoAnswer, Refused
from ipc.messages import (
    CallList,
    CallNote,
    CallOpened,
    CloseCall,
    EndCall,
    ExpectMedia,
    HangUp,
    ListCalls,
    MediaAwaited,
    MediaChanged,
    Message,
    OfferMedia,
    OpenCall,
    OpenedCall,
    Problem,
    StartCall,
    Transfer,
)

APP = "asterisk-ai-voice-agent"
PATIENCE_S = 10.0


class FakeSupervisor:
    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.full = False
        self.calls: dict[str, OpenedCall] = {}
        self.opened: list[str] = []
        self.closed: list[str] = []
        self.problems: list[str] = []
        """As told; "" takes the last one back."""
        self.writers: dict[str, asyncio.StreamWriter] = {}
        """Live media connections by call."""
        bus.on(OpenCall, self._open)
        bus.on(ExpectMedia, self._expect)
        bus.on(CloseCall, self._close)
        bus.on(ListCalls, self._list)
        bus.on(Problem, self._problem)

    async def listen(self) -> int:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        self._server.close()
        for writer in tuple(self.writers.values()):
            writer.close()

    def drop_media(self, call_id: str) -> None:
        """The media connection breaks."""
        self.writers[call_id].close()

    async def _open(self, sender: str, command: OpenCall) -> Message:
        if self.full:
            raise Refused("no audio actor is free", busy=True)
        known = self.calls.get(command.call_id)
        if known is not None:  # a call-control that died before it had our answer asks again, under another UUID
            self.calls[command.call_id] = msgspec.structs.replace(known, media_uuid=command.media_uuid)
            return CallOpened(segment=known.segment, audio_actor=known.audio_actor)
        self.opened.append(command.call_id)
        self.calls[command.call_id] = OpenedCall(
            call_id=command.call_id,
            segment=f"segment-of-{command.call_id}",
            rate=command.rate,
            media_uuid=command.media_uuid,
            audio_actor="audio.1",
        )
        return CallOpened(segment=f"segment-of-{command.call_id}", audio_actor="audio.1")

    async def _expect(self, sender: str, command: ExpectMedia) -> Message | None:
        call = self.calls[command.call_id]
        self.calls[command.call_id] = msgspec.structs.replace(call, media_uuid=command.media_uuid)
        return MediaAwaited()

    async def _close(self, sender: str, command: CloseCall) -> Message | None:
        self.closed.append(command.call_id)
        self.calls.pop(command.call_id, None)
        writer = self.writers.pop(command.call_id, None)
        if writer is not None:
            writer.write(b"\0\0\0")
            writer.close()
        return None

    async def _list(self, sender: str, command: ListCalls) -> Message:
        return CallList(calls=tuple(self.calls.values()))

    async def _problem(self, sender: str, note: Problem) -> None:
        self.problems.append(note.text)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            identity = str(uuid.UUID(bytes=(await reader.readexactly(19))[3:]))
            call_id = self._call_of(identity)
            if call_id is None:
                with contextlib.suppress(Refused, NoAnswer):
                    await self.bus.ask("call-control", OfferMedia(media_uuid=identity), within=PATIENCE_S)
                    call_id = self._call_of(identity)
            if call_id is not None:
                self.writers[call_id] = writer
                self.bus.publish(MediaChanged(call_id=call_id, state="attached"))
                while await reader.read(4096):
                    pass
                if self.writers.get(call_id) is writer:
                    del self.writers[call_id]
                self.bus.publish(MediaChanged(call_id=call_id, state="lost", reason="closed by peer"))
        writer.close()

    def _call_of(self, identity: str) -> str | None:
        return next((call.call_id for call in self.calls.values() if call.media_uuid == identity), None)


class FakeConversation:
    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.refusals = 0
        """How many calls it still refuses."""
        self.hearing = asyncio.Event()
        """While clear, commands to start a call are not answered."""
        self.hearing.set()
        self.started: dict[str, StartCall] = {}
        self.live: set[str] = set()
        self.ended: list[tuple[str, str]] = []
        self.notes: list[str] = []
        self.keys = ""
        bus.on(KeyPressed, self._key)
        bus.on(StartCall, self._start)
        bus.on(EndCall, self._end)
        bus.on(CallNote, self._note)

    async def hang_up(self, call_id: str) -> None:
        await self.bus.ask("call-control", HangUp(call_id=call_id, reason="goodbye"), within=PATIENCE_S)

    async def transfer(self, call_id: str, destination: str) -> None:
        await self.bus.ask("call-control", Transfer(call_id=call_id, destination=destination), within=PATIENCE_S)

    async def _start(self, sender: str, command: StartCall) -> Message | None:
        if self.refusals:
            self.refusals -= 1
            raise Refused("no engine is free", busy=True)
        if not self.hearing.is_set():
            await self.hearing.wait()
            raise Refused("that was long ago")
        assert command.call_id not in self.live, "started twice"
        self.started[command.call_id] = command
        self.live.add(command.call_id)
        return None

    async def _end(self, sender: str, command: EndCall) -> Message | None:
        self.ended.append((command.call_id, command.cause))
        self.live.discard(command.call_id)
        return None

    async def _key(self, sender: str, note: KeyPressed) -> None:
        self.keys += note.digit

    async def _note(self, sender: str, note: CallNote) -> None:
        self.notes.append(note.what)


def dialplan(media_port: int) -> dict[str, dict[str, list[Line]]]:
    return {
        "inbound": {
            "1000": [Stasis(APP), NoOp("after the agent"), Wait(60)],
            "1001": [Answer(), AudioSocket("${UUID()}", f"127.0.0.1:{media_port}"), NoOp("after"), Wait(60)],
            "1002": [Stasis(APP), Stasis(APP), Wait(60)],
        },
        "people": {"6000": [NoOp("sales"), Wait(60)], "0": [NoOp("operator"), Wait(60)]},
    }


class House:
    def __init__(self, run_dir: Path, password: str = "asterisk", **audiosocket: object) -> None:
        self.run_dir = run_dir
        self.password = password
        self._audiosocket = audiosocket
        self._life = contextlib.AsyncExitStack()
        self._control: contextlib.AsyncExitStack | None = None

    async def __aenter__(self) -> Self:
        enter = self._life.enter_async_context
        await enter(asyncio.timeout(PATIENCE_S * 2))
        self.supervisor = FakeSupervisor(await enter(Bus(self.run_dir, "supervisor")))
        self.conversation = FakeConversation(await enter(Bus(self.run_dir, "conversation.1")))
        port = await self.supervisor.listen()
        self._life.push_async_callback(self.supervisor.stop)
        self.dialplan = dialplan(port)
        self.asterisk = await enter(Asterisk(self.dialplan))
        self._life.push_async_callback(self.kill_call_control)
        destination = schema.Destination(context="people", extension="6000")
        self.settings = schema.Settings(
            asterisk=schema.Asterisk(port=self.asterisk.port, password=Secret(self.password)),
            audiosocket=msgspec.convert({"port": port, **self._audiosocket}, schema.AudioSocket),
            history=schema.History(directory=str(self.run_dir / "history")),
            transfers=schema.Transfers(
                destinations={"sales": destination}, on_failure=schema.Destination(context="people", extension="0")
            ),
        )
        await self.start_call_control()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._life.__aexit__(kind, error, trace)

    async def start_call_control(self) -> None:
        self._control = contextlib.AsyncExitStack()
        kept = Store(self.settings.history, self.run_dir, "call-control")
        self._control.callback(kept.close)  # when nothing is done any more
        ari = await self._control.enter_async_context(Ari(self.settings.asterisk))
        bus = await self._control.enter_async_context(Bus(self.run_dir, "call-control"))
        self.control = CallControl(bus, self.settings, ari, kept)
        await self.control.start()

    async def kill_call_control(self) -> None:
        """Like a kill: its tasks end where they are, and it says goodbye to nobody."""
        if self._control is not None:
            await self._control.aclose()
            self._control = None

    async def until(self, condition: Callable[[], object]) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not condition():
                    await asyncio.sleep(0.005)
        except TimeoutError:
            raise AssertionError(f"did not come to that:\n{self}") from None

    async def connected(self) -> None:
        await self.until(lambda: self.control.requests.compared)

    def talking(self, call_id: str) -> bool:
        session = self.control.calls.store.get(call_id)
        return session is not None and session.stage == "talking"

    def nothing_left(self) -> bool:
        """Of any call, anywhere, but the callers' own channels that went on in the dialplan."""
        ours = [channel for channel in self.asterisk.channels if channel.startswith("media-")]
        return not (
            ours
            or self.asterisk.bridges
            or self.supervisor.calls
            or self.supervisor.writers
            or self.conversation.live
            or len(self.control.calls.store)
        )

    def __str__(self) -> str:
        sessions = "\n".join(map(str, self.control.calls.store))
        return (
            f"sessions: {sessions or 'none'}\nchannels: {self.asterisk.channels}\nbridges: {self.asterisk.bridges}\n"
            f"rings: {list(self.supervisor.calls)}\nconversations: {self.conversation.live}\n"
            f"media: {list(self.supervisor.writers)}\nnotes: {self.conversation.notes}\n"
            f"problems: {self.supervisor.problems}"
        )
