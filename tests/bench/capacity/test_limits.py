"""Which limits a number of calls broke, and which one is to blame."""

from typing import Any

import pytest

from bench.capacity.figures import Figures
from bench.capacity.limits import Limits, binding, breaches, turn_limit_ms


def figures(**changes: Any) -> Figures:
    fine: dict[str, Any] = {"calls": 10, "up": 10, "pacing_p99_ms": 0.3, "turn_p95_ms": 600.0, "turns": 40}
    return Figures(**{**fine, "age_p95_ms": 10.0, "cpu_busy": 50.0, "memory_free": 60.0, **changes})


def broken(**changes: Any) -> list[str]:
    return [breach.name for breach in breaches(figures(**changes), Limits(), 1500.0)]


def test_what_is_within_all_limits_breaks_none() -> None:
    assert broken() == []


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"pacing_p99_ms": 5.1}, "pacing"),
        ({"turn_p95_ms": 1501.0}, "turn"),
        ({"age_p95_ms": 201.0}, "age"),
        ({"memory_free": 9.9}, "memory"),
        ({"cpu_busy": 90.1}, "cpu"),
        ({"lost": 1}, "lost"),
        ({"up": 9, "refused": ("full",)}, "refused"),
        ({"ended": 1}, "ended"),
        ({"unanswered": 1}, "unanswered"),
        ({"talkers": 10, "turns": 9}, "unanswered"),
    ],
)
def test_each_limit_is_noticed(changes: dict[str, Any], name: str) -> None:
    assert broken(**changes) == [name]


def test_one_unanswered_turn_in_a_hundred_is_nothing_special() -> None:
    assert broken(turns=100, unanswered=1) == []


def test_what_was_not_measured_breaks_nothing() -> None:
    assert broken(turn_p95_ms=None, age_p95_ms=None, turns=0) == []


def test_callers_that_are_late_themselves_say_nothing_about_the_system() -> None:
    found = breaches(figures(generator_fit=False, generator_late_ms=7.0, lost=500, cpu_busy=100.0), Limits(), 1500.0)
    assert [breach.name for breach in found] == ["generator"]
    assert "cannot generate 10 calls" in found[0].text


def test_the_one_to_blame_is_what_is_furthest_beyond_its_limit() -> None:
    found = breaches(figures(cpu_busy=99.0, turn_p95_ms=6000.0, lost=3), Limits(), 1500.0)
    assert binding(found).name == "turn"
    assert binding(found).by == pytest.approx(300.0)


def test_slow_configurations_are_held_to_what_one_call_takes_and_half_of_it() -> None:
    assert turn_limit_ms(Limits(), figures(calls=1, turn_p95_ms=600.0)) == 1500.0
    assert turn_limit_ms(Limits(), figures(calls=1, turn_p95_ms=2000.0)) == 3000.0
    assert turn_limit_ms(Limits(), figures(calls=1, turn_p95_ms=None)) == 1500.0
