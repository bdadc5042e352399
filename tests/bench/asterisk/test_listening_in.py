"""Snoop channels, recordings with limits, telephones that hold or fall silent, device states and user events."""

from __future__ import annotations

from typing import Any

import pytest

from bench.asterisk import Asterisk, Dialplan, Stasis
from bench.asterisk.sounds import tone
from tests.bench.asterisk.client import APP, Client, in_loop, within
from tests.bench.asterisk.media_server import MediaServer

DIALPLAN: Dialplan = {"inbound": {"1000": [Stasis(APP)]}}


def loud(pcm: bytes) -> bool:
    return any(pcm)


# -- snoop ----------------------------------------------------------------------------------------------------------


async def recorded(client: Client, asterisk: Asterisk, channel: str, sound: Any) -> bytes:
    """What the snoop channel hears while `sound` is made."""
    await client.post(f"/channels/{channel}/record", name=channel, format="wav")
    await client.event("RecordingStarted")
    await sound()
    await client.post(f"/recordings/live/{channel}/stop")
    await client.event("RecordingFinished")
    return asterisk.recordings[channel].sound.pcm


@pytest.mark.parametrize(
    ("spy", "hears_caller", "hears_agent"), [("in", True, False), ("out", False, True), ("both", True, True)]
)
@in_loop
async def test_a_snoop_channel_hears_the_direction_it_asked_for(
    spy: str, hears_caller: bool, hears_agent: bool
) -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client, MediaServer() as media:
        phone = asterisk.dial("1000")
        caller, leg = await client.answered(phone), await client.media_leg(media)
        await client.bridged(caller, leg)
        await client.post(f"/channels/{caller}/snoop/s", spy=spy, app=APP)
        await client.event("StasisStart", channel="s")

        async def caller_speaks() -> None:
            # The snoop channel lags behind by what its queue holds, 100 ms at most.
            await phone.speak(tone(440, 0.2) + bytes(1600))
            await phone.speak(bytes(1600))

        async def agent_speaks() -> None:
            heard = phone.listen()
            media.write((b"\x10\x01\x40" + tone(440, 0.02)) * 10)
            for _ in range(10):
                await within(heard.get())
            await phone.speak(bytes(1600))

        assert loud(await recorded(client, asterisk, "s", caller_speaks)) is hears_caller
        await client.delete("/recordings/stored/s")
        assert loud(await recorded(client, asterisk, "s", agent_speaks)) is hears_agent
        phone.hang_up()
        await client.event("StasisEnd", channel="s")


@in_loop
async def test_a_whisper_is_heard_by_the_spied_phone_only() -> None:
    async with Asterisk(DIALPLAN, sounds={"hush": tone(440, 0.2)}) as asterisk, Client(asterisk) as client:
        phone = asterisk.dial("1000", coded=False)
        caller = await client.answered(phone)
        await client.post(f"/channels/{caller}/snoop/s", whisper="out", app=APP)
        await client.event("StasisStart", channel="s")
        heard = phone.listen()
        await client.post("/channels/s/play/p", media="sound:hush")
        while not loud((await within(heard.get())).pcm):
            pass
        await client.event("PlaybackFinished")


# -- recordings -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("on", ["channels", "bridges"])
@in_loop
async def test_a_recording_ends_with_its_duration_its_silence_or_a_key(on: str) -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client:
        phone = asterisk.dial("1000")
        place = await client.answered(phone)
        if on == "bridges":
            place = await client.bridged(place)
        path = f"/{on}/{place}/record"
        await client.post(path, name="long", format="wav", maxDurationSeconds="1")
        await client.event("RecordingFinished")
        assert len(asterisk.recordings["long"].sound.pcm) == 16000

        await client.post(path, name="quiet", format="wav", maxSilenceSeconds="1")
        await phone.speak(tone(440, 0.5))
        await client.event("RecordingFinished")
        kept = asterisk.recordings["quiet"].sound.pcm
        assert loud(kept)
        assert len(kept) < 16000

        await client.post(path, name="key", format="wav", terminateOn="#")
        await phone.press("5")
        assert "key" not in asterisk.recordings
        await phone.press("#")
        assert (await client.event("RecordingFinished"))["recording"]["name"] == "key"


