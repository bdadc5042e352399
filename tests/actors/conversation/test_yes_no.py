"""What people say who are asked to take a call, and what it means."""

import pytest

from actors.conversation.yes_no import YesNo
from config.agent import Consulting

TEXTS = Consulting()
ANSWERS = YesNo(TEXTS.accept, TEXTS.decline)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("yes", True),
        ("Yes, please!", True),
        ("uh yeah sure go ahead", True),
        ("hello this is bob okay put them through", True),
        ("no problem, put them through", True),
        ("I’ll take it.", True),
        ("no", False),
        ("no thank you", False),
        ("oh I can't, I am busy", False),
        ("yes but not right now", False),
        ("not now", False),
        ("please take a message", False),
        ("", None),
        ("hello?", None),
        ("i know nobody of that name", None),
        ("who is it", None),
        ("eyes", None),
    ],
)
def test_it_is_understood(text: str, answer: bool | None) -> None:
    assert ANSWERS.understood(text) is answer


def test_of_a_yes_and_a_no_that_weigh_the_same_the_last_counts() -> None:
    assert ANSWERS.understood("no yes") is True
    assert ANSWERS.understood("yes no") is False


def test_the_words_are_the_agents() -> None:
    answers = YesNo("ja [bitte]", "nein")
    assert [answers.understood(text) for text in ("ja bitte", "nein", "yes")] == [True, False, None]
