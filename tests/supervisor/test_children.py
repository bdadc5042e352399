"""Real processes that are really killed, stopped, and left to hang."""

import asyncio
import errno
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from supervisor import status
from supervisor.children import Children
from supervisor.specs import Group
from supervisor.tree import State
from tests.supervisor.stage import DEADLINE_S, alive, configuration, group, puppet


class House:
    """Children, and what has become of them: "stt.1 ready" and so on, in order."""

    def __init__(self, folder: Path, groups: tuple[Group, ...]) -> None:
        run_dir = folder / "run"
        run_dir.mkdir(exist_ok=True)
        self.children = Children(groups, configuration(folder), run_dir, f"ringmaster-test-{os.getpid()}-board")
        self.children.on_change = self._note
        self.changes: list[str] = []

    def _note(self, name: str, role: str, change: str, pid: int, reason: str) -> None:
        self.changes.append(f"{name} {change}" + (f": {reason}" if reason else ""))

    def state(self, name: str) -> State:
        return self.children.tree[name].state

    def pid(self, name: str) -> int:
        process = self.children.process(name)
        assert process is not None
        return process.pid

    async def until_ready(self, *names: str) -> None:
        await self.children.until(lambda: all(self.state(name) is State.READY for name in names))

    async def until_ready_again(self, name: str, restarts: int = 1) -> None:
        tree = self.children.tree
        await self.children.until(lambda: tree[name].restarts == restarts and tree[name].state is State.READY)


def play(folder: Path, scene: Callable[[House], Awaitable[None]], *groups: Group) -> House:
    """Begins, plays the scene, and stops everybody."""

    async def run() -> House:
        house = House(folder, groups)
        async with asyncio.timeout(DEADLINE_S):
            watching = asyncio.create_task(house.children.watch())
            house.children.begin()
            await scene(house)
            await house.children.finish()
            watching.cancel()
        house.children.close()
        return house

    return asyncio.run(run())


def test_children_become_ready_and_end_when_they_are_told_to(tmp_path: Path) -> None:
    pids: list[int] = []

    async def scene(house: House) -> None:
        await house.until_ready("stt.1", "llm.1")
        pids.extend([house.pid("stt.1"), house.pid("llm.1")])

    house = play(tmp_path, scene, group("stt", puppet("stt.1")), group("llm", puppet("llm.1")))
    assert not any(alive(pid) for pid in pids)
    assert sorted(house.changes[:4]) == ["llm.1 ready", "llm.1 starting", "stt.1 ready", "stt.1 starting"]
    assert house.changes[4:] == ["llm.1 dead", "stt.1 dead"]


def test_a_killed_child_is_started_again(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        await house.until_ready("stt.1")
        os.kill(house.pid("stt.1"), signal.SIGKILL)
        await house.until_ready_again("stt.1")
        assert house.children.tree["stt.1"].note == "killed by SIGKILL"

    house = play(tmp_path, scene, group("stt", puppet("stt.1")))
    assert "stt.1 dead: killed by SIGKILL" in house.changes


def test_a_child_that_hangs_is_killed_and_started_again(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        await house.until_ready("stt.1")
        os.kill(house.pid("stt.1"), signal.SIGSTOP)
        await house.until_ready_again("stt.1")
        assert house.children.tree["stt.1"].note.startswith("no progress for ")

    play(tmp_path, scene, group("stt", puppet("stt.1", stall_s=1.0)))


def test_a_child_that_never_becomes_ready_is_killed_and_started_again(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        await house.children.until(lambda: house.children.tree["stt.1"].restarts == 1)
        assert house.children.tree["stt.1"].note == "not ready after 0.3 s"

    play(tmp_path, scene, group("stt", puppet("stt.1", "slow", start_s=0.3)))


def test_a_child_that_ignores_sigterm_is_killed_at_the_deadline(tmp_path: Path) -> None:
    pids: list[int] = []

    async def scene(house: House) -> None:
        await house.until_ready("stt.1")
        pids.append(house.pid("stt.1"))

    house = play(tmp_path, scene, group("stt", puppet("stt.1", "deaf", shutdown_s=0.3)))
    assert not alive(pids[0])
    assert house.children.tree["stt.1"].ending == "killed by SIGKILL"


def test_a_stopped_child_can_still_be_ended(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        await house.until_ready("stt.1")
        os.kill(house.pid("stt.1"), signal.SIGSTOP)

    play(tmp_path, scene, group("stt", puppet("stt.1", shutdown_s=0.3)))


def test_a_child_that_always_breaks_degrades_and_leaves_the_others_alone(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        await house.children.until(lambda: house.state("stt.1") is State.DEGRADED)
        await house.until_ready("llm.1")
        assert house.children.tree.capacity("stt") == 0
        assert house.children.tree.capacity("llm") == 1

    groups = (group("stt", puppet("stt.1", "broken"), intensity=1), group("llm", puppet("llm.1")))
    house = play(tmp_path, scene, *groups)
    assert house.changes.count("stt.1 dead: exit code 9") == 2
    assert "stt.1 degraded: more than 1 restarts in 60 s; the last: stt.1: exit code 9" in house.changes


def test_why_an_actor_cannot_do_its_work_is_known_when_it_has_ended(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        await house.children.until(lambda: house.state("stt.1") is State.DEGRADED)
        assert status.excuses(house.children) == ["stt.1: the well is dry: dig another one"]

    house = play(tmp_path, scene, group("stt", puppet("stt.1", "useless"), intensity=5))
    assert house.changes.count("stt.1 dead: the well is dry: dig another one") == 1
    assert not list((tmp_path / "run").glob("*.last-words"))


def test_a_role_that_raises_ends_its_actor_with_the_reason_in_the_log(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async def scene(house: House) -> None:
        await house.children.until(lambda: house.state("stt.1") is State.DEGRADED)

    house = play(tmp_path, scene, group("stt", puppet("stt.1", "raising"), intensity=0))
    assert house.children.tree["stt.1"].ending == "exit code 1"
    log = capfd.readouterr().err
    assert " CRITICAL stt.1 failed: " in log
    assert "ValueError: the well is dry" in log


def test_a_role_that_returns_without_having_been_told_to_has_failed(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        await house.children.until(lambda: house.state("stt.1") is State.DEGRADED)

    house = play(tmp_path, scene, group("stt", puppet("stt.1", "leaving"), intensity=0))
    assert house.children.tree["stt.1"].ending == "exit code 1"


def test_a_module_that_does_not_exist_is_a_death_like_any_other(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        await house.children.until(lambda: house.state("stt.1") is State.DEGRADED)

    play(tmp_path, scene, group("stt", puppet("stt.1", module="actors.nowhere"), intensity=0))


def test_no_room_for_another_process_is_a_death_like_any_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(*_: object, **__: object) -> None:
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    monkeypatch.setattr("supervisor.processes.subprocess.Popen", no_memory)

    async def scene(house: House) -> None:
        await house.children.until(lambda: house.state("stt.1") is State.DEGRADED)

    house = play(tmp_path, scene, group("stt", puppet("stt.1"), intensity=1))
    assert house.changes[0] == "stt.1 dead: could not be started: Cannot allocate memory"
