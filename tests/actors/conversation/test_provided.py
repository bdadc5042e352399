"""A call that a provider holds, on the bus and with a bell: what the conversation actor adds to the provider."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec import structs

from actors.conversation.line import Line
from actors.conversation.provided import ProvidedCall, ProvidedSetting
from actors.conversation.providers import providers
from actors.conversation.providers.provider import Engagement, NoProvider
from config.schema import Settings, Turns
from ipc import journal
from ipc import rings as ring
from ipc.bus import Bus
from ipc.ear import EarWriter
from ipc.journal import CallEnded, Journal, Noted, ProviderClosed, ProviderResumed, Record
from ipc.messages import CallNote, Done, HangUp, Message, Transfer
from ipc.mouth import MouthReader, MouthWriter
from ipc.rings import Bell, Rings
from tests.actors.conversation.providers.booth import AGENT

DEADLINE_S = 20.0
SEGMENT = f"ringmaster-test-{os.getpid()}-provided"


class Scene:
    """The call, the audio actor's end of its rings, and a call-control that does what it is told."""

    def __init__(self, run_dir: Path, bus: Bus, control: Bus) -> None:
        self.file = journal.path(run_dir, "c1")
        self.far = Rings(SEGMENT)
        bells = ring.make_bells()
        self.bell, mine = Bell(bells[0]), Bell(os.dup(bells[0]))
        for descriptor in bells[1:]:
            os.close(descriptor)
        self.line = Line("c1", SEGMENT, bus, Rings(SEGMENT), mine, Journal(self.file))
        self.asked: asyncio.Queue[Message] = asyncio.Queue()
        control.on(HangUp, self._obey)
        control.on(Transfer, self._obey)

    async def _obey(self, sender: str, command: Message) -> Done:
        self.asked.put_nowait(command)
        return Done()

    def call(
        self, provider: str = "loopback", *, started_ns: int | None = None, max_call_s: int = 1800
    ) -> ProvidedCall:
        settings = structs.replace(Settings(), turns=Turns(max_call_s=max_call_s))
        began = time.monotonic_ns() if started_ns is None else started_ns
        return ProvidedCall(ProvidedSetting(provider, AGENT, settings, began), self.line)

    @property
    def records(self) -> list[Record]:
        return list(journal.read(self.file))

    async def says(self, pcm: bytes) -> bytes:
        """The caller says it, and the bell rings; what then stands in the mouth."""
        EarWriter(self.far).write(pcm, captured_ns=time.monotonic_ns(), level=-20.0, speech=True)
        before = MouthWriter(self.far).written
        self.bell.ring()
        async with asyncio.timeout(DEADLINE_S):
            while MouthWriter(self.far).written == before:
                await asyncio.sleep(0)
        taken = MouthReader(self.far).take()
        assert taken is not None
        MouthReader(self.far).note_played(taken[1], len(pcm) // 2, time.monotonic_ns())
        return taken[0]

    def close(self) -> None:
        self.bell.close()
        self.far.close()


@contextlib.asynccontextmanager
async def scene(run_dir: Path) -> AsyncIterator[Scene]:
    ring.create(SEGMENT, 8000)
    try:
        async with (
            asyncio.timeout(2 * DEADLINE_S),
            Bus(run_dir, "conversation.1") as bus,
            Bus(run_dir, "call-control") as control,
        ):
            stage = Scene(run_dir, bus, control)
            yield stage
            stage.close()
    finally:
        ring.unlink(SEGMENT)


def test_the_bell_brings_the_callers_voice_to_the_provider_and_the_end_into_the_journal(tmp_path: Path) -> None:
    async def play() -> None:
        async with scene(tmp_path) as stage:
            call = stage.call()
            await call.open()
            assert await stage.says(b"\1\2" * 160) == b"\1\2" * 160
            for number in range(100):
                assert await stage.says(bytes([number]) * 320) == bytes([number]) * 320
            assert stage.asked.empty(), "its time is not up"
            call.note(CallNote(call_id="c1", what="answered"))
            await call.close("hung up")
            noted, closed, ended = stage.records
            assert isinstance(noted, Noted) and noted.what == "answered"
            assert isinstance(closed, ProviderClosed)
            assert (closed.provider, closed.figures["frames"]) == ("loopback", 101)
            assert isinstance(ended, CallEnded) and ended.cause == "hung up"

    asyncio.run(play())


def test_a_successor_writes_down_how_long_the_caller_heard_nothing(tmp_path: Path) -> None:
    async def play() -> None:
        async with scene(tmp_path) as stage:
            first = stage.call()
            await first.open()
            await stage.says(bytes(320))
            stage.line.stop_listening()  # as if it had died
            second = stage.call()
            MouthReader(stage.far).note_played(1, 160, time.monotonic_ns() - 700_000_000)
            await second.open(taken_over=True)
            assert await stage.says(b"\3\4" * 160) == b"\3\4" * 160
            (resumed,) = stage.records
            assert isinstance(resumed, ProviderResumed)
            assert resumed.provider == "loopback"
            assert resumed.away_ms >= 700
            await second.close("hung up")

    asyncio.run(play())


@pytest.mark.parametrize("taken_over", [False, True])
def test_a_call_whose_time_is_up_is_hung_up_also_under_a_successor(tmp_path: Path, taken_over: bool) -> None:
    async def play() -> None:
        async with scene(tmp_path) as stage:
            call = stage.call(started_ns=time.monotonic_ns() - 60_000_000_000, max_call_s=60)
            await call.open(taken_over=taken_over)
            async with asyncio.timeout(DEADLINE_S):
                assert await stage.asked.get() == HangUp(call_id="c1", reason="the call's time was up")
            await call.close("hung up by the agent")

    asyncio.run(play())


class Broken:
    """A provider that breaks: at once, or when it first hears something."""

    at_once = False

    def __init__(self, engagement: Engagement) -> None:
        self._engagement = engagement

    async def open(self, *, taken_over: bool) -> None:
        if self.at_once:
            raise NoProvider("the account is empty")

    def hear(self) -> None:
        self._engagement.give_up("the session is gone")

    async def close(self, cause: str) -> dict[str, int]:
        return {"sessions": 1}


def test_a_caller_whose_provider_gives_up_is_sent_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "load", lambda name: Broken)

    async def play() -> None:
        async with scene(tmp_path) as stage:
            call = stage.call("broken")
            await call.open()
            EarWriter(stage.far).write(bytes(320), captured_ns=0, level=-96.0, speech=False)
            stage.bell.ring()
            async with asyncio.timeout(DEADLINE_S):
                assert await stage.asked.get() == Transfer(call_id="c1", destination="")
            await call.close("transferred to on_failure")
            assert [type(record) for record in stage.records] == [ProviderClosed, CallEnded]

    asyncio.run(play())


def test_a_provider_that_cannot_take_the_call_is_closed_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(providers, "load", lambda name: Broken)
    monkeypatch.setattr(Broken, "at_once", True)

    async def play() -> None:
        async with scene(tmp_path) as stage:
            call = stage.call("broken")
            with pytest.raises(NoProvider, match="the account is empty"):
                await call.open()
            await call.close("no provider")
            assert [type(record) for record in stage.records] == [ProviderClosed, CallEnded]

    asyncio.run(play())
