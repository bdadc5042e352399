"""The real library with the tiny model: what is read, what is read again, and what is not."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from actors.llm import sampling
from actors.llm.engine import Full, Line, Prompt, Token, ToolCall
from actors.llm.llama import Context, Fed
from actors.llm.llama_cpp import LlamaCpp
from config.engines import LlamaCpp as Settings
from tests.actors.llm.test_contract import AGENT, CONFIG, TINY

SETTINGS = Settings(threads=1, calls=3, context=1536)
Make = Callable[..., LlamaCpp]


@pytest.fixture
def make() -> Iterator[Make]:
    engines: list[LlamaCpp] = []

    def make_one(settings: Settings = SETTINGS) -> LlamaCpp:
        engines.append(LlamaCpp(TINY, settings, dict(CONFIG.agents)))
        return engines[-1]

    yield make_one
    for engine in engines:
        engine.close()


@pytest.fixture
def fed(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[Fed]]:
    """What has gone through the model, step by step."""
    steps: list[Sequence[Fed]] = []
    decode = Context.decode

    def listening(self: Context, shares: Sequence[Fed]) -> list[Any]:
        steps.append(list(shares))
        return decode(self, shares)

    monkeypatch.setattr(Context, "decode", listening)
    return steps


def tokens(steps: Sequence[Sequence[Fed]]) -> int:
    return sum(len(share.tokens) for step in steps for share in step)


def prompt(*said: str, call: str = "c1") -> Prompt:
    lines = [Line("agent", AGENT.greeting)]
    for text in said:
        lines += [Line("caller", text), Line("agent", "All right.")]
    return Prompt(AGENT.name, AGENT.prompt, tuple(lines[:-1]), AGENT.tools, call)


async def answer(engine: LlamaCpp, question: Prompt) -> str:
    return "".join([part.text async for part in engine.generate(question) if isinstance(part, Token)])


async def idle(engine: LlamaCpp) -> None:
    """Until the model has nothing more to read."""
    driver = engine._machine._driver
    if driver is not None:
        await driver


def test_a_new_call_reads_what_is_its_own_and_not_the_instructions(make: Make, fed: list[Sequence[Fed]]) -> None:
    engine = make()
    opening = tokens(fed)
    fed.clear()
    asyncio.run(answer(engine, prompt("what are your opening hours")))
    assert len(fed[0][0].tokens) <= 64 < opening
    assert not any(share.position < opening // 2 for step in fed for share in step)


def test_a_second_turn_reads_only_what_is_new(make: Make, fed: list[Sequence[Fed]]) -> None:
    engine = make()

    async def talk() -> None:
        first = prompt("i need an appointment")
        said = await answer(engine, first)
        fed.clear()
        await answer(engine, replace(first, lines=(*first.lines, Line("agent", said), Line("caller", "on friday"))))

    asyncio.run(talk())
    assert len(fed[0][0].tokens) <= 16


def test_what_was_prepared_is_not_read_again_and_only_the_end_is_left(make: Make, fed: list[Sequence[Fed]]) -> None:
    engine = make()

    async def talk() -> str:
        for said in ("what", "what are your", "what are your opening hours"):
            engine.prepare(prompt(said))
            await idle(engine)
        fed.clear()
        return await answer(engine, prompt("what are your opening hours"))

    assert "Monday to Friday" in asyncio.run(talk())
    assert len(fed[0][0].tokens) <= 8


def test_what_was_prepared_wrongly_changes_nothing(make: Make) -> None:
    engine, other = make(), make()

    async def talk() -> str:
        engine.prepare(prompt("i want to talk to a person"))
        await idle(engine)
        return await answer(engine, prompt("what are your opening hours"))

    assert asyncio.run(talk()) == asyncio.run(answer(other, prompt("what are your opening hours")))


def test_after_a_cancel_at_most_one_more_token_is_computed(make: Make, fed: list[Sequence[Fed]]) -> None:
    engine = make()

    async def talk() -> int:
        stream = engine.generate(prompt("what are your opening hours"))
        await anext(stream)
        before = len(fed)
        await stream.aclose()  # type: ignore[attr-defined]
        await idle(engine)
        return len(fed) - before

    assert asyncio.run(talk()) <= 1


def test_answers_of_several_calls_are_computed_in_the_same_steps(make: Make, fed: list[Sequence[Fed]]) -> None:
    engine = make()

    async def talk() -> list[str]:
        asked = (prompt("what are your opening hours", call=call) for call in "abc")
        return await asyncio.gather(*(answer(engine, question) for question in asked))

    assert all("Monday to Friday" in said for said in asyncio.run(talk()))
    assert max(len(step) for step in fed) == 3


def test_the_same_prompt_is_answered_the_same(make: Make) -> None:
    engine = make(Settings(threads=1, calls=3, context=1536, temperature=1.0, top_p=1.0))
    said = {asyncio.run(answer(engine, prompt("who are you", call=call))) for call in ("a", "a", "b")}
    assert len(said) == 1


def test_room_is_kept_and_who_has_none_is_refused(make: Make) -> None:
    engine = make()
    for call in "abc":
        engine.reserve(call, AGENT.name, AGENT.prompt, AGENT.tools)
    with pytest.raises(Full, match="all 3 calls"):
        engine.reserve("d", AGENT.name, AGENT.prompt, AGENT.tools)
    with pytest.raises(Full):
        asyncio.run(answer(engine, prompt("hello", call="d")))
    engine.release("b")
    assert asyncio.run(answer(engine, prompt("hello", call="d")))


def test_a_call_that_asks_again_wants_no_more_of_the_answer_before(make: Make) -> None:
    engine = make()

    async def talk() -> tuple[list[object], str]:
        first = engine.generate(prompt("what are your opening hours"))
        await anext(first)
        second = await answer(engine, prompt("where are you"))
        return [part async for part in first], second

    rest, second = asyncio.run(talk())
    assert "Maple" in second
    assert len(rest) <= 1


def test_a_long_call_forgets_its_oldest_turns_and_goes_on(make: Make, fed: list[Sequence[Fed]]) -> None:
    engine = make()
    many = ["what are your opening hours please", "where are you located"] * 60

    async def talk() -> list[int]:
        read = []
        for turn in range(90, 110):
            fed.clear()
            assert await answer(engine, prompt(*many[:turn]))
            read.append(tokens(fed))
        return read

    read = asyncio.run(talk())
    again = sum(amount > 200 for amount in read[1:])
    assert again <= 4, f"most turns read only what is new: {read}"


def test_time_is_up_for_an_answer_that_takes_too_long(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = make(Settings(threads=1, calls=1, context=1536, infer_timeout_s=0.05))
    never = asyncio.Event()

    async def still(*_: object) -> list[None]:
        await never.wait()
        return []

    monkeypatch.setattr(engine._machine, "_computed", still)
    assert asyncio.run(answer(engine, prompt("hello"))) == ""


def test_when_the_model_breaks_whoever_waits_learns_it(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = make()

    def broken(self: Context, shares: Sequence[Fed]) -> list[Any]:
        raise RuntimeError("no more memory")

    monkeypatch.setattr(Context, "decode", broken)
    with pytest.raises(Exception, match="could not go on: no more memory"):
        asyncio.run(answer(engine, prompt("hello")))


def test_a_tool_call_is_made_of_what_the_agent_may_do_also_by_a_model_that_talks_nonsense(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The words are drawn at random, once the call has begun: the grammar alone makes it well-formed."""
    engine = make(Settings(threads=1, calls=1, context=1536, max_tokens=400))
    likeliest = sampling._likeliest
    begin = engine._model.tokenize("<tool_call>")
    state = {"at": 0}

    def nonsense(logits: sampling.Logits) -> Any:
        if state["at"] < len(begin):
            logits = logits.copy()
            logits[begin[state["at"]]] = 1000.0
        else:
            logits = (logits * 7919.0) % 10.0
        state["at"] += 1
        return likeliest(logits)

    monkeypatch.setattr(sampling, "_likeliest", nonsense)

    async def calls() -> list[ToolCall]:
        return [part async for part in engine.generate(prompt("hello")) if isinstance(part, ToolCall)]

    found = asyncio.run(calls())
    assert found and all(call.name in AGENT.tools for call in found)
    assert all(call.arguments["destination"] == "person" for call in found if call.name == "transfer")


def test_models_that_cannot_be_cut_answer_all_the_same(
    make: Make, fed: list[Sequence[Fed]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Context, "can_cut", lambda _: False)
    engine = make()

    async def talk() -> tuple[str, str]:
        engine.prepare(prompt("what are"))
        await idle(engine)
        hours = await answer(engine, prompt("what are your opening hours"))
        return hours, await answer(engine, prompt("where are you"))

    async def guess_twice() -> int:
        for said in ("what are", "what are your"):
            fed.clear()
            engine.prepare(prompt("hello", said))
            await idle(engine)
        return tokens(fed)

    hours, place = asyncio.run(talk())
    assert "Monday to Friday" in hours and "Maple" in place
    assert asyncio.run(guess_twice()) == 0, "what was said before is read once, whatever the caller goes on to say"
