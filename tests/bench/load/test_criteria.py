"""What bound a rung: in the order in which one would look for it."""

import pytest

from bench.load.criteria import at_least, at_most, limit_of, no_loss

PACING = at_most("pace_error_ms.p99", 1.0, "pacing")
FINE = {"pace_error_ms": {"p99": 0.5}, "lost": 0, "duplicates": 0, "foreign": 0, "audio_ratio": 1.0}


def test_a_rung_that_meets_everything_is_bound_by_nothing() -> None:
    assert limit_of(FINE, [PACING, *no_loss()], fit=True) == ""


@pytest.mark.parametrize(
    ("changes", "fit", "limit"),
    [
        ({"pace_error_ms": {"p99": 1.2}}, True, "pacing"),
        ({"pace_error_ms": {"p99": 1.2}, "machine_busy_percent": 99.0}, True, "cpu"),
        ({"lost": 1}, True, "loss"),
        ({"audio_ratio": 0.9}, True, "loss"),
        ({"refused": 2, "lost": 1}, True, "refused"),
        ({"refused": 2, "pace_error_ms": {"p99": 9.0}}, False, "generator"),
        ({"pace_error_ms": {}}, True, "pacing"),
        ({"lost": 1, "elsewhere_percent": 30.0}, True, "elsewhere"),
        ({"refused": 1, "bench_cpu_percent": 99.0}, True, "generator"),
    ],
)
def test_the_first_thing_that_was_not_right_is_named(changes: dict[str, object], fit: bool, limit: str) -> None:
    assert limit_of({**FINE, **changes}, [PACING, *no_loss()], fit=fit) == limit


def test_what_was_not_measured_was_not_met() -> None:
    assert not at_least("audio_ratio", 0.9, "loss").met({})
    assert at_least("audio_ratio", 0.9, "loss").json({}) == {
        "criterion": "audio_ratio >= 0.9",
        "value": None,
        "met": False,
    }
