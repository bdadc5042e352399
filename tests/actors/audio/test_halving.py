"""From 16000 Hz to 8000 Hz: what a caller can hear stays, what would fold back goes, and frames join without a seam."""

import math
import random
from array import array

import pytest

from actors.audio.halving import Halving
from actors.vad import level_dbfs

FRAME = 640


def tone(hz: float, rate: int = 16000, seconds: float = 0.5, loud: int = 10_000) -> bytes:
    return array(
        "h", (int(loud * math.sin(2 * math.pi * hz * at / rate)) for at in range(int(rate * seconds)))
    ).tobytes()


def halved(pcm: bytes) -> bytes:
    halving = Halving()
    return b"".join(halving.halve(pcm[at : at + FRAME]) for at in range(0, len(pcm), FRAME))


@pytest.mark.parametrize("hz", [100, 300, 1000, 2000, 3000, 3400])
def test_what_a_telephone_carries_is_as_loud_as_before(hz: float) -> None:
    assert level_dbfs(halved(tone(hz))[1600:]) == pytest.approx(level_dbfs(tone(hz)), abs=0.3)


@pytest.mark.parametrize("hz", [4700, 5000, 6000, 7000, 7900])
def test_what_would_fold_back_is_gone(hz: float) -> None:
    assert level_dbfs(halved(tone(hz))[1600:]) < level_dbfs(tone(hz)) - 40


def test_it_is_the_same_sound_12_samples_later() -> None:
    out, expected = array("h", halved(tone(440))), array("h", tone(440, rate=8000))
    assert max(abs(one - other) for one, other in zip(out[200:], expected[188:], strict=False)) < 100


def test_frames_join_without_a_seam() -> None:
    noise = random.Random(1).randbytes(FRAME * 20)
    assert halved(noise) == Halving().halve(noise)


def test_the_loudest_there_is_stays_within_sixteen_bits() -> None:
    square = array("h", (32767 if at % 40 < 20 else -32768 for at in range(1600))).tobytes()
    assert level_dbfs(halved(square)) == pytest.approx(0.0, abs=1.0)
