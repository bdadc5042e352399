"""Calls that a provider holds: no engine is started, and the call has a way through every other part of the house."""

import array
import itertools
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.asterisk import Phone
from ipc.journal import BargedIn, CallEnded, CallStarted, ProviderClosed, ProviderResumed
from tests.system.guest import Guest
from tests.system.house import House, lacks, started
from tests.system.loop import Loop

FRAME_SAMPLES = 160


class Marked:
    """A caller who says numbers: each 20 ms is one number, so what comes back is known to the sample. Without mu-law,
    and straight from the dialplan: a bridge's mixer throws away what comes too fast after a stall."""

    def __init__(self, house: House) -> None:
        self.phone: Phone = house.asterisk.dial("1001", coded=False)
        self.guest = Guest(house, self.phone)
        self._house = house
        self.said = 0

    def says(self, frames: int) -> range:
        """Gives the numbers."""
        numbers = range(self.said + 1, self.said + frames + 1)
        self.said += frames
        self.phone.say(b"".join(number.to_bytes(2, "little") * FRAME_SAMPLES for number in numbers))
        return numbers

    def heard(self) -> list[tuple[int, int]]:
        """Numbers in the order in which they came back, and how many samples of each in a row."""
        samples = array.array("h", b"".join(wire.pcm for wire in self.phone.log.heard))
        runs = ((number, len(list(run))) for number, run in itertools.groupby(samples))
        return [(number, length) for number, length in runs if number]

    async def hears_one_of(self, numbers: range) -> None:
        await self._house.until(
            f"one of {numbers} comes back", lambda: any(number in numbers for number, _ in self.heard())
        )

    def heard_whole_frames_in_order(self) -> None:
        heard = self.heard()
        numbers = [number for number, _ in heard]
        assert numbers == sorted(set(numbers)), "none twice, none out of order"
        assert {length for _, length in heard} == {FRAME_SAMPLES}, "sample for sample"


@pytest.fixture(scope="module")
def loopback(loop: Loop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with loop.entered(started(tmp_path_factory.mktemp("loopback"), {"default_provider": "loopback"})) as house:
        yield house


async def test_no_engine_is_started_and_the_system_is_ready_without(loopback: House) -> None:
    status = await loopback.status()
    assert status.ready
    assert lacks(status) == []
    assert not {actor.role for actor in status.actors} & {"stt", "llm", "tts"}


async def test_the_caller_hears_every_sample_of_their_own_voice(loopback: House) -> None:
    caller = Marked(loopback)
    await caller.hears_one_of(caller.says(150))
    (before, _), numbers = caller.heard()[0], caller.says(200)
    await caller.hears_one_of(numbers[-1:])
    caller.phone.hang_up()
    ended = await caller.guest.is_over()
    caller.heard_whole_frames_in_order()
    (closed,) = caller.guest.all(ProviderClosed)
    missing = set(range(before, numbers[-1])) - {number for number, _ in caller.heard()}
    assert len(missing) <= closed.figures["dropped"], f"{missing} never came back"
    assert (ended.corrupt, ended.skipped) == (0, 0)


async def test_the_conversation_dies_and_the_caller_hears_themselves_again(loopback: House) -> None:
    caller = Marked(loopback)
    await caller.hears_one_of(caller.says(150))
    conversation = await loopback.actor("conversation.1")
    os.kill(conversation.pid, signal.SIGKILL)
    caller.says(50)
    await loopback.comes_back(conversation)
    resumed = await caller.guest.record(ProviderResumed)
    assert resumed.provider == "loopback"
    assert resumed.away_ms > 0

    await caller.hears_one_of(caller.says(50))
    numbers = caller.says(150)
    await caller.hears_one_of(numbers[-1:])
    caller.phone.hang_up()
    await caller.guest.is_over()
    caller.heard_whole_frames_in_order()
    (closed,) = caller.guest.all(ProviderClosed)
    missing = set(numbers) - {number for number, _ in caller.heard()}
    assert len(missing) <= closed.figures["dropped"], f"{missing} never came back"


async def test_the_journal_says_who_holds_the_call(loopback: House) -> None:
    caller = Marked(loopback)
    await caller.hears_one_of(caller.says(100))
    caller.phone.hang_up()
    await caller.guest.is_over()
    records = caller.guest.records
    assert isinstance(records[0], CallStarted)
    assert (records[0].provider, records[0].pipeline, records[0].engines) == ("loopback", "", {})
    assert isinstance(records[-1], CallEnded)
    await loopback.nothing_is_left()


async def test_a_caller_who_speaks_silences_the_speaker(tmp_path: Path) -> None:
    async with started(tmp_path, {"default_provider": "speaker"}) as house:
        guest = Guest(house, house.asterisk.dial("1000"))
        await guest.hears_the_agent_speak(1.0)
        await guest.says("opening hours")
        record = await guest.record(BargedIn)
        assert record.onset_ns < record.flushed_ns
        assert record.silent_ns - record.flushed_ns < 1_000_000_000
        await guest.hears_the_agent_speak(1.0)
        ended = await guest.hangs_up()
        assert ended.frames_sent > 100
        assert guest.all(ProviderClosed)[0].figures["interruptions"] == 1
