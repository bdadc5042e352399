"""Which actor of a role serves a call, and which one takes over: three recognisers, who answer as they are told."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from msgspec import structs

from actors import pool
from actors.pool import Engines, NoEngine
from config.schema import Actors, ModelActor
from ipc.bus import NoAnswer, Refused
from ipc.messages import ActorChanged, Attend, Done
from tests.actors.conversation.cast import Cast, is_busy, refuses, says_nothing

ATTEND = Attend(call_id="c1", segment="s", language="en-us", grammar="")
LONG_S = 20.0
"""Nobody waits so long: whoever is asked answers, or is known to be dead."""
SHORT_S = 0.5
"""For those who never answer."""

Scene = Callable[[Cast], Awaitable[None]]


def run(tmp_path: Path, scene: Scene, *names: str) -> None:
    async def play() -> None:
        async with Cast(tmp_path, *(names or ("stt.1", "stt.2", "stt.3"))) as cast:
            await scene(cast)

    asyncio.run(play())


def test_calls_are_spread_over_the_actors_in_turn(tmp_path: Path) -> None:
    async def scene(cast: Cast) -> None:
        taken = [(await cast.engines.ask("stt", "", ATTEND, LONG_S))[0] for _ in range(6)]
        assert sorted(taken) == ["stt.1", "stt.1", "stt.2", "stt.2", "stt.3", "stt.3"]

    run(tmp_path, scene)


def test_of_a_role_whose_actors_stand_by_the_first_serves_as_long_as_it_has_room(tmp_path: Path) -> None:
    async def scene(cast: Cast) -> None:
        actors = structs.replace(Actors(), stt=ModelActor(count=3, spread="first"))
        engines = Engines(cast.bus, pool.names(actors), pool.first(actors))
        assert [(await engines.ask("stt", "", ATTEND, LONG_S))[0] for _ in range(4)] == ["stt.1"] * 4
        cast["stt.1"].answers = is_busy
        assert [(await engines.ask("stt", "", ATTEND, LONG_S))[0] for _ in range(4)] == ["stt.2"] * 4

    run(tmp_path, scene)


def test_a_call_stays_with_its_actor_as_long_as_that_lives(tmp_path: Path) -> None:
    async def scene(cast: Cast) -> None:
        assert [(await cast.engines.ask("stt", "stt.2", ATTEND, LONG_S))[0] for _ in range(4)] == ["stt.2"] * 4
        cast.dies("stt.2")
        assert (await cast.engines.ask("stt", "stt.2", ATTEND, LONG_S))[0] != "stt.2"

    run(tmp_path, scene)


def test_the_dead_are_asked_last_and_first_again_when_they_are_back(tmp_path: Path) -> None:
    async def scene(cast: Cast) -> None:
        cast.dies("stt.2")
        assert all(cast.engines.order("stt", "stt.2")[-1] == "stt.2" for _ in range(5))
        cast.comes_back("stt.2")
        assert all(cast.engines.order("stt", "stt.2")[0] == "stt.2" for _ in range(5))

    run(tmp_path, scene)


def test_an_order_names_every_actor_once(tmp_path: Path) -> None:
    async def scene(cast: Cast) -> None:
        cast.dies("stt.1")
        for current in ("", "stt.1", "stt.3"):
            assert sorted(cast.engines.order("stt", current)) == ["stt.1", "stt.2", "stt.3"]

    run(tmp_path, scene)


def test_who_refuses_is_followed_by_the_next(tmp_path: Path) -> None:
    async def scene(cast: Cast) -> None:
        cast["stt.1"].answers = refuses
        cast["stt.2"].answers = is_busy
        assert await cast.engines.ask("stt", "stt.1", ATTEND, LONG_S) == ("stt.3", Done())

    run(tmp_path, scene)


def test_who_does_not_answer_in_time_is_followed_by_the_next_and_doubted_from_then_on(tmp_path: Path) -> None:
    async def scene(cast: Cast) -> None:
        cast["stt.1"].answers = says_nothing
        name, _ = await cast.engines.ask("stt", "stt.1", ATTEND, SHORT_S)
        assert name != "stt.1"
        assert cast.engines.order("stt", "stt.1")[-1] == "stt.1"
        cast.comes_back("stt.1")
        assert cast.engines.order("stt", "stt.1")[0] == "stt.1", "the supervisor has started it again"

    run(tmp_path, scene)


def test_who_is_known_to_be_dead_is_not_waited_for(tmp_path: Path) -> None:
    async def scene(cast: Cast) -> None:
        cast.dies("stt.1")
        with pytest.raises(NoAnswer, match=r"stt\.1 is down"):
            await cast.engines.ask_one("stt.1", ATTEND, LONG_S)
        assert cast["stt.1"].got == []

    run(tmp_path, scene)


def test_who_dies_while_it_is_asked_is_followed_by_the_next_at_once(tmp_path: Path) -> None:
    async def scene(cast: Cast) -> None:
        cast["stt.1"].answers = says_nothing
        asked = asyncio.ensure_future(cast.engines.ask("stt", "stt.1", ATTEND, 2 * LONG_S))
        await cast["stt.1"].gets(Attend)
        cast.dies("stt.1")
        name, _ = await asked
        assert name in ("stt.2", "stt.3")

    run(tmp_path, scene)


def test_what_an_actor_took_on_with_its_last_breath_is_not_taken_on(tmp_path: Path) -> None:
    async def scene(cast: Cast) -> None:
        ask = cast.bus.ask

        async def ask_and_die(*args: object, **kwargs: object) -> object:
            answer = await ask(*args, **kwargs)  # type: ignore[arg-type]
            cast.dies("stt.1")
            return answer

        cast.bus.ask = ask_and_die  # type: ignore[method-assign, assignment]
        with pytest.raises(NoAnswer, match=r"stt\.1 died before it had answered Attend"):
            await cast.engines.ask_one("stt.1", ATTEND, LONG_S)

    run(tmp_path, scene)


def test_when_nobody_can_the_reason_names_what_each_has_answered(tmp_path: Path) -> None:
    async def scene(cast: Cast) -> None:
        cast["stt.1"].answers = refuses
        cast["stt.2"].answers = says_nothing
        cast.dies("stt.3")
        with pytest.raises(NoEngine) as nobody:
            await cast.engines.ask("stt", "", ATTEND, SHORT_S)
        assert "stt.1: no such call" in str(nobody.value)
        assert "stt.2 did not answer Attend within 0.5 s" in str(nobody.value)
        assert "stt.3 is down" in str(nobody.value)
        assert not nobody.value.busy, "waiting does not help against a refusal"

    run(tmp_path, scene)


def test_when_all_are_busy_the_caller_may_be_sent_elsewhere_at_once(tmp_path: Path) -> None:
    async def scene(cast: Cast) -> None:
        for name in ("stt.1", "stt.2", "stt.3"):
            cast[name].answers = is_busy
        with pytest.raises(NoEngine, match="all recognisers are taken") as nobody:
            await cast.engines.ask("stt", "", ATTEND, LONG_S, patience=0.0)
        assert nobody.value.busy

    run(tmp_path, scene)


def test_in_the_middle_of_a_call_the_first_that_comes_back_is_waited_for(tmp_path: Path) -> None:
    async def scene(cast: Cast) -> None:
        cast.dies("stt.1")
        asked = asyncio.ensure_future(cast.engines.ask("stt", "stt.1", ATTEND, LONG_S, patience=LONG_S))
        await asyncio.sleep(0)
        assert not asked.done() and cast["stt.1"].got == []
        cast.comes_back("stt.1")
        assert await asked == ("stt.1", Done())

    run(tmp_path, scene, "stt.1")


def test_a_refusal_is_told_to_who_asked_one_actor_only(tmp_path: Path) -> None:
    async def scene(cast: Cast) -> None:
        cast["stt.1"].answers = refuses
        with pytest.raises(Refused, match="no such call"):
            await cast.engines.ask_one("stt.1", ATTEND, LONG_S)
        assert cast.engines.order("stt", "stt.1")[0] == "stt.1", "who refuses is not doubted"

    run(tmp_path, scene)


def test_a_role_is_given_up_when_the_supervisor_has_given_up_all_its_actors(tmp_path: Path) -> None:
    def degraded(name: str) -> ActorChanged:
        return ActorChanged(name=name, role="stt", state="degraded", pid=0, reason="dies again and again")

    async def scene(cast: Cast) -> None:
        cast.dies("stt.1")
        cast.dies("stt.2")
        assert not cast.engines.given_up("stt"), "they are started again"
        cast.engines.note(degraded("stt.1"))
        assert not cast.engines.given_up("stt")
        cast.engines.note(degraded("stt.2"))
        assert cast.engines.given_up("stt")
        cast.comes_back("stt.2")
        assert not cast.engines.given_up("stt")

    run(tmp_path, scene, "stt.1", "stt.2")
