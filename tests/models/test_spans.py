"""Who fetches what: every byte once, whatever the order in which the sources are fast, slow or gone."""

import random

from hypothesis import given
from hypothesis import strategies as st

from models.spans import SMALLEST, Claim, Claims, Spans

LENGTH = 5 * SMALLEST


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60))))
def test_spans_are_the_set_of_their_bytes(pairs: list[tuple[int, int]]) -> None:
    spans = Spans(pairs)
    there = {at for start, end in pairs for at in range(start, end)}
    assert {at for start, end in spans for at in range(start, end)} == there
    assert spans.total() == len(there)
    assert {at for start, end in spans.missing(60) for at in range(start, end)} == set(range(60)) - there
    assert all(before[1] < after[0] for before, after in zip(spans, list(spans)[1:], strict=False))
    prefix = spans.prefix()
    assert set(range(prefix)) <= there
    assert prefix not in there


@given(st.integers())
def test_every_byte_comes_and_none_twice(seed: int) -> None:
    """Three sources, each of which brings some bytes now and then, and goes now and then."""
    chance = random.Random(seed)
    there = Spans()
    for _ in range(chance.randrange(4)):
        there.add(*sorted(chance.choices(range(LENGTH), k=2)))
    claims = Claims(LENGTH, there)
    missing = LENGTH - claims.there.total()
    at_work: list[Claim] = []
    fetched = 0
    while not claims.complete:
        if len(at_work) < 3 and (not at_work or chance.random() < 0.5) and (claim := claims.take()):
            at_work.append(claim)
        claim = chance.choice(at_work)
        count = min(claim.left, chance.randrange(SMALLEST))
        claims.came(claim, count)
        fetched += count
        if not claim.left or chance.random() < 0.2:
            claims.release(claim)
            at_work.remove(claim)
    assert fetched == missing
    assert list(claims.there) == [(0, LENGTH)]


def test_who_comes_late_takes_half_of_the_largest_part() -> None:
    claims = Claims(LENGTH, Spans())
    first = claims.take()
    second = claims.take()
    assert first and second
    assert (first.start, first.end, second.start, second.end) == (0, LENGTH // 2, LENGTH // 2, LENGTH)


def test_a_little_rest_is_left_to_whoever_has_it_until_they_are_too_slow() -> None:
    claims = Claims(SMALLEST, Spans())
    slow = claims.take()
    assert slow
    claims.came(slow, 10)
    assert claims.take() is None
    taken = claims.take_over()
    assert taken
    assert (taken.start, taken.end, slow.left) == (10, SMALLEST, 0)
