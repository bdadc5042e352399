"""What of a model's text is spoken, however it is cut into pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.llm.answer import Answer
from actors.llm.engine import Token, ToolCall
from actors.llm.speech import Speech

TEXTS = [
    ("plain", "We are open. Come in!", "We are open. Come in!"),
    ("spaces", "  We \n are\t open. ", "We are open."),
    ("markup", "We are **open** from `eight` to _six_.", "We are open from eight to six."),
    ("a heading and a list", "# Hours\n- Monday\n- Friday\n", "Hours, Monday, Friday"),
    ("emoji", "Hello 😀! Great 👍🏽.", "Hello ! Great ."),
    ("numbers stay", "It is 20 °C, thirty-two, 3.50 € and 5-6.", "It is 20 °C, thirty-two, 3.50 € and 5-6."),
    ("other scripts", "Grüß Gott, ça va? 你好。", "Grüß Gott, ça va? 你好。"),
    ("a thought", "<think>\nHm, who is it?\n</think>\n\nHello!", "Hello!"),
    ("a thought that never ends", "<think>Hm, who", ""),
    ("the next turn", "Hello!<|im_end|>\n<|im_start|>user\nhi", "Hello!"),
    ("what only looks like a mark", "a < b and <thin", "a b and thin"),
    ("a stop", "Hello! STOP there", "Hello!"),
]


def spoken(pieces: list[bytes]) -> str:
    speech = Speech(("STOP",))
    return "".join([speech.feed(piece) for piece in pieces]) + speech.end()


@pytest.mark.parametrize(("text", "heard"), [case[1:] for case in TEXTS], ids=[case[0] for case in TEXTS])
def test_what_is_heard(text: str, heard: str) -> None:
    assert spoken([text.encode()]) == heard
    assert spoken([bytes([byte]) for byte in text.encode()]) == heard


@given(st.lists(st.sampled_from(["Hi", " you", "<", "think", ">", "</think>", "\n", "**", "- ", "é", "<tool_call>"])))
def test_no_way_of_cutting_changes_what_is_heard_and_spaces_are_single(pieces: list[str]) -> None:
    whole = spoken(["".join(pieces).encode()])
    assert spoken([piece.encode() for piece in pieces]) == whole == " ".join(whole.split())


def test_a_prompt_that_ends_within_a_thought_begins_with_one() -> None:
    speech = Speech(thinking=True)
    assert speech.feed(b"who is it?</think>") == "" and speech.feed(b"Hello!") == "Hello!"


def answered(
    *pieces: str, tools: tuple[str, ...] = ("hang_up",), budget: int = 100, complete: bool = True
) -> list[object]:
    answer = Answer(tools, budget)
    parts: list[object] = []
    for piece in pieces:
        if not answer.over:
            parts += answer.take(piece.encode())
    return parts + answer.end(complete=complete and not answer.over)


def test_a_tool_call_comes_after_the_text_and_is_not_spoken() -> None:
    pieces = ("Good", "bye.", "\n<tool", "_call>\n", '{"name": "hang_up", "arguments": {"n": 1}}', "\n</tool_call>")
    assert answered(*pieces) == [Token("Good"), Token("bye."), ToolCall("hang_up", {"n": "1"})]


@pytest.mark.parametrize(
    "call",
    ['{"name": "transfer", "arguments": {}}', '{"name": "hang_', "{}", '{"name": "hang_up", "arguments": 7}', "[1]"],
    ids=["one that the agent may not make", "half of one", "no name", "no arguments", "no object"],
)
def test_a_call_that_is_none_is_left_out_and_logged(call: str, caplog: pytest.LogCaptureFixture) -> None:
    assert answered("Bye.", f"<tool_call>{call}</tool_call>") == [Token("Bye.")]
    assert "call" in caplog.text


def test_an_answer_that_is_too_long_ends_with_a_whole_sentence() -> None:
    words = ["We", " are", " open", ".", " You", " can", " come", " by", " any", " time"]
    parts = answered(*words, budget=6)
    assert "".join(part.text for part in parts if isinstance(part, Token)) == "We are open."


def test_a_sentence_that_is_too_long_by_itself_is_cut() -> None:
    parts = answered(*["word "] * 20, budget=5)
    assert parts and isinstance(parts[0], Token)


def test_an_answer_that_ends_by_itself_late_is_given_whole() -> None:
    words = ["We", " are", " open", ".", " Come", " in"]
    parts = answered(*words, budget=7)
    assert "".join(part.text for part in parts if isinstance(part, Token)) == "We are open. Come in"
