"""Both sides of a call beside each other. Frames here are one sample long: c7 is the caller's 7, 0 is silence."""

import struct

import pytest

from actors.conversation.tape import APART, FAR_APART, LAGGING, Tape


def pcm(number: int) -> bytes:
    return struct.pack("<h", number)


def heard(tape: Tape, *numbers: int) -> None:
    for number in numbers:
        tape.hear(number, pcm(number + 1))


def sides(stereo: bytes) -> tuple[list[int], list[int]]:
    samples = struct.unpack(f"<{len(stereo) // 2}h", stereo)
    return list(samples[::2]), list(samples[1::2])


def test_the_caller_is_left_and_the_agent_is_right() -> None:
    tape = Tape(2, from_frame=100)
    for number in range(3):
        tape.hear(100 + number, pcm(number + 1))
        tape.send(100 + number, pcm(-number - 1))
    assert sides(tape.take()) == ([1, 2, 3], [-1, -2, -3])
    assert tape.take() == b""


def test_what_one_side_has_more_waits_for_the_other() -> None:
    tape = Tape(2, 0)
    heard(tape, 0, 1, 2)
    tape.send(0, pcm(-1))
    assert sides(tape.take()) == ([1], [-1])
    tape.send(1, pcm(-2))
    tape.send(2, pcm(-3))
    assert sides(tape.take()) == ([2, 3], [-2, -3])


def test_a_side_that_stays_away_is_silence() -> None:
    tape = Tape(2, 0)
    heard(tape, *range(LAGGING + 3))
    assert sides(tape.take()) == ([1, 2, 3], [0, 0, 0])


def test_what_the_ear_has_lost_is_silence_of_the_same_length() -> None:
    tape = Tape(2, 0)
    heard(tape, 0, 3)
    for number in range(4):
        tape.send(number, pcm(-1))
    assert sides(tape.take())[0] == [1, 0, 0, 4]


@pytest.mark.parametrize("jitter", [[0, 0, 2, 2, 4], [0, 1, 1, 5, 5], [0, 0, 0, 0, 0]])
def test_jitter_moves_nothing(jitter: list[int]) -> None:
    tape = Tape(2, 0)
    for number, beside in enumerate(jitter):
        tape.send(beside, pcm(-number - 1))
    assert sides(tape.take(until=5))[1] == [-1, -2, -3, -4, -5]


def test_where_frames_were_never_sent_the_agent_is_silent_for_as_long() -> None:
    tape = Tape(2, 0)
    tape.send(0, pcm(-1))
    tape.send(APART + 2, pcm(-2))
    assert sides(tape.take(until=APART + 3))[1] == [-1] + [0] * (APART + 1) + [-2]


def test_a_side_that_is_ahead_loses_silence_first_and_speech_only_when_it_is_far_ahead() -> None:
    tape = Tape(2, 0)
    for _ in range(APART + 1):
        tape.send(0, pcm(-1))
    tape.send(0, pcm(0))
    tape.send(0, pcm(-2))
    for _ in range(2 * FAR_APART):
        tape.send(0, pcm(-3))
    right = sides(tape.take(until=100))[1]
    assert right[: APART + 2] == [-1] * (APART + 1) + [-2] and right.count(-3) == FAR_APART - APART - 1


def test_a_recording_ends_with_the_frame_that_was_named() -> None:
    tape = Tape(2, from_frame=10)
    heard(tape, 10, 11, 12, 13)
    tape.send(10, pcm(-1))
    assert sides(tape.take(until=13)) == ([11, 12, 13], [-1, 0, 0])
    assert tape.take(until=13) == b""


def test_a_successor_leaves_out_what_is_in_the_file_already() -> None:
    tape = Tape(2, from_frame=10, done=3)
    heard(tape, 11, 12, 13, 14)
    tape.send(13, pcm(-4))
    tape.send(14, pcm(-5))
    assert sides(tape.take()) == ([14, 15], [-4, -5])


def test_the_count_of_the_ears_frames_may_wrap() -> None:
    tape = Tape(2, from_frame=2**32 - 1)
    tape.hear(2**32 - 1, pcm(1))
    tape.hear(2**32, pcm(2))
    tape.send(2**32 - 1, pcm(-1))
    tape.send(0, pcm(-2))
    assert sides(tape.take()) == ([1, 2], [-1, -2])
