"""What was heard need not be what was written, but it must mean it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.llm.matching import Fit, Phrase, Spotter, Weights, tokens
from config.phrases import parse_phrases, parse_slot
from config.script import Words

WEIGHTS = Weights(Words())
SLOTS = {
    "day": "monday = Monday\nfriday = Friday\n(tomorrow|the next day) = tomorrow",
    "time": "nine [o'clock] = 9:00\n(nine thirty|half past nine) = 9:30\nten = 10:00",
}
SPOTTER = Spotter({name: parse_slot(text) for name, text in SLOTS.items()})


def fit(phrase: str, heard: str) -> Fit | None:
    (expression,) = parse_phrases(phrase)
    return Phrase(expression, WEIGHTS).fit(SPOTTER.heard(heard))


HOURS = "[please] (what|when) are your [opening] hours"


@pytest.mark.parametrize(
    ("phrase", "heard"),
    [
        (HOURS, "what are your opening hours"),
        (HOURS, "What are your hours, please?"),
        (HOURS, "um so what are your hours"),
        (HOURS, "what are the hours"),
        (HOURS, "opening hours"),
        (HOURS, "whats your opening hour"),
        ("what is your name", "what's your name"),
        ("i would like an appointment", "I'd like an appointment"),
        ("i can not come", "i can't come"),
        ("no", "no no no"),
        ("okay", "okay"),
        ("half past nine", "half past 9"),
    ],
)
def test_a_word_more_or_less_does_not_matter(phrase: str, heard: str) -> None:
    assert fit(phrase, heard) is not None


@pytest.mark.parametrize(
    ("phrase", "heard"),
    [
        (HOURS, ""),
        (HOURS, "..."),
        (HOURS, "um"),
        (HOURS, "what are your plans for the summer"),
        (HOURS, "i waited for hours and hours on the phone"),
        (HOURS, "what is your name"),
        ("i want to book a table", "i do not want to book a table"),
        ("i want to book a table", "i don't want to book a table"),
        ("i can not come", "i can come"),
        ("(book|make) an appointment", "i read a book about an explorer"),
        ("on {day}", "on sunday"),
        ("on {day}", "on"),
        ("{day} at {time}", "friday at"),
    ],
)
def test_other_speech_is_not_forced_into_a_phrase(phrase: str, heard: str) -> None:
    assert fit(phrase, heard) is None


def test_what_is_said_as_it_is_written_fits_best() -> None:
    exact, near = fit(HOURS, "what are your hours"), fit(HOURS, "what are your hours today")
    assert exact is not None and near is not None
    assert exact.score == 1.0 > near.score


@pytest.mark.parametrize(
    ("phrase", "heard", "slots"),
    [
        ("[on] {day}", "friday", {"day": "Friday"}),
        ("[on] {day} [at {time}]", "on friday at nine", {"day": "Friday", "time": "9:00"}),
        ("[on] {day} [at {time}]", "um on friday then at half past nine please", {"day": "Friday", "time": "9:30"}),
        ("[on] {day} [at {time}]", "on friday", {"day": "Friday"}),
        ("{time} on {day}", "nine o'clock on the next day", {"day": "tomorrow", "time": "9:00"}),
        ("at {time}", "at 9:30", {"time": "9:30"}),
        ("at {time}", "at 10:00", {"time": "10:00"}),
        ("at {time}", "at 9 a.m.", {"time": "9:00"}),
    ],
)
def test_slots_give_their_values(phrase: str, heard: str, slots: dict[str, str]) -> None:
    found = fit(phrase, heard)
    assert found is not None
    assert found.slots == slots


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("What's THAT?", ["what", "is", "that"]),
        ("I’ll, I'd, we're, don't", ["i", "will", "i", "would", "we", "are", "do", "not"]),
        ("9:30", ["nine", "thirty"]),
        ("21 42 10", ["twenty", "one", "forty", "two", "ten"]),
        ("hours glass", ["hour", "glass"]),
        ("", []),
        ("?!", []),
    ],
)
def test_words_are_made_comparable(text: str, words: list[str]) -> None:
    assert list(tokens(text)) == words


@given(st.text(max_size=60))
def test_any_text_can_be_heard(text: str) -> None:
    found = fit("[on] {day} at {time}|(what|when) are your hours", text)
    assert found is None or 0.0 < found.score <= 1.0
