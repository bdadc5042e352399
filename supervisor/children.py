"""The children: carries out what the tree decides, and tells the tree what has happened.

Looks at the progress board when a child rings its bell (somebody has become ready), and a few times a second (somebody
has stopped making progress).
"""

import asyncio
import logging
import os
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from config.load import Config
from ipc import descriptors
from ipc.lifeline import Lifeline
from ipc.progress import Board, Pulse
from ipc.progress import State as Shown
from supervisor import scheduling
from supervisor.processes import Ending, Process, reap_strangers
from supervisor.specs import NURSERY, ChildSpec, Group
from supervisor.tree import Action, Degrade, Kill, Start, State, Stop, Tree

log = logging.getLogger(__name__)

LOOK_S = 0.25
"""An audio actor that hangs is found after its stall time and at most this."""

LONGEST_LOOK_S = 2 * LOOK_S

Change = Literal["starting", "ready", "dead", "degraded"]


@dataclass
class Running:
    """A living child and what belongs to it."""

    process: Process
    slot: int
    pulse: Pulse | None
    born: float


class Children:
    """All processes of the system. Not used before `open` nor after `close`."""

    def __init__(self, groups: Iterable[Group], config: Config, run_dir: Path, board: str) -> None:
        """`board` is the name of the segment for the progress board."""
        self.tree = Tree(groups)
        audio = config.settings.audio
        self.on_change: Callable[[str, str, Change, int, str], None] = lambda *_: None
        """Name, role, what it has become, process id, reason."""
        self.on_control: Callable[[socket.socket], None] = lambda _: None
        """Gets our end of a new nursery's socket."""
        self.on_end: Callable[[str], None] = lambda _: None
        """Gets the name of a child that has ended, after the tree has been told and before it is acted on."""
        self._config = config
        self._run_dir = run_dir
        # Audio actors: those in calls, and those that wait, of whom there is one at least.
        self._board = Board(board, sum(1 for _ in self.tree) + audio.max_calls + audio.warm + 1)
        self._running: dict[str, Running] = {}
        self._changed = asyncio.Event()
        self._death_fd, self._life_fd = os.pipe()
        self._bell_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        asyncio.get_running_loop().add_reader(self._bell_fd, self._bell_rang)

    # -- what is the case

    def process(self, name: str) -> Process | None:
        running = self._running.get(name)
        return running.process if running else None

    def born(self, name: str) -> float:
        return self._running[name].born

    def calls(self, name: str) -> int:
        running = self._running.get(name)
        return self._board.calls(running.slot) if running else 0

    async def until(self, condition: Callable[[], bool]) -> None:
        """Waits until the condition holds; it is looked at whenever something about any child has changed."""
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    # -- what the service does

    def begin(self) -> None:
        self._carry_out(self.tree.begin(time.monotonic()))

    async def watch(self) -> None:
        """Looks after everybody, until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_S)

    def look(self) -> None:
        now = time.monotonic()
        self._carry_out(self.tree.look(now))
        for name, running in list(self._running.items()):
            child = self.tree[name]
            if child.state is not State.READY or running.pulse is None:
                continue
            if running.pulse.look(self._board.progress(running.slot), now):
                self.stalled(name, f"no progress for {running.pulse.quiet_s:.1f} s")
        reap_strangers({running.process.pid for running in self._running.values()})

    def stalled(self, name: str, reason: str) -> None:
        """The child hangs: it is killed, and what the tree then decides is done."""
        self._carry_out(self.tree.stalled(name, reason, time.monotonic()))

    async def finish(self) -> None:
        """Stops everybody, from right to left; bounded by the sum of the shutdown times."""
        self._carry_out(self.tree.finish(time.monotonic()))
        await self.until(lambda: self.tree.finished)

    def close(self) -> None:
        """After `finish`. Whoever lives all the same is killed by the kernel, with the death pipe."""
        asyncio.get_running_loop().remove_reader(self._bell_fd)
        for descriptor in (self._death_fd, self._life_fd, self._bell_fd):
            os.close(descriptor)
        self._board.close()

    # -- what the warm pool does: audio actors are forked by the nursery, not started here

    def lifeline(self, spec: ChildSpec, *, control_fd: int = -1, outlives_parent: bool = False) -> Lifeline:
        """A lifeline with a slot of its own. Raises `LookupError` when the board is full."""
        return Lifeline(
            name=spec.name,
            role=spec.role,
            run_dir=str(self._run_dir),
            config=str(self._config.path),
            board=self._board.name,
            slot=self._board.take(),
            death_fd=self._death_fd,
            bell_fd=self._bell_fd,
            parent=0 if outlives_parent else os.getpid(),
            placement=scheduling.placement(self._config.settings, spec.role),
            control_fd=control_fd,
        )

    def abandon(self, lifeline: Lifeline) -> None:
        """Nobody will live with this lifeline, though the tree has been told that somebody would."""
        self._board.give_back(lifeline.slot)
        self._ended(lifeline.name, Ending(abnormal=True, reason="was never born"))

    def adopt(self, lifeline: Lifeline, pid: int, pidfd: int) -> None:
        """A process that was forked with this lifeline is a child from now on; the tree knows it as starting."""
        self._run(self.tree[lifeline.name].spec, lifeline.slot, Process.adopt(lifeline.name, pid, pidfd, self._ended))
        # It may have been ready, and have rung, before we heard of its birth.
        self._greet()

    # -- effects

    def _carry_out(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Start(spec):
                    self._start(spec)
                case Stop(name):
                    self._stop(name)
                case Kill(name, reason):
                    log.error("%s: %s; killing it", name, reason)
                    self._kill(name)
                case Degrade(name, reason):
                    log.error("%s is out of service: %s", name, reason)
                    self.on_change(name, self._role(name), "degraded", 0, reason)
        if actions:
            self._changed.set()

    def _start(self, spec: ChildSpec) -> None:
        ours, theirs = descriptors.pair() if spec.role == NURSERY else (None, None)
        lifeline = self.lifeline(spec, control_fd=theirs.fileno() if theirs else -1)
        try:
            process = Process.spawn(spec.module, spec.arguments, lifeline, self._ended)
        except OSError as error:
            # No memory or no process ids left: as if it had started and died, so that the same limits hold.
            self._board.give_back(lifeline.slot)
            ending = Ending(abnormal=True, reason=f"could not be started: {error.strerror}")
            asyncio.get_running_loop().call_soon(self._ended, spec.name, ending)
            if ours is not None:
                ours.close()
        else:
            self._run(spec, lifeline.slot, process)
            if ours is not None:
                self.on_control(ours)
        finally:
            if theirs is not None:
                theirs.close()

    def _run(self, spec: ChildSpec, slot: int, process: Process) -> None:
        pulse = None if spec.stall_s is None else Pulse(spec.stall_s, LONGEST_LOOK_S)
        self._running[spec.name] = Running(process, slot, pulse, time.monotonic())
        log.debug("%s starts as process %d", spec.name, process.pid)
        self.on_change(spec.name, spec.role, "starting", process.pid, self.tree[spec.name].note)
        if self.tree[spec.name].state is State.STOPPING:
            self._stop(spec.name)

    def _stop(self, name: str) -> None:
        running = self._running.get(name)
        if running is not None:
            running.process.stop(self.tree[name].spec.shutdown_s)

    def _kill(self, name: str) -> None:
        running = self._running.get(name)
        if running is not None:
            running.process.kill()

    def _bell_rang(self) -> None:
        os.eventfd_read(self._bell_fd)
        self._greet()

    def _greet(self) -> None:
        """Takes note of everybody who has become ready."""
        now = time.monotonic()
        for name, running in list(self._running.items()):
            child = self.tree[name]
            if child.state is State.STARTING and self._board.state(running.slot) is Shown.READY:
                actions = self.tree.ready(name, now)
                self.on_change(name, child.spec.role, "ready", running.process.pid, "")
                self._carry_out(actions)
                self._changed.set()

    def _ended(self, name: str, ending: Ending) -> None:
        running = self._running.pop(name, None)
        if running is not None:
            self._board.give_back(running.slot)
        child = self.tree[name]
        expected = child.state is State.STOPPING or child.retired
        actions = self.tree.ended(name, abnormal=ending.abnormal, reason=ending.reason, now=time.monotonic())
        log.log(logging.DEBUG if expected else logging.ERROR, "%s has ended: %s", name, child.ending)
        self.on_end(name)
        pid = running.process.pid if running else 0
        self.on_change(name, child.spec.role, "dead", pid, "" if expected else child.ending)
        self._carry_out(actions)
        self._changed.set()

    def _role(self, name: str) -> str:
        """Also of a group, which is named after the role of its children."""
        return next((child.spec.role for child in self.tree if child.name == name), name)
