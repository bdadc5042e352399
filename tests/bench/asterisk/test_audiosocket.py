"""The AudioSocket connection: what is sent, what is forgiven and what kills the leg. Source: protocol document."""

from __future__ import annotations

import asyncio
import uuid

import pytest

from bench.asterisk import Answer, Asterisk, AudioSocket, Dialplan, NoOp, Stasis, Wait
from tests.bench.asterisk.client import APP, Client, in_loop, within
from tests.bench.asterisk.media_server import MediaServer

CALL = "40325ec2-5efd-4bd3-805f-53576e581d13"
SILENCE = b"\x10\x01\x40" + bytes(320)


def dialplan(media: str = "127.0.0.1:1") -> Dialplan:
    return {
        "inbound": {
            "1000": [Stasis(APP)],
            "1001": [Answer(), AudioSocket(CALL, media), NoOp("given back"), Wait(30)],
            "1002": [AudioSocket(CALL, media), NoOp("not answered")],
            "1003": [Answer(), AudioSocket("${UUID()}", media)],
        }
    }


FATAL = {
    "an audio kind without sound": b"\x10\x00\x00",
    "a UUID": b"\x01\x00\x10" + bytes(16),
    "a digit": b"\x03\x00\x01" + b"5",
    "the old silence": b"\x02\x00\x00",
    "an error": b"\xff\x00\x01\x01",
    "half a payload": b"\x10\x01\x40" + bytes(100),
    "terminate": b"\x00\x00\x00",
}


@pytest.mark.parametrize("data", FATAL.values(), ids=FATAL.keys())
@in_loop
async def test_such_a_message_ends_the_leg_with_cause_16_and_leaves_the_caller(data: bytes) -> None:
    async with Asterisk(dialplan()) as asterisk, Client(asterisk) as client, MediaServer() as media:
        phone = asterisk.dial("1000")
        caller, leg = await client.answered(phone), await client.media_leg(media)
        bridge = await client.bridged(caller, leg)
        media.write(data)
        destroyed = await client.event("ChannelDestroyed", channel=leg)
        assert destroyed["cause"] == 16
        assert "ChannelHangupRequest" not in client.types()
        assert (await client.get(f"/bridges/{bridge}"))["channels"] == [phone.id]


FORGIVEN = {
    "slin16 on an 8 kHz channel": b"\x12\x02\x80" + bytes(640),
    "an odd number of bytes": b"\x10\x00\x03" + bytes(3),
    "the longest message": b"\x10\xff\xfe" + bytes(65534),
}


@pytest.mark.parametrize("data", FORGIVEN.values(), ids=FORGIVEN.keys())
@in_loop
async def test_such_a_message_is_unusual_and_harmless(data: bytes) -> None:
    async with Asterisk(dialplan()) as asterisk, Client(asterisk) as client, MediaServer() as media:
        phone = asterisk.dial("1000")
        caller, leg = await client.answered(phone), await client.media_leg(media)
        await client.bridged(caller, leg)
        heard = phone.listen()
        media.write(data + SILENCE)
        while (await within(heard.get())).samples != 160:
            pass
        assert leg in asterisk.channels


@in_loop
async def test_a_header_may_dribble_in_and_freezes_the_channel_meanwhile() -> None:
    async with Asterisk(dialplan()) as asterisk, Client(asterisk) as client, MediaServer() as media:
        phone = asterisk.dial("1000")
        caller, leg = await client.answered(phone), await client.media_leg(media)
        await client.bridged(caller, leg)
        heard = phone.listen()
        media.write(SILENCE[:2])
        channel = asterisk.exchange.channels[leg]
        while channel.thawed.is_set():
            await asyncio.sleep(0)
        deleting = asyncio.ensure_future(client.delete(f"/channels/{leg}"))
        # Other requests are served; the one that touches the frozen channel waits.
        await client.get("/asterisk/ping")
        await client.get("/asterisk/ping")
        assert not deleting.done()
        media.write(SILENCE[2:])
        await within(heard.get())
        await within(deleting)
        await client.event("ChannelDestroyed", channel=leg)


@in_loop
async def test_the_ends_of_the_connection_as_the_agent_sees_them() -> None:
    async with Asterisk(dialplan()) as asterisk, Client(asterisk) as client:
        for unread, ending in ((b"", "IncompleteReadError"), (b"\x77\x00\x10" + bytes(16), "ConnectionResetError")):
            async with MediaServer() as media:
                leg = await client.media_leg(media)
                if unread:
                    media.write(unread)
                else:
                    await client.delete(f"/channels/{leg}")
                await within(media.ended.wait())
                assert media.ending == ending


