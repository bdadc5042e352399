"""It never stops talking, but for the caller."""

import struct
from collections.abc import Iterator
from itertools import pairwise

import pytest
from msgspec import structs

from actors.conversation.providers.speaker import REFILL_AT, tune
from config.schema import BargeIn, Settings, Turns
from ipc.journal import BargedIn
from ipc.mouth import MouthWriter
from ipc.rings import FRAME_NS, MOUTH_SLOTS
from tests.actors.conversation.providers.booth import Booth

SPEECH_FRAMES, SILENT_FRAMES = 7, 20
"""140 ms of speech interrupt it, 400 ms of silence give it the floor again."""


@pytest.fixture
def booth() -> Iterator[Booth]:
    with Booth("speaker") as entered:
        yield entered


def hears(booth: Booth, frames: int, *, speech: bool) -> list[bytes | None]:
    """What the caller hears meanwhile."""
    heard = []
    for _ in range(frames):
        booth.caller(speech=speech)
        heard.append(booth.tick())
    return heard


@pytest.mark.parametrize("rate", [8000, 16000])
def test_the_tune_is_never_silent_never_loud_and_can_be_repeated_without_a_click(rate: int) -> None:
    frames = tune(rate)
    assert len(b"".join(frames)) == 4 * rate * 2
    samples = [struct.unpack(f"<{len(frame) // 2}h", frame) for frame in frames]
    loudest = [max(map(abs, frame)) for frame in samples]
    assert min(loudest) > 500
    assert max(loudest) < 8000
    steps = [abs(later - earlier) for frame in samples for earlier, later in pairwise(frame)]
    assert abs(samples[0][0] - samples[-1][-1]) <= max(steps)


def test_it_speaks_from_the_start_and_without_end(booth: Booth) -> None:
    heard = hears(booth, 1000, speech=False)
    assert heard == [*tune(8000) * 5]
    assert booth.pacer.mid_clause
    assert booth.close()["interruptions"] == 0


def test_the_mouth_is_filled_when_it_is_half_empty_and_not_with_every_frame(booth: Booth) -> None:
    mouth = MouthWriter(booth.rings)
    assert mouth.written == MOUTH_SLOTS
    hears(booth, REFILL_AT, speech=False)
    assert mouth.written == MOUTH_SLOTS
    hears(booth, 1, speech=False)
    assert mouth.written == MOUTH_SLOTS + REFILL_AT


def test_it_falls_silent_when_the_caller_speaks_and_begins_again_when_they_are_done(booth: Booth) -> None:
    hears(booth, 100, speech=False)
    spoken = hears(booth, 50, speech=True)
    assert spoken == [*tune(8000)[100 : 100 + SPEECH_FRAMES - 1]] + [None] * (50 - SPEECH_FRAMES + 1)
    waited = hears(booth, SILENT_FRAMES + 100, speech=False)
    assert waited == [None] * (SILENT_FRAMES - 1) + [*tune(8000)[:101]]


def test_the_interruption_is_in_the_journal_once_the_caller_is_done(booth: Booth) -> None:
    hears(booth, 100, speech=False)
    hears(booth, 50, speech=True)
    assert booth.records == []
    hears(booth, SILENT_FRAMES, speech=False)
    (record,) = booth.records
    assert isinstance(record, BargedIn)
    assert record.turn == 1
    assert record.onset_ns == 101 * FRAME_NS
    assert record.silent_ns == (100 + SPEECH_FRAMES - 1) * FRAME_NS, "the last of it that went on the wire"
    assert 0 < record.flushed_ns <= record.at_ns
    assert booth.close()["interruptions"] == 1


def test_a_caller_who_hangs_up_while_they_speak_has_interrupted_as_well(booth: Booth) -> None:
    hears(booth, 10, speech=True)
    assert booth.close()["interruptions"] == 1
    assert [type(record) for record in booth.records] == [BargedIn]


def test_a_short_noise_does_not_interrupt(booth: Booth) -> None:
    hears(booth, SPEECH_FRAMES - 1, speech=True)
    hears(booth, 10, speech=False)
    assert None not in hears(booth, SPEECH_FRAMES - 1, speech=True)


def test_a_pause_in_the_callers_sentence_is_not_its_end(booth: Booth) -> None:
    hears(booth, SPEECH_FRAMES, speech=True)
    hears(booth, SILENT_FRAMES - 1, speech=False)
    hears(booth, 1, speech=True)
    assert hears(booth, SILENT_FRAMES - 1, speech=False) == [None] * (SILENT_FRAMES - 1)
    assert None not in hears(booth, 10, speech=False)


def test_it_talks_on_where_interrupting_is_switched_off() -> None:
    rules = Turns(barge_in=BargeIn(enabled=False))
    with Booth("speaker", settings=structs.replace(Settings(), turns=rules)) as booth:
        assert None not in hears(booth, 100, speech=True)


def test_a_successor_goes_on_with_the_next_note(booth: Booth) -> None:
    heard = hears(booth, 60, speech=False)
    for _ in range(100):  # nobody fills it, and it lasts
        heard.append(booth.tick())
    booth.provider = booth.opened(taken_over=True)
    heard += hears(booth, 500, speech=False)
    assert heard == [*(tune(8000) * 4)[:660]]


def test_a_successor_is_silent_for_a_caller_who_is_still_speaking(booth: Booth) -> None:
    hears(booth, 50, speech=True)
    booth.provider = booth.opened(taken_over=True)
    assert None in hears(booth, SPEECH_FRAMES + 1, speech=True)
