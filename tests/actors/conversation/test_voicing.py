"""The agent's clauses on their way to a synthesiser that may die: each is spoken once and in its place."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from actors.conversation import voicing
from actors.conversation.events import Say
from actors.conversation.voicing import Voicing
from config.agent import Agent, Voice
from ipc.messages import Done, Message, Release, Speak, Spoken
from tests.actors.conversation.cast import Answer, Cast, refuses, says_nothing

AGENT = Agent(name="desk", greeting="Hi.", voice=Voice(name="anna", words_per_minute=150, pitch=40))

Scene = Callable[[Cast, Voicing], Awaitable[None]]


def run(tmp_path: Path, scene: Scene, *names: str) -> None:
    async def play() -> None:
        async with Cast(tmp_path, *(names or ("tts.1", "tts.2"))) as cast:
            await scene(cast, Voicing(cast.bus, cast.engines, "c1", "segment", AGENT, cast.note_lost))

    asyncio.run(play())


def say(clause: int, generation: int = 1) -> Say:
    return Say(generation, clause, f"clause {clause} of {generation}", "answer")


def spoken(clause: int, generation: int = 1) -> Spoken:
    return Spoken(call_id="c1", generation=generation, clause=clause, first_sample=0, samples=1, words=())


def texts(cast: Cast, name: str) -> list[str]:
    return [command.text for command in cast[name].all(Speak)]


def other(name: str) -> str:
    return {"tts.1": "tts.2", "tts.2": "tts.1"}[name]


def test_an_actor_is_told_all_that_it_needs_to_speak_a_clause(tmp_path: Path) -> None:
    async def scene(cast: Cast, voice: Voicing) -> None:
        await voice.say(Say(3, 2, "Good morning.", "greeting"))
        assert cast[voice.actor].got == [
            Speak(
                call_id="c1",
                segment="segment",
                generation=3,
                clause=2,
                text="Good morning.",
                voice="anna",
                words_per_minute=150,
                pitch=40,
            )
        ]

    run(tmp_path, scene)


def test_all_clauses_of_a_reply_go_to_one_actor_in_order(tmp_path: Path) -> None:
    async def scene(cast: Cast, voice: Voicing) -> None:
        await asyncio.gather(*(voice.say(say(number)) for number in range(10)))
        assert texts(cast, voice.actor) == [f"clause {number} of 1" for number in range(10)]
        assert texts(cast, other(voice.actor)) == []

    run(tmp_path, scene)


def test_a_successor_gets_the_clauses_that_were_not_in_the_mouth_yet(tmp_path: Path) -> None:
    async def scene(cast: Cast, voice: Voicing) -> None:
        for number in range(3):
            await voice.say(say(number))
        voice.take(spoken(0))
        first = voice.actor
        cast.dies(first)
        await voice.move("killed")
        assert voice.actor == other(first)
        assert texts(cast, voice.actor) == ["clause 1 of 1", "clause 2 of 1"]
        assert cast.lost == [("tts", first, "killed", voice.actor)]

    run(tmp_path, scene)


def test_an_actor_that_dies_while_it_is_asked_is_followed_in_order_and_nothing_is_said_twice(tmp_path: Path) -> None:
    async def scene(cast: Cast, voice: Voicing) -> None:
        await voice.say(say(0))
        first = voice.actor
        cast[first].answers = says_nothing
        asked = [asyncio.ensure_future(voice.say(say(number))) for number in (1, 2)]
        await cast[first].gets(Speak, 2)
        cast.dies(first)
        await asyncio.gather(voice.move("killed"), *asked)
        assert texts(cast, voice.actor) == ["clause 0 of 1", "clause 1 of 1", "clause 2 of 1"]

    run(tmp_path, scene)


def test_an_actor_that_refuses_in_the_middle_of_a_reply_is_followed_in_order(tmp_path: Path) -> None:
    async def scene(cast: Cast, voice: Voicing) -> None:
        await voice.say(say(0))
        first = voice.actor
        cast[first].answers = refuses
        await voice.say(say(1))
        assert texts(cast, other(first)) == ["clause 0 of 1", "clause 1 of 1"]

    run(tmp_path, scene)


def test_an_actor_that_is_only_silent_is_followed_when_its_time_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(voicing, "SPEAK_S", 0.5)

    async def scene(cast: Cast, voice: Voicing) -> None:
        def falls_silent(command: Message) -> Answer:
            return Done() if isinstance(command, Speak) and command.clause == 0 else None

        cast["tts.1"].answers = cast["tts.2"].answers = falls_silent
        await voice.say(say(0))
        first = voice.actor
        cast[other(first)].answers = lambda command: Done()
        await voice.say(say(1))
        assert texts(cast, other(first)) == ["clause 0 of 1", "clause 1 of 1"]

    run(tmp_path, scene)


def test_a_new_reply_forgets_the_clauses_of_the_one_before(tmp_path: Path) -> None:
    async def scene(cast: Cast, voice: Voicing) -> None:
        await voice.say(say(0, 1))
        await voice.say(say(1, 1))
        await voice.say(say(0, 2))
        first = voice.actor
        cast.dies(first)
        await voice.move("killed")
        assert texts(cast, other(first)) == ["clause 0 of 2"]

    run(tmp_path, scene)


def test_an_actor_that_had_nothing_left_to_say_is_lost_without_a_successor(tmp_path: Path) -> None:
    async def scene(cast: Cast, voice: Voicing) -> None:
        await voice.say(say(0))
        voice.take(spoken(0))
        first = voice.actor
        cast.dies(first)
        await voice.move("killed")
        assert texts(cast, other(first)) == []
        assert cast.lost == [("tts", first, "killed", "")]
        await voice.say(say(1))
        assert texts(cast, other(first)) == ["clause 1 of 1"]

    run(tmp_path, scene)


def test_where_there_is_one_actor_its_successor_of_the_same_name_speaks_the_rest(tmp_path: Path) -> None:
    async def scene(cast: Cast, voice: Voicing) -> None:
        for number in range(3):
            await voice.say(say(number))
        voice.take(spoken(0))
        cast.dies("tts.1")
        cast["tts.1"].got.clear()
        moving = asyncio.ensure_future(voice.move("killed"))
        await asyncio.sleep(0)
        later = asyncio.ensure_future(voice.say(say(3)))
        await asyncio.sleep(0)
        assert texts(cast, "tts.1") == [], "nobody is there"
        cast.comes_back("tts.1")
        await asyncio.gather(moving, later)
        assert texts(cast, "tts.1") == ["clause 1 of 1", "clause 2 of 1", "clause 3 of 1"]

    run(tmp_path, scene, "tts.1")


def test_when_nobody_can_speak_it_is_logged_and_the_call_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene(cast: Cast, voice: Voicing) -> None:
        cast["tts.1"].answers = cast["tts.2"].answers = refuses
        await voice.say(say(0))
        assert "nobody can speak to the caller" in caplog.text
        cast["tts.1"].answers = cast["tts.2"].answers = lambda command: Done()
        await voice.say(say(1))
        assert texts(cast, voice.actor)[-2:] == ["clause 0 of 1", "clause 1 of 1"], "what nobody spoke is spoken first"

    run(tmp_path, scene)


def test_at_the_end_of_the_call_the_actor_is_told(tmp_path: Path) -> None:
    async def scene(cast: Cast, voice: Voicing) -> None:
        voice.release()
        await voice.say(say(0))
        voice.release()
        assert await cast[voice.actor].gets(Release) == [Release(call_id="c1")]
        assert cast[other(voice.actor)].got == []

    run(tmp_path, scene)
