"""What stands in the way of a retuning, said of whom it concerns: with real children, and a kernel that refuses."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from ipc.bus import Refused
from ipc.lifeline import NICE_REMEDY, REALTIME_REMEDY
from ipc.orders import Recycle, SetCores, SetPriority
from supervisor import threads
from supervisor.retune import Retune
from supervisor.tree import State
from supervisor.warm_pool import WarmPool
from tests.supervisor.stage import configuration, group, puppet
from tests.supervisor.test_children import House, play

TWO = group("stt", puppet("stt.1"), puppet("stt.2"))


def scene_of(folder: Path, act: Callable[[House, Retune], Awaitable[None]], pool: object = TWO) -> House:
    """Two actors, ready, and whoever retunes them."""

    async def scene(house: House) -> None:
        config = configuration(folder)
        retune = Retune(house.children, WarmPool(house.children, config.settings.audio), config.path)
        await house.until_ready("stt.1", "stt.2")
        await act(house, retune)

    return play(folder, scene, pool)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("order", "sentence"),
    [
        (SetPriority(target="stt", realtime=9), f"fifo:9 is not permitted, and nothing was changed: {REALTIME_REMEDY}"),
        (
            SetPriority(target="stt", nice=-9),
            f"nice:-9 is not permitted, and nothing was changed: allow it with {NICE_REMEDY}",
        ),
    ],
    ids=["fifo", "nice"],
)
def test_what_the_kernel_forbids_is_done_to_nobody_now_or_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: SetPriority, sentence: str
) -> None:
    def forbid(thread: int, realtime: int, nice: int) -> None:
        raise PermissionError

    monkeypatch.setattr(threads, "urge", forbid)

    async def act(house: House, retune: Retune) -> None:
        with pytest.raises(Refused) as refusal:
            await retune.set_priority("test", order)
        assert str(refusal.value) == sentence
        assert not house.children.placements.urged("stt.1", "stt")

    scene_of(tmp_path, act)


def test_a_process_that_may_not_go_back_is_told_apart_and_its_successor_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without privileges niceness can only rise, but a fresh process begins at 0."""
    urge = threads.urge

    async def act(house: House, retune: Retune) -> None:
        def forbid(thread: int, realtime: int, nice: int) -> None:
            if thread == house.pid("stt.1"):
                raise PermissionError
            urge(thread, realtime, nice)

        monkeypatch.setattr(threads, "urge", forbid)
        first, second = (await retune.set_priority("test", SetPriority(target="stt", nice=19))).actors
        assert first.problem == "not nice:19 (not permitted to a process that lives; `ringmaster recycle` replaces it)"
        assert (second.scheduling, second.problem) == ("nice:19", "")
        assert house.children.placements.of("stt.1", "stt").nice == 19

    scene_of(tmp_path, act)


def test_the_supervisor_itself_goes_back_before_another_program_takes_its_place(tmp_path: Path) -> None:
    """Which begins where it is, and would take that for where the system was started."""
    home = os.sched_getaffinity(0)

    async def act(house: House, retune: Retune) -> None:
        await retune.set_cores("test", SetCores(target="supervisor", cores=(min(home),)))
        assert os.sched_getaffinity(0) == {min(home)}
        retune.take_back()
        assert os.sched_getaffinity(0) == home

    try:
        scene_of(tmp_path, act)
    finally:
        os.sched_setaffinity(0, home)


def test_when_a_successor_fails_nobody_else_is_touched(tmp_path: Path) -> None:
    async def act(house: House, retune: Retune) -> None:
        second = house.pid("stt.2")
        note = house.children.on_change

        def kill_it_at_birth(name: str, role: str, change: str, pid: int, reason: str) -> None:
            note(name, role, change, pid, reason)  # type: ignore[arg-type]
            if change == "starting" and not house.children.tree["stt.1"].restarts:
                os.kill(pid, signal.SIGKILL)

        house.children.on_change = kill_it_at_birth  # type: ignore[assignment]
        failed, untouched = (await retune.recycle("test", Recycle(target="stt"))).actors
        assert failed.problem == "failed to start: killed by SIGKILL"
        assert untouched.problem == "left as it was, because stt.1 did not come up again"
        assert untouched.pid == second == house.pid("stt.2")

    scene_of(tmp_path, act)


def test_whoever_is_not_up_is_waited_for_and_not_replaced_once_more(tmp_path: Path) -> None:
    async def act(house: House, retune: Retune) -> None:
        house.children.stalled("stt.1", "hangs")
        await house.children.until(lambda: house.state("stt.1") is State.STARTING)
        starting = house.pid("stt.1")
        [answer] = (await retune.recycle("test", Recycle(target="stt.1"))).actors
        assert (answer.pid, answer.problem) == (starting, "")
        assert house.state("stt.1") is State.READY

    scene_of(tmp_path, act)


def test_a_system_that_stops_does_not_wait_for_a_recycling(tmp_path: Path) -> None:
    deaf = group("stt", puppet("stt.1", "deaf", shutdown_s=0.5), puppet("stt.2"))

    async def act(house: House, retune: Retune) -> None:
        recycling = asyncio.create_task(retune.recycle("test", Recycle(target="stt")))
        await house.children.until(lambda: house.state("stt.1") is State.STOPPING)
        await house.children.finish()
        answer = await recycling
        assert answer.actors[0].problem == "the system is stopping"

    scene_of(tmp_path, act, deaf)
