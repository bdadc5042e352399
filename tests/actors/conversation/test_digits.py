"""Keys that the caller presses: those that follow each other closely are one entry."""

import pytest

from actors.conversation.digits import LONGEST, PAUSE_NS, DigitEntry, told


def test_keys_pressed_one_after_the_other_are_one_entry() -> None:
    entry = DigitEntry()
    for number, digit in enumerate("4711#"):
        entry.press(digit, number)
    assert entry.take() == ("4711#", "pressed four seven one one pound")


def test_an_entry_is_complete_a_pause_after_its_last_key() -> None:
    entry = DigitEntry()
    entry.press("1", 1000)
    entry.press("2", 5000)
    assert entry.complete_ns == 5000 + PAUSE_NS


def test_taking_an_entry_begins_a_new_one() -> None:
    entry = DigitEntry()
    entry.press("1", 0)
    entry.take()
    assert entry.digits == ""
    entry.press("2", 0)
    assert entry.take() == ("2", "pressed two")


def test_a_flood_of_keys_is_one_entry_of_bounded_length_and_the_rest_is_counted() -> None:
    entry = DigitEntry()
    for number in range(10_000):
        entry.press(str(number % 10), number)
    assert (entry.dropped, entry.complete_ns) == (10_000 - LONGEST, 9_999 + PAUSE_NS)
    digits, text = entry.take()
    assert digits == ("0123456789" * 7)[:LONGEST] and text.count(" ") == LONGEST
    assert (entry.digits, entry.dropped) == ("", 0)


@pytest.mark.parametrize(
    ("digits", "text"),
    [
        ("0", "pressed zero"),
        ("*", "pressed star"),
        ("12", "pressed one two"),
        ("A#", "pressed a pound"),
        ("3456789", "pressed three four five six seven eight nine"),
    ],
)
def test_the_agent_is_told_in_words_that_a_script_can_expect(digits: str, text: str) -> None:
    assert told(digits) == text
