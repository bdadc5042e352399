"""Asterisk breaks on command: WebSockets, the whole process, or a standstill."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import aiohttp
import pytest

from bench.asterisk import Asterisk, Dialplan, Stasis
from tests.bench.asterisk.client import APP, Client, in_loop, within
from tests.bench.asterisk.media_server import MediaServer

DIALPLAN: Dialplan = {"inbound": {"1000": [Stasis(APP)]}}


@in_loop
async def test_a_restart_takes_every_call_with_it_and_comes_back_on_the_same_port() -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client, MediaServer() as media:
        phone = asterisk.dial("1000")
        await client.bridged(await client.answered(phone), await client.media_leg(media))
        before = len(client.events)
        port = asterisk.port

        await asterisk.stop_listening()
        await within(client.closed.wait())
        await within(media.ended.wait())
        assert phone.ended.is_set()
        assert phone.cause is None
        assert "StasisEnd" not in client.types(before)
        with pytest.raises(aiohttp.ClientError):
            await client.get("/asterisk/ping")

        await asterisk.start()
        assert asterisk.port == port
        await client.connect()
        assert await client.get("/channels") == []
        assert await client.get("/bridges") == []
        again = asterisk.dial("1000")
        await client.answered(again)


@in_loop
async def test_a_standstill_delays_replies_events_and_sound_and_loses_nothing() -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client, MediaServer() as media:
        phone = asterisk.dial("1000")
        caller, leg = await client.answered(phone), await client.media_leg(media)
        await client.bridged(caller, leg)
        await within(media.heard(1))

        loop = asyncio.get_running_loop()
        start_s = loop.time()
        asterisk.stall(0.4)
        before = len(client.events)
        reply = asyncio.ensure_future(client.get("/asterisk/ping"))
        asterisk.exchange.channels[caller].set_variable("A", "1")
        await within(reply)
        assert loop.time() - start_s >= 0.39
        await client.event("ChannelVarset", variable="A")
        assert len(client.events) > before
        spoken = await within(phone.speak(bytes(320)))
        assert spoken is not None
        # The microphone has made up for the lost time: its frames lie 20 ms apart on average.
        sent = phone.log.sent
        late_ms = (sent[-1].at_ns - sent[0].at_ns) / 1e6 - 20 * (len(sent) - 1)
        assert abs(late_ms) < 100
        assert asterisk.lateness.max_ms < 390


@in_loop
async def test_dropped_websockets_leave_calls_and_requests_alone() -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client:
        phone = asterisk.dial("1000")
        channel = await client.answered(phone)
        asterisk.drop_websockets()
        await within(client.closed.wait())
        assert (await client.get(f"/channels/{channel}"))["state"] == "Up"
        await client.delete(f"/channels/{channel}")
        await within(phone.ended.wait())


@in_loop
async def test_a_stopped_stand_in_says_so() -> None:
    asterisk = Asterisk(DIALPLAN)
    with pytest.raises(RuntimeError, match="not running"):
        asterisk.dial("1000")
    async with asterisk:
        with pytest.raises(RuntimeError, match="running already"):
            await asterisk.start()
    await asterisk.stop_listening()


def test_a_person_can_run_it() -> None:
    command = [sys.executable, "-m", "bench.asterisk", "--port", "0"]
    typed = "dial 1000\ncalls\nlate\nnonsense\nrestart\nquit\n"
    done = subprocess.run(command, input=typed, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    assert "ARI at http://127.0.0.1:" in done.stdout
    assert "STASISSTATUS is FAILED" in done.stdout
    assert "quit " in done.stdout
    wrong = subprocess.run([*command, "--host", "0.0.0.0"], capture_output=True, text=True, timeout=30, check=False)
    assert (wrong.returncode, "no loopback address" in wrong.stderr) == (2, True)
