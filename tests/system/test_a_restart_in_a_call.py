"""`ringmaster restart` in the middle of a call: everything is new but the audio actor, and the conversation goes on."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.asterisk.media.handset import Wire
from ipc.orders import SystemStatus
from tests.system.command import ringmaster
from tests.system.guest import ANSWER, GREETING, QUESTION, Guest, calls, rings
from tests.system.house import House, started
from tests.system.loop import Loop


@pytest.fixture(scope="module")
def own(loop: Loop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with loop.entered(started(tmp_path_factory.mktemp("restarted"))) as house:
        yield house


class Gap:
    """The longest pause between two frames that reached the caller's phone."""

    def __init__(self, guest: Guest) -> None:
        self._last_ns = self.longest_ns = 0
        guest.phone.on_frame(self._hear)

    def _hear(self, wire: Wire) -> None:  # in a media thread
        if self._last_ns:
            self.longest_ns = max(self.longest_ns, wire.at_ns - self._last_ns)
        self._last_ns = wire.at_ns


def pids(status: SystemStatus) -> dict[str, int]:
    return {actor.name: actor.pid for actor in status.actors}


async def restarted(house: House) -> tuple[SystemStatus, SystemStatus]:
    """How it was before and after."""
    before = await house.status()
    asked = await ringmaster("restart", "--json", "--run-dir", house.system.run_dir)
    assert asked.code == 0, f"{asked.out}{asked.err}\n{house.last_words()}"
    outcome = json.loads(asked.out)
    assert outcome["calls_went_on"] == outcome["calls_before"] == len(before.calls)
    print(f"ready again after {outcome['took_s']:.2f} s")
    await house.takes_calls()
    return before, await house.status()


def only_the_audio_actors_are_the_same(before: SystemStatus, after: SystemStatus) -> None:
    old, new = pids(before), pids(after)
    serving = {call.audio_actor for call in before.calls}
    assert {name for name in old if old[name] == new.get(name)} == serving | {"supervisor"}


@pytest.mark.parametrize(("extension", "times"), [("1000", 2), ("1001", 1)], ids=["over ARI", "from the dialplan"])
async def test_the_conversation_goes_on_after_one_restart_and_after_another(
    own: House, extension: str, times: int
) -> None:
    guest = await calls(own, extension)
    await guest.asks()
    gap = Gap(guest)
    for _ in range(times):
        only_the_audio_actors_are_the_same(*await restarted(own))
        await guest.asks()
    print(f"the longest gap was {gap.longest_ns / 1e6:.0f} ms")
    ended = await guest.says_goodbye()
    assert ended.cause == "hung up by the agent: the agent hung up"
    assert (ended.takeovers, ended.corrupt) == (0, 0)
    assert guest.media() == ["attached"], "the connection was never touched"
    await own.nothing_is_left()


async def test_what_the_caller_says_meanwhile_is_answered_afterwards(own: House) -> None:
    guest = await calls(own)
    handed = departures(own)
    restarting = asyncio.create_task(restarted(own))
    await own.until("it has begun", lambda: departures(own) > handed)
    await guest.says(QUESTION)
    await restarting
    await guest.is_understood(QUESTION)
    await guest.is_told(ANSWER)
    await guest.says_goodbye()


def departures(house: House) -> int:
    """How many programs have made way for their successor."""
    return sum("leaves to its successor" in line for line in house.system.log())


async def test_afterwards_it_ends_as_ever_and_leaves_nothing(loop: Loop, tmp_path: Path) -> None:
    async with started(tmp_path) as house:
        await calls(house)
        before, after = await restarted(house)
        late = rings(house)
        await late.is_told(GREETING)
        assert await house.system.stop() == 0
        for pid in {*pids(before).values(), *pids(after).values()}:
            assert not Path(f"/proc/{pid}").exists()
        assert house.segments() == []
        await house.send_everybody_home()
