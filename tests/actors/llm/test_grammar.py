"""The grammar of tool calls, as llama.cpp itself reads it."""

import ctypes
import json
from typing import get_args

import pytest

from actors.llm import grammar, notation
from actors.llm.llama import Model, lib
from actors.llm.tools import Call, Tool, described
from config.script import ToolName
from tests.actors.llm.test_contract import TINY

EVERY = described(get_args(ToolName), ("sales", "support"))


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(TINY)


def accepts(model: Model, tools: tuple[Tool, ...], text: str) -> bool:
    """Whether the whole text is within the grammar, and ends where the grammar may end."""
    sampler = lib.llama_sampler_init_grammar(model.vocab, grammar.of(tools).encode(), grammar.ROOT.encode())
    assert sampler, "llama.cpp takes the grammar"
    try:
        end = lib.llama_vocab_eos(model.vocab)
        for token in [*model.tokenize(text), end]:
            data = (lib.llama_token_data * 1)(lib.llama_token_data(token, 1.0, 0.0))
            array = lib.llama_token_data_array(data, 1, -1, False)
            lib.llama_sampler_apply(sampler, ctypes.byref(array))
            if data[0].logit == float("-inf"):
                return False
            if token != end:
                lib.llama_sampler_accept(sampler, token)
        return True
    finally:
        lib.llama_sampler_free(sampler)


def written(*calls: Call) -> str:
    return notation.written(calls).strip()


def test_there_is_a_description_of_every_tool() -> None:
    assert {tool.name for tool in EVERY} == set(get_args(ToolName))
    for tool in EVERY:
        assert json.loads(json.dumps(tool.schema()))["function"]["description"]


def test_transfer_is_offered_only_where_there_is_somewhere_to_go() -> None:
    assert [tool.name for tool in described(("transfer", "hang_up"), ())] == ["hang_up"]


@pytest.mark.parametrize(
    "calls",
    [
        [Call("hang_up")],
        [Call("transfer", {"destination": "support"})],
        [Call("transfer", {"destination": "sales", "reason": 'They said "now", twice.'})],
        [Call("send_digits", {"digits": "12#"})],
        [Call("record", {"action": "start"})],
        [Call("set_result", {"outcome": "booked", "day": "Friday"})],
        [Call("take_booking", {"action": "book", "day": "Friday", "time": "nine", "name": "Müller"})],
        [Call("set_result", {"outcome": "done"}), Call("hang_up")],
    ],
    ids=lambda calls: " and ".join(call.name for call in calls),
)
def test_calls_as_models_write_them_are_taken_and_read_back(model: Model, calls: list[Call]) -> None:
    assert accepts(model, EVERY, written(*calls))
    assert notation.parse(written(*calls)) == calls


@pytest.mark.parametrize(
    "text",
    [
        written(Call("transfer", {"destination": "nowhere"})),
        written(Call("transfer")),
        written(Call("record", {"action": "pause"})),
        written(Call("hang_up", {"when": "now"})),
        written(Call("dance")),
        written(Call("hang_up")) + " and so on",
        '<tool_call>\n{"name": "hang_up"}\n</tool_call>',
        written(Call("hang_up"))[:-5],
    ],
)
def test_what_is_no_call_of_these_tools_cannot_be_written(model: Model, text: str) -> None:
    assert not accepts(model, EVERY, text)


def test_each_tool_alone_makes_a_grammar(model: Model) -> None:
    for tool in EVERY:
        grammar_text = grammar.of((tool,))
        sampler = lib.llama_sampler_init_grammar(model.vocab, grammar_text.encode(), grammar.ROOT.encode())
        assert sampler, grammar_text
        lib.llama_sampler_free(sampler)
