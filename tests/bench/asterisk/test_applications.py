"""Who gets which event, and what happens to calls whose application has lost its WebSocket."""

from __future__ import annotations

import asyncio
import base64

from bench.asterisk import Asterisk, Dialplan, NoOp, Stasis, Wait
from tests.bench.asterisk.client import APP, Client, in_loop, within
from tests.bench.asterisk.media_server import MediaServer

DIALPLAN: Dialplan = {
    "inbound": {
        "1000": [NoOp(), Stasis(APP, ("one", "${CALLERID(num)}")), NoOp("${STASISSTATUS}"), Wait(30)],
        "2000": [Stasis("other")],
    }
}


@in_loop
async def test_arguments_reach_the_application_with_their_variables() -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client:
        asterisk.dial("1000", caller_id="5551234", name="Ann")
        start = await client.event("StasisStart")
        assert start["args"] == ["one", "5551234"]
        assert start["channel"]["caller"] == {"name": "Ann", "number": "5551234"}
        assert start["channel"]["state"] == "Ring"


@in_loop
async def test_events_reach_only_the_application_that_owns_the_call() -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as mine, Client(asterisk, "other") as other:
        phone = asterisk.dial("1000")
        await mine.answered(phone)
        phone.hang_up()
        await mine.event("StasisEnd", channel=phone.id)
        second = asterisk.dial("2000")
        await other.event("StasisStart", channel=second.id)
        assert other.types() == ["StasisStart"]
        assert all(event["application"] == APP for event in mine.events)


@in_loop
async def test_without_an_application_stasis_fails_and_the_dialplan_goes_on() -> None:
    async with Asterisk(DIALPLAN) as asterisk:
        phone = asterisk.dial("1000")
        where = await within(phone.reaches("inbound", "1000", 3))
        assert where.data == "FAILED"
        assert phone.variables["STASISSTATUS"] == "FAILED"


@in_loop
async def test_an_application_is_unknown_before_and_forgotten_after() -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk, "other") as other:
        assert (await other.request("GET", f"/applications/{APP}"))[0] == 404
        async with Client(asterisk) as client:
            names = [application["name"] for application in await client.get("/applications")]
            assert names == ["other", APP]
        assert (await other.request("GET", f"/applications/{APP}"))[0] == 404


@in_loop
async def test_calls_outlive_the_websocket_and_their_events_come_again() -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client, MediaServer() as media:
        phone = asterisk.dial("1000")
        bridge = await client.bridged(await client.answered(phone), await client.media_leg(media))
        before = len(client.events)
        asterisk.drop_websockets()
        await within(client.closed.wait())

        new = asterisk.dial("1000")
        assert (await within(new.reaches("inbound", "1000", 3))).data == "FAILED"
        await phone.press("5", duration_ms=20)
        application = await client.get(f"/applications/{APP}")
        assert phone.id in application["channel_ids"]
        assert application["bridge_ids"] == [bridge]

        await client.connect()
        phone.hang_up()
        await client.event("StasisEnd", channel=phone.id)
        assert "ChannelDtmfReceived" not in client.types(before)
        assert "StasisStart" not in client.types(before)


@in_loop
async def test_a_client_that_does_not_read_is_thrown_out() -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk, "other") as other:
        reader, writer = await asyncio.open_connection("127.0.0.1", asterisk.port, limit=4096)
        key = base64.b64encode(bytes(16)).decode()
        upgrade = f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}"
        authority = f"{asterisk.user}:{asterisk.password}"
        request = f"GET /ari/events?app={APP}&api_key={authority} HTTP/1.1\r\nHost: x\r\n{upgrade}\r\n\r\n"
        writer.write(request.encode())
        await within(reader.readline())
        phone = asterisk.dial("1000")
        channel = asterisk.exchange.channels[phone.id]
        application = asterisk.exchange.applications[APP]
        while application.active:
            channel.set_variable("LONG", "x" * 60_000)
            await other.get("/asterisk/ping")
        # The call is still there; only nobody hears of it.
        assert channel.session is not None
        writer.close()


@in_loop
async def test_with_subscribe_all_an_application_sees_every_channel() -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk, "watcher", subscribeAll="true") as watcher:
        phone = asterisk.dial("1000")
        await watcher.event("ChannelCreated", channel=phone.id)
        await within(phone.reaches("inbound", "1000", 4))
        phone.hang_up()
        destroyed = await watcher.event("ChannelDestroyed", channel=phone.id)
        # Never in a bridge and hung up by its phone: nobody set a cause.
        assert (destroyed["cause"], destroyed["cause_txt"]) == (0, "Unknown")
        dialled = [event["dialplan_app"] for event in watcher.events if event["type"] == "ChannelDialplan"]
        assert dialled == ["NoOp", "Stasis", "NoOp", "Wait"]


@in_loop
async def test_a_filter_keeps_events_back() -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client:
        wanted = {"allowed": [{"type": "StasisStart"}, {"type": "StasisEnd"}], "disallowed": [{"type": "StasisEnd"}]}
        status, body = await client.request("PUT", f"/applications/{APP}/eventFilter", wanted)
        assert (status, body["events_allowed"]) == (200, wanted["allowed"])
        phone = asterisk.dial("1000")
        await client.answered(phone)
        phone.hang_up()
        await within(phone.ended.wait())
        second = asterisk.dial("1000")
        await client.event("StasisStart", channel=second.id)
        assert client.types() == ["StasisStart", "StasisStart"]


@in_loop
async def test_an_explicit_subscription_shows_the_end_of_a_dialplan_channel() -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client:
        phone = asterisk.dial("1000")
        channel = await client.answered(phone)
        await client.post(f"/applications/{APP}/subscription", eventSource=f"channel:{channel}")
        await client.post(f"/channels/{channel}/continue")
        assert (await client.event("ChannelVarset", variable="STASISSTATUS"))["value"] == "SUCCESS"
        await client.event("ChannelDialplan", dialplan_app="Wait")
        await client.delete(f"/channels/{channel}")
        await client.event("ChannelDestroyed", channel=channel)


@in_loop
async def test_a_channel_of_its_own_is_followed_to_its_end_and_a_callers_only_through_stasis() -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client, MediaServer() as media:
        phone = asterisk.dial("1000")
        caller, leg = await client.answered(phone), await client.media_leg(media)
        phone.hang_up()
        await within(phone.ended.wait())
        await client.delete(f"/channels/{leg}")
        await client.event("ChannelDestroyed", channel=leg)
        destroyed = [event["channel"]["id"] for event in client.events if event["type"] == "ChannelDestroyed"]
        assert caller not in destroyed
