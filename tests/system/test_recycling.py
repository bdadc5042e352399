"""Every process that a caller depends on is replaced by a fresh one in the middle of their call: they go on talking."""

from ipc.journal import EngineLost
from ipc.orders import Recycle, Retuned
from tests.system.guest import Guest, calls
from tests.system.house import DEADLINE_S, House

DIRECTIONS = "We are at twelve Maple Street, behind the green door."


async def recycle(guest: Guest, target: str) -> None:
    """Nothing went wrong, and the processes are others."""
    house = guest.house

    async def pids() -> set[int]:
        return {actor.pid for actor in (await house.status()).actors if actor.role == target and actor.state == "ready"}

    before = await pids()
    answer = await house.system.bus.expect("supervisor", Recycle(target=target), Retuned, within=DEADLINE_S)
    assert [actor.problem for actor in answer.actors] == [""] * len(answer.actors)
    assert before
    assert not before & await pids()


async def test_a_caller_goes_on_after_each_of_them(house: House) -> None:
    guest = await calls(house)
    await guest.asks()
    restarts = {actor.name: actor.restarts for actor in (await house.status()).actors}
    for target in ("stt", "llm", "tts", "conversation", "call-control", "nursery", "audio"):
        await recycle(guest, target)
        await guest.asks()
    assert all(actor.restarts == restarts.get(actor.name, 0) for actor in (await house.status()).actors)
    await guest.says_goodbye()


async def test_the_agent_finishes_its_sentence_while_the_audio_actors_are_replaced(house: House) -> None:
    guest = await calls(house)
    await guest.says("your address")
    await guest.hears_the_agent_speak()
    await recycle(guest, "audio")
    said = await guest.is_told(DIRECTIONS)
    assert not said.interrupted
    assert said.samples == said.played
    assert guest.media() == ["attached", "moved"]
    assert not guest.all(EngineLost)
    await guest.hangs_up()
