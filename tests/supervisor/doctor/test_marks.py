"""Frames that carry their numbers over a telephone line."""

import numpy as np
import pytest

from actors import pcm
from supervisor.doctor import marks


def over_g711(frame: bytes) -> bytes:
    return pcm.from_mulaw(pcm.to_mulaw(np.frombuffer(frame, dtype="<i2"))).astype("<i2").tobytes()


@pytest.mark.parametrize("number", [0, 1, 499, 32_768, 65_535])
def test_a_number_comes_through(number: int) -> None:
    assert marks.number(marks.frame(number)) == number


def test_a_number_comes_through_g711() -> None:
    for number in range(0, 65_536, 397):
        assert marks.number(over_g711(marks.frame(number))) == number


def test_a_number_comes_through_a_quiet_line() -> None:
    quiet = (np.frombuffer(marks.frame(321), dtype="<i2") // 8).astype("<i2").tobytes()
    assert marks.number(quiet) == 321


def test_neither_silence_nor_noise_is_a_number() -> None:
    assert marks.number(marks.SILENCE) is None
    chance = np.random.default_rng(7)
    loud = [chance.integers(-8000, 8000, marks.SAMPLES).astype("<i2").tobytes() for _ in range(500)]
    assert [marks.number(frame) for frame in loud] == [None] * 500


def test_a_frame_of_another_length_is_no_number() -> None:
    assert marks.number(marks.frame(1) + b"\0\0") is None


@pytest.mark.parametrize("samples", [0, 1, 37, 80, 159])
def test_marks_are_found_where_frames_begin_elsewhere(samples: int) -> None:
    stream = bytes(2 * samples) + b"".join(marks.frame(number) for number in range(100, 110)) + marks.SILENCE
    reader = marks.Reader()
    frames = [stream[at : at + marks.FRAME_BYTES] for at in range(0, len(stream), marks.FRAME_BYTES)]
    found = [reader.read(frame) for frame in frames if len(frame) == marks.FRAME_BYTES]
    assert [number for number in found if number is not None] == list(range(100, 110))


def test_each_mark_is_found_once_only() -> None:
    reader = marks.Reader()
    stream = [marks.frame(5), marks.SILENCE, marks.SILENCE, marks.frame(6), marks.SILENCE]
    assert [reader.read(frame) for frame in stream] == [5, None, None, 6, None]
