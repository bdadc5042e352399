"""Living processes are moved, each of their threads, also those that come while it happens."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervisor import threads
from tests.supervisor.stage import DEADLINE_S

CORES = sorted(os.sched_getaffinity(0))

THREE_THREADS = """
import sys, threading
met = threading.Barrier(3)
for _ in range(2):
    threading.Thread(target=lambda: (met.wait(), threading.Event().wait()), daemon=True).start()
met.wait()
print("here", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def process() -> Iterator["subprocess.Popen[str]"]:
    """One with three threads."""
    with subprocess.Popen(
        [sys.executable, "-c", THREE_THREADS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        yield process
        process.communicate(timeout=DEADLINE_S)


def tids(pid: int) -> list[int]:
    return [int(path.name) for path in Path(f"/proc/{pid}/task").iterdir()]


def test_every_thread_is_moved_to_the_cores(process: "subprocess.Popen[str]") -> None:
    threads.each(process.pid, lambda thread: threads.move(thread, CORES[-1:]))
    assert [os.sched_getaffinity(tid) for tid in tids(process.pid)] == [{CORES[-1]}] * 3


def test_every_thread_gets_the_niceness(process: "subprocess.Popen[str]") -> None:
    threads.each(process.pid, lambda thread: threads.urge(thread, 0, 19))
    assert [os.getpriority(os.PRIO_PROCESS, tid) for tid in tids(process.pid)] == [19] * 3


def test_real_time_is_given_and_taken_back_or_refused_as_it_was_foretold(process: "subprocess.Popen[str]") -> None:
    def policies() -> set[int]:
        return {os.sched_getscheduler(tid) & ~os.SCHED_RESET_ON_FORK for tid in tids(process.pid)}

    if not threads.permits(1, 0):
        with pytest.raises(PermissionError):
            threads.each(process.pid, lambda thread: threads.urge(thread, 1, 0))
        assert policies() == {os.SCHED_OTHER}
        return
    threads.each(process.pid, lambda thread: threads.urge(thread, 1, 0))
    assert policies() == {os.SCHED_FIFO}
    threads.each(process.pid, lambda thread: threads.urge(thread, 0, 3))
    assert policies() == {os.SCHED_OTHER}
    assert {os.getpriority(os.PRIO_PROCESS, tid) for tid in tids(process.pid)} == {3}


def test_threads_that_appear_while_it_happens_are_not_forgotten(
    process: "subprocess.Popen[str]", monkeypatch: pytest.MonkeyPatch
) -> None:
    pid, others = process.pid, [tid for tid in tids(process.pid) if tid != process.pid]
    listings = iter([{pid}, {pid, others[0]}, {pid, *others}, {pid, *others}])
    monkeypatch.setattr(threads, "_threads", lambda _: next(listings))
    seen: list[int] = []
    threads.each(pid, seen.append)
    assert seen == [pid, *others]


def test_a_thread_that_ends_meanwhile_is_no_error_and_a_process_that_ends_is_one(
    process: "subprocess.Popen[str]",
) -> None:
    def act(thread: int) -> None:
        if thread != process.pid:
            raise ProcessLookupError

    threads.each(process.pid, act)
    process.communicate(timeout=DEADLINE_S)
    with pytest.raises(ProcessLookupError):
        threads.each(process.pid, lambda thread: None)


def test_looking_at_what_is_allowed_changes_nothing() -> None:
    before = [os.sched_getaffinity(0), os.sched_getscheduler(0), os.getpriority(os.PRIO_PROCESS, 0)]
    assert threads.allowed_cores() >= set(CORES)
    threads.permits(5, 0)
    assert threads.permits(0, before[2] if isinstance(before[2], int) else 0)
    assert [os.sched_getaffinity(0), os.sched_getscheduler(0), os.getpriority(os.PRIO_PROCESS, 0)] == before
