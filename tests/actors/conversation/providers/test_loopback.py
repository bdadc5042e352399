"""The caller's own voice, by the way of an agent's: exact, at once, and never far behind."""

import random
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.conversation.providers.loopback import KEPT, MOST_WAITING, PATIENCE, Backlog
from tests.actors.conversation.providers.booth import Booth, numbers


@pytest.fixture
def booth() -> Iterator[Booth]:
    with Booth("loopback") as entered:
        yield entered


def test_every_sample_comes_back_with_the_next_tick() -> None:
    chance = random.Random(3)
    for rate in (8000, 16000):
        with Booth("loopback", rate=rate) as booth:
            for _ in range(700):
                said = chance.randbytes(booth.rings.payload)
                booth.caller(said)
                assert booth.tick() == said
                assert booth.tick() is None, "nothing is held back"
            assert booth.close() == {"frames": 700, "dropped": 0, "gaps": 0}


def test_a_hole_is_an_underrun_because_the_echo_is_one_endless_clause(booth: Booth) -> None:
    booth.caller(booth.say(1))
    booth.tick()
    assert booth.pacer.mid_clause


def test_a_frame_that_came_late_leaves_a_margin_of_one_frame(booth: Booth) -> None:
    booth.tick()
    heard = []
    for number in range(1, 200):
        booth.caller(booth.say(number))
        if number > 1 and (pcm := booth.tick()):
            heard.append(pcm)
    assert numbers(heard) == list(range(1, 199))
    assert booth.close()["dropped"] == 0


def test_of_what_came_at_once_after_a_stall_the_newest_is_heard(booth: Booth) -> None:
    for number in range(1, 11):
        booth.caller(booth.say(number), rings=False)
    booth.provider.hear()
    assert numbers(booth.ticks()) == [9, 10]
    assert booth.close() == {"frames": 10, "dropped": 8, "gaps": 0}


def test_a_mouth_that_nobody_empties_is_emptied_of_the_oldest(booth: Booth) -> None:
    for number in range(1, MOST_WAITING + 1):
        booth.caller(booth.say(number))
    booth.caller(booth.say(6))
    assert numbers(booth.ticks()) == [5, 6]
    assert booth.close()["dropped"] == 4


def test_what_waits_in_both_rings_is_counted_together(booth: Booth) -> None:
    for number in range(1, 5):
        booth.caller(booth.say(number))
    booth.caller(booth.say(5), rings=False)
    booth.caller(booth.say(6), rings=False)
    booth.caller(booth.say(7))
    assert numbers(booth.ticks()) == [6, 7]
    assert booth.close()["dropped"] == 5


def test_what_was_flushed_and_not_looked_at_by_the_pacer_does_not_count_as_waiting(booth: Booth) -> None:
    for number in range(1, MOST_WAITING + 2):
        booth.caller(booth.say(number))
    booth.caller(booth.say(7))
    booth.caller(booth.say(8))
    assert numbers(booth.ticks()) == [5, 6, 7, 8]


def test_an_echo_that_stays_behind_is_brought_up_within_a_second(booth: Booth) -> None:
    for number in range(1, 5):
        booth.caller(booth.say(number))
    heard = []
    for number in range(5, 5 + 2 * PATIENCE):
        booth.caller(booth.say(number))
        heard.append(booth.tick() or b"")
    waiting = len(booth.ticks())
    assert waiting == KEPT - 1, "beside the one that has just gone out"
    assert 0 < booth.close()["dropped"] <= 5 - KEPT
    assert numbers(heard) == sorted(set(numbers(heard))), "none twice, none out of order"


def test_a_gap_ends_the_clause_and_is_not_echoed(booth: Booth) -> None:
    booth.caller(booth.say(1))
    booth.caller(gap=True)
    assert numbers(booth.ticks()) == [1, 0]
    assert not booth.pacer.mid_clause, "from now on the pacer's silence is no underrun"
    for _ in range(20):
        booth.caller(gap=True)
    assert booth.ticks() == []
    booth.caller(booth.say(2))
    assert numbers(booth.ticks()) == [2], "at once: no silence of the gap is in the way"
    assert booth.pacer.mid_clause
    assert booth.close() == {"frames": 23, "dropped": 0, "gaps": 20}


def test_a_successor_echoes_what_is_said_now(booth: Booth) -> None:
    booth.caller(booth.say(1))
    booth.tick()
    for number in range(2, 60):
        booth.caller(booth.say(number), rings=False)
        booth.tick()
    booth.provider = booth.opened(taken_over=True)
    booth.caller(booth.say(60))
    assert numbers(booth.ticks()) == [60]


Steps = st.lists(st.sampled_from(["caller", "caller, unheard", "gap", "tick"]), max_size=400)


@given(Steps)
def test_in_any_order_of_things_nothing_is_heard_twice_and_the_books_balance(steps: list[str]) -> None:
    with Booth("loopback") as booth:
        said, heard = 0, []
        for step in steps:
            if step == "tick":
                pcm = booth.tick()
                heard += [pcm] if pcm else []
            elif step == "gap":
                booth.caller(gap=True)
            else:
                said += 1
                booth.caller(booth.say(said), rings=step == "caller")
        booth.provider.hear()
        waiting = booth.ticks()
        assert len(waiting) <= MOST_WAITING
        voice = [number for number in numbers(heard + waiting) if number]
        assert voice == sorted(set(voice))
        assert said - len(voice) <= booth.close()["dropped"]


def test_a_backlog_is_told_of_at_once_when_it_is_large() -> None:
    assert Backlog().excess(MOST_WAITING) == 0
    assert Backlog().excess(MOST_WAITING + 1) == MOST_WAITING + 1 - KEPT


def test_a_small_backlog_is_told_of_only_if_it_stays() -> None:
    backlog = Backlog()
    assert [backlog.excess(4) for _ in range(PATIENCE)] == [0] * (PATIENCE - 1) + [4 - KEPT]
    jitter = [3, 4, 3, 4, KEPT] * (PATIENCE // 5)
    assert not any(backlog.excess(waiting) for waiting in jitter * 3), "all of it was of use now and then"
