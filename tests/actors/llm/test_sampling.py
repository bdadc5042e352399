"""Which tokens are chosen among."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.llm.sampling import _CANDIDATES, _likeliest


@given(st.integers(1, 40_000), st.integers(0, 1000), st.sampled_from([0.0, 0.1, 5.0]))
def test_they_are_the_likeliest_of_all_in_order(words: int, seed: int, spread: float) -> None:
    logits = np.random.default_rng(seed).normal(0.0, spread, words).astype(np.float32)
    found = _likeliest(logits)
    assert len(found) == min(words, _CANDIDATES)
    assert found["logit"] == pytest.approx(np.sort(logits)[::-1][: len(found)])
    assert (logits[found["id"]] == found["logit"]).all()
    assert len(set(found["id"].tolist())) == len(found)
