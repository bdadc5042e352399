"""The grid, in virtual time: frame n is due at the start + n * 20 ms, whatever happened to the frames before it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.audio.pacer import BEAT_NS, LAG_NS, Pacer, aligned
from ipc.rings import FRAME_NS

START = 1_000_000_000_000
CATCH_UP = 5


def test_nothing_is_sent_before_its_time() -> None:
    pacer = Pacer(START, CATCH_UP)
    assert pacer.take_due(START - 1) == (0, 0)
    assert pacer.due_ns == START


def test_on_time_there_is_one_frame_every_20_ms() -> None:
    pacer = Pacer(START, CATCH_UP)
    for number in range(100):
        assert pacer.take_due(START + number * FRAME_NS) == (1, 0)
        assert pacer.take_due(START + number * FRAME_NS) == (0, 0), "once is enough"


@pytest.mark.parametrize("late_ns", [1, 3_000_000, FRAME_NS - 1])
def test_a_little_late_is_late_for_one_frame_only(late_ns: int) -> None:
    pacer = Pacer(START, CATCH_UP)
    assert pacer.take_due(START + late_ns) == (1, 0)
    assert pacer.due_ns == START + FRAME_NS, "the grid has not moved"


@pytest.mark.parametrize("missed", range(1, CATCH_UP + 1))
def test_frames_that_were_missed_go_out_at_once_and_the_grid_is_kept(missed: int) -> None:
    pacer = Pacer(START, CATCH_UP)
    assert pacer.take_due(START + missed * FRAME_NS + 7) == (missed + 1, 0)
    assert pacer.due_ns == START + (missed + 1) * FRAME_NS


@pytest.mark.parametrize("missed", [CATCH_UP + 1, 50, 3000])
def test_who_was_away_too_long_gives_up_the_rest_and_counts_it(missed: int) -> None:
    pacer = Pacer(START, CATCH_UP)
    assert pacer.take_due(START + missed * FRAME_NS) == (CATCH_UP + 1, missed - CATCH_UP)
    assert pacer.due_ns == START + (missed + 1) * FRAME_NS, "on the old grid again, and on time"


def test_without_catching_up_there_is_never_more_than_the_frame_that_is_due() -> None:
    pacer = Pacer(START, 0)
    assert pacer.take_due(START + 3 * FRAME_NS) == (1, 3)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10), st.lists(st.integers(0, 400_000_000), max_size=100))
def test_frames_sent_and_given_up_are_the_time_that_has_passed(catch_up: int, naps_ns: list[int]) -> None:
    pacer = Pacer(START, catch_up)
    now = START
    sent = given_up = 0
    for nap_ns in naps_ns:
        now += nap_ns
        send, skipped = pacer.take_due(now)
        assert send <= catch_up + 1
        assert not skipped or send == catch_up + 1, "nothing is given up that could have been sent"
        sent, given_up = sent + send, given_up + skipped
        assert sent + given_up == (now - START) // FRAME_NS + 1
        assert pacer.due_ns > now and (pacer.due_ns - START) % FRAME_NS == 0


@given(
    st.integers(0, 10**9),
    st.integers(0, FRAME_NS - 1),
    st.lists(st.integers(-4_900_000, 4_900_000), min_size=25, max_size=25),
)
def test_the_grid_is_moved_to_just_behind_the_callers_frames(since: int, phase: int, jitter: list[int]) -> None:
    arrivals = [START + phase + number * FRAME_NS + late for number, late in enumerate(jitter)]
    now = arrivals[-1] + since
    due = aligned(now, arrivals)
    assert now <= due < now + FRAME_NS, "nobody waits for longer than a frame"
    assert due % BEAT_NS == 0, "together with other calls"
    behind = (due - START - phase - sorted(jitter)[12]) % FRAME_NS
    assert LAG_NS <= behind < LAG_NS + BEAT_NS, "the usual frame has come 2 ms before it is read"


def test_a_burst_among_the_first_frames_does_not_move_the_grid() -> None:
    steady = [START + number * FRAME_NS for number in range(20)]
    burst = [START + 20 * FRAME_NS + 9_000_000 + number for number in range(5)]
    assert aligned(START + 30 * FRAME_NS + 5, steady + burst) == START + 30 * FRAME_NS + LAG_NS
