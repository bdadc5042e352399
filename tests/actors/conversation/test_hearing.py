"""The caller's utterances on their way to a recogniser that may die: each is heard from its first frame."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from actors.conversation.events import Transcript
from actors.conversation.hearing import Hearing
from actors.pool import NoEngine
from ipc.bus import Refused
from ipc.messages import Attend, Done, Finish, Hear, Heard, Message, Release
from tests.actors.conversation.cast import Answer, Cast, is_busy, refuses, says_nothing

ATTEND = Attend(call_id="c1", segment="segment", language="en-us", grammar="#JSGF V1.0;")
HEAR = Hear(call_id="c1", utterance=1, from_frame=100)
FINISH = Finish(call_id="c1", utterance=1, to_frame=180)
UNDERSTOOD = Transcript(1, "are you open", 0.8, 2)

Scene = Callable[[Cast, Hearing], Awaitable[None]]


def understands(command: Message) -> Answer:
    if isinstance(command, Finish):
        return Heard(text="are you open", confidence=0.8, frames=80, lost=2, took_ns=1)
    return Done()


def run(tmp_path: Path, scene: Scene, *names: str, opened: bool = True) -> None:
    async def play() -> None:
        async with Cast(tmp_path, *(names or ("stt.1", "stt.2"))) as cast:
            for name in names or ("stt.1", "stt.2"):
                cast[name].answers = understands
            hearing = Hearing(cast.bus, cast.engines, ATTEND, cast.note_lost)
            if opened:
                await hearing.open()
            await scene(cast, hearing)

    asyncio.run(play())


def other(name: str) -> str:
    return {"stt.1": "stt.2", "stt.2": "stt.1"}[name]


def falls_silent_at(kind: type[Message]) -> Callable[[Message], Answer]:
    return lambda command: None if isinstance(command, kind) else understands(command)


def test_an_utterance_is_begun_and_finished_with_one_recogniser(tmp_path: Path) -> None:
    async def scene(cast: Cast, hearing: Hearing) -> None:
        await hearing.begin(1, 100)
        assert await hearing.finish(1, 180) == UNDERSTOOD
        assert cast[hearing.actor].got == [ATTEND, HEAR, FINISH]
        assert cast[other(hearing.actor)].got == [] and cast.lost == []

    run(tmp_path, scene)


def test_commands_go_out_in_the_order_in_which_they_were_given(tmp_path: Path) -> None:
    async def scene(cast: Cast, hearing: Hearing) -> None:
        await asyncio.gather(
            hearing.begin(1, 100), hearing.finish(1, 180), hearing.begin(2, 200), hearing.finish(2, 250)
        )
        kinds = [(type(command), getattr(command, "utterance", 0)) for command in cast[hearing.actor].got[1:]]
        assert kinds == [(Hear, 1), (Finish, 1), (Hear, 2), (Finish, 2)]

    run(tmp_path, scene)


def test_who_speaks_before_a_recogniser_is_there_is_heard_by_it_all_the_same(tmp_path: Path) -> None:
    async def scene(cast: Cast, hearing: Hearing) -> None:
        _, _, transcript = await asyncio.gather(hearing.open(), hearing.begin(1, 100), hearing.finish(1, 180))
        assert transcript == UNDERSTOOD
        assert cast[hearing.actor].got == [ATTEND, HEAR, FINISH]
        assert cast.lost == []

    run(tmp_path, scene, opened=False)


def test_a_call_that_cannot_be_heard_is_not_opened(tmp_path: Path) -> None:
    async def scene(cast: Cast, hearing: Hearing) -> None:
        cast["stt.1"].answers = cast["stt.2"].answers = is_busy
        with pytest.raises(NoEngine) as nobody:
            await hearing.open()
        assert nobody.value.busy
        hearing.release()

    run(tmp_path, scene, opened=False)


def test_a_successor_hears_the_utterance_again_from_its_first_frame(tmp_path: Path) -> None:
    async def scene(cast: Cast, hearing: Hearing) -> None:
        await hearing.begin(1, 100)
        first = hearing.actor
        cast.dies(first)
        await hearing.move("killed")
        assert hearing.actor == other(first)
        assert await hearing.finish(1, 180) == UNDERSTOOD
        assert cast[hearing.actor].got == [ATTEND, HEAR, FINISH]
        assert cast.lost == [("stt", first, "killed", hearing.actor)]

    run(tmp_path, scene)


def test_an_actor_that_dies_between_two_utterances_is_followed_before_the_next(tmp_path: Path) -> None:
    async def scene(cast: Cast, hearing: Hearing) -> None:
        await hearing.begin(1, 100)
        await hearing.finish(1, 180)
        first = hearing.actor
        cast.dies(first)
        await hearing.move("killed")
        assert cast[hearing.actor].got == [ATTEND], "there was nothing to be heard again"
        await hearing.begin(2, 300)
        assert cast[hearing.actor].all(Hear)[-1].from_frame == 300

    run(tmp_path, scene)


@pytest.mark.parametrize("kind", [Hear, Finish])
def test_an_actor_that_dies_while_it_is_asked_is_followed_once_and_lost_once(
    tmp_path: Path, kind: type[Message]
) -> None:
    async def scene(cast: Cast, hearing: Hearing) -> None:
        first = hearing.actor
        cast[first].answers = falls_silent_at(kind)
        begun = asyncio.ensure_future(hearing.begin(1, 100))
        finished = asyncio.ensure_future(hearing.finish(1, 180))
        await cast[first].gets(kind)
        cast.dies(first)
        await asyncio.gather(begun, finished, hearing.move("killed"))
        assert finished.result() == UNDERSTOOD
        heard = cast[other(first)].got
        assert heard[:2] == [ATTEND, HEAR] and heard[-1] == FINISH
        assert len(cast[other(first)].all(Attend)) == 1, "it is moved once"
        assert [(actor, successor) for _, actor, _, successor in cast.lost] == [(first, other(first))]

    run(tmp_path, scene)


def test_an_actor_that_knows_nothing_of_the_utterance_is_followed_by_one_that_hears_it_from_its_start(
    tmp_path: Path,
) -> None:
    async def scene(cast: Cast, hearing: Hearing) -> None:
        await hearing.begin(1, 100)
        forgetful = hearing.actor

        def has_forgotten(command: Message) -> Answer:
            if isinstance(command, Finish) and not cast[forgetful].all(Hear)[1:]:
                return Refused("utterance 1 of call c1 is not being heard here")
            return understands(command)

        cast[forgetful].answers = has_forgotten
        assert await hearing.finish(1, 180) == UNDERSTOOD
        assert cast[hearing.actor].got[-3:] == [ATTEND, HEAR, FINISH]

    run(tmp_path, scene)


def test_an_actor_that_was_only_slow_is_given_back_so_that_two_do_not_listen_for_one_bell(tmp_path: Path) -> None:
    async def scene(cast: Cast, hearing: Hearing) -> None:
        slow = hearing.actor
        no = Refused("there is no time")
        cast[slow].answers = lambda command: no if isinstance(command, Attend | Hear) else Done()
        await hearing.begin(1, 100)
        assert hearing.actor == other(slow)
        assert await cast[slow].gets(Release) == [Release(call_id="c1")]

    run(tmp_path, scene)


def test_when_nobody_can_hear_the_caller_the_transcript_is_empty(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene(cast: Cast, hearing: Hearing) -> None:
        first = hearing.actor
        cast["stt.1"].answers = cast["stt.2"].answers = refuses
        await hearing.begin(1, 100)
        assert await hearing.finish(1, 180) == Transcript(1, "", 0.0, 0)
        assert "nobody can hear the caller" in caplog.text
        assert cast.lost[0] == ("stt", first, "no such call", "")
        cast["stt.1"].answers = cast["stt.2"].answers = understands
        await hearing.begin(2, 300)
        assert (await hearing.finish(2, 350)).text == "are you open", "it is tried again with the next utterance"

    run(tmp_path, scene)


def test_where_there_is_one_actor_its_successor_of_the_same_name_hears_the_rest(tmp_path: Path) -> None:
    async def scene(cast: Cast, hearing: Hearing) -> None:
        await hearing.begin(1, 100)
        cast.dies("stt.1")
        cast["stt.1"].got.clear()
        moving = asyncio.ensure_future(hearing.move("killed"))
        finished = asyncio.ensure_future(hearing.finish(1, 180))
        await asyncio.sleep(0)
        cast.comes_back("stt.1")
        cast["stt.1"].answers = understands
        await moving
        assert await finished == UNDERSTOOD
        assert cast["stt.1"].got == [ATTEND, HEAR, FINISH]
        assert cast.lost == [("stt", "stt.1", "killed", "stt.1")]

    run(tmp_path, scene, "stt.1")


def test_a_call_that_was_taken_over_is_given_back_everywhere_before_it_is_attended_to(tmp_path: Path) -> None:
    async def scene(cast: Cast, hearing: Hearing) -> None:
        await hearing.take_over()
        for name in ("stt.1", "stt.2"):
            assert await cast[name].gets(Release) == [Release(call_id="c1")]
        assert cast[hearing.actor].got == [Release(call_id="c1"), ATTEND]

    run(tmp_path, scene, opened=False)


def test_at_the_end_of_the_call_the_actor_is_told(tmp_path: Path) -> None:
    async def scene(cast: Cast, hearing: Hearing) -> None:
        hearing.release()
        assert await cast[hearing.actor].gets(Release) == [Release(call_id="c1")]

    run(tmp_path, scene)


def test_an_actor_that_does_not_answer_in_time_is_followed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.conversation.hearing.FINISH_S", 0.5)

    async def scene(cast: Cast, hearing: Hearing) -> None:
        first = hearing.actor
        await hearing.begin(1, 100)
        cast[first].answers = says_nothing
        assert await hearing.finish(1, 180) == UNDERSTOOD
        assert hearing.actor == other(first)
        assert cast[other(first)].got == [ATTEND, HEAR, FINISH]

    run(tmp_path, scene)


def test_somebody_else_is_heard_with_a_grammar_of_their_own_and_also_by_a_successor(tmp_path: Path) -> None:
    async def scene(cast: Cast, hearing: Hearing) -> None:
        first = hearing.actor
        await hearing.begin(1, 100)
        await asyncio.gather(hearing.finish(1, 180), hearing.attend("#JSGF other;"))
        grammars = [getattr(command, "grammar", "") for command in cast[first].got]
        assert grammars == [ATTEND.grammar, "", "", "#JSGF other;"]
        cast.dies(first)
        await hearing.move("killed")
        assert [attend.grammar for attend in cast[other(first)].all(Attend)] == ["#JSGF other;"]

    run(tmp_path, scene)
