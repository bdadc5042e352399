"""Phones: they call and are called, speak on an exact clock, hear with times, press keys, and end somewhere."""

from __future__ import annotations

import itertools

import pytest

from bench.asterisk import Answer, Asterisk, Dialplan, Goto, Hangup, NoOp, Playback, Set, Stasis, Wait
from bench.asterisk.media.formats import FORMATS
from bench.asterisk.sounds import tone
from tests.bench.asterisk.client import APP, Client, in_loop, within
from tests.bench.asterisk.media_server import MediaServer

DIALPLAN: Dialplan = {
    "inbound": {
        "1000": [Stasis(APP), NoOp("after the agent: ${AGENT_STATUS}"), Hangup(17)],
        "1002": [Answer(), Playback("beep"), Wait(30)],
        "1003": [Set("A", "1"), Goto("people", "100")],
    },
    "people": {"100": [NoOp("a human, ${A}"), Wait(30)], "_X.": [Hangup(1)]},
}


# -- speaking and hearing --------------------------------------------------------------------------------------------


@in_loop
async def test_the_microphone_sends_what_it_is_given_and_silence_otherwise() -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client, MediaServer() as media:
        phone = asterisk.dial("1000", coded=False)
        await client.bridged(await client.answered(phone), await client.media_leg(media))
        await within(media.heard(1))
        spoken = tone(440, 0.1)
        at_ns = await within(phone.speak(spoken))
        await within(media.heard(phone.unsaid + media.sounds() + 2))
        sent = b"".join(payload for kind, payload in media.messages if kind == 0x10)
        assert spoken in sent
        assert sent.replace(spoken, b"").count(0) == len(sent) - len(spoken)
        last = [wire for wire in phone.log.sent if any(wire.pcm)][-1]
        assert at_ns == last.at_ns


@in_loop
async def test_the_microphone_keeps_its_grid_and_the_clock_tells_how_well() -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client:
        phone = asterisk.dial("1000")
        await client.answered(phone)
        await within(phone.speak(bytes(320 * 40)))
        times = [wire.at_ns for wire in phone.log.sent]
        lateness = asterisk.lateness
        assert lateness.ticks >= 40
        # However late single frames are on a busy machine, none is lost and the grid does not move.
        span_ms = (times[-1] - times[0]) / 1e6
        assert abs(span_ms - 20 * (len(times) - 1)) < lateness.max_ms + 1
        assert all(later > earlier for earlier, later in itertools.pairwise(times))


@in_loop
async def test_mu_law_lies_between_a_phone_and_its_bridge_unless_left_out() -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client:
        phone, plain = asterisk.dial("1000"), asterisk.dial("1000", coded=False)
        bridge = await client.bridged(await client.answered(phone), await client.answered(plain))
        heard = plain.listen()
        spoken = tone(440, 0.02)
        phone.send(spoken)
        while not any((wire := await within(heard.get())).pcm):
            pass
        ulaw = FORMATS["ulaw"]
        assert wire.pcm == ulaw.decode(ulaw.encode(spoken)) != spoken
        await client.delete(f"/bridges/{bridge}")


@in_loop
async def test_a_wideband_phone_speaks_16_khz_to_a_wideband_agent() -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client, MediaServer() as media:
        phone = asterisk.dial("1000", wideband=True)
        await client.bridged(await client.answered(phone), await client.media_leg(media, formats="slin16"))
        spoken = tone(3000, 0.02, rate=16000)
        phone.send(spoken)
        await within(media.heard(3))
        assert (0x12, spoken) in media.messages
        with pytest.raises(ValueError, match="20 ms at 16000 Hz are 640 bytes, not 320"):
            phone.send(bytes(320))


@in_loop
async def test_what_was_not_said_yet_can_be_taken_back() -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client:
        phone = asterisk.dial("1000")
        phone.say(bytes(320 * 100))
        assert phone.unsaid == 100
        assert phone.shut_up() == 100
        speaking = phone.say(bytes(320))
        await client.answered(phone)
        await within(speaking)


@in_loop
async def test_a_phone_that_keeps_no_sound_still_keeps_times() -> None:
    async with Asterisk(DIALPLAN) as asterisk:
        phone = asterisk.dial("1002", keep_sound=False)
        await within(phone.media_started.wait())
        assert phone.log.heard[0].pcm == b""
        assert phone.log.heard[0].samples == 160


@in_loop
async def test_keys_are_pressed_for_a_while_during_which_the_phone_sends_no_sound() -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client:
        phone = asterisk.dial("1000")
        await client.answered(phone)
        await within(phone.speak(bytes(320)))
        await phone.press("1#", duration_ms=100)
        digits = [await client.event("ChannelDtmfReceived"), await client.event("ChannelDtmfReceived")]
        assert [(event["digit"], event["duration_ms"]) for event in digits] == [("1", 100), ("#", 100)]
        await within(phone.speak(bytes(320)))
        gaps = [(later.at_ns - earlier.at_ns) / 1e6 for earlier, later in itertools.pairwise(phone.log.sent)]
        assert max(gaps) > 80


