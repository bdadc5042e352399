"""How long what the agent says is held back: decisions, with the time as data."""

import pytest

from actors.audio.buffering import Buffering, Verdict
from config.media import Streaming
from ipc.mouth import Ahead

MS = 1_000_000


def ahead(frames: int, *, complete: bool = False, live: bool = False) -> Ahead:
    return Ahead(frames, complete, live)


def a_hole(buffering: Buffering, ms: int, at_ms: int = 1000) -> None:
    """The mouth runs dry, and so much later there is plenty."""
    buffering.ran_dry(at_ms * MS)
    assert buffering.may_start((at_ms + ms) * MS, ahead(250))


@pytest.mark.parametrize(
    ("min_start_ms", "waiting", "starts"),
    [
        (0, ahead(1), True),
        (0, ahead(0), False),
        (100, ahead(4), False),
        (100, ahead(5), True),
        (100, ahead(1, complete=True), True),
        (100, ahead(1, live=True), True),
    ],
)
def test_a_clause_starts_when_enough_of_it_or_all_of_it_is_there(
    min_start_ms: int, waiting: Ahead, starts: bool
) -> None:
    assert Buffering(Streaming(min_start_ms=min_start_ms)).may_start(0, waiting) is starts


@pytest.mark.parametrize(("min_start_ms", "grace_ms"), [(200, 500), (500, 0)])
def test_who_stops_in_mid_clause_is_not_waited_for_for_ever(min_start_ms: int, grace_ms: int) -> None:
    buffering = Buffering(Streaming(min_start_ms=min_start_ms, provider_grace_ms=grace_ms))
    asked = [(1, 0), (2, 100), (2, 599), (2, 600)]
    assert [buffering.may_start(at * MS, ahead(frames)) for frames, at in asked] == [False, False, False, True]


@pytest.mark.parametrize(
    ("holes_ms", "delay_ms"),
    [
        ([], 0),
        ([20], 80),  # the low watermark
        ([150], 150),  # what was missing
        ([20, 20], 100),
        ([100, 250], 350),
        ([100, 500], 400),  # the longest that is allowed
    ],
)
def test_each_hole_makes_the_next_start_later(holes_ms: list[int], delay_ms: int) -> None:
    buffering = Buffering(Streaming())
    for hole_ms in holes_ms:
        a_hole(buffering, hole_ms)
    assert buffering.delay_ms == delay_ms


@pytest.mark.parametrize(
    ("least", "delay_ms"),
    [
        (None, 200),  # each clause was complete before it was heard
        (2, 400),  # nearly dry: all of it was needed
        (4, 400),
        (20, 360),  # 400 ms always waited, 320 more than the low watermark
    ],
)
def test_what_was_never_needed_of_it_is_given_back(least: int | None, delay_ms: int) -> None:
    buffering = Buffering(Streaming(), 400)
    for frames in (25, least) if least is not None else ():
        buffering.flows(ahead(frames))
    buffering.flows(ahead(0, complete=True))  # a complete clause runs out, and needs nothing
    buffering.clause_over()
    assert buffering.delay_ms == delay_ms


def test_after_each_hole_of_a_clause_it_waits_for_twice_as_much() -> None:
    buffering = Buffering(Streaming(low_watermark_ms=80))
    enough = []
    for number in range(5):
        buffering.ran_dry((number + 1) * 1000 * MS)
        now_ns = (number + 1) * 1000 * MS + 20 * MS
        enough.append(next(frames for frames in range(1, 99) if buffering.may_start(now_ns, ahead(frames))))
    assert enough == [4, 8, 16, 20, 20], "and never for more than the jitter buffer holds"


def test_a_call_that_had_one_hole_is_as_quick_as_before_after_some_good_clauses() -> None:
    buffering = Buffering(Streaming())
    a_hole(buffering, 400)
    delays = []
    for _ in range(7):
        buffering.clause_over()
        delays.append(buffering.delay_ms)
    assert delays == [400, 200, 100, 50, 25, 0, 0], "the clause with the hole is not a good one"
    assert buffering.always_on_time


def test_the_start_delay_that_was_asked_for_stays() -> None:
    buffering = Buffering(Streaming(min_start_ms=60))
    a_hole(buffering, 20)
    for _ in range(9):
        buffering.clause_over()
    assert buffering.delay_ms == 60 and not buffering.always_on_time


def test_a_hole_is_a_starvation_once_it_is_longer_than_the_grace() -> None:
    buffering = Buffering(Streaming(starvations=1, provider_grace_ms=500))
    buffering.ran_dry(0)
    verdicts = [buffering.still_dry(at * MS, empty=False) for at in (20, 499, 500, 520)]
    assert verdicts == [Verdict.BEARABLE, Verdict.BEARABLE, Verdict.FILES_NEXT, Verdict.FILES_NEXT]


@pytest.mark.parametrize(("apart_s", "verdict"), [(9, Verdict.FILES_NEXT), (16, Verdict.BEARABLE)])
def test_three_starvations_within_thirty_seconds_are_too_many(apart_s: int, verdict: Verdict) -> None:
    buffering = Buffering(Streaming(starvations=3))
    for number in range(3):
        at = number * apart_s * 1000 * MS
        buffering.ran_dry(at)
        last = buffering.still_dry(at + 600 * MS, empty=True)
        assert buffering.may_start(at + 700 * MS, ahead(100))
    assert last is verdict


def test_who_says_nothing_for_the_fallback_time_out_is_not_waited_for_as_a_stream() -> None:
    buffering = Buffering(Streaming(fallback_timeout_ms=8000))
    buffering.ran_dry(0)
    assert buffering.still_dry(7980 * MS, empty=True) is Verdict.BEARABLE
    assert buffering.still_dry(8000 * MS, empty=False) is Verdict.BEARABLE, "something has come"
    assert buffering.still_dry(8000 * MS, empty=True) is Verdict.FILES_NOW


def test_an_interruption_leaves_the_start_delay_as_it_is() -> None:
    buffering = Buffering(Streaming(), 400)
    buffering.flows(ahead(20))
    buffering.begin()
    assert buffering.delay_ms == 400
    buffering.clause_over()
    assert buffering.delay_ms == 200, "and what waited before it counts for nothing"
