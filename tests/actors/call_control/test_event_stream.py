"""The events connection: never given up, and read without delay."""

import asyncio
import base64
import hashlib
import json
from collections.abc import Awaitable, Callable, Container
from itertools import islice

import pytest
from aiohttp import WSMessage, WSMsgType, web

from actors.call_control.ari import Ari, AriEvent, transport
from actors.call_control.ari.transport import CONNECT_S, LONGEST_MESSAGE
from actors.call_control.event_queue import Down, Item, Up
from actors.call_control.event_stream import LONGEST_PAUSE_S, EventStream, pauses
from config.schema import Asterisk
from config.secret import Secret


def event(number: int) -> str:
    return json.dumps({"type": "StasisEnd", "channel": {"id": str(number)}})


def channel(item: Item) -> str:
    assert isinstance(item, AriEvent) and item.channel is not None, item
    return item.channel.id


def test_pauses_double_up_to_two_seconds_and_chance_spreads_them() -> None:
    assert list(islice(pauses(lambda: 1.0), 6)) == [0.25, 0.5, 1.0, 2.0, 2.0, 2.0]
    assert list(islice(pauses(lambda: 0.0), 3)) == [0.125, 0.25, 0.5]


def test_an_asterisk_that_is_back_has_us_again_within_five_seconds() -> None:
    """The longest pause, and before it a try that began while its machine was just starting and hung."""
    assert LONGEST_PAUSE_S + CONNECT_S < 5.0


class Switchboard:
    """An ARI that plays one script per events connection; a number refuses the connection with that status."""

    def __init__(self, *scripts: int | tuple[str, ...]) -> None:
        self.scripts = list(scripts)
        self.taken = 0
        """How many more times a call is said to be in the application."""
        self.looks = 0
        self.goodbye: WSMessage | None = None

    async def events(self, request: web.Request) -> web.StreamResponse:
        script = self.scripts.pop(0) if self.scripts else 503
        if isinstance(script, int):
            return web.Response(status=script)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        for message in script:
            await socket.send_str(message)
        if any("ApplicationReplaced" in message for message in script):
            self.goodbye = await socket.receive()  # Asterisk leaves it open; the client is to close it
        await socket.close()
        return socket

    async def application(self, request: web.Request) -> web.StreamResponse:
        self.looks += 1
        self.taken -= 1
        return (
            web.json_response({"channel_ids": ["17.1"] * (self.taken >= 0), "bridge_ids": []})
            if self.taken > -2
            else web.Response(status=404)
        )


