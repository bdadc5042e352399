"""Every kind of process is killed in the middle of a call, one after the other: the caller goes on talking.

The scenes share one call, so that it survives them all; only who breaks it has a new one made for the next scene.
"""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from ipc.journal import AgentSaid, AgentSaying, CallerSaid, EngineLost, Noted
from ipc.orders import ActorStatus
from tests.system.command import ringmaster
from tests.system.guest import ANSWER, GOODBYE, QUESTION, Guest, calls, rings
from tests.system.house import FEW, House, started
from tests.system.loop import Loop

DIRECTIONS = "We are at twelve Maple Street, behind the green door."


class Line:
    """The call that the scenes share."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._guest: Guest | None = None

    async def guest(self) -> Guest:
        if self._guest is None or self._guest.phone.ended.is_set():
            self._guest = await calls(self._house)
        return self._guest


@pytest.fixture(scope="module")
def line(loop: Loop, _house: House) -> Iterator[Line]:
    yield Line(_house)
    loop.play(_house.send_everybody_home())
    loop.play(_house.nothing_is_left())


@pytest.fixture
def guest(loop: Loop, line: Line) -> Guest:
    return loop.play(line.guest())


def kill(actor: ActorStatus, how: signal.Signals = signal.SIGKILL) -> None:
    os.kill(actor.pid, how)


async def restarted(guest: Guest, before: ActorStatus, why: str = "killed by SIGKILL") -> None:
    """`status` shows it."""
    after = await guest.house.comes_back(before)
    assert (after.restarts, after.note) == (before.restarts + 1, why)


async def test_the_recogniser_dies_while_the_caller_speaks_and_not_a_word_is_lost(guest: Guest) -> None:
    recogniser = await guest.house.serving("stt")
    await guest.says_while(QUESTION, lambda: kill(recogniser))
    await guest.is_understood(QUESTION)
    await guest.is_told(ANSWER)
    lost = await guest.record(EngineLost)
    assert (lost.role, lost.actor) == ("stt", recogniser.name)
    assert lost.successor not in ("", recogniser.name)
    await restarted(guest, recogniser)


async def test_the_recogniser_hangs_is_noticed_and_replaced(guest: Guest) -> None:
    recogniser = await guest.house.serving("stt")
    kill(recogniser, signal.SIGSTOP)
    await guest.asks()
    after = await guest.house.comes_back(recogniser)
    assert after.restarts == recogniser.restarts + 1
    assert after.note.startswith("no progress for ")


@pytest.mark.parametrize("name", ["llm.1", "tts.1"])
async def test_an_engine_dies_while_the_caller_waits_for_it(guest: Guest, name: str) -> None:
    """It takes the caller's question on, and dies over it."""
    engine = await guest.house.actor(name)
    await guest.says_while(QUESTION, lambda: kill(engine, signal.SIGSTOP))
    await guest.is_understood(QUESTION)
    kill(engine)
    await guest.is_told(ANSWER)
    await restarted(guest, engine)
    lost = await guest.record(EngineLost, lambda record: record.actor == name)
    assert lost.successor == name


async def test_the_audio_actor_dies_while_the_agent_speaks_and_another_finishes_the_sentence(guest: Guest) -> None:
    audio = await guest.house.serving("audio")
    await guest.says("your address")
    await guest.hears_the_agent_speak()
    kill(audio)
    said = await guest.is_told(DIRECTIONS)
    assert not said.interrupted
    assert said.samples == said.played
    await guest.is_understood("your address")
    assert guest.media() == ["attached", "moved"]


async def test_the_conversation_dies_while_the_caller_speaks_and_forgets_nothing(guest: Guest) -> None:
    """Neither what was said before nor what is being said."""
    await guest.asks()
    conversation = await guest.house.actor("conversation.1")
    await guest.says_while("say that again", lambda: kill(conversation))
    await guest.is_understood("say that again")
    await guest.is_told(f"Again. {ANSWER}")
    await restarted(guest, conversation)


async def test_the_conversation_dies_while_the_agent_speaks_and_what_it_has_made_is_heard_once_and_whole(
    guest: Guest,
) -> None:
    conversation = await guest.house.actor("conversation.1")
    await guest.says("your address")
    asked = await guest.is_understood("your address")
    made = await guest.record(AgentSaying, lambda saying: saying.turn == asked.turn)
    kill(conversation)
    said = await guest.is_told(DIRECTIONS)
    assert (said.generation, said.played, said.interrupted) == (made.generation, made.samples, False)
    await restarted(guest, conversation)
    await guest.asks()


async def test_call_control_dies_and_finds_its_call_again(guest: Guest) -> None:
    control = await guest.house.actor("call-control")
    kill(control)
    await guest.asks()
    await restarted(guest, control)
    await guest.record(Noted, lambda note: note.what == "adopted")


async def test_the_nursery_dies_and_its_child_goes_on(guest: Guest) -> None:
    nursery, audio = await guest.house.actor("nursery"), await guest.house.serving("audio")
    kill(nursery)
    await guest.asks()
    await restarted(guest, nursery)
    assert (await guest.house.serving("audio")).pid == audio.pid


async def test_call_control_dies_when_the_agent_is_about_to_hang_up(guest: Guest) -> None:
    """It is asked to hang up before it knows its calls again. By now they all have died in the middle of this call."""
    await guest.says(GOODBYE)
    await guest.is_understood(GOODBYE)
    kill(await guest.house.actor("call-control"))
    await guest.is_told("Goodbye!")
    ended = await guest.is_over()
    assert ended.cause == "hung up by the agent: the agent hung up"
    assert ended.takeovers == guest.media().count("moved")
    assert all(said.lost_frames == 0 for said in guest.all(CallerSaid))
    assert all(said.samples == said.played for said in guest.all(AgentSaid) if not said.interrupted)


async def test_an_engine_that_dies_too_often_is_given_up_and_callers_go_where_somebody_serves_them(
    tmp_path: Path,
) -> None:
    """With no allowance of restarts once is too often."""
    async with started(tmp_path, {"actors": {**FEW, "restart": {"intensity": 0, "period_s": 600}}}) as house:
        guest = await calls(house)
        kill(await house.actor("tts.1"))
        ended = await guest.is_over()
        assert ended.cause == "the agent could not go on"
        assert guest.phone.variables["AGENT_STATUS"] == "FAILED"

        late = rings(house)
        await house.until("the late caller has gone", late.phone.ended.is_set)
        assert late.phone.variables["AGENT_STATUS"] == "BUSY"
        assert not late.phone.answered.is_set()

        status = await house.status()
        assert not status.ready
        assert "no tts actor is ready" in status.problems
        voice = next(actor for actor in status.actors if actor.name == "tts.1")
        assert voice.state == "degraded"
        assert "killed by SIGKILL" in voice.note
        asked = await ringmaster("status", "--run-dir", house.system.run_dir)
        assert asked.code == 1, "not fine"
        assert "no tts actor is ready" in asked.out
