"""The events connection: never given up, and read without delay."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from itertools import islice

import pytest
from aiohttp import web

from actors.call_control.ari import Ari
from actors.call_control.event_stream import Down, EventStream, Up, decoded, pauses
from config.schema import Asterisk
from config.secret import Secret


def test_pauses_double_up_to_five_seconds_and_chance_spreads_them() -> None:
    assert list(islice(pauses(lambda: 1.0), 8)) == [0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0, 5.0]
    assert list(islice(pauses(lambda: 0.0), 3)) == [0.125, 0.25, 0.5]


class Switchboard:
    """An ARI that plays one script per events connection; a number refuses the connection with that status."""

    def __init__(self, *scripts: int | tuple[str, ...]) -> None:
        self.scripts = list(scripts)
        self.taken = 0
        """How many more times a call is said to be in the application."""
        self.looks = 0

    async def events(self, request: web.Request) -> web.StreamResponse:
        script = self.scripts.pop(0) if self.scripts else 503
        if isinstance(script, int):
            return web.Response(status=script)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        for message in script:
            await socket.send_str(message)
        if any("ApplicationReplaced" in message for message in script):
            await socket.receive()  # Asterisk leaves it open; the client is to close it
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


def play(switchboard: Switchboard, scene: Callable[[EventStream, list[float]], Awaitable[None]]) -> None:
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
                stream = EventStream(ari, sleep=sleep, chance=lambda: 1.0)
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
        assert (items[1], items[2], items[5]) == ("1", "2", "3")
        assert items[0].local_address == "127.0.0.1"
        assert "has closed the events connection" in items[3].problem

    play(Switchboard(("1", "2"), ("3",)), scene)


def test_a_refusal_is_retried_with_growing_pauses_and_says_each_time_why() -> None:
    async def scene(stream: EventStream, slept: list[float]) -> None:
        items = [await stream.items.get() for _ in range(4)]
        assert all(isinstance(item, Down) and "asterisk.password" in item.problem for item in items[:3])
        assert isinstance(items[3], Up)
        assert slept[:3] == [0.25, 0.5, 1.0]

    play(Switchboard(401, 401, 401, ("1",)), scene)


def test_a_connection_that_breaks_at_once_each_time_is_not_hammered() -> None:
    async def scene(stream: EventStream, slept: list[float]) -> None:
        for _ in range(6):
            await stream.items.get()
        assert slept[:2] == [0.25, 0.5]

    play(Switchboard((), (), ()), scene)


def test_after_application_replaced_it_stands_aside_until_no_call_is_in_the_application() -> None:
    replaced = '{"type": "ApplicationReplaced"}'
    switchboard = Switchboard((replaced,), (replaced,), ("back",))
    switchboard.taken = 3

    async def scene(stream: EventStream, slept: list[float]) -> None:
        for _ in range(2):
            assert isinstance(await stream.items.get(), Up)
            event = decoded(str(await stream.items.get()))
            assert event is not None and event.type == "ApplicationReplaced"
            await stream.stand_aside()
            down = await stream.items.get()
            assert isinstance(down, Down) and "another program" in down.problem and "'agent'" in down.problem
        assert isinstance(await stream.items.get(), Up)
        assert (switchboard.looks, stream.replaced) == (5, False)
        assert [seconds for seconds in slept if seconds >= 10] == [10.0] * 4 + [20.0]

    play(switchboard, scene)


def test_a_message_that_is_no_event_is_named_in_the_log_and_skipped(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        assert decoded("{") is None
        assert decoded('{"channel": 1, "type": "X"}') is None
    assert len(caplog.records) == 2
