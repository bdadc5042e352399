"""Which way of running is tried next, and which is recommended."""

from collections.abc import Mapping

import pytest

from bench.capacity.attempts import Attempt, Outcome, best, following, to_try
from bench.capacity.figures import Figures
from bench.capacity.limits import Breach, Name

COUNTS = {"stt": 2, "llm": 2, "tts": 2, "conversation": 1}
LIGHT = {"audio": 5.0, "stt": 60.0, "conversation": 20.0}
HEAVY_AUDIO = {"audio": 80.0, "conversation": 20.0}


def outcome(
    held: int,
    limit: Name | None = None,
    *,
    density: int = 1,
    cpu: Mapping[str, float] = LIGHT,
    busiest: Mapping[str, float] | None = None,
    busy: float = 95.0,
) -> Outcome:
    attempt = Attempt(density, COUNTS)
    at = Figures(calls=held, up=held)
    if limit is None:
        return Outcome(attempt, at, None)
    broke = Figures(calls=held + 1, up=held + 1, cpu=cpu, busiest=busiest or {}, cpu_busy=busy)
    return Outcome(attempt, at if held else None, broke, (Breach(limit, "too much", 10.0),))


def next_after(*outcomes: Outcome, wanted: int = 0, dense: int = 25, cores: int = 8) -> Attempt | None:
    return following(outcomes, wanted=wanted, dense=dense, cores=cores)


def test_calls_share_audio_processes_where_these_take_the_cpu() -> None:
    attempt = next_after(outcome(20, "cpu", cpu=HEAVY_AUDIO))
    assert attempt is not None and attempt.density == 25


def test_sharing_is_not_tried_where_models_take_the_cpu() -> None:
    assert next_after(outcome(20, "cpu", cpu={"audio": 5.0, "stt": 150.0})) is None


@pytest.mark.parametrize("limit", ["pacing", "memory", "lost"])
def test_sharing_is_tried_where_many_processes_are_the_trouble(limit: Name) -> None:
    attempt = next_after(outcome(20, limit))
    assert attempt is not None and attempt.density == 25


def test_sharing_is_not_tried_where_isolation_carries_what_is_wanted() -> None:
    assert next_after(outcome(20, "memory"), wanted=16) is None
    assert next_after(outcome(20, "memory"), wanted=17) is not None


def test_sharing_is_tried_once() -> None:
    assert next_after(outcome(20, "pacing"), outcome(30, "pacing", density=25)) is None


def test_a_pool_that_has_no_more_to_give_gets_more_processes() -> None:
    cpu = {"stt": 190.0, "tts": 10.0}
    attempt = next_after(outcome(20, "turn", cpu=cpu, busiest={"stt": 95.0, "tts": 5.0}, busy=40.0))
    assert attempt is not None
    assert dict(attempt.counts) == {**COUNTS, "stt": 3}


def test_more_processes_are_of_no_use_on_a_machine_that_is_busy() -> None:
    assert next_after(outcome(20, "turn", busiest={"stt": 95.0}, busy=90.0)) is None


def test_no_more_processes_than_cores() -> None:
    assert next_after(outcome(20, "turn", busiest={"stt": 95.0}, busy=40.0), cores=2) is None


def test_nothing_more_is_tried_where_nothing_broke() -> None:
    assert next_after(outcome(400)) is None


def test_isolation_is_recommended_unless_density_carries_a_quarter_more() -> None:
    isolated = outcome(20, "memory")
    assert best([isolated, outcome(24, "memory", density=25)], 0) is isolated
    dense = outcome(25, "memory", density=25)
    assert best([isolated, dense], 0) is dense


def test_isolation_is_recommended_where_it_carries_what_is_wanted() -> None:
    isolated = outcome(20, "memory")
    assert best([isolated, outcome(80, "memory", density=25)], 16) is isolated


def test_a_fifth_of_what_held_is_kept_back() -> None:
    assert [outcome(held, "cpu").recommended for held in (0, 1, 2, 10, 99)] == [0, 1, 1, 8, 79]


def test_no_more_calls_are_tried_than_are_wanted_and_kept_back() -> None:
    assert to_try(0, 400) == 400
    assert to_try(16, 400) == 20
    assert to_try(390, 400) == 400
