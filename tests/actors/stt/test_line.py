import numpy as np
import pytest

from actors.pcm import Pcm
from actors.stt.line import Line


def block(dbfs: float) -> Pcm:
    amplitude = 32768.0 * 10 ** (dbfs / 20) * np.sqrt(2.0)
    tone: Pcm = np.rint(amplitude * np.sin(np.arange(320) * 0.3)).astype(np.int16)
    return tone


def loudness(line: Line) -> float:
    return float(line.mean.split(",")[0])


@pytest.mark.parametrize("dbfs", [-40.0, -33.0, -12.0])
def test_the_mean_follows_the_level_decibel_by_decibel(dbfs: float) -> None:
    line, reference = Line(), Line()
    line.listen(block(dbfs + 7.0))
    assert line.adopt()
    assert loudness(line) - loudness(reference) == pytest.approx(1.004 * (dbfs + 26.0), abs=0.3)


def test_a_level_near_the_assumed_one_is_not_worth_beginning_again() -> None:
    line = Line()
    line.listen(block(-22.0 + 7.0))
    assert not line.adopt()


def test_once_adopted_a_level_is_not_adopted_again() -> None:
    line = Line()
    line.listen(block(-30.0))
    assert line.adopt()
    line.listen(block(-31.0))
    assert not line.adopt()


def test_silence_is_taken_for_a_quiet_line_and_no_quieter() -> None:
    line = Line()
    line.listen(np.zeros(320, dtype=np.int16))
    assert line.adopt()
    assert loudness(line) == pytest.approx(75.5 - 1.004 * 42.0, abs=0.01)
