"""The LLM actor's work, with a model that says what the test lets it say."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from actors.llm.engine import Failed, Full, Line, Prompt, ToolCall
from actors.llm.engine import Token as EngineToken
from actors.llm.thinking import Thinking
from ipc.messages import Done, Message
from ipc.thinking import CancelGenerate, Generate, Generated, PromptLine, Token, ToolWanted
from tests.actors.service import Service


class Dictated:
    """Gives, for each prompt, the pieces that the test puts into `answers[what the caller said]`; None ends it."""

    name = "dictated"

    def __init__(self) -> None:
        self.answers: dict[str, asyncio.Queue[EngineToken | ToolCall | Exception | None]] = {}
        self.prompts: list[Prompt] = []
        self.closed: dict[str, asyncio.Event] = {}

    def reserve(self, call: str, agent: str, system: str, tools: tuple[str, ...]) -> None:
        """There is always room."""

    def prepare(self, prompt: Prompt) -> None:
        """Nothing is read beforehand."""

    def release(self, call: str) -> None:
        """Nothing is kept."""

    def expect(self, said: str) -> asyncio.Queue[EngineToken | ToolCall | Exception | None]:
        self.answers[said], self.closed[said] = asyncio.Queue(), asyncio.Event()
        return self.answers[said]

    async def generate(self, prompt: Prompt) -> AsyncIterator[EngineToken | ToolCall]:
        self.prompts.append(prompt)
        said = prompt.lines[-1].text
        try:
            while piece := await self.answers[said].get():
                if isinstance(piece, Exception):
                    raise piece
                yield piece
        finally:
            self.closed[said].set()


Scene = Callable[[Service, Dictated], Awaitable[None]]


def run(tmp_path: Path, scene: Scene) -> None:
    async def play() -> None:
        async with Service(tmp_path, "llm.1") as service:
            engine = Dictated()
            Thinking(service.actor, engine)
            await scene(service, engine)

    asyncio.run(play())


def question(text: str, request: str = "c1#1.1") -> Generate:
    lines = (PromptLine("agent", "Good morning."), PromptLine("caller", text))
    return Generate(request=request, call_id="c1", agent="desk", system="Be kind.", lines=lines, tools=("hang_up",))


async def answered(service: Service, request: str) -> list[Message]:
    """All that came for this request, up to the end of the answer."""
    while (await service.note(Generated)).request != request:
        pass
    return [note for note in service.came if getattr(note, "request", "") == request]


def test_tokens_come_in_order_as_they_are_made_and_then_the_end(tmp_path: Path) -> None:
    async def scene(service: Service, engine: Dictated) -> None:
        pieces = engine.expect("are you open")
        assert await service.ask(question("are you open")) == Done()
        for text in ("We", " are", " open."):
            pieces.put_nowait(EngineToken(text))
            assert await service.note(Token) == Token(request="c1#1.1", text=text)
        pieces.put_nowait(None)
        assert (await answered(service, "c1#1.1"))[-1] == Generated(request="c1#1.1")
        assert service.calls_shown == 0

    run(tmp_path, scene)


def test_a_tool_is_wanted_between_the_tokens_where_the_model_wants_it(tmp_path: Path) -> None:
    async def scene(service: Service, engine: Dictated) -> None:
        pieces = engine.expect("goodbye")
        for piece in (EngineToken("Good"), EngineToken("bye."), ToolCall("hang_up", {"reason": "done"}), None):
            pieces.put_nowait(piece)
        await service.ask(question("goodbye"))
        assert await answered(service, "c1#1.1") == [
            Token(request="c1#1.1", text="Good"),
            Token(request="c1#1.1", text="bye."),
            ToolWanted(request="c1#1.1", name="hang_up", arguments={"reason": "done"}),
            Generated(request="c1#1.1"),
        ]

    run(tmp_path, scene)


def test_the_model_is_told_all_that_the_sender_knows(tmp_path: Path) -> None:
    async def scene(service: Service, engine: Dictated) -> None:
        engine.expect("hello").put_nowait(None)
        await service.ask(question("hello"))
        await answered(service, "c1#1.1")
        lines = (Line("agent", "Good morning."), Line("caller", "hello"))
        assert engine.prompts == [Prompt("desk", "Be kind.", lines, ("hang_up",), "c1")]

    run(tmp_path, scene)


@pytest.mark.parametrize("error", [Full("all 4 calls are taken"), Failed("the server hung up")])
def test_an_answer_that_cannot_be_given_ends_and_says_why_and_the_actor_goes_on(
    tmp_path: Path, error: Exception
) -> None:
    async def scene(service: Service, engine: Dictated) -> None:
        pieces = engine.expect("hello")
        for piece in (EngineToken("Hel"), error):
            pieces.put_nowait(piece)
        await service.ask(question("hello"))
        assert await answered(service, "c1#1.1") == [
            Token(request="c1#1.1", text="Hel"),
            Generated(request="c1#1.1", failure=str(error)),
        ]
        engine.expect("again").put_nowait(None)
        await service.ask(question("again", "c1#2.1"))
        assert await answered(service, "c1#2.1") == [Generated(request="c1#2.1")]
        assert service.calls_shown == 0

    run(tmp_path, scene)


def test_two_answers_are_given_at_once_and_told_apart(tmp_path: Path) -> None:
    async def scene(service: Service, engine: Dictated) -> None:
        one, two = engine.expect("one"), engine.expect("two")
        await service.ask(question("one", "c1#1.1"))
        await service.ask(question("two", "c2#1.1"))
        assert service.calls_shown == 2
        for number in range(3):
            two.put_nowait(EngineToken(f"b{number}"))
            assert await service.note(Token) == Token(request="c2#1.1", text=f"b{number}")
            one.put_nowait(EngineToken(f"a{number}"))
            assert await service.note(Token) == Token(request="c1#1.1", text=f"a{number}")
        two.put_nowait(None)
        assert len(await answered(service, "c2#1.1")) == 4
        assert service.calls_shown == 1
        one.put_nowait(None)
        assert len(await answered(service, "c1#1.1")) == 4

    run(tmp_path, scene)


def test_a_question_that_is_asked_twice_is_answered_once(tmp_path: Path) -> None:
    async def scene(service: Service, engine: Dictated) -> None:
        pieces = engine.expect("are you open")
        await service.ask(question("are you open"))
        assert await service.ask(question("are you open")) == Done()
        pieces.put_nowait(None)
        assert await answered(service, "c1#1.1") == [Generated(request="c1#1.1")]
        assert len(engine.prompts) == 1 and service.calls_shown == 0

    run(tmp_path, scene)


def test_a_cancelled_answer_stops_in_the_middle_and_does_not_end(tmp_path: Path) -> None:
    async def scene(service: Service, engine: Dictated) -> None:
        pieces = engine.expect("tell me a story")
        pieces.put_nowait(EngineToken("Once"))
        await service.ask(question("tell me a story"))
        await service.note(Token)
        service.asker.tell("llm.1", CancelGenerate(request="c1#1.1"))
        await service.until(engine.closed["tell me a story"], "the model is stopped")
        pieces.put_nowait(EngineToken(" upon"))
        pieces.put_nowait(None)
        assert [note.text for note in await service.all_notes(Token)] == ["Once"]
        assert not [note for note in await service.all_notes(Generated) if note.request == "c1#1.1"]
        assert service.calls_shown == 0

    run(tmp_path, scene)


def test_one_answer_is_cancelled_and_the_other_goes_on(tmp_path: Path) -> None:
    async def scene(service: Service, engine: Dictated) -> None:
        engine.expect("one")
        two = engine.expect("two")
        await service.ask(question("one", "c1#1.1"))
        await service.ask(question("two", "c2#1.1"))
        service.asker.tell("llm.1", CancelGenerate(request="c1#1.1"))
        await service.until(engine.closed["one"], "the model is stopped")
        two.put_nowait(EngineToken("Still here."))
        two.put_nowait(None)
        assert [getattr(note, "text", "") for note in await answered(service, "c2#1.1")] == ["Still here.", ""]

    run(tmp_path, scene)


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
def test_an_answer_that_is_cancelled_before_it_began_is_forgotten_too(tmp_path: Path) -> None:
    async def scene(service: Service, engine: Dictated) -> None:
        engine.expect("hello").put_nowait(None)
        for number in range(20):
            request = f"c1#{number}.1"
            asked = asyncio.ensure_future(service.ask(question("hello", request)))
            await asyncio.sleep(0)
            service.asker.tell("llm.1", CancelGenerate(request=request))
            await asked
        while service.calls_shown:
            await service.all_notes(Token)

    run(tmp_path, scene)


def test_cancelling_an_answer_that_is_over_is_no_error(tmp_path: Path) -> None:
    async def scene(service: Service, engine: Dictated) -> None:
        engine.expect("hello").put_nowait(None)
        await service.ask(question("hello"))
        await answered(service, "c1#1.1")
        service.asker.tell("llm.1", CancelGenerate(request="c1#1.1"))
        engine.expect("hello").put_nowait(None)
        await service.ask(question("hello", "c1#2.1"))
        await answered(service, "c1#2.1")

    run(tmp_path, scene)
