"""What the caller has heard of the files: decisions, with the time as data. A file here has 1 s at 8000 Hz."""

from typing import Literal

import pytest

from actors.audio.airing import PATIENCE_NS, Airing
from ipc.messages import FileHeard

S = 1_000_000_000
PCM = bytes(16000)


def heard(playback_id: str, state: Literal["playing", "done", "failed"]) -> FileHeard:
    return FileHeard(call_id="call", playback_id=playback_id, state=state)


@pytest.fixture
def airing() -> Airing:
    airing = Airing(8000)
    airing.add("a", 1, PCM, 0)
    airing.add("b", 1, PCM, 0)
    return airing


def test_nothing_is_heard_before_asterisk_says_that_it_plays(airing: Airing) -> None:
    assert airing.advance(S) == [] and airing.owed == 16000


def test_a_files_clock_runs_from_then_on_and_stops_at_its_end(airing: Airing) -> None:
    airing.note(heard("a", "playing"), S)
    assert [airing.advance(S + at * 250_000_000) for at in range(6)] == [
        [],
        [(1, 2000)],
        [(1, 2000)],
        [(1, 2000)],
        [(1, 2000)],
        [],
    ]
    assert airing.owed == 8000 and airing.busy


def test_the_last_word_of_a_file_is_worth_what_is_left_of_it(airing: Airing) -> None:
    airing.note(heard("a", "playing"), S)
    assert airing.advance(S + S // 2) == [(1, 4000)]
    assert airing.note(heard("a", "done"), S + S // 2) == [(1, 4000)]
    assert airing.note(heard("b", "done"), 2 * S) == [(1, 8000)]
    assert not airing.busy and airing.note(heard("b", "done"), 2 * S) == []


def test_a_file_that_plays_says_that_those_before_it_have_been_heard(airing: Airing) -> None:
    assert airing.note(heard("b", "playing"), S) == [(1, 8000)]
    assert airing.advance(S + S // 4) == [(1, 2000)]


def test_a_file_of_which_nobody_says_a_word_counts_as_heard_in_the_end(airing: Airing) -> None:
    late = S + PATIENCE_NS
    assert airing.advance(late - 1) == [] and airing.unanswered == 0
    assert airing.advance(late) == [(1, 8000)] and airing.unanswered == 1
    assert airing.advance(2 * late - 1) == [], "the next one's time begins then"
    assert airing.advance(2 * late) == [(1, 8000)] and not airing.busy


def test_what_a_predecessor_has_left_is_heard_in_its_time() -> None:
    airing = Airing(8000)
    airing.take_over(3, 8000, 5 * S)
    assert airing.advance(5 * S + S // 2) == [(3, 4000)]
    assert airing.advance(9 * S) == [(3, 4000)] and airing.unanswered == 0


def test_what_is_dropped_is_given_back_with_what_was_heard_of_it(airing: Airing) -> None:
    airing.note(heard("a", "playing"), S)
    airing.advance(S + S // 4)
    assert [(file.playback_id, file.counted) for file in airing.drop()] == [("a", 2000), ("b", 0)]
    assert not airing.busy and airing.note(heard("a", "done"), S) == []
