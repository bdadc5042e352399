"""What the caller has heard of a reply, at every sample: words of which at least half was on the wire, and no other."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.conversation.reply import Clause, Reply
from ipc.journal import AgentSaid
from ipc.messages import WordAt


def timed(text: str, first: int, *starts: int, end: int) -> Clause:
    """A clause whose words begin at these samples, counted from the reply's first."""
    words = []
    at = 0
    for word, sample in zip(text.split(), starts, strict=True):
        at = text.index(word, at)
        words.append(WordAt(at, len(word), sample))
        at += len(word)
    return Clause(text, first, end - first, tuple(words))


def reply(*clauses: Clause, complete: bool = True) -> Reply:
    return Reply("answer", generation=3, turn=2, clauses=list(clauses), complete=complete)


def heard_at(made: Reply, played: int) -> str:
    made.played = played
    return made.heard()


GOOD_MORNING = timed("Good morning, front desk.", 0, 0, 100, 300, 400, end=600)
HOW = timed("How can I help?", 600, 600, 700, 800, 900, end=1000)


@pytest.mark.parametrize(
    ("played", "heard"),
    [
        (0, ""),
        (49, ""),
        (50, "Good"),
        (199, "Good"),
        (200, "Good morning,"),
        (349, "Good morning,"),
        (350, "Good morning, front"),
        (499, "Good morning, front"),
        (500, "Good morning, front desk."),
        (600, "Good morning, front desk."),
        (649, "Good morning, front desk."),
        (650, "Good morning, front desk. How"),
        (949, "Good morning, front desk. How can I"),
        (950, "Good morning, front desk. How can I help?"),
        (1000, "Good morning, front desk. How can I help?"),
    ],
)
def test_a_word_counts_once_half_of_it_was_on_the_wire_with_the_punctuation_behind_it(played: int, heard: str) -> None:
    made = reply(GOOD_MORNING, HOW)
    assert heard_at(made, played) == heard
    assert f"{heard} {made.unheard()}".strip() == made.text


@pytest.mark.parametrize(
    ("played", "heard"),
    [(0, ""), (299, ""), (300, "One"), (699, "One"), (700, "One two"), (1399, "One two"), (1400, "One two three.")],
)
def test_without_word_times_the_share_of_the_samples_is_that_of_the_text(played: int, heard: str) -> None:
    made = reply(Clause("One two three.", 0, 1400))  # 100 samples a character
    assert heard_at(made, played) == heard
    assert f"{heard} {made.unheard()}".strip() == made.text


def test_nothing_is_heard_of_a_clause_that_was_not_made_yet() -> None:
    made = reply(GOOD_MORNING, Clause("How can I help?"))
    assert heard_at(made, 5000) == "Good morning, front desk."
    assert made.unheard() == "How can I help?"


def test_the_rest_begins_with_the_first_word_that_was_not_heard() -> None:
    made = reply(GOOD_MORNING, HOW)
    made.played = 620
    assert made.unheard() == "How can I help?"
    made.played = 660
    assert made.unheard() == "can I help?"
    made.played = 1000
    assert made.unheard() == ""


def test_a_reply_is_over_when_no_more_clauses_come_all_are_made_and_the_last_sample_is_on_the_wire() -> None:
    made = reply(GOOD_MORNING, Clause("How can I help?"), complete=False)
    made.played = 600
    assert not made.finished, "more may come"
    made.complete = True
    assert not made.finished, "the second clause has not been made"
    made.clauses[1] = HOW
    assert not made.finished, "the second clause has not been heard"
    made.played = 999
    assert not made.finished
    made.played = 1000
    assert made.finished


def test_what_an_actor_spoke_of_a_clause_before_it_died_does_not_make_the_reply_end_early() -> None:
    again = timed("Good morning.", 250, 250, 350, end=500)  # 250 samples of it had been written before
    made = reply(again)
    assert made.samples == 500
    made.played = 499
    assert not made.finished and made.heard() == "Good morning."
    made.played = 250
    assert made.heard() == ""


def test_a_reply_of_nothing_is_over_at_once() -> None:
    assert reply().finished
    assert reply(Clause("...", 0, 0)).finished


def test_the_journal_gets_what_was_meant_and_what_was_heard() -> None:
    made = reply(GOOD_MORNING, HOW)
    made.played, made.first_ns, made.last_ns = 350, 11, 22
    assert made.record(99, interrupted=True) == AgentSaid(
        at_ns=99,
        turn=2,
        kind="answer",
        text="Good morning, front desk. How can I help?",
        heard="Good morning, front",
        interrupted=True,
        generation=3,
        samples=1000,
        played=350,
        first_ns=11,
        last_ns=22,
    )


@st.composite
def replies(draw: st.DrawFn) -> Reply:
    """Clauses of any words, with or without times, the last of them perhaps not made yet."""
    clauses: list[Clause] = []
    at = 0
    word = st.text("abc,.!-'", min_size=1, max_size=6)
    for texts in draw(st.lists(st.lists(word, min_size=1, max_size=6), min_size=1, max_size=4)):
        text = " ".join(texts)
        lengths = draw(st.lists(st.integers(0, 400), min_size=len(texts), max_size=len(texts)))
        starts = [at + sum(lengths[:number]) for number in range(len(texts))]
        end = at + sum(lengths)
        if draw(st.booleans()):
            clauses.append(timed(text, at, *starts, end=end))
        else:
            clauses.append(Clause(text, at, end - at))
        at = end
    if draw(st.booleans()):
        clauses.append(Clause("not yet"))
    return reply(*clauses)


@settings(max_examples=300, deadline=None)
@given(replies(), st.lists(st.integers(0, 6000), max_size=30))
def test_what_was_heard_is_a_beginning_that_ends_with_a_word_and_only_grows(made: Reply, played: list[int]) -> None:
    before = ""
    for sample in sorted(played):
        heard = heard_at(made, sample)
        assert made.text.startswith(heard)
        assert heard == made.text or not heard or made.text[len(heard)] == " "
        assert len(heard) >= len(before)
        assert f"{heard} {made.unheard()}".strip() == made.text.strip()
        before = heard
