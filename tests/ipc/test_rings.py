"""The audio plane, one process on both ends. Processes that are killed on it: `test_rings_torture.py`."""

import os
from array import array
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipc import rings as ring
from ipc.ear import EarReader, EarWriter, Frame
from ipc.mouth import Grid, MouthGauge, MouthReader, MouthWriter
from ipc.rings import EAR_SLOTS, MOUTH_SLOTS, Bell, Rings, WrongRing
from ipc.segment import Segment

NAME = f"ringmaster-test-{os.getpid()}-rings"


@pytest.fixture(params=[8000, 16000])
def rings(request: pytest.FixtureRequest) -> Iterator[Rings]:
    ring.create(NAME, request.param)
    view = Rings(NAME)
    yield view
    view.close()
    ring.unlink(NAME)


@pytest.fixture
def narrow() -> Iterator[Rings]:
    ring.create(NAME, 8000)
    view = Rings(NAME)
    yield view
    view.close()
    ring.unlink(NAME)


def pcm(rings: Rings, number: int) -> bytes:
    return number.to_bytes(2, "little", signed=True) * (rings.payload // 2)


def speak(ear: EarWriter, rings: Rings, number: int, **marks: object) -> None:
    ear.write(pcm(rings, number), captured_ns=number, level=-20.0, speech=True, **marks)  # type: ignore[arg-type]


def test_an_ear_frame_arrives_with_everything_that_was_said_about_it(rings: Rings) -> None:
    reader = EarReader(rings)
    EarWriter(rings).write(pcm(rings, 7), captured_ns=123, level=-31.5, speech=True, gap=True, digit="#")
    frame = reader.read()
    assert frame == Frame(0, pcm(rings, 7), 123, -31.5, True, True, "#")
    assert reader.read() is None


def test_every_reader_has_its_own_cursor(rings: Rings) -> None:
    ear, early = EarWriter(rings), EarReader(rings)
    speak(ear, rings, 0)
    late = EarReader(rings)
    speak(ear, rings, 1)
    assert [early.read(), early.read()] == [EarReader(rings, 0).read(), late.read()]


def test_a_reader_may_start_in_the_past_thirty_seconds(rings: Rings) -> None:
    ear = EarWriter(rings)
    for number in range(EAR_SLOTS):
        speak(ear, rings, number)
    reader = EarReader(rings, from_frame=2)
    frame = reader.read()
    assert frame is not None and frame.number == 2 and reader.lost == 0 and reader.behind == EAR_SLOTS - 3


def test_the_writer_never_waits_and_a_reader_that_fell_behind_is_told_how_much_it_lost(rings: Rings) -> None:
    ear, reader = EarWriter(rings), EarReader(rings)
    for number in range(EAR_SLOTS + 100):
        speak(ear, rings, number)
    frame = reader.read()
    assert frame is not None
    assert (frame.number, reader.lost) == (101, 101)  # one more than overwritten: the writer may be in that slot
    seen = 1
    while reader.read():
        seen += 1
    assert seen + reader.lost == EAR_SLOTS + 100


def test_a_new_writer_goes_on_where_the_dead_one_stopped(rings: Rings) -> None:
    speak(EarWriter(rings), rings, 0)
    successor = EarWriter(Rings(NAME))
    speak(successor, rings, 1)
    reader = EarReader(rings, 0)
    assert [frame.number for frame in (reader.read(), reader.read()) if frame] == [0, 1]
    successor._rings.close()


def test_a_slot_that_was_torn_is_never_given_out(rings: Rings) -> None:
    ear, reader = EarWriter(rings), EarReader(rings)
    speak(ear, rings, 0)
    speak(ear, rings, 1)
    rings.buf[rings.ear_at + 100] ^= 0xFF
    frame = reader.read()
    assert frame is not None and frame.number == 1
    assert reader.lost == 1 and reader.torn > 0


def test_the_mouth_pushes_back_when_it_is_full(rings: Rings) -> None:
    writer, pacer = MouthWriter(rings), MouthReader(rings)
    written = 0
    while writer.write(pcm(rings, 1), 0, 0):
        written += 1
    assert (written, writer.space) == (MOUTH_SLOTS, 0)
    assert pacer.take() is not None
    assert writer.write(pcm(rings, 1), 0, 0)


def test_a_flush_is_one_store_after_which_nothing_older_is_heard(rings: Rings) -> None:
    writer, pacer, gauge = MouthWriter(rings), MouthReader(rings), MouthGauge(rings)
    for _ in range(10):
        writer.write(pcm(rings, 1), 0, 0)
    assert pacer.take() == (pcm(rings, 1), 0)
    fresh = gauge.flush()
    assert pacer.take() is None
    writer.write(pcm(rings, 1), 0, 0)  # a synthesiser that has not noticed yet
    writer.write(pcm(rings, 2), fresh, 0)
    assert pacer.take() == (pcm(rings, 2), fresh)
    assert writer.audible == fresh


def test_the_caller_has_heard_what_the_pacer_put_on_the_wire_and_nothing_else(rings: Rings) -> None:
    writer, pacer, gauge = MouthWriter(rings), MouthReader(rings), MouthGauge(rings)
    samples = rings.payload // 2
    for _ in range(10):
        writer.write(pcm(rings, 1), 0, 0)
    for now in (1000, 2000, 3000):
        assert pacer.take() is not None
        pacer.note_played(0, samples, now)
    fresh = gauge.flush()
    assert gauge.played(0) == (3 * samples, 1000, 3000)
    assert gauge.played(fresh) == (0, 0, 0)


def test_samples_of_a_generation_are_counted_across_writers(rings: Rings) -> None:
    first = MouthWriter(rings)
    first.write(pcm(rings, 1), 0, 0)
    first.write(pcm(rings, 1)[:10], 0, 0, end=True)
    other = Rings(NAME)
    assert MouthWriter(other).offset(0) == rings.payload // 2 + 5
    assert MouthWriter(other).offset(1) == 0
    other.close()


def test_an_empty_mouth_in_the_middle_of_a_clause_is_an_underrun_and_between_clauses_it_is_not(rings: Rings) -> None:
    writer, pacer, gauge = MouthWriter(rings), MouthReader(rings), MouthGauge(rings)
    writer.write(pcm(rings, 1), 0, 0)
    assert pacer.take() and pacer.take() is None and pacer.mid_clause
    writer.write(pcm(rings, 1), 0, 0, end=True)
    assert pacer.take() and pacer.take() is None and not pacer.mid_clause
    writer.write(pcm(rings, 1), 0, 0)
    assert pacer.take()
    gauge.flush()
    assert pacer.take() is None and not pacer.mid_clause


def test_what_waits_in_the_mouth_is_known_before_it_is_taken(rings: Rings) -> None:
    writer, pacer, gauge = MouthWriter(rings), MouthReader(rings), MouthGauge(rings)
    assert pacer.look_ahead() == (0, False, False)
    writer.write(pcm(rings, 1), 0, 0)
    writer.write(pcm(rings, 2), 0, 0)
    assert pacer.look_ahead() == (2, False, False) and pacer.slot == 0
    fresh = gauge.flush()
    writer.write(pcm(rings, 3), fresh, 0, live=True)
    writer.write(pcm(rings, 4), fresh, 0, end=True)
    assert pacer.look_ahead() == (2, True, True) and pacer.slot == 2, "the flushed are discarded, the others stay"
    assert pacer.take() == (pcm(rings, 3), fresh) and pacer.live
    assert pacer.take() == (pcm(rings, 4), fresh) and not pacer.live


def test_a_successor_finds_what_its_predecessors_playout_has_left(rings: Rings) -> None:
    assert MouthReader(rings).remembered is None
    MouthReader(rings).remember((1, 400, 3, 160, -1, 0))
    assert MouthReader(rings).remembered == (1, 400, 3, 160, -1, 0)


def test_a_successor_finds_the_pacers_grid_and_counters(rings: Rings) -> None:
    assert MouthGauge(rings).grid is None
    first = MouthReader(rings)
    first.grid[:] = array("Q", (10, 20, 3, 2, 1, 0, 5, 0, 0))
    first.publish()
    assert tuple(MouthReader(rings).grid) == MouthGauge(rings).grid == Grid(10, 20, 3, 2, 1, 0, 5, 0, 0)


@pytest.mark.parametrize("late_us", [0, 1, 7, 8, 100, 999, 5_000, 250_000])
def test_lateness_is_reported_within_an_eighth_of_an_octave(narrow: Rings, late_us: int) -> None:
    MouthReader(narrow).note_lateness(late_us * 1000)
    (p99,) = MouthGauge(narrow).lateness_ms(0.99)
    assert late_us <= p99 * 1000 <= max(late_us * 1.126, late_us * 2 if late_us < 8 else 0, 1)


def test_the_closing_of_a_call_is_seen_by_all(rings: Rings) -> None:
    other = Rings(NAME)
    assert not other.closed
    rings.mark_closed()
    assert other.closed
    other.close()


def test_rings_of_another_version_are_refused_with_both_sides_figures() -> None:
    segment = Segment.create(NAME, 8192)
    ring._HEADER.pack_into(segment.buf, 0, ring.MAGIC, 99, 8000, 320, EAR_SLOTS, MOUTH_SLOTS, ring.TAP_SLOTS)
    with pytest.raises(WrongRing, match=rf"version 99, this process uses version {ring.VERSION}"):
        Rings(NAME)
    segment.close()
    segment.unlink()


def test_a_bell_that_was_rung_twice_is_heard_once() -> None:
    bell = Bell(ring.make_bells()[0])
    bell.ring()
    bell.ring()
    assert os.eventfd_read(bell.descriptor) == 2
    bell.clear()  # silent when there is nothing to clear
    bell.close()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from("wwwtf"), max_size=600))
def test_the_pacer_gets_exactly_the_unflushed_slots_in_order(steps: list[str]) -> None:
    ring.create(NAME, 8000)
    rings = Rings(NAME)
    writer, pacer, gauge = MouthWriter(rings), MouthReader(rings), MouthGauge(rings)
    expected: list[int] = []
    number = 0
    for step in steps:
        if step == "w":
            number += 1
            if writer.write(pcm(rings, number), gauge.generation, 0):
                expected.append(number)
        elif step == "f":
            gauge.flush()
            expected.clear()
        else:
            taken = pacer.take()
            assert (taken[0] if taken else None) == (pcm(rings, expected.pop(0)) if expected else None)
    rings.close()
    ring.unlink(NAME)
