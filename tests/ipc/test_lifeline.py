"""A child does not outlive its supervisor, whoever its parent is and whatever it is doing."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ipc.lifeline import ORPHANED, VARIABLE, Lifeline, Placement
from ipc.progress import Board

DEADLINE_S = 20


@pytest.fixture
def board() -> Iterator[Board]:
    board = Board(f"ringmaster-test-{os.getpid()}-board", 3)
    yield board
    board.close()


def lifeline(board: Board, death_fd: int, *, parent: int = 0) -> Lifeline:
    return Lifeline(
        name="stt.1",
        role="stt",
        run_dir="/nowhere",
        config="/nowhere/else",
        board=board.name,
        slot=board.take(),
        death_fd=death_fd,
        bell_fd=os.eventfd(0),
        parent=parent,
        placement=Placement(cores=(0,), realtime=20, nice=-5),
    )


def fork(body: Callable[[], object]) -> tuple[int, int]:
    """A child that runs `body`; gives its process id and pidfd."""
    pid = os.fork()
    if pid == 0:
        try:
            body()
        finally:
            os._exit(77)
    return pid, os.pidfd_open(pid)


def wait_for_end(pidfd: int) -> None:
    assert select.select([pidfd], [], [], DEADLINE_S)[0], "the process still lives"


def test_it_travels_through_the_environment(board: Board) -> None:
    line = lifeline(board, 7)
    assert Lifeline.from_environment(line.to_environment()) == line


def test_an_actor_that_is_started_by_hand_is_told_how() -> None:
    with pytest.raises(ValueError, match="ringmaster up"):
        Lifeline.from_environment({})
    done = subprocess.run(
        [sys.executable, "-c", "from actors.actor import run; run(None)"],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        env={name: value for name, value in os.environ.items() if name != VARIABLE},
    )
    assert done.returncode == 2
    assert "ringmaster up" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_child_in_an_endless_loop_dies_with_the_pipe_though_its_parent_lives(board: Board) -> None:
    death, life = os.pipe()
    line = lifeline(board, death)

    def body() -> None:
        os.close(life)
        line.hold().bump()
        while True:
            pass

    pid, pidfd = fork(body)
    while board.progress(line.slot) == 0:
        os.sched_yield()
    os.close(life)
    wait_for_end(pidfd)
    assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGKILL


def test_a_child_dies_with_its_parent(board: Board) -> None:
    death, life = os.pipe()
    mine, theirs = os.pipe()

    def parent() -> None:
        line = lifeline(board, death, parent=os.getpid())

        def child() -> None:
            line.hold()
            os.write(theirs, b"%d" % os.getpid())
            while True:
                signal.pause()

        fork(child)
        signal.pause()

    pid, _ = fork(parent)
    child = os.pidfd_open(int(os.read(mine, 20)))
    os.kill(pid, signal.SIGKILL)
    wait_for_end(child)
    os.waitpid(pid, 0)
    os.close(life)


def test_a_child_that_is_born_after_its_supervisor_died_ends_at_once(board: Board) -> None:
    death, life = os.pipe()
    os.close(life)
    line = lifeline(board, death)
    pid, _ = fork(line.hold)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == ORPHANED


def test_a_child_whose_parent_is_not_the_one_it_should_have_ends_at_once(board: Board) -> None:
    death, life = os.pipe()
    line = lifeline(board, death, parent=1)
    pid, _ = fork(line.hold)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == ORPHANED
    os.close(life)


def test_a_blocking_loop_can_see_that_it_is_orphaned(board: Board) -> None:
    death, life = os.pipe()
    line = lifeline(board, death)
    assert not line.orphaned()
    os.close(life)
    assert line.orphaned()


def test_a_child_is_called_by_its_name(board: Board) -> None:
    death, life = os.pipe()
    line = lifeline(board, death)
    mine, theirs = os.pipe()

    def body() -> None:
        line.hold()
        os.write(theirs, Path("/proc/self/comm").read_bytes())

    pid, _ = fork(body)
    assert os.read(mine, 100) == b"stt.1\n"
    os.waitpid(pid, 0)
    os.close(life)
