"""Where a stream of text is cut so that the first words are spoken while the last are still being thought."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.clauses import Clauses, split

CASES = [
    # what the model says                                    the clauses that the caller hears
    ("Yes.", ["Yes."]),
    ("Sure thing, let me have a look.", ["Sure thing,", "let me have a look."]),
    ("We are open. Come by whenever you like.", ["We are open.", "Come by whenever you like."]),
    ("Yes, we are.", ["Yes, we are."]),  # too short to be worth a breath
    (
        "Of course. On Monday, on Tuesday and on Wednesday we open at nine, on Friday at ten.",
        ["Of course.", "On Monday, on Tuesday and on Wednesday we open at nine,", "on Friday at ten."],
    ),
    ("Is that right? Good!  Then see you.", ["Is that right?", "Good!  Then see you."]),
    ('He said "we are closed." I am sorry.', ['He said "we are closed."', "I am sorry."]),
    ("Please ask for Dr. Smith. She is in.", ["Please ask for Dr. Smith.", "She is in."]),
    ("We are at No. 5, Maple Street, in town.", ["We are at No. 5,", "Maple Street, in town."]),
    ("Bring e.g. a passport. Thanks.", ["Bring e.g. a passport.", "Thanks."]),
    ("That costs 3.50 in all. Is that fine?", ["That costs 3.50 in all.", "Is that fine?"]),
    ("We open at 9:30 tomorrow. Bye.", ["We open at 9:30 tomorrow.", "Bye."]),
    ("One moment – I will look it up for you.", ["One moment –", "I will look it up for you."]),
    ("A well-known doctor", ["A well-known doctor"]),
    ("Hmm... let me think about that.", ["Hmm... let me think about that."]),
    ("", []),
    ("  \n ", []),
]


@pytest.mark.parametrize(("text", "clauses"), CASES)
def test_a_text_is_cut_where_a_speaker_would_breathe(text: str, clauses: list[str]) -> None:
    assert split(text) == clauses


def test_a_clause_is_given_as_soon_as_the_next_word_shows_that_it_is_over() -> None:
    clauses = Clauses()
    assert clauses.add("We are open.") == []
    assert clauses.add(" ") == ["We are open."]
    assert clauses.add("Come") == []
    assert clauses.rest() == ["Come"]


def test_the_first_clause_may_be_short_and_later_ones_have_time() -> None:
    clauses = Clauses()
    assert clauses.add("All right, ") == ["All right,"]
    assert clauses.add("on Monday, ") == []
    assert clauses.add("at half past nine in the morning, ") == ["on Monday, at half past nine in the morning,"]


def test_after_the_rest_there_is_nothing_left() -> None:
    clauses = Clauses()
    clauses.add("Yes")
    assert clauses.rest() == ["Yes"]
    assert clauses.rest() == []


PIECES = (
    *("we", "are open", "monday", "wednesday afternoon", "yes", "a", "I"),
    *("Dr.", "No. 5", "3.50", "9:30", "e.g."),
    *(".", ",", "!", "?", ";", "...", "…", '"', ")"),
    *(" ", " ", "\n", " - ", " – "),
)
TEXTS = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)


@settings(max_examples=300, deadline=None)
@given(TEXTS)
def test_joined_by_spaces_the_clauses_are_the_text(text: str) -> None:
    clauses = split(text)
    assert " ".join(clauses).split() == text.split()
    assert all(clause == clause.strip() != "" for clause in clauses)


@settings(max_examples=300, deadline=None)
@given(TEXTS, st.lists(st.integers(1, 9), max_size=60))
def test_it_makes_no_difference_in_which_pieces_the_text_comes(text: str, sizes: list[int]) -> None:
    clauses = Clauses()
    given_out: list[str] = []
    rest = text
    for size in sizes:
        given_out += clauses.add(rest[:size])
        rest = rest[size:]
    given_out += clauses.add(rest) + clauses.rest()
    assert given_out == split(text)
