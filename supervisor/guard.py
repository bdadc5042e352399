"""The guard against noisy neighbours: once a second, how late the audio is, and who has the CPU.

Lateness is in the rings of each call: 400 calls take 0.6 ms a look. The CPU's use by the whole machine is one line of
procfs; by our own processes one file each, so that is summed up only every 5 s, in a thread; by everybody else's only
while something is wrong. `supervisor.blame` decides what to make of it.
"""

import asyncio
import contextlib
import logging
import os
import time
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from ipc import flight
from ipc.mouth import MouthGauge
from ipc.rings import Rings, WrongRing
from supervisor.blame import LATE_NS, NOTABLE_STEAL, Judge, Second
from supervisor.calls import Calls
from supervisor.children import Children

log = logging.getLogger(__name__)

LOOK_S = 1.0

SUM_EVERY = 5
"""Looks between two sums over our processes: 25 us for each of them. While something is wrong each look has one."""

PROC = Path("/proc")
CGROUPS = Path("/sys/fs/cgroup")


class Guard:
    """`watch` runs beside the supervisor; `problems` is what it has to say."""

    def __init__(self, children: Children, calls: Calls) -> None:
        self._children = children
        self._calls = calls
        self._judge = Judge()
        self._lateness = Lateness()
        self._throttle = throttle_file()

    @property
    def problems(self) -> tuple[str, ...]:
        """One sentence with its remedy; none while audio is in time."""
        return (self._judge.verdict.text,) if self._judge.verdict else ()

    async def watch(self) -> None:
        """Until cancelled."""
        before = summed_at = machine(self._throttle)
        summed = await asyncio.to_thread(processes, self._own(), everybody=False)
        own = 0.0
        programs: tuple[tuple[str, float], ...] = ()
        for number in count(1):
            await asyncio.sleep(LOOK_S)
            now = machine(self._throttle)
            if number % SUM_EVERY == 0 or self._judge.worried:
                ours = self._own()
                again = await asyncio.to_thread(processes, ours, everybody=self._judge.worried)
                own, programs = shares(summed, again, ours, max(1, now.total - summed_at.total))
                summed, summed_at = again, now
            calls = self._calls.listing()
            frames, late = self._lateness.look({call.segment for call in calls})
            self._say(
                Second(
                    frames=frames,
                    late=late,
                    calls=len(calls),
                    steal=now.share("steal", before) or 0.0,
                    idle=now.share("idle", before),
                    own=own,
                    throttled=now.throttled_since(before),
                    pressure=now.pressure_since(before),
                    programs=programs,
                )
            )
            before = now

    def _own(self) -> frozenset[int]:
        names = [child.name for child in self._children.tree]
        found = (self._children.process(name) for name in names)
        return frozenset({os.getpid(), *(process.pid for process in found if process is not None)})

    def _say(self, second: Second) -> None:
        culprit = self._judge.verdict and self._judge.verdict.culprit
        self._judge.look(second)
        if second.steal >= NOTABLE_STEAL or second.late:
            pressure = "" if second.pressure is None else f", pressure {second.pressure:.0%}"
            flight.recorder().note(f"late {second.late}/{second.frames}, steal {second.steal:.0%}{pressure}")
        verdict = self._judge.verdict
        if verdict is None and culprit is not None:
            log.info("audio is in time again")
        elif verdict is not None and verdict.culprit is not culprit:
            log.warning("%s", verdict.text)


class Lateness:
    """How many frames of all calls went out, and how many of them too late, from one look to the next."""

    def __init__(self) -> None:
        self._gauges: dict[str, tuple[Rings, MouthGauge]] = {}
        self._seen: dict[str, tuple[int, int]] = {}

    def look(self, segments: Collection[str]) -> tuple[int, int]:
        """Of the calls with these rings. A call that is new is counted from now on."""
        for segment in self._gauges.keys() - segments:
            self._gauges.pop(segment)[0].close()
            del self._seen[segment]
        frames = late = 0
        for segment in segments:
            if segment not in self._gauges and not self._open(segment):
                continue
            now = self._gauges[segment][1].late_frames(LATE_NS)
            before = self._seen[segment]
            self._seen[segment] = now
            frames += now[0] - before[0]
            late += now[1] - before[1]
        return frames, late

    def _open(self, segment: str) -> bool:
        try:
            rings = Rings(segment)
        except (OSError, WrongRing):
            return False  # the call has just ended
        gauge = MouthGauge(rings)
        self._gauges[segment] = rings, gauge
        self._seen[segment] = gauge.late_frames(LATE_NS)
        return True


