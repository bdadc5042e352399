"""What every LLM engine keeps to. A new engine is added to `engines` and must pass as it is."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from actors.llm.engine import Line, LlmEngine, Prompt, Token, ToolCall
from actors.llm.llama_cpp import LlamaCpp
from actors.llm.scripted import ScriptedLlm
from config.engines import LlamaCpp as LlamaCppSettings
from config.load import SHIPPED, load

CONFIG = load(SHIPPED)
TINY = Path(__file__).parents[3] / "models/tiny/llm/front-desk-tiny.gguf"
AGENT = CONFIG.agent


def scripted() -> LlmEngine:
    return ScriptedLlm(CONFIG.agents)


def llama_cpp() -> LlmEngine:
    """With the tiny model, which was trained on this agent's script."""
    return LlamaCpp(TINY, LlamaCppSettings(threads=1, calls=3, context=2048), dict(CONFIG.agents))


engines = pytest.mark.parametrize("make", [scripted, llama_cpp])
Make = Callable[[], LlmEngine]


def prompt(*said: str, tools: tuple[str, ...] = AGENT.tools) -> Prompt:
    """A call in which the caller says this, one line after the other, and the agent says something in between."""
    lines = [Line("agent", AGENT.greeting)]
    for text in said:
        lines += [Line("caller", text), Line("agent", "All right.")]
    return Prompt(AGENT.name, AGENT.prompt, tuple(lines[:-1]), tools)


def answer(engine: LlmEngine, prompt: Prompt) -> list[Token | ToolCall]:
    async def collect() -> list[Token | ToolCall]:
        return [part async for part in engine.generate(prompt)]

    return asyncio.run(collect())


def text(parts: list[Token | ToolCall]) -> str:
    return "".join(part.text for part in parts if isinstance(part, Token))


@engines
def test_its_name_is_that_of_its_module(make: Make) -> None:
    engine = make()
    assert type(engine).__module__ == f"actors.llm.{engine.name}"


@engines
def test_it_answers_a_greeting(make: Make) -> None:
    assert text(answer(make(), prompt("hello")))


@engines
def test_joined_tokens_are_the_text_as_it_is_spoken(make: Make) -> None:
    parts = answer(make(), prompt("what are your opening hours"))
    assert len(parts) > 3, "it streams"
    assert text(parts) == " ".join(text(parts).split())
    assert all(part.text for part in parts if isinstance(part, Token))


@engines
def test_speech_that_was_not_understood_is_answered_too(make: Make) -> None:
    assert text(answer(make(), prompt("")))


@engines
def test_the_same_prompt_asked_again_is_answerable_again(make: Make) -> None:
    engine = make()
    first, second = (answer(engine, prompt("i need an appointment", "on friday")) for _ in range(2))
    assert text(first) and text(second)


@engines
def test_an_engine_that_was_started_again_goes_on_where_the_other_stopped(make: Make) -> None:
    before = make()
    answer(before, prompt("i need an appointment"))
    after = make()
    assert "Friday" in text(answer(after, prompt("i need an appointment", "on friday")))


@engines
def test_one_call_learns_nothing_of_another(make: Make) -> None:
    engine = make()
    alone = text(answer(make(), prompt("at nine")))
    answer(engine, prompt("i need an appointment", "on friday"))
    assert text(answer(engine, prompt("at nine"))) == alone


@engines
def test_it_calls_only_tools_that_the_prompt_allows(make: Make) -> None:
    engine = make()
    for tools in (AGENT.tools, ("transfer",), ()):
        for said in ("goodbye", "i want to talk to a person"):
            calls = [part for part in answer(engine, prompt(said, tools=tools)) if isinstance(part, ToolCall)]
            assert all(call.name in tools for call in calls)


@engines
def test_closing_the_iterator_cancels(make: Make) -> None:
    async def hear_one_token(stream: AsyncIterator[Token | ToolCall]) -> list[Token | ToolCall]:
        first = [await anext(stream)]
        await stream.aclose()  # type: ignore[attr-defined]
        return first + [part async for part in stream]

    engine = make()
    assert len(asyncio.run(hear_one_token(engine.generate(prompt("what are your opening hours"))))) == 1
    assert text(answer(engine, prompt("what are your opening hours")))


@engines
def test_two_calls_are_answered_at_the_same_time(make: Make) -> None:
    engine = make()

    async def both() -> tuple[str, str]:
        streams = [engine.generate(prompt("what are your opening hours")), engine.generate(prompt("where are you"))]
        heard = ["", ""]
        going = [0, 1]
        while going:
            for index in list(going):
                part = await anext(streams[index], None)
                if part is None:
                    going.remove(index)
                elif isinstance(part, Token):
                    heard[index] += part.text
        return heard[0], heard[1]

    hours, address = asyncio.run(both())
    assert hours == text(answer(engine, prompt("what are your opening hours")))
    assert address == text(answer(engine, prompt("where are you")))
