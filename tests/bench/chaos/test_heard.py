"""What callers heard, from accounts that were made up."""

import numpy as np

from bench.chaos.heard import PACE_ALLOWANCE_MS, Account, Limits, broken, spread, toll


def account(*, hit: bool = True, call_lost: bool = False, gap_ms: float = 20.0, recovery_ms: float = 20.0,
            marks_lost: int = 0, before: float = 0.1, during: float = 0.1) -> Account:  # fmt: skip
    """Pacing errors: those of 100 frames, all of the same size, late and early by turns."""
    signs = np.tile((1.0, -1.0), 50)
    return Account(hit, call_lost, gap_ms, recovery_ms, marks_lost, before * signs, during * signs)


def test_a_spread_is_of_values_that_occurred() -> None:
    found = spread([float(value) for value in range(1, 21)])
    assert found is not None
    assert (found.p50, found.p95, found.max) == (11.0, 20.0, 20.0)
    assert spread([]) is None


def test_a_lost_frame_is_a_fiftieth_of_a_second_of_speech() -> None:
    words = toll([account(marks_lost=50), account(marks_lost=25)]).words_lost_s
    assert words is not None
    assert (words.p50, words.max) == (1.0, 1.0)


def test_who_was_dropped_counts_as_lost_and_has_nothing_else_to_tell() -> None:
    found = toll([account(gap_ms=40.0), account(call_lost=True, gap_ms=9000.0, during=500.0)])
    assert (found.callers, found.calls_lost) == (2, 1)
    assert found.gap_ms is not None
    assert found.gap_ms.max == 40.0
    assert found.pace_during_ms == 0.1


def test_pacing_is_over_all_frames_of_all_callers_and_early_counts_as_late() -> None:
    accounts = [account(during=0.1) for _ in range(9)] + [account(during=7.0)]
    found = toll(accounts)
    assert (found.pace_before_ms, found.pace_during_ms) == (0.1, 7.0), "a tenth of the frames is more than 1 %"


def test_no_callers_tell_nothing_and_break_nothing() -> None:
    nobody = toll([])
    assert (nobody.gap_ms, nobody.pace_during_ms) == (None, None)
    assert broken(nobody, nobody, Limits(gap_ms=300.0, recovery_ms=1500.0)) == []


def test_within_its_limits_nothing_is_broken() -> None:
    hit, others = toll([account(gap_ms=300.0, recovery_ms=1500.0)]), toll([account(hit=False)])
    assert broken(hit, others, Limits(gap_ms=300.0, recovery_ms=1500.0)) == []


def test_each_broken_limit_is_told_in_a_sentence() -> None:
    hit = toll([account(gap_ms=301.0, recovery_ms=1501.0), account(call_lost=True)])
    others = toll([account(hit=False, during=0.2 + PACE_ALLOWANCE_MS)])
    assert broken(hit, others, Limits(gap_ms=300.0, recovery_ms=1500.0)) == [
        "1 call lost",
        "the gap is 301 ms (p95), and 300 ms are allowed",
        "the recovery is 1501 ms (p95), and 1500 ms are allowed",
        "the pacing of the others went from 0.10 to 2.20 ms (p99)",
    ]


def test_a_call_that_is_lost_among_the_others_is_lost_too() -> None:
    assert broken(toll([]), toll([account(hit=False, call_lost=True)]), Limits()) == ["1 call lost"]
    assert broken(toll([]), toll([account(hit=False, call_lost=True)]), Limits(call_stays=False)) == []


def test_one_long_gap_in_many_does_not_break_a_limit_on_p95() -> None:
    hit = toll([account(gap_ms=100.0) for _ in range(39)] + [account(gap_ms=900.0)])
    assert broken(hit, toll([]), Limits(gap_ms=300.0)) == []
