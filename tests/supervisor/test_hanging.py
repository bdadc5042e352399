"""Who hangs and who merely waits for a core: the verdict in virtual time, the samples of real processes."""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from supervisor.hanging import Sample, judge, sample
from tests.supervisor.stage import DEADLINE_S

# State and CPU time (s) 0.1 s apart; whether it hangs, and what is said of it.
VERDICTS: dict[str, tuple[tuple[str, float], tuple[str, float], bool, str]] = {
    "stopped": (("T", 1.0), ("T", 1.0), True, "stopped"),
    "stopped just now": (("R", 1.0), ("T", 1.05), True, "stopped"),
    "traced": (("S", 1.0), ("t", 1.0), True, "stopped"),
    "waits for a lock": (("S", 1.0), ("S", 1.0), True, "sleeps"),
    "waits for a disk": (("R", 1.0), ("D", 1.0), True, "sleeps"),
    "was starved and sleeps until the next frame": (("R", 1.0), ("S", 1.001), False, "just gone to sleep"),
    "computes without end": (("R", 1.0), ("R", 1.1), True, "computes without end (it ran for 100 of 100 ms)"),
    "computes without end on half a core": (("R", 1.0), ("R", 1.05), True, "computes without end"),
    "never runs": (("R", 1.0), ("R", 1.0), False, "waits for a core (it ran for 0 of 100 ms)"),
    "runs too little": (("R", 1.0), ("R", 1.01), False, "waits for a core (it ran for 10 of 100 ms)"),
    "has just woken": (("S", 1.0), ("R", 1.0), False, "just woken"),
    "is dead": (("R", 1.0), ("Z", 1.0), False, "ending"),
}


@pytest.mark.parametrize(("first", "second", "hangs", "why"), VERDICTS.values(), ids=VERDICTS.keys())
def test_a_verdict_takes_two_samples(
    first: tuple[str, float], second: tuple[str, float], hangs: bool, why: str
) -> None:
    verdict = judge(Sample(5.0, *first), Sample(5.1, *second))
    assert verdict.hangs == hangs
    assert why in verdict.why


@contextmanager
def running(program: str) -> Iterator[int]:
    """An interpreter that says a word when it has begun, then goes on."""
    process = subprocess.Popen([sys.executable, "-c", f"print('here', flush=True)\n{program}"], stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        assert select.select([process.stdout], [], [], DEADLINE_S)[0]
        yield process.pid
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def until(pid: int, state: str) -> Sample:
    deadline = time.monotonic() + DEADLINE_S
    while (seen := sample(pid, time.monotonic())).state != state:
        assert time.monotonic() < deadline, f"{seen.state} instead of {state}"
    return seen


def test_a_stopped_process_is_seen_to_be_stopped() -> None:
    with running("import time\ntime.sleep(60)") as pid:
        first = until(pid, "S")
        os.kill(pid, signal.SIGSTOP)
        assert judge(first, until(pid, "T")).why == "it is stopped"


def test_a_busy_process_is_seen_to_run() -> None:
    with running("while True: pass") as pid:
        first = until(pid, "R")
        deadline = time.monotonic() + DEADLINE_S
        while sample(pid, time.monotonic()).ran_s <= first.ran_s:
            assert time.monotonic() < deadline
        assert sample(pid, 1.0).at_s == 1.0


def test_a_process_that_has_gone_is_no_sample() -> None:
    with running("") as pid:
        pass
    with pytest.raises(ProcessLookupError):
        sample(pid, 0.0)