@in_loop
async def test_a_discarded_recording_is_done_and_nowhere() -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client:
        caller = await client.answered(asterisk.dial("1000"))
        await client.post(f"/channels/{caller}/record", name="r", format="wav")
        await client.event("RecordingStarted")
        await client.delete("/recordings/live/r")
        assert (await client.event("RecordingFinished"))["recording"]["state"] == "done"
        assert dict(asterisk.recordings) == {}


# -- telephones -----------------------------------------------------------------------------------------------------


@in_loop
async def test_a_phone_that_holds_the_call_sends_nothing_until_it_is_back() -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client, MediaServer() as media:
        phone = asterisk.dial("1000")
        await client.bridged(await client.answered(phone), await client.media_leg(media))
        await within(media.heard(3))
        phone.hold()
        assert (await client.event("ChannelHold"))["musicclass"] == "default"
        before = len(phone.log.sent)
        await within(client.get("/channels"))
        assert len(phone.log.sent) == before
        phone.resume()
        await client.event("ChannelUnhold")
        await within(media.heard(media.sounds() + 3))


@in_loop
async def test_a_phone_that_suppresses_silence_sends_only_what_is_said() -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client, MediaServer() as media:
        phone = asterisk.dial("1000")
        phone.suppress_silence()
        await client.bridged(await client.answered(phone), await client.media_leg(media))
        await phone.speak(tone(440, 0.1))
        await within(media.heard(5))
        assert media.sounds() == len(phone.log.sent) == 5


@in_loop
async def test_keys_that_asterisk_sends_are_heard_by_the_phone_in_order() -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client:
        phone = asterisk.dial("1000")
        caller = await client.answered(phone)
        await client.post(f"/channels/{caller}/dtmf", dtmf="12#", duration="10", between="10")
        # Commands wait for each other: when this one is done, the keys have been pressed.
        await client.post(f"/channels/{caller}/variable", variable="A", value="1")
        assert phone.digits == "12#"


@in_loop
async def test_ring_and_progress_show_at_the_calling_phone() -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client:
        phone = asterisk.dial("1000")
        await client.event("StasisStart")
        await client.post(f"/channels/{phone.id}/ring")
        assert phone.ringing
        await client.delete(f"/channels/{phone.id}/ring")
        assert not phone.ringing
        await client.post(f"/channels/{phone.id}/progress")
        assert phone.progress.is_set()
        assert not phone.answered.is_set()


@in_loop
async def test_a_channel_moves_to_another_application() -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client, Client(asterisk, app="other") as other:
        phone = asterisk.dial("1000")
        caller = await client.answered(phone)
        await client.post(f"/channels/{caller}/move", app="other", appArgs="a,b")
        await client.event("StasisEnd", channel=caller)
        assert (await other.event("StasisStart", channel=caller))["args"] == ["a", "b"]
        phone.hang_up()
        await other.event("StasisEnd", channel=caller)
        assert client.types().count("StasisEnd") == 1


# -- devices and events ---------------------------------------------------------------------------------------------


@in_loop
async def test_an_application_hears_of_a_device_that_it_follows() -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client:
        await client.post(f"/applications/{APP}/subscription", eventSource="deviceState:Stasis:lamp")
        await client.request("PUT", "/deviceStates/Stasis:lamp", deviceState="INUSE")
        event = await client.event("DeviceStateChanged")
        assert event["device_state"] == {"name": "Stasis:lamp", "state": "INUSE"}
        await client.delete("/deviceStates/Stasis:lamp")
        assert (await client.get("/deviceStates/Stasis:lamp"))["state"] == "UNKNOWN"


@in_loop
async def test_a_user_event_carries_its_channel_and_variables() -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client:
        caller = await client.answered(asterisk.dial("1000"))
        query = {"application": APP, "source": f"channel:{caller}"}
        await client.request("POST", "/events/user/ready", {"variables": {"A": "1"}}, **query)
        event = await client.event("ChannelUserevent", channel=caller)
        assert event["userevent"] == {"eventname": "ready", "A": "1"}
        status, _ = await client.request("POST", "/events/user/ready", application="nobody")
        assert status == 404
