"""The client and the stand-in Asterisk, which is held to recordings of a real one: every request of a call's life, and
what its events say. The same was done against an Asterisk 22.11.0-rc1, with the same answers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from actors.call_control.ari import MEDIA_VARIABLES, Ari, AriEvent, Broken, Conflict, Invalid, NotFound
from actors.call_control.event_queue import Up
from actors.call_control.event_stream import EventStream
from bench.asterisk import Answer, Asterisk, Dialplan, Stasis, Wait
from config import schema
from config.secret import Secret

APP = "agent"
DIALPLAN: Dialplan = {
    "inbound": {"1000": [Stasis(APP), Wait(60)]},
    "people": {"100": [Answer(), Wait(60)]},
}


class Line:
    """An Asterisk with its client, and what it has told."""

    def __init__(self, asterisk: Asterisk, ari: Ari) -> None:
        self.asterisk = asterisk
        self.ari = ari
        self.stream = EventStream(ari)
        self.told: list[AriEvent] = []
        self._up = asyncio.Event()
        self._stirred = asyncio.Event()

    async def listen(self) -> None:
        while True:
            item = await self.stream.items.get()
            if isinstance(item, Up):
                self._up.set()
            elif isinstance(item, AriEvent):
                self.told.append(item)
                self._stirred.set()

    async def connected(self) -> None:
        await self._up.wait()

    async def event(self, kind: str, which: Callable[[AriEvent], bool]) -> AriEvent:
        while True:
            self._stirred.clear()
            for event in self.told:
                if event.type == kind and which(event):
                    return event
            await self._stirred.wait()

    async def caller(self) -> str:
        """Somebody who has called, and been answered."""
        phone = self.asterisk.dial("1000", caller_id="100", name="Ann")
        await self.event("StasisStart", lambda event: event.channel is not None and event.channel.id == phone.id)
        await self.ari.answer(phone.id)
        return phone.id


@contextlib.asynccontextmanager
async def line() -> AsyncIterator[Line]:
    async with Asterisk(DIALPLAN) as asterisk:
        settings = schema.Asterisk(port=asterisk.port, password=Secret("asterisk"), app_name=APP)
        async with asyncio.timeout(20), Ari(settings) as ari, asyncio.TaskGroup() as tasks:
            line = Line(asterisk, ari)
            working = [tasks.create_task(line.stream.run()), tasks.create_task(line.listen())]
            await line.connected()
            yield line
            for task in working:
                task.cancel()


def play(scene: Callable[[Line], Awaitable[None]]) -> None:
    async def run() -> None:
        async with line() as playing:
            await scene(playing)
            assert not playing.stream.reader.odd

    asyncio.run(run())


def test_variables() -> None:
    async def scene(line: Line) -> None:
        ari, caller = line.ari, await line.caller()
        assert await ari.variables(caller, ["A", "CALLERID(num)"]) == {"CALLERID(num)": "100"}
        await ari.version()
        assert ari.bulk
        await ari.set_variables(caller, {"A": "b", "C": 'x & "y" é'})
        ari.bulk = False
        await ari.set_variables(caller, {"D": "1", "E": ""})
        await ari.set_variable(caller, "LONG", "z" * 8000)
        found = await ari.variables(caller, ["A", "C", "D", "LONG", "NOT"])
        assert found == {"A": "b", "C": 'x & "y" é', "D": "1", "LONG": "z" * 8000}

    play(scene)


def test_what_a_caller_hears() -> None:
    async def scene(line: Line) -> None:
        ari, caller = line.ari, await line.caller()
        for request in (
            ari.progress(caller),
            ari.ring(caller),
            ari.stop_ring(caller),
            ari.start_music(caller),
            ari.stop_music(caller),
            ari.mute(caller, "in"),
            ari.unmute(caller, "in"),
            ari.send_digits(caller, "12"),
        ):
            await request
        await ari.play_on_channel(caller, "sound:nothing-of-that-name", "p-1")
        ended = await line.event("PlaybackFinished", lambda event: event.playback is not None)
        assert ended.playback is not None
        assert (ended.playback.id, ended.playback.state) == ("p-1", "failed")
        await ari.stop_playback("p-1")

    play(scene)


def test_legs_and_bridges() -> None:
    async def scene(line: Line) -> None:
        ari, caller = line.ari, await line.caller()
        await ari.create_bridge("call-1")
        await ari.create_bridge("call-1")
        found = await ari.external_media(
            "media-1",
            external_host="127.0.0.1:18080",
            encapsulation="rtp",
            transport="udp",
            audio_format="ulaw",
            variables={"MINE": "1"},
        )
        assert found["UNICASTRTP_LOCAL_ADDRESS"] == "127.0.0.1"
        await line.event("StasisStart", lambda event: event.channel is not None and event.channel.id == "media-1")
        assert await ari.variables("media-1", [*MEDIA_VARIABLES, "MINE"]) == {
            **{name: value for name, value in found.items() if name in MEDIA_VARIABLES},
            "MINE": "1",
        }
        with pytest.raises(Broken):  # of an id that is taken, too
            await ari.external_media(
                "media-1", external_host="127.0.0.1:1", encapsulation="rtp", transport="udp", audio_format="ulaw"
            )
        await ari.add_to_bridge("call-1", caller, "media-1")
        assert {bridge.id: set(bridge.channels) for bridge in await ari.bridges()} == {"call-1": {caller, "media-1"}}
        with pytest.raises(Invalid):
            await ari.add_to_bridge("call-1", "nobody")
        with pytest.raises(NotFound):
            await ari.add_to_bridge("nothing", caller)
        await ari.record_bridge("call-1", "calls/1", "wav", max_s=60)
        with pytest.raises(Conflict):
            await ari.record_bridge("call-1", "calls/1", "wav")
        await ari.stop_recording("calls/1")
        ended = await line.event("RecordingFinished", lambda event: event.recording is not None)
        assert ended.recording is not None and ended.recording.name == "calls/1"
        await ari.stop_recording("calls/1")
        await ari.discard_recording("calls/1")
        await ari.remove_from_bridge("call-1", "media-1")
        with pytest.raises(Invalid):
            await ari.remove_from_bridge("call-1", "media-1")
        await ari.hang_up("media-1")
        await ari.hang_up(caller, "busy")
        with pytest.raises(NotFound):
            await ari.hang_up("media-1")
        await ari.delete_bridge("call-1")
        with pytest.raises(NotFound):
            await ari.delete_bridge("call-1")

    play(scene)


def test_a_person_is_called() -> None:
    async def scene(line: Line) -> None:
        ari = line.ari
        await ari.originate("person-1", "Local/100@people", app_args="person", variables={"WHY": "x"}, timeout_s=5)
        arrived = await line.event(
            "StasisStart", lambda event: event.channel is not None and event.channel.id == "person-1"
        )
        assert arrived.args == ("person",)
        assert await ari.variable("person-1", "WHY") == "x"
        with pytest.raises(Conflict):
            await ari.originate("person-1", "Local/100@people")
        await ari.snoop("person-1", "snoop-1", spy="in", app_args="snoop")
        await line.event("StasisStart", lambda event: event.channel is not None and event.channel.id == "snoop-1")
        channel = await ari.channel("person-1")
        assert channel is not None and channel.state == "Up" and channel.in_application(APP)
        assert await ari.channel("nobody") is None
        for channel_id in ("snoop-1", "person-1"):
            await ari.hang_up(channel_id)
        await line.event("ChannelDestroyed", lambda event: event.channel is not None and event.channel.id == "person-1")
        with pytest.raises(Broken, match="Allocation failed"):
            await ari.originate("person-2", "Nope/1")

    play(scene)


def test_asterisk_itself() -> None:
    async def scene(line: Line) -> None:
        ari = line.ari
        assert await ari.version() == "22.11.0-rc1"
        assert (await ari.info()).system.version == "22.11.0-rc1"
        assert (await ari.modules())["chan_audiosocket.so"]
        assert await ari.module("chan_audiosocket.so")
        assert not await ari.module("nope.so")
        assert list(await ari.applications()) == [APP]
        assert await ari.application_idle()
        assert await ari.device_state("Local/100@people") == "NOT_INUSE"

    play(scene)