def play(
    switchboard: Switchboard, scene: Callable[[EventStream, list[float]], Awaitable[None]], ours: Container[str] = ()
) -> None:
    async def run() -> None:
        application = web.Application()
        application.router.add_get("/ari/events", switchboard.events)
        application.router.add_get("/ari/applications/agent", switchboard.application)
        runner = web.AppRunner(application, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        slept: list[float] = []

        async def sleep(seconds: float) -> None:
            slept.append(seconds)
            await asyncio.sleep(0)

        settings = Asterisk(port=runner.addresses[0][1], password=Secret("x"), app_name="agent")
        try:
            async with asyncio.timeout(20), Ari(settings) as ari:
                stream = EventStream(ari, ours=ours.__contains__, sleep=sleep, chance=lambda: 1.0)
                running = asyncio.create_task(stream.run())
                await scene(stream, slept)
                running.cancel()
        finally:
            await runner.cleanup()

    asyncio.run(run())


def test_messages_come_between_up_and_down_in_order_and_the_next_connection_follows() -> None:
    async def scene(stream: EventStream, slept: list[float]) -> None:
        items = [await stream.items.get() for _ in range(6)]
        assert isinstance(items[0], Up) and isinstance(items[3], Down) and isinstance(items[4], Up)
        assert [channel(items[at]) for at in (1, 2, 5)] == ["1", "2", "3"]
        assert items[0].local_address == "127.0.0.1"
        assert "has closed the events connection" in items[3].problem

    play(Switchboard((event(1), event(2)), (event(3),)), scene)


def test_who_ends_says_goodbye_to_asterisk_and_calls_it_no_fault() -> None:
    switchboard = Switchboard((json.dumps({"type": "ApplicationReplaced"}),))

    async def scene(stream: EventStream, slept: list[float]) -> None:
        for _ in range(2):
            await stream.items.get()
        await stream.leave()
        assert not len(stream.items)

    play(switchboard, scene)
    assert switchboard.goodbye is not None and switchboard.goodbye.type is WSMsgType.CLOSE


def test_a_refusal_is_retried_with_growing_pauses_and_says_each_time_why() -> None:
    async def scene(stream: EventStream, slept: list[float]) -> None:
        items = [await stream.items.get() for _ in range(4)]
        assert all(isinstance(item, Down) and "asterisk.password" in item.problem for item in items[:3])
        assert isinstance(items[3], Up)
        assert slept[:3] == [0.25, 0.5, 1.0]

    play(Switchboard(401, 401, 401, (event(1),)), scene)


def test_a_connection_that_breaks_at_once_each_time_is_not_hammered() -> None:
    async def scene(stream: EventStream, slept: list[float]) -> None:
        for _ in range(6):
            await stream.items.get()
        assert slept[:2] == [0.25, 0.5]

    play(Switchboard((), (), ()), scene)


def test_after_application_replaced_it_stands_aside_until_no_call_is_in_the_application() -> None:
    replaced = '{"type": "ApplicationReplaced"}'
    switchboard = Switchboard((replaced,), (replaced,), (event(1),))
    switchboard.taken = 3

    async def scene(stream: EventStream, slept: list[float]) -> None:
        for _ in range(2):
            assert isinstance(await stream.items.get(), Up)
            told = await stream.items.get()
            assert isinstance(told, AriEvent) and told.type == "ApplicationReplaced"
            await stream.stand_aside()
            down = await stream.items.get()
            assert isinstance(down, Down) and "another program" in down.problem and "'agent'" in down.problem
        assert isinstance(await stream.items.get(), Up)
        assert (switchboard.looks, stream.replaced) == (5, False)
        assert [seconds for seconds in slept if seconds >= 10] == [10.0] * 4 + [20.0]

    play(switchboard, scene)


def test_a_call_of_our_own_that_goes_on_is_no_reason_to_stand_aside() -> None:
    switchboard = Switchboard((json.dumps({"type": "ApplicationReplaced"}),), (event(1),))
    switchboard.taken = 100

    async def scene(stream: EventStream, slept: list[float]) -> None:
        for _ in range(2):
            await stream.items.get()
        await stream.stand_aside()
        assert isinstance(await stream.items.get(), Down)
        assert isinstance(await stream.items.get(), Up)
        assert switchboard.looks == 1

    play(switchboard, scene, ours={"17.1"})


def test_a_flood_of_digits_and_of_long_messages_leaves_the_other_events_in_order_and_the_memory_bounded() -> None:
    digit = json.dumps({"type": "ChannelDtmfReceived", "digit": "1", "channel": {"id": "17.9"}})
    long = json.dumps({"type": "ChannelVarset", "variable": "A", "value": "x" * 1_000_000})
    script = (event(1), *[digit] * 10_000, event(2), *[long] * 40, event(3))

    async def scene(stream: EventStream, slept: list[float]) -> None:
        seen: list[str] = []
        digits = 0
        while "3" not in seen:
            item = await stream.items.get()
            assert not isinstance(item, Down), item
            if isinstance(item, AriEvent) and item.type == "StasisEnd":
                seen.append(channel(item))
            digits += isinstance(item, AriEvent) and item.type == "ChannelDtmfReceived"
        assert seen == ["1", "2", "3"]
        assert digits + stream.digits.refused == 10_000 and stream.digits.refused > 5_000
        assert stream.items.dropped == 0, "whoever reads keeps up"

    play(Switchboard(script), scene)


def test_events_that_nobody_reads_do_not_fill_the_memory_and_are_made_up_for() -> None:
    long = json.dumps({"type": "ChannelVarset", "variable": "A", "value": "x" * 1_000_000})

    async def scene(stream: EventStream, slept: list[float]) -> None:
        while not stream.items.dropped:
            await asyncio.sleep(0.001)
        assert len(stream.items) < 20
        first = await stream.items.get()
        assert isinstance(first, Up)
        while not isinstance(await stream.items.get(), Up | Down):
            pass

    play(Switchboard((*[long] * 40,)), scene)


def test_a_message_beyond_all_measure_closes_the_connection_and_the_next_one_is_opened() -> None:
    monster = json.dumps({"type": "ChannelVarset", "value": "x" * (LONGEST_MESSAGE + 1)})

    async def scene(stream: EventStream, slept: list[float]) -> None:
        items = [await stream.items.get() for _ in range(4)]
        assert isinstance(items[1], Down) and "too long" in items[1].problem
        assert isinstance(items[2], Up) and channel(items[3]) == "1"

    play(Switchboard((monster,), (event(1),)), scene)


def test_a_connection_that_is_half_open_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its other end is gone without a word: nothing is refused, and nothing comes. Read faster than in earnest."""
    monkeypatch.setattr(transport, "HEARTBEAT_S", 0.2)

    async def shake_hands_and_fall_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = (await reader.readuntil(b"\r\n\r\n")).decode()
        key = next(
            line.split(": ")[1] for line in request.split("\r\n") if line.lower().startswith("sec-websocket-key")
        )
        accept = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest())
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        await reader.read()
        writer.close()

    async def run() -> None:
        server = await asyncio.start_server(shake_hands_and_fall_silent, "127.0.0.1", 0)
        settings = Asterisk(port=server.sockets[0].getsockname()[1], password=Secret("x"), app_name="agent")
        async with asyncio.timeout(20), Ari(settings) as ari:
            stream = EventStream(ari)
            running = asyncio.create_task(stream.run())
            assert isinstance(await stream.items.get(), Up)
            down = await stream.items.get()
            assert isinstance(down, Down) and "answered no ping" in down.problem
            running.cancel()
        server.close()

    asyncio.run(run())
