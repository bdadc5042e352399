"""The children: carries out what the tree decides, and tells the tree what has happened.

Looks at the progress board when a child rings its bell (somebody has become ready), and a few times a second (somebody
has stopped making progress): 20 times a second at those in whom callers wait.
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
from ipc import descriptors, last_words
from ipc.lifeline import Lifeline
from ipc.progress import Board, Pulse
from ipc.progress import State as Shown
from supervisor import hanging, scheduling
from supervisor.flight import Flights
from supervisor.handover import HandedActor, HandOver
from supervisor.hanging import Sample
from supervisor.processes import Ending, Process, reap_strangers
from supervisor.specs import AUDIO, NURSERY, ChildSpec, Group
from supervisor.tree import Action, Degrade, Kill, Start, State, Stop, Tree

log = logging.getLogger(__name__)

LOOK_S = 0.25
"""A child that hangs is found after its stall time and at most this."""

HURRIED_LOOK_S = 0.05
"""The same for an audio actor that serves calls; a look at 400 of them takes 0.15 ms."""

HANG_S = 0.2
"""An audio actor that serves calls makes progress 50 times a second. One that has made none for so long is examined: it
is killed unless it merely waits for a core, and in the end (`stall_s`) whatever it waits for. The longest gap between
two frames of 100 calls on a busy machine was 24 ms."""

FIRST_SAMPLE_S = 0.1
"""What it is about is seen from what the kernel says of it now, and then again."""

BOARD_SLOTS = 2048
"""Room for any configuration: 1000 calls, 64 that wait, four pools of 64, and hundreds that are just ending. Fixed, for
a board outlives the configuration it was made for (`supervisor.handover`)."""

Change = Literal["starting", "ready", "dead", "degraded"]


@dataclass
class Running:
    """A living child and what belongs to it."""

    process: Process
    slot: int
    pulse: Pulse | None
    born: float
    sample: Sample | None = None
    """Of a child that may hang: what it was doing when that was first suspected."""


class Children:
    """All processes of the system. Not used before `open` nor after `close`."""

    def __init__(
        self, groups: Iterable[Group], config: Config, run_dir: Path, board: str, handed: HandOver | None = None
    ) -> None:
        """`board` is the name of the segment for the progress board, unless one is handed over.

        Raises `OSError`: `FileNotFoundError` for a board that was handed over and is gone.
        """
        groups = tuple(groups)
        self.tree = Tree(groups)
        self.on_change: Callable[[str, str, Change, int, str], None] = lambda *_: None
        """Name, role, what it has become, process id, reason."""
        self.on_control: Callable[[socket.socket], None] = lambda _: None
        """Gets our end of a new nursery's socket."""
        self.on_end: Callable[[str], None] = lambda _: None
        """Gets the name of a child that has ended, after the tree has been told and before it is acted on."""
        own = {child.name: child.cores for group in groups for child in group.children if child.cores}
        self.placements = scheduling.Placements(config.settings, own)
        self.flights = Flights(run_dir, board.removesuffix("board"))
        self._config = config
        self._run_dir = run_dir
        if handed is None:
            self._board = Board(board, BOARD_SLOTS)
            self._death_fd, self._life_fd = os.pipe()
            self._bell_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        else:
            self._board = Board(handed.board, taken={actor.slot for actor in handed.actors})
            self._death_fd, self._life_fd, self._bell_fd = handed.death, handed.life, handed.bell
        self._running: dict[str, Running] = {}
        self._hurried: set[str] = set()
        self._changed = asyncio.Event()
        self.helpers: set[int] = set()
        """Process ids of children for whose end somebody else waits."""
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
        next_look = 0.0
        while True:
            now = time.monotonic()
            if now >= next_look:
                next_look = now + LOOK_S
                self.look()
            self._look_at_hurried()
            await asyncio.sleep(HURRIED_LOOK_S)

    def look(self) -> None:
        now = time.monotonic()
        self._carry_out(self.tree.look(now))
        for name, running in list(self._running.items()):
            child = self.tree[name]
            if child.state is not State.READY or running.pulse is None or name in self._hurried:
                continue
            if running.pulse.look(self._board.progress(running.slot), now):
                self.stalled(name, f"no progress for {running.pulse.quiet_s:.1f} s")
        reap_strangers(self.helpers | {running.process.pid for running in self._running.values()})

    def hurry(self, name: str, on: bool) -> None:
        """Callers wait in this audio actor from now on, or do no longer: it is to make progress all the time."""
        running = self._running.get(name)
        if running is None or running.pulse is None or on == (name in self._hurried):
            return
        if on:
            self._hurried.add(name)
        else:
            self._hurried.discard(name)
        running.pulse.restart(2 * (HURRIED_LOOK_S if on else LOOK_S))
        running.sample = None

    def _look_at_hurried(self) -> None:
        now = time.monotonic()
        for name in list(self._hurried):
            running, child = self._running[name], self.tree[name]
            if child.state is not State.READY or running.pulse is None:
                continue
            overdue = running.pulse.look(self._board.progress(running.slot), now)
            if running.pulse.quiet_s < FIRST_SAMPLE_S:
                running.sample = None
                continue
            try:
                self._examine(name, running, running.pulse.quiet_s, overdue=overdue)
            except ProcessLookupError:
                continue  # its pidfd is about to say so

    def _examine(self, name: str, running: Running, quiet_s: float, *, overdue: bool) -> None:
        before, now = running.sample, hanging.sample(running.process.pid, time.monotonic())
        running.sample = before if before is not None and quiet_s < HANG_S else now
        if before is None or quiet_s < HANG_S:
            return
        verdict = hanging.judge(before, now)
        if verdict.hangs or overdue:
            self.stalled(name, f"no progress for {quiet_s:.2f} s: {verdict.why}")

    def recycle(self, name: str) -> None:
        """A fresh process for a child that is ready (`Tree.recycle`)."""
        self._carry_out(self.tree.recycle(name, time.monotonic()))

    def stalled(self, name: str, reason: str) -> None:
        """The child hangs: it is killed, and what the tree then decides is done."""
        self._carry_out(self.tree.stalled(name, reason, time.monotonic()))

    async def finish(self, spared: Callable[[str], bool] = lambda _: False) -> None:
        """Stops everybody but the spared, from right to left; bounded by the sum of the shutdown times."""
        self._carry_out(self.tree.finish(time.monotonic(), spared))
        await self.until(lambda: self.tree.finished)

    def close(self) -> None:
        """After `finish`. Whoever lives all the same is killed by the kernel, with the death pipe."""
        asyncio.get_running_loop().remove_reader(self._bell_fd)
        for descriptor in (self._death_fd, self._life_fd, self._bell_fd):
            os.close(descriptor)
        self._board.close()
        self.flights.close()

    # -- from one program to the next

    @property
    def ties(self) -> tuple[int, int, int]:
        """Descriptors: the death pipe's reading end, its writing end, the bell."""
        return self._death_fd, self._life_fd, self._bell_fd

    @property
    def board(self) -> str:
        return self._board.name

    def handed(self, name: str, control: int, *, used: bool) -> HandedActor:
        running = self._running[name]
        return HandedActor(
            name=name,
            pid=running.process.pid,
            pidfd=running.process.pidfd,
            control=control,
            slot=running.slot,
            born_s=running.born,
            used=used,
            flight=self.flights.segment(name),
        )

    def take_over(self, actor: HandedActor) -> None:
        """An audio actor that lives, or has died since: then its end is reported like any other."""
        now = time.monotonic()
        spec = self.tree.adopt(AUDIO, actor.name, now)
        self.flights.keep(actor.name, actor.flight)
        self._run(spec, actor.slot, Process.adopt(actor.name, actor.pid, actor.pidfd, self._ended))
        self._running[actor.name].born = actor.born_s

    def let_go(self) -> None:
        """Instead of `close`: whoever lives goes on, tied to the next program."""
        for name in self._running:
            self.flights.let_go(name)
        self.flights.close()

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
            placement=self.placements.of(spec.name, spec.role),
            control_fd=control_fd,
            flight=self.flights.make(spec.name, spec.role),
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
                    self._kill_stalled(name)
                case Degrade(name, reason):
                    log.error("%s is out of service: %s", name, reason)
                    self.on_change(name, self._role(name), "degraded", 0, reason)
        if actions:
            self._changed.set()

    def _start(self, spec: ChildSpec) -> None:
        try:
            ours, theirs = descriptors.pair() if spec.role == NURSERY else (None, None)
        except OSError as error:
            ending = Ending(abnormal=True, reason=f"could not be started: {error.strerror}")
            asyncio.get_running_loop().call_soon(self._ended, spec.name, ending)
            return
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
        pulse = None if spec.stall_s is None else Pulse(spec.stall_s, 2 * LOOK_S)
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

    def _kill_stalled(self, name: str) -> None:
        process = self.process(name)
        if process is None or name in self._hurried:
            self._kill(name)  # its callers wait for its successor
            return
        self.flights.stacks_first(name, process, lambda: self._kill(name) if self.process(name) is process else None)

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
        self._hurried.discard(name)
        if running is not None:
            self._board.give_back(running.slot)
        child = self.tree[name]
        expected = child.state is State.STOPPING or child.retired
        said = last_words.take(self._run_dir, name) if ending.hopeless else ""
        actions = self.tree.ended(
            name,
            abnormal=ending.abnormal,
            reason=said or ending.reason,
            now=time.monotonic(),
            hopeless=ending.hopeless,
        )
        log.log(logging.DEBUG if expected else logging.ERROR, "%s has ended: %s", name, child.ending)
        self.on_end(name)
        pid = running.process.pid if running else 0
        self.flights.ended(
            name,
            child.spec.role,
            pid,
            child.ending,
            # Also of who was told to end and did not.
            abnormal=ending.abnormal if not expected else ending.reason == "killed by SIGKILL",
            stalled=not ending.hopeless and child.ending != ending.reason,
        )
        self.on_change(name, child.spec.role, "dead", pid, "" if expected else child.ending)
        self._carry_out(actions)
        self._changed.set()

    def _role(self, name: str) -> str:
        """Also of a group, which is named after the role of its children."""
        return next((child.spec.role for child in self.tree if child.name == name), name)
