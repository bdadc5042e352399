"""How errors are counted over a soak that is too long to keep them."""

import numpy as np

from bench.soak.churn import BIN_MS, MOST_MS, Tally, quantile


def test_a_quantile_is_told_to_the_width_of_a_bin() -> None:
    tally = Tally()
    bins = np.bincount((np.array([1.0] * 99 + [30.0]) / BIN_MS).astype(np.int64), minlength=round(MOST_MS / BIN_MS) + 1)
    assert 1.0 < quantile(bins, 0.5) <= 1.0 + 2 * BIN_MS
    assert 30.0 < quantile(bins, 0.995) <= 30.0 + 2 * BIN_MS
    assert tally.json()["pace_ms"] == {"p50": 0.0, "p99": 0.0}, "of nothing"
