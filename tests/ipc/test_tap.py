"""The tap, one process on both ends."""

import os
from collections.abc import Iterator

import pytest

from ipc import rings as ring
from ipc.ear import EarWriter
from ipc.rings import BELLS, TAP_SLOTS, Rings
from ipc.tap import TAPPED, Sent, TapReader, TapWriter

NAME = f"ringmaster-test-{os.getpid()}-tap"


@pytest.fixture(params=[8000, 16000])
def rings(request: pytest.FixtureRequest) -> Iterator[Rings]:
    ring.create(NAME, request.param)
    view = Rings(NAME)
    yield view
    view.close()
    ring.unlink(NAME)


def pcm(rings: Rings, number: int) -> bytes:
    return number.to_bytes(2, "little") * (rings.payload // 2)


def test_what_was_sent_says_which_of_the_callers_frames_it_belongs_to(rings: Rings) -> None:
    ear, tap, reader = EarWriter(rings), TapWriter(rings), TapReader(rings)
    tap.write(pcm(rings, 1), 100)
    for _ in range(3):
        ear.write(pcm(rings, 9), captured_ns=0, level=-20.0, speech=True)
    tap.write(pcm(rings, 2), 200)
    assert [reader.read(), reader.read(), reader.read()] == [
        Sent(0, pcm(rings, 1), 100, 0),
        Sent(1, pcm(rings, 2), 200, 3),
        None,
    ]


def test_a_recorder_that_fell_behind_is_told_what_it_lost_and_ear_and_mouth_are_left_alone(rings: Rings) -> None:
    tap, reader = TapWriter(rings), TapReader(rings)
    before = bytes(rings.buf[rings.ear_at : rings.tap_at])
    for number in range(TAP_SLOTS + 10):
        tap.write(pcm(rings, number), number)
    sent = reader.read()
    assert sent is not None and sent.number == reader.lost == 11 and sent.pcm == pcm(rings, 11)
    assert bytes(rings.buf[rings.ear_at : rings.tap_at]) == before


def test_whoever_listens_for_the_taps_bell_is_seen_by_the_audio_actor(rings: Rings) -> None:
    assert not rings.listened & TAPPED
    rings.listen(BELLS.index("ear.conversation"))
    assert not rings.listened & TAPPED
    rings.listen(BELLS.index("ear.tap"))
    assert rings.listened & TAPPED
