"""The phrase language: what may be written, and what it means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.phrases import (
    MOST_NESTED,
    Choice,
    PhraseError,
    Sequence,
    Slot,
    Word,
    certain_slots,
    count,
    expand,
    parse_phrases,
    parse_slot,
    slots,
    words,
)


@pytest.mark.parametrize(
    ("phrase", "ways"),
    [
        ("hello", ["hello"]),
        ("good morning", ["good morning"]),
        ("hi|good (morning|evening)", ["hi", "good morning", "good evening"]),
        (
            "[please] stop [it|that]",
            ["stop", "stop it", "stop that", "please stop", "please stop it", "please stop that"],
        ),
        ("[[very] well] thank you", ["thank you", "well thank you", "very well thank you"]),
        ("Nine O’Clock", ["nine o'clock"]),
    ],
)
def test_a_phrase_says_all_its_ways(phrase: str, ways: list[str]) -> None:
    (expression,) = parse_phrases(phrase)
    assert [" ".join(way) for way in expand(expression)] == ways
    assert count(expression) == len(ways)


def test_one_line_is_one_phrase_and_comments_are_none() -> None:
    assert parse_phrases("\nhello\n  # a comment\n  bye \n") == (Word("hello"), Word("bye"))


def test_slots_are_certain_only_where_every_way_says_them() -> None:
    (phrase,) = parse_phrases("[on] {day} [at {time}] ({name}|nobody)")
    assert slots(phrase) == {"day", "time", "name"}
    assert certain_slots(phrase) == {"day"}
    assert set(words(phrase)) == {"on", "at", "nobody"}


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("hello\nwhat (is", 1, 5, "a bracket opens here that is never closed; add `)`"),
        ("what is)", 0, 7, "`)` closes nothing here; remove it"),
        ("what [is)", 0, 8, "`)` closes nothing here; remove it"),
        ("(|a)", 0, 1, "words are missing here; use [ ] for what may be left out"),
        ("a ()", 0, 3, "words are missing here; use [ ] for what may be left out"),
        ("at 9", 0, 3, "`9` is not part of a phrase; write numbers out"),
        ("really?", 0, 6, "`?` is not part of a phrase; words, [ ], ( ), | and {slot} may stand here"),
        ("[please]", 0, 0, "this can be said without a word; put one outside of the brackets"),
        ("[a] [b]", 0, 0, "this can be said without a word; put one outside of the brackets"),
    ],
)
def test_a_mistake_is_told_at_its_place(text: str, line: int, column: int, message: str) -> None:
    with pytest.raises(PhraseError) as refusal:
        parse_phrases(text)
    assert (refusal.value.line, refusal.value.column, str(refusal.value)) == (line, column, message)


def test_brackets_cannot_be_nested_without_end() -> None:
    with pytest.raises(PhraseError, match=f"more than {MOST_NESTED} deep"):
        parse_phrases("(" * 5000 + "a" + ")" * 5000)


class TestSlots:
    """A line is `spoken form = value`, or the value as it is said."""

    def test_the_value_is_what_is_said_unless_another_is_given(self) -> None:
        forms = parse_slot("monday\n(noon|twelve o'clock) = 12:00\n")
        assert [(form.expression, form.value) for form in forms] == [
            (Word("monday"), "monday"),
            (Choice((Word("noon"), Sequence((Word("twelve"), Word("o'clock"))))), "12:00"),
        ]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("(noon|midday)", "several ways to say it need one value; write `... = value`"),
            ("noon =", "after `=` comes the value; write it, or leave `=` out"),
            ("{day} = x", "a slot's spoken form cannot hold a slot; write its words"),
            (f"{'(a|b) ' * 12} = x", "a slot has at most 2000 spoken forms; write fewer alternatives"),
        ],
    )
    def test_a_mistake_is_told(self, text: str, message: str) -> None:
        with pytest.raises(PhraseError) as refusal:
            parse_slot(text)
        assert str(refusal.value) == message


@given(st.text(alphabet="ab {}[]()|='#\n9ü", max_size=40))
def test_any_text_is_a_phrase_or_a_mistake_within_the_text(text: str) -> None:
    for parse in (parse_phrases, parse_slot):
        try:
            parse(text)
        except PhraseError as error:
            lines = text.splitlines()
            assert error.line < len(lines)
            assert error.column <= len(lines[error.line])


EXPRESSIONS = st.recursive(
    st.builds(Word, st.sampled_from(["a", "b", "o'clock"])) | st.builds(Slot, st.sampled_from(["day", "time"])),
    lambda inner: (
        st.builds(Sequence, st.lists(inner, min_size=2, max_size=3).map(tuple))
        | st.builds(Choice, st.lists(inner, min_size=2, max_size=3).map(tuple), st.booleans())
    ),
    max_leaves=8,
)


@given(EXPRESSIONS)
def test_what_is_certain_is_possible(expression: Word | Slot | Sequence | Choice) -> None:
    assert certain_slots(expression) <= slots(expression)
