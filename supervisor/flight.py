"""The flight recorders' keeper: makes one for each process, and writes down what is in them (`ipc.flight`).

    a child died abnormally     its recording goes to `<run dir>/dumps`, then its segment is removed
    a child is to be killed     it is asked for its stacks first, unless a caller waits for its successor
    an operator asks            the recordings and the stacks of living processes, in one file
    the supervisor was killed   the next one finds its recording when it starts

What costs time (reading 4092 records takes 12 ms, a disk may take for ever) is done by a thread of its own, one job
after another. A disk that hangs costs dumps, and neither the supervisor's loop nor its end.
"""

import asyncio
import logging
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import TypeVar

from ipc import flight
from ipc.bus import Refused
from ipc.orders import Dumped
from supervisor import flight_text
from supervisor.flight_text import Subject
from supervisor.processes import Process
from supervisor.specs import AUDIO, ChildSpec

log = logging.getLogger(__name__)

FOLDER = "dumps"
"""Under the run directory. Made with the first dump."""

MOST_FILES = 50
MOST_BYTES = 200_000_000
"""Of all dumps together; the oldest go first."""

LAST_CHANCE_S = 0.05
"""For the stacks of who is to be killed. A process that runs at all writes them within a millisecond."""
ANSWER_S = 0.3
"""For the stacks of who works: it may have to wait for a CPU."""
LOOK_S = 0.002
"""Between two looks at whether the stacks are complete; a look takes 30 us, and reads memory only."""

MOST_WAITING = 64
"""Jobs. When everything dies in a row, or the disk hangs, what comes on top of these is not written down."""
CLOSE_S = 2.0
"""For what is still to be written when the system ends."""

SUPERVISOR = "supervisor"

T = TypeVar("T")


