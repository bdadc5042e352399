"""A bad line for RTP: what is lost, late, doubled or overtaken, and that a seed repeats it."""

from __future__ import annotations

import struct
import threading
import time
from itertools import pairwise

import pytest

from bench.asterisk import Asterisk, Dialplan, Stasis, Weather
from bench.asterisk.media.clock import Clock
from bench.asterisk.media.formats import FORMATS
from bench.asterisk.media.rtp import RtpLeg
from bench.asterisk.media.weather import Line
from tests.bench.asterisk.client import APP, Client, in_loop
from tests.bench.asterisk.test_external_media import Agent, leg

DIALPLAN: Dialplan = {"inbound": {"1000": [Stasis(APP)]}}


class HandClock(Clock):
    """A clock that ticks when the test says so."""

    def __init__(self) -> None:
        super().__init__(threading.RLock())
        self.stopped = False

    def run(self) -> None:
        for _, _, ticker in list(self._heap):
            if not ticker.stopped:
                ticker.tick(0)


def arrived(weather: Weather, monkeypatch: pytest.MonkeyPatch, packets: int = 1000) -> list[int]:
    """The numbers of those that arrive, in order, of packets sent every 20 ms."""
    now_ns = 0
    monkeypatch.setattr(time, "monotonic_ns", lambda: now_ns)
    clock = HandClock()
    came: list[int] = []
    line = Line(clock, weather, "test", lambda packet: came.append(int(packet)))
    for number in range(packets):
        now_ns = number * 20_000_000
        line.send(str(number).encode())
        for _ in range(20):
            now_ns += 1_000_000
            clock.run()
    now_ns += 1_000_000_000
    clock.run()
    return came


def test_in_fair_weather_everything_arrives_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    assert arrived(Weather(), monkeypatch) == list(range(1000))


def test_loss_takes_its_share_and_the_seed_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    came = arrived(Weather(loss=0.05, seed=3), monkeypatch)
    assert 920 <= len(came) <= 980
    assert came == sorted(came)
    assert arrived(Weather(loss=0.05, seed=3), monkeypatch) == came
    assert arrived(Weather(loss=0.05, seed=4), monkeypatch) != came


def test_jitter_keeps_the_order_and_reordering_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    assert arrived(Weather(jitter_ms=40), monkeypatch) == list(range(1000))
    came = arrived(Weather(reorder=0.1), monkeypatch)
    assert sorted(came) == list(range(1000))
    assert 50 <= sum(later < before for before, later in pairwise(came)) <= 150


def test_duplicates_come_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    came = arrived(Weather(duplicate=0.1), monkeypatch)
    assert sorted(set(came)) == list(range(1000))
    assert 1050 <= len(came) <= 1150


@in_loop
async def test_legs_made_in_bad_weather_have_it_in_both_directions() -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client:
        asterisk.rtp_weather(loss=1.0)
        phone = asterisk.dial("1000")
        with Agent() as agent:
            to = await leg(client, agent, phone, "slin")
            for _ in range(10):
                agent.send(to, 10, bytes(320))
            rtp = next(one.leg for one in asterisk.exchange.channels.values() if isinstance(one.leg, RtpLeg))
            assert rtp.incoming is not None
            assert rtp.outgoing is not None
            while rtp.incoming.lost < 10 or rtp.outgoing.lost < 3:
                await client.get("/asterisk/ping")
            with pytest.raises(BlockingIOError):
                agent.socket.recv(100)
            assert phone.log.heard == []
        asterisk.rtp_weather()
        other = asterisk.dial("1000")
        with Agent() as agent:
            await leg(client, agent, other, "slin")
            packet = await agent.receive()
            assert struct.unpack_from("!BB", packet)[1] & 0x7F == FORMATS["slin"].payload_type
