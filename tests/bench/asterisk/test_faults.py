"""What goes wrong on command: requests, events, media legs; and a seed that makes it go wrong again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import aiohttp
import pytest

from bench.asterisk import Asterisk, Cut, Delay, Dialplan, Faults, Plan, Reply, Stasis
from bench.asterisk.faults import EventFault, RequestFault, shape
from tests.bench.asterisk.client import APP, Client, in_loop, within
from tests.bench.asterisk.media_server import MediaServer

DIALPLAN: Dialplan = {"inbound": {"1000": [Stasis(APP)]}}


class Answers(Plan):
    """What happens to the next answer of a channel."""

    def __init__(self, fault: RequestFault) -> None:
        self.fault = fault
        self.asked: list[tuple[str, str, dict[str, str]]] = []

    def request(self, method: str, path: str, query: Mapping[str, str]) -> RequestFault:
        self.asked.append((method, path, dict(query)))
        return self.fault if path.endswith("/answer") else None


class Events(Plan):
    def __init__(self, fate: dict[str, EventFault]) -> None:
        self.fate = fate

    def event(self, event: dict[str, Any]) -> EventFault:
        return self.fate.get(event["type"])


@pytest.mark.parametrize(("done", "state"), [(False, "Ring"), (True, "Up")])
@in_loop
async def test_a_request_is_answered_with_an_error_whether_it_was_done_or_not(done: bool, state: str) -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client:
        phone = asterisk.dial("1000")
        await client.event("StasisStart")
        asterisk.faults = Faults(Answers(Reply(500, done=done)))
        status, body = await client.request("POST", f"/channels/{phone.id}/answer")
        assert (status, body) == (500, {"message": "Internal Server Error"})
        assert (await client.get(f"/channels/{phone.id}"))["state"] == state
        assert f"POST /channels/{phone.id}/answer: Reply(status=500" in asterisk.faults.text()


@pytest.mark.parametrize(("done", "state"), [(False, "Ring"), (True, "Up")])
@in_loop
async def test_a_connection_breaks_before_its_answer(done: bool, state: str) -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client:
        phone = asterisk.dial("1000")
        await client.event("StasisStart")
        plan = Answers(Cut(done))
        asterisk.faults = Faults(plan)
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await client.post(f"/channels/{phone.id}/answer")
        asterisk.faults = None
        assert (await client.get(f"/channels/{phone.id}"))["state"] == state
        assert plan.asked[-1] == ("POST", f"/channels/{phone.id}/answer", {})


@pytest.mark.parametrize(("before", "state"), [(False, "Up"), (True, "Ring")])
@in_loop
async def test_a_late_answer_belongs_to_something_done_before_or_not_yet(before: bool, state: str) -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client:
        phone = asterisk.dial("1000")
        await client.event("StasisStart")
        asterisk.faults = Faults(Answers(Delay(30.0, before)))
        with pytest.raises(TimeoutError):
            await client.session.post(
                f"{asterisk.url}/channels/{phone.id}/answer", timeout=aiohttp.ClientTimeout(total=0.2)
            )
        assert asterisk.exchange.channels[phone.id].state == state


@in_loop
async def test_events_are_lost_doubled_and_held_back_with_all_behind_them() -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client:
        plan = Events({"ChannelVarset": "lose", "StasisStart": "duplicate", "ChannelStateChange": Delay(0.05)})
        asterisk.faults = Faults(plan)
        phone = asterisk.dial("1000")
        await client.event("StasisStart")
        await client.post(f"/channels/{phone.id}/answer")
        await client.post(f"/channels/{phone.id}/variable", variable="A", value="1")
        phone.hang_up()
        await client.event("StasisEnd")
        assert client.types() == [
            "StasisStart", "StasisStart", "ChannelStateChange", "ChannelHangupRequest", "StasisEnd"
        ]  # fmt: skip


@in_loop
async def test_the_events_websocket_breaks_at_an_event() -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client:
        asterisk.faults = Faults(Events({"StasisStart": "cut"}))
        phone = asterisk.dial("1000")
        await within(client.closed.wait())
        assert client.events == []
        assert asterisk.applications == []
        assert phone.id in asterisk.channels


@in_loop
async def test_a_media_leg_breaks_by_a_plan_and_by_hand() -> None:
    class Short(Plan):
        def media(self, channel_id: str) -> float | None:
            return 0.01 if "first" in channel_id else None

    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client, MediaServer() as media:
        asterisk.faults = Faults(Short())
        endpoint = f"AudioSocket/{media.address}/40325ec2-5efd-4bd3-805f-53576e581d13"
        await client.post("/channels/first", endpoint=endpoint, app=APP, formats="slin")
        await client.event("ChannelDestroyed", channel="first")
        assert "media leg first: breaks" in asterisk.faults.text()

        leg = await client.media_leg(media)
        assert asterisk.drop_media(leg) == 1
        await client.event("ChannelDestroyed", channel=leg)
        await within(media.ended.wait())
        assert media.ending == "ConnectionResetError"
        assert asterisk.drop_media() == 0


def fates(seed: int) -> list[object]:
    plan = Faults.random(seed, requests=0.3, events=0.3, media=0.3, sockets=0.05).plan
    happened: list[object] = [plan.request("POST", f"/channels/{call}/answer", {}) for call in range(50)]
    happened += [plan.event({"type": "StasisStart", "channel": {"id": str(call)}}) for call in range(50)]
    return happened + [plan.media(str(call)) for call in range(50)]


def test_a_seed_repeats_what_happened_and_another_does_not() -> None:
    assert fates(7) == fates(7)
    assert fates(7) != fates(8)
    kinds = {type(fate).__name__ for fate in fates(7)} | {fate for fate in fates(7) if isinstance(fate, str)}
    assert kinds >= {"NoneType", "Reply", "Delay", "Cut", "float", "lose", "duplicate", "cut"}


def test_the_fate_of_one_kind_of_request_does_not_hang_on_the_others() -> None:
    alone = Faults.random(3, requests=0.5).plan
    mixed = Faults.random(3, requests=0.5).plan
    expected = [alone.request("POST", f"/channels/{call}/answer", {}) for call in range(30)]
    found = []
    for call in range(30):
        mixed.request("GET", "/channels", {})
        found.append(mixed.request("POST", f"/channels/other-{call}/answer", {}))
    assert found == expected


def test_what_is_spared_goes_well_and_a_rate_of_nothing_costs_nothing() -> None:
    plan = Faults.random(1, requests=1.0, events=1.0, spared=frozenset({"POST /channels/*/answer", "StasisEnd"})).plan
    assert plan.request("POST", "/channels/1.1/answer", {}) is None
    assert plan.event({"type": "StasisEnd"}) is None
    assert plan.request("GET", "/channels", {}) is not None
    assert plan.media("x") is None
    assert shape("/channels/1.1/play/p-1") == "/channels/*/play/*"
    assert shape("/channels/externalMedia") == "/channels/externalMedia"


@in_loop
async def test_faults_last_over_a_reboot() -> None:
    async with Asterisk(DIALPLAN) as asterisk:
        asterisk.faults = faults = Faults(Answers(Reply(404)))
        await asterisk.stop_listening()
        await asterisk.start()
        assert asterisk.exchange.faults is faults
