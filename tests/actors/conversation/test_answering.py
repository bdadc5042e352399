"""The agent's answers on their way from a language model that may die: begun once, and not twice."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from actors.conversation.answering import Answering
from actors.conversation.events import AnswerEnd, AnswerText, AnswerTool, Ask, Event, HistoryLine
from actors.pool import NoEngine
from config.agent import Agent
from ipc.messages import Release
from ipc.thinking import CancelGenerate, Generate, Generated, Prepare, PromptLine, Reserve, Token, ToolWanted
from tests.actors.conversation.cast import Cast, agrees, is_busy, refuses, says_nothing

AGENT = Agent(name="desk", greeting="Hi.", prompt="Be kind.", tools=("hang_up",))

QUESTION = Ask(1, (HistoryLine("agent", "Good morning."), HistoryLine("caller", "are you open")))
NEXT = Ask(2, (HistoryLine("caller", "where are you"),))


class Listener(list[Event]):
    """What the turn machine is told."""


Scene = Callable[[Cast, Answering, Listener], Awaitable[None]]


def run(tmp_path: Path, scene: Scene, *names: str) -> None:
    async def play() -> None:
        async with Cast(tmp_path, *(names or ("llm.1", "llm.2"))) as cast:
            told = Listener()
            await scene(cast, Answering(cast.bus, cast.engines, "c1", AGENT, told.append, cast.note_lost), told)

    asyncio.run(play())


def other(name: str) -> str:
    return {"llm.1": "llm.2", "llm.2": "llm.1"}[name]


def request(cast: Cast, name: str) -> str:
    """The answer that this actor was asked for last."""
    return cast[name].all(Generate)[-1].request


def test_the_model_is_told_the_whole_conversation(tmp_path: Path) -> None:
    async def scene(cast: Cast, answering: Answering, told: Listener) -> None:
        await answering.ask(QUESTION)
        (asked,) = cast[answering.actor].all(Generate)
        assert (asked.agent, asked.system, asked.tools) == ("desk", "Be kind.", ("hang_up",))
        assert asked.lines == (PromptLine("agent", "Good morning."), PromptLine("caller", "are you open"))
        assert asked.request.startswith("c1#")

    run(tmp_path, scene)


def test_tokens_tools_and_the_end_reach_the_turn_machine(tmp_path: Path) -> None:
    async def scene(cast: Cast, answering: Answering, told: Listener) -> None:
        await answering.ask(QUESTION)
        name = request(cast, answering.actor)
        answering.take(Token(request=name, text="Yes"))
        answering.take(Token(request=name, text=" we are."))
        answering.take(ToolWanted(request=name, name="hang_up", arguments={"reason": "done"}))
        answering.take(Generated(request=name))
        assert told == [
            AnswerText(1, "Yes"),
            AnswerText(1, " we are."),
            AnswerTool(1, "hang_up", {"reason": "done"}),
            AnswerEnd(1),
        ]

    run(tmp_path, scene)


def test_what_belongs_to_another_answer_is_left_alone(tmp_path: Path) -> None:
    async def scene(cast: Cast, answering: Answering, told: Listener) -> None:
        answering.take(Token(request="c1#0.1", text="Nobody asked."))
        await answering.ask(QUESTION)
        first = request(cast, answering.actor)
        await answering.ask(NEXT)
        second = request(cast, answering.actor)
        answering.take(Token(request=first, text="Too late."))
        answering.take(Generated(request=first))
        answering.take(Token(request=second, text="On Maple Street."))
        assert told == [AnswerText(2, "On Maple Street.")]

    run(tmp_path, scene)


def test_a_cancelled_answer_is_not_heard_and_its_actor_is_told(tmp_path: Path) -> None:
    async def scene(cast: Cast, answering: Answering, told: Listener) -> None:
        await answering.ask(QUESTION)
        name = request(cast, answering.actor)
        answering.cancel()
        answering.cancel()
        answering.take(Token(request=name, text="Yes."))
        assert told == []
        assert await cast[answering.actor].gets(CancelGenerate) == [CancelGenerate(request=name)]

    run(tmp_path, scene)


def test_an_answer_that_is_cancelled_while_it_is_being_asked_for_is_cancelled_where_it_was_taken_on(
    tmp_path: Path,
) -> None:
    async def scene(cast: Cast, answering: Answering, told: Listener) -> None:
        asked = asyncio.ensure_future(answering.ask(QUESTION))
        await asyncio.sleep(0)
        answering.cancel()
        await asked
        taken = cast[answering.actor].all(Generate)
        if taken:  # it may not even have been sent
            await cast[answering.actor].gets(CancelGenerate)
            assert {note.request for note in cast[answering.actor].all(CancelGenerate)} == {taken[0].request}
        assert told == []

    run(tmp_path, scene)


def test_a_successor_is_asked_again_as_long_as_nothing_of_the_answer_has_come(tmp_path: Path) -> None:
    async def scene(cast: Cast, answering: Answering, told: Listener) -> None:
        await answering.ask(QUESTION)
        first = answering.actor
        before = request(cast, first)
        cast.dies(first)
        await answering.move("killed")
        assert answering.actor == other(first)
        again = request(cast, answering.actor)
        assert again != before, "what the dead one had still sent is told apart"
        answering.take(Token(request=before, text="From the grave."))
        answering.take(Token(request=again, text="Yes."))
        assert told == [AnswerText(1, "Yes.")]
        assert cast.lost == [("llm", first, "killed", answering.actor)]

    run(tmp_path, scene)


def dies_in_mid_answer(tmp_path: Path, *pieces: str) -> str:
    """What the turn machine is told of an answer whose first words came from an actor that then died, and these pieces
    from the next one."""
    text = ""

    async def scene(cast: Cast, answering: Answering, told: Listener) -> None:
        nonlocal text
        await answering.ask(QUESTION)
        first = answering.actor
        for piece in ("Yes,", " we"):
            answering.take(Token(request=request(cast, first), text=piece))
        cast.dies(first)
        await answering.move("killed")
        again = request(cast, answering.actor)
        for piece in pieces:
            answering.take(Token(request=again, text=piece))
        answering.take(Generated(request=again))
        assert told[-1] == AnswerEnd(1)
        assert cast.lost == [("llm", first, "killed", other(first))]
        text = "".join(event.text for event in told if isinstance(event, AnswerText))

    run(tmp_path, scene)
    return text


def test_an_answer_that_breaks_off_goes_on_where_it_stopped(tmp_path: Path) -> None:
    assert dies_in_mid_answer(tmp_path, "Yes", ", we are", " open.") == "Yes, we are open."


def test_an_answer_that_is_given_otherwise_the_second_time_is_given_whole(tmp_path: Path) -> None:
    assert dies_in_mid_answer(tmp_path, "Yes", ", until", " six.") == "Yes, we Yes, until six."


def test_an_answer_that_is_shorter_the_second_time_ends_where_it_was(tmp_path: Path) -> None:
    assert dies_in_mid_answer(tmp_path, "Yes") == "Yes, we"


def test_a_tool_that_was_wanted_before_the_actor_died_is_not_run_twice(tmp_path: Path) -> None:
    async def scene(cast: Cast, answering: Answering, told: Listener) -> None:
        await answering.ask(QUESTION)
        first = answering.actor
        booking = {"day": "monday"}
        answering.take(ToolWanted(request=request(cast, first), name="take_booking", arguments=booking))
        cast.dies(first)
        await answering.move("killed")
        again = request(cast, answering.actor)
        answering.take(ToolWanted(request=again, name="take_booking", arguments=booking))
        answering.take(Token(request=again, text="Booked."))
        assert told == [AnswerTool(1, "take_booking", booking), AnswerText(1, "Booked.")]
        await answering.ask(NEXT)
        answering.take(ToolWanted(request=request(cast, answering.actor), name="take_booking", arguments=booking))
        assert told[-1] == AnswerTool(2, "take_booking", booking), "another answer may want the same again"

    run(tmp_path, scene)


def test_an_actor_that_dies_while_it_is_asked_is_followed_by_the_next_once(tmp_path: Path) -> None:
    async def scene(cast: Cast, answering: Answering, told: Listener) -> None:
        await answering.ask(NEXT)
        answering.take(Generated(request=request(cast, answering.actor)))
        first = answering.actor
        cast[first].answers = says_nothing
        asked = asyncio.ensure_future(answering.ask(QUESTION))
        await cast[first].gets(Generate, 2)
        cast.dies(first)
        await asyncio.gather(answering.move("killed"), asked)
        assert len(cast[other(first)].all(Generate)) == 1
        answering.take(Token(request=request(cast, other(first)), text="Yes."))
        assert told[-1] == AnswerText(1, "Yes.")
        assert cast.lost == [("llm", first, "killed", other(first))]

    run(tmp_path, scene)


def test_an_actor_that_dies_between_two_answers_costs_nothing(tmp_path: Path) -> None:
    async def scene(cast: Cast, answering: Answering, told: Listener) -> None:
        await answering.ask(QUESTION)
        answering.take(Generated(request=request(cast, answering.actor)))
        first = answering.actor
        cast.dies(first)
        await answering.move("killed")
        assert cast[other(first)].all(Generate) == [] and cast.lost == [("llm", first, "killed", other(first))]
        await answering.ask(NEXT)
        assert answering.actor == other(first)

    run(tmp_path, scene)


def test_when_nobody_can_answer_the_answer_is_empty_and_not_waited_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene(cast: Cast, answering: Answering, told: Listener) -> None:
        cast["llm.1"].answers = cast["llm.2"].answers = refuses
        await answering.ask(QUESTION)
        assert told == [AnswerEnd(1)]
        assert "nobody can answer the caller" in caplog.text
        cast["llm.1"].answers = cast["llm.2"].answers = agrees
        await answering.ask(NEXT)
        assert cast[answering.actor].all(Generate)[-1].lines == (PromptLine("caller", "where are you"),)

    run(tmp_path, scene)


def test_where_there_is_one_actor_its_successor_of_the_same_name_is_asked_again(tmp_path: Path) -> None:
    async def scene(cast: Cast, answering: Answering, told: Listener) -> None:
        await answering.ask(QUESTION)
        cast.dies("llm.1")
        moving = asyncio.ensure_future(answering.move("killed"))
        await asyncio.sleep(0)
        cast.comes_back("llm.1")
        await moving
        assert len(await cast["llm.1"].gets(Generate, 2)) == 2
        assert cast.lost == [("llm", "llm.1", "killed", "llm.1")]

    run(tmp_path, scene, "llm.1")


def test_room_is_kept_for_a_call_before_it_asks_anything(tmp_path: Path) -> None:
    async def scene(cast: Cast, answering: Answering, told: Listener) -> None:
        await answering.open()
        (kept,) = cast[answering.actor].all(Reserve)
        assert (kept.call_id, kept.agent, kept.system, kept.tools) == ("c1", "desk", "Be kind.", ("hang_up",))
        await answering.ask(QUESTION)
        assert len(cast[answering.actor].all(Generate)) == 1, "whoever has room for it is asked"

    run(tmp_path, scene)


def test_an_actor_that_is_full_is_followed_by_one_that_has_room(tmp_path: Path) -> None:
    async def scene(cast: Cast, answering: Answering, told: Listener) -> None:
        cast["llm.1"].answers = is_busy
        await answering.open()
        assert answering.actor == "llm.2"

    run(tmp_path, scene)


def test_a_caller_for_whom_nobody_has_room_is_not_taken(tmp_path: Path) -> None:
    async def scene(cast: Cast, answering: Answering, told: Listener) -> None:
        for name in ("llm.1", "llm.2"):
            cast[name].answers = is_busy
        with pytest.raises(NoEngine) as full:
            await answering.open()
        assert full.value.busy

    run(tmp_path, scene)


def test_what_will_be_asked_is_read_by_whoever_has_room_for_the_call(tmp_path: Path) -> None:
    async def scene(cast: Cast, answering: Answering, told: Listener) -> None:
        await answering.open()
        answering.prepare(QUESTION.lines)
        (note,) = await cast[answering.actor].gets(Prepare)
        assert note.lines == (PromptLine("agent", "Good morning."), PromptLine("caller", "are you open"))
        assert note.system == "Be kind."

    run(tmp_path, scene)


def test_while_an_answer_is_being_given_nothing_else_is_read(tmp_path: Path) -> None:
    async def scene(cast: Cast, answering: Answering, told: Listener) -> None:
        await answering.open()
        await answering.ask(QUESTION)
        answering.prepare(NEXT.lines)
        answering.release()
        await cast[answering.actor].gets(Release)
        assert not cast[answering.actor].all(Prepare)

    run(tmp_path, scene)


def test_whoever_follows_a_dead_actor_reads_what_it_had_read(tmp_path: Path) -> None:
    async def scene(cast: Cast, answering: Answering, told: Listener) -> None:
        await answering.open()
        first = answering.actor
        answering.prepare(QUESTION.lines)
        cast.dies(first)
        await answering.move("killed")
        successor = cast[other(first)]
        (kept,), (note,) = await successor.gets(Reserve), await successor.gets(Prepare)
        assert kept.call_id == "c1"
        assert note.lines[-1] == PromptLine("caller", "are you open")
        assert cast.lost == [("llm", first, "killed", other(first))]

    run(tmp_path, scene)


def test_a_call_that_is_over_gives_its_room_back(tmp_path: Path) -> None:
    async def scene(cast: Cast, answering: Answering, told: Listener) -> None:
        await answering.open()
        answering.release()
        (over,) = await cast[answering.actor].gets(Release)
        assert over.call_id == "c1"

    run(tmp_path, scene)


def test_a_call_that_is_taken_over_leaves_no_room_taken_elsewhere(tmp_path: Path) -> None:
    async def scene(cast: Cast, answering: Answering, told: Listener) -> None:
        await answering.take_over()
        for name in ("llm.1", "llm.2"):
            await cast[name].gets(Release)
        assert cast[answering.actor].all(Reserve)

    run(tmp_path, scene)


def test_a_question_that_an_actor_gives_up_is_asked_elsewhere_once(tmp_path: Path) -> None:
    async def scene(cast: Cast, answering: Answering, told: Listener) -> None:
        await answering.ask(QUESTION)
        first = answering.actor
        answering.take(Generated(request=request(cast, first), failure="no room"))
        (again,) = await cast[other(first)].gets(Generate)
        assert again.lines[-1] == PromptLine("caller", "are you open")
        while answering.actor == first:
            await asyncio.sleep(0)
        answering.take(Generated(request=again.request, failure="no room here either"))
        assert told == [AnswerEnd(1)]

    run(tmp_path, scene)