class Flights:
    """All recorders of one system, and its folder of dumps."""

    def __init__(self, run_dir: Path, prefix: str) -> None:
        """`prefix` is that of the system's segments."""
        self._folder = run_dir / FOLDER
        self._prefix = f"{prefix}flight-"
        self._segments: dict[str, str] = {}
        self._to_write: set[str] = set()
        """Segments of the dead."""
        self._numbers = count(1)
        self._clerk = _Clerk()
        self._told_of_no_room = False

    # -- the beginning and the end of a process

    def make(self, name: str, role: str) -> str:
        """A recorder for the process that is about to start; gives its segment, or "" when there is no room."""
        size = flight.AUDIO_BYTES if role == AUDIO else flight.BUS_BYTES
        segment = self._new(size)
        if segment:
            self._segments[name] = segment
        elif not self._told_of_no_room:
            self._told_of_no_room = True
            log.warning(
                "/dev/shm has no room for the flight recorder of %s, which goes without: make it larger"
                " (`mount -o remount,size=1G /dev/shm`; in Docker `shm_size: 1gb`)",
                name,
            )
        return segment

    def segment(self, name: str) -> str:
        """Of a living process's recorder; "" when it has none."""
        return self._segments.get(name, "")

    def keep(self, name: str, segment: str) -> None:
        """Looks after the recorder of a process that has lived before this supervisor."""
        if segment:
            self._segments[name] = segment

    def let_go(self, name: str) -> None:
        """The process outlives this supervisor, whose successor will `keep` its recorder."""
        self._segments.pop(name, None)

    def _new(self, size: int) -> str:
        while True:
            try:
                return flight.make(f"{self._prefix}{next(self._numbers)}", size)
            except FileExistsError:
                continue  # of an actor that has outlived its supervisor

    def record_own(self) -> None:
        """Arms a recorder for this process, the supervisor, under a name by which its successor finds it."""
        flight.discard(f"{self._prefix}{SUPERVISOR}")
        self._segments[SUPERVISOR] = flight.make(f"{self._prefix}{SUPERVISOR}", flight.BUS_BYTES)
        flight.begin(self._segments[SUPERVISOR])

    def salvage(self) -> None:
        """Writes down what a predecessor was doing that was killed. Before its segments are removed."""
        segment = f"{self._prefix}{SUPERVISOR}"
        pid = flight.armed(segment)
        if pid not in (0, os.getpid()):
            subject = Subject(SUPERVISOR, SUPERVISOR, pid, segment, "killed: it was gone when the next one started")
            self._write_dead(subject, time.monotonic_ns(), datetime.now(UTC), stalled=False)

    def ended(self, name: str, role: str, pid: int, how: str, *, abnormal: bool, stalled: bool) -> None:
        """A child has ended. Nothing is done yet: whoever takes over its work comes first."""
        segment = self._segments.pop(name, "")
        if not segment:
            return
        if not abnormal or not pid or self._clerk.waiting >= MOST_WAITING:
            flight.discard(segment)
            return
        self._to_write.add(segment)
        subject = Subject(name, role, pid, segment, how)
        now_ns, now = time.monotonic_ns(), datetime.now(UTC)
        asyncio.get_running_loop().call_soon(
            self._clerk.give, lambda: self._write_dead(subject, now_ns, now, stalled=stalled)
        )

    def stacks_first(self, name: str, process: Process, kill: Callable[[], None]) -> None:
        """Calls `kill` as soon as the process has shown its stacks, and after `LAST_CHANCE_S` at the latest."""
        segment = self._segments.get(name, "")
        loop = asyncio.get_running_loop()
        deadline = loop.time() + (LAST_CHANCE_S if self._asked(segment, process.pid, process.show_stacks) else 0)

        def look() -> None:
            if loop.time() >= deadline or flight.stacks_complete(segment):
                kill()
            else:
                loop.call_later(LOOK_S, look)

        look()

    def close(self) -> None:
        """When all processes have ended, or because of an error that is on its way."""
        self._clerk.close(CLOSE_S)
        own = self._segments.pop(SUPERVISOR, "")
        if own and sys.exception() is None:
            # Otherwise the error's traceback goes there when nobody has caught it, and the next supervisor reads it.
            flight.begin("")
            flight.discard(own)
        for segment in (*self._segments.values(), *self._to_write):
            flight.discard(segment)
        self._segments.clear()

    # -- on demand

    async def dump(self, names: Sequence[str], living: Iterable[tuple[ChildSpec, Process]]) -> Dumped:
        """Writes down the processes of these names, or all of them; the supervisor is one of them.

        Raises `Refused` for a name that nobody has, or when the file cannot be written. They are asked one after
        another, each for at most `ANSWER_S`: hundreds that write at the same time would take the CPUs from the calls.
        """
        processes = {spec.name: (spec.role, process) for spec, process in living}
        if unknown := [name for name in names if name not in processes and name != SUPERVISOR]:
            raise Refused(f"no process is called {', '.join(unknown)}: see `ringmaster status` for their names")
        subjects, silent = [], []
        for name in dict.fromkeys(names or (SUPERVISOR, *processes)):
            segment = self._segments.get(name, "")
            if name == SUPERVISOR:
                role, pid, show = SUPERVISOR, os.getpid(), _show_own_stacks
            else:
                role, process = processes[name]
                pid, show = process.pid, process.show_stacks
            if not await self._stacks(segment, pid, show):
                silent.append(name)
            subjects.append(Subject(name, role, pid, segment, "lives"))
        now_ns, now = time.monotonic_ns(), datetime.now(UTC)
        try:
            path = await self._clerk.do(lambda: self._write_living(subjects, now_ns, now))
        except OSError as error:
            raise Refused(_cannot_write(self._folder, error)) from error
        return Dumped(path=str(path), processes=tuple(subject.name for subject in subjects), silent=tuple(silent))

    async def _stacks(self, segment: str, pid: int, show: Callable[[], None]) -> bool:
        """False when they have not come in time."""
        if not self._asked(segment, pid, show):
            return False
        deadline = time.monotonic() + ANSWER_S
        while not (complete := flight.stacks_complete(segment)) and time.monotonic() < deadline:
            await asyncio.sleep(LOOK_S)
        return complete

    @staticmethod
    def _asked(segment: str, pid: int, show: Callable[[], None]) -> bool:
        """Asks who understands it. To everybody else, as a child that has just been started, the signal is the end."""
        if flight.armed(segment) != pid:
            return False
        flight.clear_stacks(segment)
        show()
        return True

    # -- the clerk's jobs, in its thread

    def _write_dead(self, subject: Subject, ended_ns: int, ended: datetime, *, stalled: bool) -> None:
        recording = flight.read(subject.segment)
        flight.discard(subject.segment)
        self._to_write.discard(subject.segment)
        why = flight_text.why(subject.how, recording.stacks, stalled=stalled)
        try:
            path = self._write([flight_text.render(subject, recording, ended_ns, ended)], subject.name, why, ended)
        except OSError as error:
            log.error("%s", _cannot_write(self._folder, error))
        else:
            log.warning("what %s did last is in %s", subject.name, path)

    def _write_living(self, subjects: Sequence[Subject], now_ns: int, now: datetime) -> Path:
        def text(subject: Subject) -> str:
            recording = flight.read(subject.segment)
            # Otherwise they would still be there when the process dies, as if it had stood there then.
            flight.clear_stacks(subject.segment)
            return flight_text.render(subject, recording, now_ns, now)

        return self._write(map(text, subjects), subjects[0].name if len(subjects) == 1 else "several", "asked", now)

    def _write(self, texts: Iterable[str], name: str, why: str, when: datetime) -> Path:
        """Raises `OSError`. Under its last name stands only what is complete."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        stamp = f"{when:%Y%m%dT%H%M%S}.{when.microsecond // 1000:03d}Z"
        path = self._folder / f"{stamp}-{name}-{why}.txt"
        part = path.with_suffix(".part")
        with part.open("w") as file:
            file.writelines(texts)
        part.rename(path)
        prune(self._folder)
        return path


def prune(folder: Path) -> None:
    """Removes the oldest dumps beyond `MOST_FILES` and `MOST_BYTES`, and what was left unfinished. The newest stays."""
    for part in folder.glob("*.part"):
        part.unlink(missing_ok=True)
    total = 0
    for number, path in enumerate(sorted(folder.glob("*.txt"), reverse=True)):
        total += path.stat().st_size
        if number and (number >= MOST_FILES or total > MOST_BYTES):
            path.unlink(missing_ok=True)


def _show_own_stacks() -> None:
    os.kill(os.getpid(), flight.STACKS_SIGNAL)


def _cannot_write(folder: Path, error: OSError) -> str:
    return f"a dump cannot be written to {folder}: {error.strerror}; make room or set `run.directory` to another folder"


class _Clerk:
    """A thread that does one job after another. It starts with the first, and the process need not wait for it."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    @property
    def waiting(self) -> int:
        return self._jobs.qsize()

    def give(self, job: Callable[[], object]) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="dumps", daemon=True)
            self._thread.start()
        self._jobs.put(job)

    async def do(self, job: Callable[[], T]) -> T:
        """Waits for the job. Raises the `OSError` that it raises."""
        done: Future[T] = Future()

        def run() -> None:
            try:
                done.set_result(job())
            except OSError as error:
                done.set_exception(error)

        self.give(run)
        return await asyncio.wrap_future(done)

    def close(self, within_s: float) -> None:
        self._jobs.put(None)
        if self._thread is not None:
            self._thread.join(within_s)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
