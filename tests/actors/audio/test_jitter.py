"""Packets that come late, twice, in another order or never, in virtual time: what leaves the buffer, and when.

Packets are numbered; in what leaves, a hole is the number of packets that it stands for, in brackets.
"""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.audio.jitter import FARTHEST, LEAST_WAIT_NS, MARGIN_NS, Hole, JitterBuffer

MS = 1_000_000
FRAME = 20 * MS
SAMPLES = 160


class Line:
    """One sender, whose packet n is sent at n * 20 ms and takes 30 ms on the fastest way."""

    def __init__(self, longest_ms: int = 60, *, sequence: int = 0, timestamp: int = 0) -> None:
        self.buffer = JitterBuffer(8000, longest_ms)
        self.sequence, self.timestamp = sequence, timestamp
        self.out: list[int | list[int]] = []

    def arrive(self, number: int, late_ms: float = 0, *, stamp: int | None = None) -> list[int | list[int]]:
        """Packet n comes so late; what leaves then."""
        now = number * FRAME + 30 * MS + int(late_ms * MS)
        timestamp = self.timestamp + (number * SAMPLES if stamp is None else stamp)
        payload = number.to_bytes(4, "big")
        self.buffer.put((self.sequence + number) & 0xFFFF, timestamp & 0xFFFFFFFF, SAMPLES, payload, now)
        return self.at(now)

    def at(self, now_ns: int) -> list[int | list[int]]:
        left: list[int | list[int]] = [
            [piece.units // SAMPLES] if isinstance(piece, Hole) else int.from_bytes(piece, "big")
            for piece in self.buffer.take(now_ns)
        ]
        self.out += left
        return left

    def due(self, number: int) -> int:
        """When packet n comes on the fastest way."""
        return number * FRAME + 30 * MS


@pytest.fixture
def line() -> Line:
    line = Line()
    for number in range(5):
        line.arrive(number)
    return line


def test_on_a_clear_line_every_packet_goes_on_at_once() -> None:
    line = Line()
    assert [line.arrive(number) for number in range(50)] == [[number] for number in range(50)]


@pytest.mark.parametrize(("sequence", "timestamp"), [(65_530, 0), (0, 2**32 - 800), (65_535, 2**32 - 1)])
def test_numbers_and_time_stamps_begin_again_at_their_width_and_nothing_happens(sequence: int, timestamp: int) -> None:
    line = Line(sequence=sequence, timestamp=timestamp)
    for number in range(20):
        if number != 10:
            line.arrive(number)
    line.at(line.due(25))
    assert line.out == [*range(10), [1], *range(11, 20)]
    assert line.buffer.report.restarts == 0


def test_neighbours_that_have_changed_places_are_put_right(line: Line) -> None:
    line.arrive(6, -10)
    line.arrive(5, 15)
    assert line.out == [0, 1, 2, 3, 4, 5, 6]
    assert (line.buffer.report.reordered, line.buffer.report.lost) == (1, 0)


def test_a_lost_packet_is_waited_for_and_then_a_hole_of_its_length(line: Line) -> None:
    assert line.arrive(6) == [[1], 6], "its own time is 20 ms ago by now, which is long enough on a clear line"
    assert line.buffer.report.lost == 1


def test_on_a_line_with_jitter_it_is_waited_for_longer_but_not_longer_than_allowed() -> None:
    line = Line(longest_ms=60)
    for number in range(20):
        line.arrive(number, 45 if number % 5 == 4 else 0)
    assert line.arrive(21) == []
    assert line.at(line.due(20) + 45 * MS) == []
    assert line.at(line.due(20) + 45 * MS + MARGIN_NS) == [[1], 21]
    spiky = Line(longest_ms=60)
    for number in range(20):
        spiky.arrive(number, 300 if number == 10 else 0)
    assert spiky.buffer.wait_ns == 60 * MS


def test_a_packet_that_comes_within_its_wait_leaves_no_hole() -> None:
    line = Line()
    for number in range(20):
        line.arrive(number, 40 if number == 3 else 0)
    line.arrive(21)
    line.arrive(20, 38)
    assert line.out[-2:] == [20, 21] and line.buffer.report.lost == 0


def test_a_packet_that_comes_after_its_hole_is_not_heard_but_the_next_one_like_it_is_waited_for(line: Line) -> None:
    line.arrive(6)
    assert line.arrive(5, 50) == []
    assert line.buffer.report.late == 1
    assert line.buffer.wait_ns >= 50 * MS
    for number in (7, 8, 9, 11):
        line.arrive(number)
    line.arrive(10, 45)
    assert line.out[-5:] == [7, 8, 9, 10, 11]


def test_a_packet_that_comes_twice_is_heard_once(line: Line) -> None:
    line.arrive(4)
    line.arrive(6, -15)
    line.arrive(6, -14)
    line.arrive(5)
    assert line.out == [0, 1, 2, 3, 4, 5, 6]
    assert (line.buffer.report.duplicate, line.buffer.report.late) == (2, 0)


def test_what_was_seen_of_jitter_is_forgotten_within_ten_seconds_of_good_weather() -> None:
    line = Line()
    for number in range(20):
        line.arrive(number, 40 if number == 10 else 0)
    assert line.buffer.wait_ns >= 40 * MS
    for number in range(20, 520):
        line.arrive(number)
    assert line.buffer.wait_ns == LEAST_WAIT_NS


@pytest.mark.parametrize("ppm", [-200, 0, 200])
def test_a_sender_whose_clock_is_off_is_followed_for_ten_minutes_and_the_wait_does_not_creep(ppm: int) -> None:
    line = Line()
    for number in range(30_000):
        line.arrive(number, number * 20 * ppm / 1e6)
    assert line.out == list(range(30_000))
    assert line.buffer.wait_ns == LEAST_WAIT_NS
    assert line.buffer.jitter_ns <= 2.1 * MS


def test_a_pause_is_no_loss_whatever_the_time_stamps_do(line: Line) -> None:
    for jump in (50 * SAMPLES, -1_000_000, 2**31, 7):
        first = len(line.out)
        line.timestamp += jump
        later = 100 * len(line.out)
        for number in range(first, first + 5):
            assert line.arrive(number, later) == [number]
    assert line.out == list(range(25))
    assert line.buffer.report.lost == 0 and line.buffer.jitter_ns == 0


def test_a_loss_just_before_another_spurt_is_as_long_as_it_can_be_known(line: Line) -> None:
    line.timestamp += 1_000_000
    line.arrive(7)
    line.at(line.due(7) + 60 * MS)
    assert line.out[-2:] == [[2], 7]


def test_numbers_that_are_left_out_without_any_time_are_no_hole(line: Line) -> None:
    for number in (30, 31):  # Asterisk hands on a gap of another leg's numbers, and its own time goes on
        line.arrive(number, stamp=(number - 25) * SAMPLES)
    line.at(line.due(35))
    assert line.out == [0, 1, 2, 3, 4, 30, 31]


def test_a_long_outage_is_a_hole_of_its_length(line: Line) -> None:
    line.arrive(5 + FARTHEST - 1)
    line.at(line.due(5 + FARTHEST))
    assert line.out[-2:] == [[FARTHEST - 1], 5 + FARTHEST - 1]


def test_one_stray_packet_from_far_away_changes_nothing_and_two_that_follow_are_a_new_stream(line: Line) -> None:
    assert line.arrive(3000) == []
    assert line.arrive(5) == [5]
    assert line.arrive(9000) == []
    assert line.arrive(9001) == [9000, 9001]
    assert line.arrive(9002) == [9002]
    assert line.buffer.report.restarts == 1


def test_what_is_held_when_the_stream_begins_anew_is_still_heard(line: Line) -> None:
    line.arrive(7, -30)
    line.buffer.restart()
    line.arrive(20_000)
    assert line.out[-3:] == [[2], 7, 20_000]


def test_who_reads_late_gets_everything_in_order_and_calls_nothing_lost_that_is_there(line: Line) -> None:
    now = line.due(20)
    for number in (6, 5, 8, 7, 10, 9):
        line.buffer.put(number, number * SAMPLES, SAMPLES, number.to_bytes(4, "big"), now)
    assert line.at(now) == [5, 6, 7, 8, 9, 10]


@settings(max_examples=150, deadline=None)
@given(st.randoms(use_true_random=False), st.sampled_from([20, 60, 200]), st.integers(0, 300), st.floats(0, 0.4))
def test_whatever_the_weather_packets_leave_in_order_and_once_and_every_one_is_accounted_for(
    rng: random.Random, longest_ms: int, jitter_ms: int, loss: float
) -> None:
    # Packet 0 is there and in time: what comes before the first that is heard is no hole.
    line = Line(longest_ms, sequence=65_500)
    came = sorted((number * 20 + rng.random() * jitter_ms, number) for number in range(150) if rng.random() >= loss)
    came = [(0.0, 0)] + [(at, number) for at, number in came if number]
    came += [(at, number) for at, number in came if rng.random() < 0.05]
    for at, number in sorted(came):
        line.arrive(number, at - number * 20)
    line.at(line.due(300))
    heard = [number for number in line.out if isinstance(number, int)]
    assert heard[0] == 0 and heard == sorted(set(heard))
    report = line.buffer.report
    last = heard[-1]
    holes = sum(piece[0] for piece in line.out if isinstance(piece, list))
    assert holes == report.lost == last + 1 - len(heard)
    assert report.released == len(heard)
    if jitter_ms < 20:
        assert len(heard) == len({number for _, number in came})