# -- what the kernel tells


@dataclass(frozen=True)
class Machine:
    """What the kernel has counted since the machine was started."""

    at_ns: int
    total: int
    """CPU time of all cores, in ticks of 10 ms."""
    idle: int
    steal: int
    pressed_us: int | None
    """For how long anybody has waited for a CPU; None where that is not counted."""
    periods: int
    throttled: int
    """Periods of our quota, and those of them in which we were stopped; 0 without a quota."""

    def share(self, which: str, before: "Machine") -> float | None:
        """Of the CPU time since then; None where it is not counted."""
        total = self.total - before.total
        part: int = getattr(self, which) - getattr(before, which)
        # Idle time is an estimate for a core that is asleep, and goes back by a tick now and then.
        return min(1.0, max(0, part) / total) if total > 0 else None

    def pressure_since(self, before: "Machine") -> float | None:
        if self.pressed_us is None or before.pressed_us is None or self.at_ns <= before.at_ns:
            return None
        return min(1.0, (self.pressed_us - before.pressed_us) * 1000 / (self.at_ns - before.at_ns))

    def throttled_since(self, before: "Machine") -> float:
        periods = self.periods - before.periods
        return min(1.0, (self.throttled - before.throttled) / periods) if periods > 0 else 0.0


def machine(throttle: Path | None) -> Machine:
    """A sandbox's kernel may not count all of it. `throttle` is that of `throttle_file`."""
    total = idle = steal = 0
    pressed_us = None
    with contextlib.suppress(OSError, ValueError):
        with (PROC / "stat").open() as file:
            fields = [int(word) for word in file.readline().split()[1:9]]
        _, _, _, idle, waiting, _, _, steal = fields
        total, idle = sum(fields), idle + waiting
    with contextlib.suppress(OSError, ValueError):
        some = (PROC / "pressure/cpu").read_text().split("\n", 1)[0]
        pressed_us = int(some.rpartition("total=")[2])
    periods, throttled = _periods(throttle) or (0, 0)
    return Machine(time.monotonic_ns(), total, idle, steal, pressed_us, periods, throttled)


def processes(ours: Collection[int], *, everybody: bool) -> dict[int, tuple[str, int]]:
    """By process id: the program's name, and the ticks that it has used. Those that have gone are left out."""
    pids = ours
    if everybody:
        pids = {int(name) for name in os.listdir(PROC) if name.isdigit()} | set(ours)  # noqa: PTH208 (half the time)
    return {pid: found for pid in pids if (found := _process(pid)) is not None}


def _process(pid: int) -> tuple[str, int] | None:
    try:
        with (PROC / str(pid) / "stat").open(errors="replace") as file:
            head, _, tail = file.read().rpartition(")")
    except OSError:
        return None
    fields = tail.split()
    return head.partition("(")[2], int(fields[11]) + int(fields[12])


def shares(
    before: dict[int, tuple[str, int]], now: dict[int, tuple[str, int]], ours: Collection[int], total: int
) -> tuple[float, tuple[tuple[str, float], ...]]:
    """What our processes have used of `total` ticks, and what other programs have, the greatest first.

    Of ours, one that is new has used all that it has since the last look. Another's may only not have been looked at.
    """
    own = 0
    programs: Counter[str] = Counter()
    for pid, (name, ticks) in now.items():
        if pid in ours:
            own += max(0, ticks - before[pid][1]) if pid in before else ticks
        elif pid in before:
            programs[name] += max(0, ticks - before[pid][1])
    named = tuple((name, ticks / total) for name, ticks in programs.most_common(5) if ticks)
    return min(1.0, own / total), named


def throttle_file() -> Path | None:
    """Where the kernel counts how often this process's control group was stopped by its quota; None without one."""
    with contextlib.suppress(OSError):
        for line in (PROC / "self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers and "cpu" not in controllers.split(","):
                continue
            for root in (CGROUPS, CGROUPS / "cpu") if not controllers else (CGROUPS / controllers,):
                # Within a container the group's own folder is the root of what can be seen.
                for folder in (root / path.lstrip("/"), root):
                    if _periods(folder / "cpu.stat") is not None:
                        return folder / "cpu.stat"
    return None


def _periods(file: Path | None) -> tuple[int, int] | None:
    """Periods of the quota, and how many of them we were stopped in; None where there is no quota."""
    if file is None:
        return None
    try:
        words = dict(line.split(maxsplit=1) for line in file.read_text().splitlines())
        return int(words["nr_periods"]), int(words["nr_throttled"])
    except (OSError, KeyError, ValueError):
        return None
