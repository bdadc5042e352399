"""Whether a series grows: with series that were made up."""

import random

import pytest

from bench.soak.series import slope

AT = [5.0 * look for look in range(360)]
"""Half an hour of looks."""
FLOOR = 10.0


def noise(size: float, seed: int = 1, memory: float = 0.0) -> list[float]:
    """`memory`: how much of each value is in the next one."""
    chance = random.Random(seed)
    values, last = [], 0.0
    for _ in AT:
        last = memory * last + chance.gauss(0.0, size)
        values.append(last)
    return values


def test_a_leak_is_found_and_measured() -> None:
    found = slope(AT, [40_000 + 30.0 * at / 60 + error for at, error in zip(AT, noise(50.0), strict=True)])
    assert found.grows(FLOOR)
    assert found.per_minute == pytest.approx(30.0, abs=3 * found.uncertainty)
    assert found.uncertainty < 3.0


def test_a_leak_in_steps_is_found() -> None:
    """As of memory that is taken from the system by the megabyte."""
    assert slope(AT, [40_000 + 1024.0 * (int(at) // 300) for at in AT]).grows(FLOOR)


@pytest.mark.parametrize("seed", range(20))
def test_noise_is_no_leak(seed: int) -> None:
    found = slope(AT, [40_000 + error for error in noise(100.0, seed)])
    assert not found.grows(FLOOR)


def test_noise_whose_looks_resemble_each_other_is_not_taken_for_more_than_it_is() -> None:
    """Two standard errors of looks that were taken for independent would be wrong of most of these."""
    found = [slope(AT, noise(20.0, seed, memory=0.9)) for seed in range(40)]
    outside = sum(abs(one.per_minute) > one.uncertainty for one in found)
    assert outside <= 8


def test_what_fills_at_the_beginning_is_no_leak() -> None:
    found = slope(AT, [40_000 + min(at, 400.0) * 50 for at in AT])
    assert (found.per_minute, found.uncertainty) == (0.0, 0.0)
    assert not found.grows(FLOOR)


def test_a_line_is_measured_exactly() -> None:
    found = slope(AT, [2.0 * at / 60 for at in AT])
    assert found.per_minute == pytest.approx(2.0)
    assert found.grows(1.9)
    assert not found.grows(2.1), "it is below the floor"


def test_what_falls_is_no_leak() -> None:
    assert not slope(AT, [-100.0 * at for at in AT]).grows(FLOOR)


def test_too_few_looks_tell_nothing() -> None:
    assert not slope([], []).grows(FLOOR)
    assert not slope([0.0, 60.0, 120.0], [0.0, 1000.0, 2000.0]).grows(FLOOR)