@in_loop
async def test_each_linear_format_has_its_own_kind_and_ulaw_borrows_one() -> None:
    async with Asterisk(dialplan()) as asterisk, Client(asterisk) as client:
        phone = asterisk.dial("1000")
        caller = await client.answered(phone)
        for form, kind, length in (
            ("slin", 0x10, 320),
            ("slin16", 0x12, 640),
            ("slin24", 0x13, 960),
            ("ulaw", 0x10, 160),
        ):
            async with MediaServer() as media:
                leg = await client.media_leg(media, formats=form)
                bridge = await client.bridged(caller, leg)
                await within(media.heard(3))
                sounds = [(sent, len(payload)) for sent, payload in media.messages[1:4]]
                assert sounds == [(kind, length)] * 3
                await client.delete(f"/channels/{leg}")
                await client.delete(f"/bridges/{bridge}")


@in_loop
async def test_a_digit_of_the_caller_reaches_the_agent_unless_it_is_absorbed() -> None:
    async with Asterisk(dialplan()) as asterisk, Client(asterisk) as client, MediaServer() as media:
        phone = asterisk.dial("1000")
        caller, leg = await client.answered(phone), await client.media_leg(media)
        bridge = await client.bridged(caller, leg)
        await phone.press("4", duration_ms=20)
        await client.post(f"/bridges/{bridge}/addChannel", channel=caller, absorbDTMF="true")
        await phone.press("2", duration_ms=20)
        await client.event("ChannelDtmfReceived", digit="2")
        await within(media.heard(media.sounds() + 2))
        assert [payload for kind, payload in media.messages if kind == 0x03] == [b"4"]


# -- straight from the dialplan -------------------------------------------------------------------------------------


@in_loop
async def test_a_caller_goes_straight_to_the_agent_and_both_hear_each_other() -> None:
    async with MediaServer() as media, Asterisk(dialplan(media.address)) as asterisk:
        phone = asterisk.dial("1001")
        assert uuid.UUID(bytes=await within(media.introduced())) == uuid.UUID(CALL)
        heard = phone.listen()
        media.write(SILENCE)
        assert (await within(heard.get())).samples == 160
        await phone.press("7", duration_ms=20)
        await within(media.heard(2))
        assert (0x03, b"7") in media.messages


@pytest.mark.parametrize("goodbye", ["terminate", "close"])
@in_loop
async def test_an_agent_that_says_goodbye_gives_the_call_back_to_the_dialplan(goodbye: str) -> None:
    async with MediaServer() as media, Asterisk(dialplan(media.address)) as asterisk:
        phone = asterisk.dial("1001")
        await within(media.introduced())
        if goodbye == "terminate":
            media.write(b"\x00\x00\x00")
        else:
            media.close()
        assert (await within(phone.reaches("inbound", "1001", 3))).data == "given back"
        assert not phone.ended.is_set()


@pytest.mark.parametrize("fault", ["reset", "unknown kind"])
@in_loop
async def test_an_agent_that_breaks_the_rules_loses_the_caller(fault: str) -> None:
    async with MediaServer() as media, Asterisk(dialplan(media.address)) as asterisk:
        phone = asterisk.dial("1001")
        await within(media.heard(1))
        if fault == "reset":
            media.reset()
        else:
            media.write(b"\x77\x00\x00")
        await within(phone.ended.wait())
        assert phone.path[-1].priority == 2


@in_loop
async def test_nobody_listening_and_nobody_answered_are_the_end_of_the_call() -> None:
    async with Asterisk(dialplan()) as asterisk:
        for extension in ("1001", "1002"):
            phone = asterisk.dial(extension)
            await within(phone.ended.wait())
            assert "given back" not in [where.data for where in phone.path]


@in_loop
async def test_two_seconds_of_silence_on_both_sides_end_a_direct_call() -> None:
    async with MediaServer() as media, Asterisk(dialplan(media.address)) as asterisk:
        phone = asterisk.dial("1003")
        await within(media.heard(1))
        loop = asyncio.get_running_loop()
        # A phone that stops sending: a key that stays down.
        asterisk.exchange.channels[phone.id].leg.muted_in = True
        quiet_s = loop.time()
        await within(phone.ended.wait())
        assert 1.5 < loop.time() - quiet_s < 4.0


@in_loop
async def test_each_direct_call_has_its_own_uuid() -> None:
    async with MediaServer() as media, Asterisk(dialplan(media.address)) as asterisk:
        first = asterisk.dial("1003")
        one = await within(media.introduced())
        first.hang_up()
        await within(media.ended.wait())
        media.messages.clear()
        asterisk.dial("1003")
        assert await within(media.introduced()) != one
