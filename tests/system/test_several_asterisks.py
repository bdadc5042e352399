"""Two Asterisks, and a call-control for each: what happens to one is nothing to the calls of the other."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from bench.asterisk import Asterisk
from bench.system import APP, PASSWORD, USER, free_port
from ipc.orders import ActorStatus
from tests.system.command import ringmaster
from tests.system.guest import GREETING, Guest, calls
from tests.system.house import FEW, House, dialplan, started

BRANCH = "call-control.branch"


class BranchGuest(Guest):
    """Somebody who calls the second Asterisk: two servers may give the same channel id."""

    @property
    def call_id(self) -> str:
        return f"branch~{self.phone.id}"


@contextlib.asynccontextmanager
async def two(folder: Path) -> AsyncIterator[tuple[House, Asterisk]]:
    audio_port = free_port()
    async with Asterisk(dialplan(audio_port), user=USER, password=PASSWORD, port=free_port()) as branch:
        there = {"port": branch.port, "username": USER, "password": PASSWORD}
        changes = {"more_asterisks": {"branch": there}, "actors": FEW, "audiosocket": {"port": audio_port}}
        async with started(folder, changes) as house:
            await house.until("the branch is connected", lambda: APP in branch.applications)
            yield house, branch


async def branch_calls(house: House, branch: Asterisk) -> BranchGuest:
    guest = BranchGuest(house, branch.dial("1000", caller_id="5550000", name="Bob"))
    await guest.is_told(GREETING)
    return guest


async def test_one_asterisk_dies_and_the_calls_of_the_other_go_on(tmp_path: Path) -> None:
    async with two(tmp_path) as (house, branch):
        ada, bob = await calls(house), await branch_calls(house, branch)
        await bob.asks()
        await branch.stop_listening()
        assert bob.phone.ended.is_set()
        assert "is it running" in await house.problem(f"{BRANCH}: cannot reach Asterisk")
        await ada.asks()
        await branch.start()
        await house.until("the branch is connected again", lambda: APP in branch.applications)
        await bob.is_over()
        await (await branch_calls(house, branch)).says_goodbye()
        assert (await ada.says_goodbye()).cause == "hung up by the agent: the agent hung up"
        await house.nothing_is_left()


async def test_one_call_control_is_replaced_and_its_calls_go_on_as_the_others_do(tmp_path: Path) -> None:
    async with two(tmp_path) as (house, branch):
        ada, bob = await calls(house), await branch_calls(house, branch)
        before = {name: await house.actor(name) for name in ("call-control", BRANCH)}
        recycled = await ringmaster("recycle", BRANCH, "--run-dir", house.system.run_dir)
        assert recycled.code == 0, recycled.err
        moved = await ringmaster("affinity", BRANCH, "any", "--run-dir", house.system.run_dir)
        assert moved.code == 0, moved.err
        after = await house.comes_back(before[BRANCH])
        assert isinstance(after, ActorStatus) and after.role == "call-control"
        assert (await house.actor("call-control")).pid == before["call-control"].pid
        await bob.says_goodbye()
        await ada.says_goodbye()
        await house.nothing_is_left()


async def test_after_a_restart_of_the_house_the_calls_of_both_go_on(tmp_path: Path) -> None:
    async with two(tmp_path) as (house, branch):
        ada, bob = await calls(house), await branch_calls(house, branch)
        restarted = await ringmaster("restart", "--run-dir", house.system.run_dir)
        assert restarted.code == 0, f"{restarted.out}{restarted.err}\n{house.last_words()}"
        await bob.asks()
        await ada.asks()
        await bob.says_goodbye()
        await ada.says_goodbye()
        await house.nothing_is_left()