@in_loop
async def test_the_agent_can_press_keys_on_the_phone_and_tell_it_things() -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client:
        phone = asterisk.dial("1000")
        channel = await client.answered(phone)
        await client.post(f"/channels/{channel}/dtmf", dtmf="12#", duration="1", between="1")
        # Behind the digits in the queue of the channel.
        await client.post(f"/channels/{channel}/variable", variable="A", value="1")
        assert phone.digits == "12#"
        await client.post(f"/channels/{channel}/hold")
        assert phone.held
        await client.delete(f"/channels/{channel}/hold")
        assert not phone.held


# -- where a call goes -----------------------------------------------------------------------------------------------


@in_loop
async def test_an_agent_that_is_busy_hands_the_caller_to_the_dialplan_with_a_word() -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client:
        phone = asterisk.dial("1000")
        start = await client.event("StasisStart")
        channel = start["channel"]["id"]
        await client.post(f"/channels/{channel}/variable", variable="AGENT_STATUS", value="BUSY")
        await client.post(f"/channels/{channel}/continue")
        with pytest.raises(LookupError, match="never came to people"):
            await within(phone.reaches("people"))
        assert [where.data for where in phone.path] == [APP, "after the agent: BUSY", "17"]
        assert phone.cause == 17
        assert phone.variables["STASISSTATUS"] == "SUCCESS"


@in_loop
async def test_a_call_is_continued_to_a_human() -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client, MediaServer() as media:
        phone = asterisk.dial("1000")
        caller, leg = await client.answered(phone), await client.media_leg(media)
        await client.bridged(caller, leg)
        await client.post(f"/channels/{caller}/continue", context="people", extension="100", priority="1")
        await client.event("StasisEnd", channel=caller)
        where = await within(phone.reaches("people", "100", 2))
        assert where.app == "Wait"
        assert leg in asterisk.channels
        phone.hang_up()
        await within(phone.ended.wait())


@in_loop
async def test_a_phone_sees_the_lines_it_came_to_and_hears_what_they_play() -> None:
    async with Asterisk(DIALPLAN) as asterisk:
        phone = asterisk.dial("1002")
        await within(phone.answered.wait())
        await within(phone.reaches("inbound", "1002", 3))
        assert any(any(wire.pcm) for wire in phone.log.heard)
        other = asterisk.dial("1003")
        assert (await within(other.reaches("people", "100"))).data == "a human, 1"
        with pytest.raises(ValueError, match="the dialplan has no '9999' in 'inbound'"):
            asterisk.dial("9999")


@in_loop
async def test_a_caller_may_give_up_before_anybody_answers() -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client:
        phone = asterisk.dial("1000")
        await client.event("StasisStart")
        phone.hang_up()
        phone.hang_up()
        await client.event("StasisEnd", channel=phone.id)
        await within(phone.ended.wait())
        assert not phone.answered.is_set()
        assert await client.request("POST", f"/channels/{phone.id}/answer") == (404, {"message": "Channel not found"})


# -- being called ----------------------------------------------------------------------------------------------------


@in_loop
async def test_a_registered_phone_rings_and_is_picked_up() -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client:
        alice = asterisk.register("alice")
        await client.post("/channels/c", endpoint="PJSIP/alice", app=APP, appArgs="transfer,x", callerId="Bot <100>")
        phone = await within(alice.calls.get())
        await client.event("Dial", dialstatus="RINGING")
        assert (await client.event("ChannelStateChange", channel="c"))["channel"]["state"] == "Ringing"
        phone.pick_up()
        await client.event("Dial", dialstatus="ANSWER")
        start = await client.event("StasisStart", channel="c")
        assert start["args"] == ["transfer", "x"]
        assert start["channel"]["connected"] == {"name": "Bot", "number": "100"}
        await client.delete("/channels/c")
        await client.event("ChannelDestroyed", channel="c", cause=16)


@in_loop
async def test_a_registered_phone_may_refuse_or_let_it_ring() -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client:
        alice = asterisk.register("alice")
        await client.post("/channels/c", endpoint="PJSIP/alice", app=APP)
        (await within(alice.calls.get())).reject(17)
        await client.event("Dial", dialstatus="BUSY")
        assert (await client.event("ChannelDestroyed", channel="c"))["cause_txt"] == "User busy"
        await client.post("/channels/d", endpoint="PJSIP/alice", app=APP, timeout="1")
        await client.event("ChannelDestroyed", channel="d", cause=19)
        await client.post("/channels/e", endpoint="PJSIP/alice", app=APP)
        await client.event("Dial", dialstatus="RINGING")
        await client.delete("/channels/e")
        await client.event("Dial", dialstatus="NOANSWER")
        await client.event("ChannelDestroyed", channel="e", cause=16)


@in_loop
async def test_an_originated_channel_can_go_into_the_dialplan() -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client:
        alice = asterisk.register("alice")
        await client.post("/channels/c", endpoint="PJSIP/alice", extension="100", context="people")
        phone = await within(alice.calls.get())
        phone.pick_up()
        assert (await within(phone.reaches("people", "100"))).data == "a human, "
