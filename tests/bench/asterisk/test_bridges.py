"""What members of a bridge are told and hear. BRIDGEPEER and technology by the recordings; sound by the documents."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

from bench.asterisk import Asterisk, Dialplan, Stasis
from bench.asterisk.media.clock import Clock, Ticker
from bench.asterisk.media.formats import FORMATS, Frame, silence
from bench.asterisk.media.leg import ListenerLeg
from bench.asterisk.media.mixing import Mixer, Queue
from bench.asterisk.sounds import tone
from tests.bench.asterisk.client import APP, Client, in_loop, within
from tests.bench.asterisk.media_server import MediaServer

DIALPLAN: Dialplan = {"inbound": {"1000": [Stasis(APP)]}}
SOUNDS = {"hello": tone(440, 0.1)}


def loud(value: int, milliseconds: int = 20) -> Frame:
    """Sound of one value, at 8 kHz."""
    return Frame(value.to_bytes(2, "little", signed=True) * (8 * milliseconds), 8000)


# -- the mixer alone -------------------------------------------------------------------------------------------------


class HandClock(Clock):
    """A clock that ticks when the test says so."""

    def __init__(self) -> None:
        super().__init__(threading.RLock())
        self.tickers: list[Ticker] = []

    def every_frame(self, tick: Callable[[int], None], delay_ns: int = 0) -> Ticker:
        self.tickers.append(Ticker(tick, 0))
        return self.tickers[-1]

    def tick(self) -> None:
        for ticker in self.tickers:
            if not ticker.stopped:
                ticker.tick(0)


class Ear(ListenerLeg):
    def __init__(self) -> None:
        self.heard: list[bytes] = []
        super().__init__(FORMATS["slin"], self.heard.append)


def test_two_members_hear_each_frame_at_once_and_as_long_as_it_is() -> None:
    clock, one, two = HandClock(), Ear(), Ear()
    mixer = Mixer(clock)
    mixer.join(one)
    mixer.join(two)
    for _ in range(100):
        one.deliver(loud(1))
    one.deliver(loud(2, milliseconds=200))
    assert [len(pcm) for pcm in two.heard] == [320] * 100 + [3200]
    assert one.heard == []
    assert mixer.technology == "simple_bridge"


def test_three_members_hear_the_sum_of_the_others_every_20_ms() -> None:
    clock, ears = HandClock(), [Ear(), Ear(), Ear()]
    mixer = Mixer(clock)
    for ear in ears:
        mixer.join(ear)
    for value, ear in zip((100, 20, 3), ears, strict=True):
        ear.deliver(loud(value))
    assert [ear.heard for ear in ears] == [[], [], []]
    clock.tick()
    assert [ear.heard for ear in ears] == [[loud(23).pcm], [loud(103).pcm], [loud(120).pcm]]
    clock.tick()
    assert [ear.heard[1] for ear in ears] == [silence(8000)] * 3
    assert mixer.technology == "softmix"
    mixer.leave(ears[0])
    assert mixer.technology == "simple_bridge"


def test_more_than_80_ms_in_the_mixers_queue_are_thrown_away_when_more_comes() -> None:
    queue = Queue(8000)
    for _ in range(5):
        queue.feed(loud(1))
    assert queue.thrown_away == 0
    queue.feed(loud(2))
    assert queue.thrown_away == 1
    assert queue.take() == loud(2).pcm
    assert queue.take() == silence(8000)


def test_of_one_long_frame_the_mixer_holds_back_160_ms_and_no_more() -> None:
    queue = Queue(8000)
    queue.feed(loud(1, milliseconds=200))
    taken = 0
    while queue.take() == loud(1).pcm:
        taken += 1
    assert taken == 1 + 8


def test_half_a_frame_waits_for_its_other_half() -> None:
    queue = Queue(8000)
    queue.feed(loud(1, milliseconds=10))
    assert queue.take() == silence(8000)
    queue.feed(loud(1, milliseconds=10))
    assert queue.take() == loud(1).pcm


# -- through ARI -----------------------------------------------------------------------------------------------------


@in_loop
async def test_a_bridge_becomes_a_mixer_with_three_and_simple_again_with_two() -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client:
        phones = [asterisk.dial("1000") for _ in range(3)]
        callers = [await client.answered(phone) for phone in phones]
        bridge = await client.bridged(*callers)
        assert (await client.get(f"/bridges/{bridge}"))["technology"] == "softmix"
        heard = phones[0].listen()
        await within(heard.get())
        # The newcomer stands first while the bridge changes its technology.
        assert phones[0].variables["BRIDGEPEER"] == f"{phones[2].name},{phones[1].name}"
        await client.post(f"/bridges/{bridge}/removeChannel", channel=callers[1])
        assert (await client.get(f"/bridges/{bridge}"))["technology"] == "simple_bridge"
        assert phones[0].variables["BRIDGEPEER"] == phones[2].name
        assert "BRIDGEPEER" not in phones[1].variables


@in_loop
async def test_a_channel_in_another_bridge_is_moved_and_a_muted_one_is_not_heard() -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client:
        one, two = asterisk.dial("1000"), asterisk.dial("1000")
        callers = [await client.answered(phone) for phone in (one, two)]
        first = await client.bridged(*callers)
        second = await client.bridged(callers[0], mute="true")
        assert (await client.get(f"/bridges/{first}"))["channels"] == [callers[1]]
        await client.post(f"/bridges/{second}/addChannel", channel=callers[1])
        heard = one.listen()
        await within(heard.get())
        count = len(two.log.heard)
        await within(heard.get())
        await within(heard.get())
        assert len(two.log.heard) == count


@in_loop
async def test_connected_lines_are_told_unless_inhibited() -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client, MediaServer() as media:
        phone = asterisk.dial("1000", caller_id="5551234")
        caller, leg = await client.answered(phone), await client.media_leg(media)
        await client.bridged(caller, leg, inhibitConnectedLineUpdates="true")
        assert (await client.get(f"/channels/{leg}"))["connected"]["number"] == ""
        await client.bridged(caller, leg)
        assert (await client.get(f"/channels/{leg}"))["connected"]["number"] == "5551234"


@in_loop
async def test_a_playback_on_a_bridge_is_heard_by_all_and_can_be_paused_and_stopped() -> None:
    async with Asterisk(DIALPLAN, sounds=SOUNDS) as asterisk, Client(asterisk) as client:
        phones = [asterisk.dial("1000"), asterisk.dial("1000")]
        bridge = await client.bridged(*[await client.answered(phone) for phone in phones])
        status, body = await client.request("POST", f"/bridges/{bridge}/play/p", media="sound:hello,sound:hello")
        assert (status, body["state"], body["next_media_uri"]) == (201, "queued", "sound:hello")
        await client.event("PlaybackContinuing")
        await client.event("PlaybackFinished")
        for phone in phones:
            assert any(any(wire.pcm) for wire in phone.log.heard)

        await client.post(f"/bridges/{bridge}/play/q", media="tone:ring")
        await client.event("PlaybackStarted")
        await client.post("/playbacks/q/control", operation="pause")
        assert (await client.get("/playbacks/q"))["state"] == "paused"
        await client.post("/playbacks/q/control", operation="unpause")
        await client.event("PlaybackStarted")
        await client.delete("/playbacks/q")
        assert (await client.event("PlaybackFinished"))["playback"]["state"] == "done"
        assert (await client.request("DELETE", "/playbacks/q"))[0] == 404


@in_loop
async def test_a_playback_on_a_channel_holds_up_what_comes_behind_it() -> None:
    async with Asterisk(DIALPLAN, sounds=SOUNDS) as asterisk, Client(asterisk) as client:
        phone = asterisk.dial("1000")
        caller = await client.answered(phone)
        bridge = await client.bridged()
        await client.post(f"/channels/{caller}/play", media="sound:hello", playbackId="p")
        await client.post(f"/channels/{caller}/play", media="sound:hello", playbackId="q")
        adding = asyncio.ensure_future(client.post(f"/bridges/{bridge}/addChannel", channel=caller))
        await client.delete("/playbacks/q")
        assert not adding.done()
        await client.event("PlaybackFinished")
        await within(adding)
        # The second was cancelled before it began: it finishes without having started.
        kinds = [(event["type"], event["playback"]["id"]) for event in client.events if "playback" in event]
        assert kinds == [("PlaybackStarted", "p"), ("PlaybackFinished", "p"), ("PlaybackFinished", "q")]


@in_loop
async def test_hanging_up_ends_a_playback_on_the_channel() -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client:
        phone = asterisk.dial("1000")
        caller = await client.answered(phone)
        await client.post(f"/channels/{caller}/play/p", media="tone:ring")
        await client.event("PlaybackStarted")
        phone.hang_up()
        await within(phone.ended.wait())


@in_loop
async def test_an_unknown_scheme_starts_and_never_finishes() -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client:
        phone = asterisk.dial("1000")
        caller = await client.answered(phone)
        await client.post(f"/channels/{caller}/play/p", media="gopher:hole")
        await client.event("PlaybackStarted")
        await client.post(f"/channels/{caller}/variable", variable="A", value="1")
        assert "PlaybackFinished" not in client.types()


@in_loop
async def test_music_is_heard_on_a_channel_and_on_a_bridge() -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client:
        phone = asterisk.dial("1000")
        caller = await client.answered(phone)
        heard = phone.listen()
        await client.post(f"/channels/{caller}/moh")
        assert any((await within(heard.get())).pcm)
        await client.delete(f"/channels/{caller}/moh")
        bridge = await client.bridged(caller)
        assert (await client.request("DELETE", f"/bridges/{bridge}/moh"))[0] == 409
        await client.post(f"/bridges/{bridge}/moh")
        while not any((await within(heard.get())).pcm):
            pass
        await client.delete(f"/bridges/{bridge}/moh")
        await client.delete(f"/bridges/{bridge}")
        await client.event("BridgeDestroyed")


@in_loop
async def test_a_recording_of_a_bridge_holds_what_was_said_and_one_of_a_bridged_channel_fails() -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client:
        phone = asterisk.dial("1000")
        caller = await client.answered(phone)
        bridge = await client.bridged(caller)
        await client.post(f"/bridges/{bridge}/record", name="r", format="wav")
        await within(phone.speak(tone(440, 0.2)))
        assert (await client.get("/recordings/live/r"))["state"] == "recording"
        await client.post("/recordings/live/r/stop")
        finished = await client.event("RecordingFinished")
        assert finished["recording"]["duration"] >= 0
        assert any(asterisk.recordings["r"].sound.pcm)
        again = await client.request("POST", f"/bridges/{bridge}/record", name="r", format="wav")
        assert again == (409, {"message": "Recording 'r' already exists and can not be overwritten"})

        await client.post(f"/channels/{caller}/record", name="s", format="wav")
        failed = await client.event("RecordingFailed")
        assert failed["recording"]["cause"] == "Cannot record channel while in bridge"
        await client.delete("/recordings/stored/r")
        assert await client.get("/recordings/stored") == []
