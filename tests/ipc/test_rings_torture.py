"""The rings between processes that are killed and stopped at random. A longer run: `python -m bench.rings`."""

import pytest

from bench.rings import torture


@pytest.mark.parametrize("seed", [1, 2])
def test_every_frame_of_the_ear_is_read_whole_and_in_order_or_counted_as_lost(seed: int) -> None:
    result = torture("ear", 20_000_000, seed)
    assert result.ok, result
    assert result.frames_read > result.frames_written // 4, "the torture is to be survived, not only to be noticed"


@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_in_the_mouth_is_doubled_torn_or_out_of_order(seed: int) -> None:
    result = torture("mouth", 5_000_000, seed)
    assert result.ok, result
