"""Whether a process that makes no progress hangs, or merely waits for a core: killing the latter makes matters worse.

Two samples of what the kernel says of it, some time apart, give the verdict:

    first   second             ran meanwhile
    any     T (stopped)        -                 hangs: somebody has stopped it
    any     S, D (sleeping)    not at all        hangs: its loop never sleeps for so long
    any     S, D               at all            has just gone to sleep; the next sample will tell
    R       R (runnable)       half the time     hangs: it computes without end
    R       R                  less              waits for a core
    not R   R                  -                 has just woken; the next sample will tell

Time it has spent waiting for a core says no more than this: the kernel adds it up only once the wait is over. And a
starved process does run now and then (0.7 ms in 200 ms, at the lowest niceness beside one busy loop), so that any
running at all is no sign of health or of hanging.

Source: proc(5), `/proc/<pid>/stat` and `/proc/<pid>/schedstat`, of its main thread: audio actors have no other.
"""

import os
from dataclasses import dataclass
from pathlib import Path

BUSY = 0.5
"""Share of the time between two samples that a process which computes without end has run at least. On a core that it
shares with one equal it has half."""

NS = 1e9


@dataclass(frozen=True)
class Sample:
    at_s: float
    """CLOCK_MONOTONIC."""
    state: str
    """A letter, as in proc(5): R, S, D, T, t, Z, X."""
    ran_s: float
    """CPU time since its birth."""


@dataclass(frozen=True)
class Verdict:
    hangs: bool
    why: str
    """For the log: "is stopped"."""


def judge(first: Sample, second: Sample) -> Verdict:
    """Of a process that has made no progress since before the first sample."""
    if second.state in "Tt":
        return Verdict(True, "it is stopped")
    if second.state in "ZX":
        return Verdict(False, "it is just ending")
    ran, passed = second.ran_s - first.ran_s, second.at_s - first.at_s
    if second.state != "R":
        # A starved one that has at last come to the end of its turn sleeps, too: until the next frame is due.
        return Verdict(False, "it has just gone to sleep") if ran else Verdict(True, "it sleeps and is not woken")
    if first.state != "R":
        return Verdict(False, "it has just woken")
    told = f"it ran for {ran * 1000:.0f} of {passed * 1000:.0f} ms"
    if ran >= BUSY * passed:
        return Verdict(True, f"it computes without end ({told})")
    return Verdict(False, f"it waits for a core ({told})")


def sample(pid: int, now: float) -> Sample:
    """Takes 50 us. Raises `ProcessLookupError` when the process is gone."""
    folder = Path("/proc", str(pid))
    try:
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        try:
            ran = int((folder / "schedstat").read_text().split()[0]) / NS
        except FileNotFoundError:
            # A kernel that keeps no such statistics. In `stat` are ticks, of 10 ms as a rule: utime and stime.
            ran = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except FileNotFoundError as error:
        raise ProcessLookupError(f"process {pid} is gone") from error
    return Sample(now, fields[0], ran)
