"""Climbing with made-up systems: a number of calls in, held or not out."""

from collections.abc import Callable

import pytest

from bench.capacity.climb import FINE, Climb


def climb(holds: Callable[[int], bool], *, most: int = 400, start: int = 1, tries: int = 1) -> tuple[Climb, list[int]]:
    """The climb at its end, and every number that was measured."""
    climbing, measured = Climb(most, start, tries), []
    while (calls := climbing.next()) is not None:
        measured.append(calls)
        assert len(measured) < 60, measured
        climbing.note(calls, holds(calls))
    return climbing, measured


def test_calls_are_doubled_until_one_breaks_and_then_narrowed_down() -> None:
    climbing, measured = climb(lambda calls: calls <= 22)
    assert measured == [1, 2, 4, 8, 16, 32, 24, 20, 22]
    assert (climbing.held, climbing.broke) == (22, 24)


@pytest.mark.parametrize("limit", range(1, 400, 7))
def test_what_is_found_is_at_most_an_eighth_below_the_limit(limit: int) -> None:
    climbing, measured = climb(lambda calls: calls <= limit)
    assert climbing.held <= limit < climbing.held + max(1, climbing.held // FINE) + 1
    assert len(measured) <= 14


def test_nothing_beyond_the_most_is_tried_and_nothing_broke() -> None:
    climbing, measured = climb(lambda calls: True, most=50)
    assert measured == [1, 2, 4, 8, 16, 32, 50]
    assert (climbing.held, climbing.broke) == (50, None)


def test_a_machine_that_carries_no_call_is_found_out_at_once() -> None:
    climbing, measured = climb(lambda calls: False)
    assert (measured, climbing.held, climbing.broke) == ([1], 0, 1)


def test_a_start_that_breaks_is_left_downwards() -> None:
    climbing, measured = climb(lambda calls: calls <= 3, start=20)
    assert measured[0] == 20
    assert (climbing.held, climbing.broke) == (3, 4)


def test_a_number_that_failed_once_by_chance_is_tried_again() -> None:
    chances = {8: 1}

    def holds(calls: int) -> bool:
        if chances.get(calls, 0):
            chances[calls] -= 1
            return False
        return calls <= 16

    climbing, measured = climb(holds, tries=2)
    assert measured[:6] == [1, 2, 4, 8, 8, 16]
    assert climbing.held == 16


def test_a_number_that_fails_twice_counts_as_broken() -> None:
    climbing, measured = climb(lambda calls: calls < 2, tries=2)
    assert measured == [1, 2, 2]
    assert (climbing.held, climbing.broke) == (1, 2)
