"""A call as a stereo file: the caller left, the agent right, every frame where it belongs."""

import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench import wire_wav
from bench.asterisk.media.handset import Wire, WireLog

MS = 1_000_000
START = 7_000_000_000_000


def frame(ms: float, value: int, samples: int = 160) -> Wire:
    return Wire(START + int(ms * MS), np.full(samples, value, dtype="<i2").tobytes(), samples)


def written(tmp_path: Path, log: WireLog) -> tuple[np.ndarray, int, int]:
    """Samples by channel, the rate, and the file's first instant."""
    first_ns = wire_wav.write(tmp_path / "call.wav", log)
    with wave.open(str(tmp_path / "call.wav")) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (2, 2)
        pcm = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").reshape(-1, 2)
        return pcm, file.getframerate(), first_ns


def runs(side: np.ndarray) -> list[tuple[int, int]]:
    """Value and length of each stretch of equal samples: what one hears, in order."""
    cuts = np.flatnonzero(np.diff(side)) + 1
    return [(int(part[0]), len(part)) for part in np.split(side, cuts) if len(part)]


@pytest.mark.parametrize(("rate", "samples"), [(8000, 160), (16000, 320)])
def test_both_sides_are_in_it_to_the_sample(tmp_path: Path, rate: int, samples: int) -> None:
    log = WireLog(rate, [frame(0, 1, samples), frame(20, 2, samples)], [frame(0, 3, samples), frame(20, 4, samples)])
    pcm, written_rate, first_ns = written(tmp_path, log)
    assert (written_rate, first_ns) == (rate, START)
    assert runs(pcm[:, 0]) == [(1, samples), (2, samples)]
    assert runs(pcm[:, 1]) == [(3, samples), (4, samples)]


def test_the_side_that_began_later_is_silent_until_then(tmp_path: Path) -> None:
    pcm, _, first_ns = written(tmp_path, WireLog(8000, [frame(100, 1)], [frame(0, 3), frame(20, 4)]))
    assert first_ns == START
    assert runs(pcm[:, 0]) == [(0, 800), (1, 160)]
    assert runs(pcm[:, 1]) == [(3, 160), (4, 160), (0, 640)]


def test_the_side_that_ended_earlier_is_silent_from_then_on(tmp_path: Path) -> None:
    pcm, _, _ = written(tmp_path, WireLog(8000, [frame(0, 1)], [frame(20 * number, 3) for number in range(10)]))
    assert runs(pcm[:, 0]) == [(1, 160), (0, 9 * 160)]


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.floats(0, 55), min_size=1, max_size=50))
def test_jitter_of_the_network_makes_no_gaps(tmp_path: Path, late_ms: list[float]) -> None:
    arrived = np.maximum.accumulate([20 * number + late for number, late in enumerate(late_ms)])
    log = WireLog(8000, [frame(0, 9)], [frame(ms, number + 1) for number, ms in enumerate(arrived)])
    pcm, _, _ = written(tmp_path, log)
    assert runs(pcm[:, 1]) == [(number + 1, 160) for number in range(len(late_ms))]


def test_frames_that_came_in_a_burst_are_laid_one_after_the_other(tmp_path: Path) -> None:
    log = WireLog(8000, [frame(0, 9)], [frame(0, 1), frame(100, 2), frame(100, 3), frame(100, 4), frame(120, 5)])
    pcm, _, _ = written(tmp_path, log)
    assert runs(pcm[:, 1]) == [(1, 160), (0, 640), (2, 160), (3, 160), (4, 160), (5, 160)]


def test_a_hole_is_as_long_as_the_person_heard_it(tmp_path: Path) -> None:
    log = WireLog(8000, [frame(0, 9)], [frame(0, 1), frame(20, 2), frame(340, 3)])
    pcm, _, _ = written(tmp_path, log)
    assert runs(pcm[:, 1]) == [(1, 160), (2, 160), (0, 300 * 8), (3, 160)]


def test_frames_of_other_lengths_keep_their_place(tmp_path: Path) -> None:
    log = WireLog(8000, [frame(0, 9)], [frame(0, 1, 240), frame(30, 2, 240), frame(60, 3, 480), frame(120, 4, 80)])
    pcm, _, _ = written(tmp_path, log)
    assert runs(pcm[:, 1]) == [(1, 240), (2, 240), (3, 480), (4, 80)]


def test_a_call_in_which_nothing_was_sent_or_heard_is_an_empty_file(tmp_path: Path) -> None:
    pcm, rate, first_ns = written(tmp_path, WireLog(8000))
    assert (len(pcm), rate, first_ns) == (0, 8000, 0)
