"""What a child gets from its supervisor at birth, and how it is tied to the supervisor's life.

The lifeline travels as JSON in the environment, or, to the parent of the audio actors, as a message. The descriptors in
it have the same numbers in every process: they are inherited.

A child must not outlive its supervisor. Three ties, because each has a hole:

- The kernel kills it when its parent dies (PR_SET_PDEATHSIG). Audio actors have another parent, whom they outlive.
- The kernel kills it when the last writing end of the death pipe closes, which only the supervisor holds: each child
  opens the pipe's reading end anew and asks for SIGKILL instead of SIGIO (F_SETSIG). This works whoever the parent is,
  and in the middle of an endless loop. Not every sandbox has it.
- The child's own loop looks at the death pipe: `watch` for asyncio, `orphaned` for a blocking loop.
"""

import asyncio
import fcntl
import os
import select
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import msgspec

from ipc import flight, prctl
from ipc.progress import Progress

VARIABLE = "RINGMASTER_LIFELINE"

_F_SETSIG = 10
"""From fcntl(2); Python's fcntl module has it on no version that we run on."""

ORPHANED = 3
"""Exit code of a child whose supervisor is gone."""


REALTIME_REMEDY = "allow it with `LimitRTPRIO=` in the systemd unit, `ulimit -r`, or CAP_SYS_NICE"
NICE_REMEDY = "LimitNICE= in the systemd unit"
"""What an operator does when the kernel permits no real-time priority, or no niceness as low as was asked for."""


class Placement(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where and how a child should run, if the system allows it."""

    cores: tuple[int, ...] = ()
    """CPU cores by number; () leaves all."""
    realtime: int = 0
    """SCHED_FIFO priority 1..99; 0 asks for none."""
    nice: int = 0
    """Where real-time priority is not asked for or not allowed."""


class Lifeline(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    name: str
    """Unique in the system, and the actor's address on the bus: "stt.1"."""
    role: str
    run_dir: str
    config: str
    """Path of the configuration file."""
    board: str
    """Segment of the progress board."""
    slot: int
    death_fd: int
    """Reading end of the pipe that the supervisor never writes to."""
    bell_fd: int
    """An eventfd: rung when a word of the board has changed that the supervisor waits for."""
    parent: int
    """Process id that must be the child's parent, or 0 for a child that may outlive it."""
    placement: Placement = Placement()
    control_fd: int = -1
    """A socket of its own to the supervisor, where the role has one."""
    flight: str = ""
    """Segment of the flight recorder; "" when there was no room for one."""

    def to_environment(self) -> dict[str, str]:
        return {VARIABLE: msgspec.json.encode(self).decode()}

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Raises `ValueError` with a sentence for a person who started an actor by hand."""
        text = environment.get(VARIABLE)
        if text is None:
            raise ValueError(f"{VARIABLE} is not set: actors are started by the supervisor (`ringmaster up`)")
        return msgspec.json.decode(text, type=cls)

    @property
    def run_path(self) -> Path:
        return Path(self.run_dir)

    def hold(self) -> Progress:
        """Ties the calling process to the supervisor and opens its slot; arms its flight recorder.

        To be called first of all, in the child.

        Ends the process when the supervisor is already gone.
        """
        prctl.set_name(self.name)
        if self.parent:
            prctl.die_with_parent()
        _die_with_pipe(self.death_fd)
        # The parent may have died before the ties held.
        if self.orphaned() or (self.parent and os.getppid() != self.parent):
            os._exit(ORPHANED)
        flight.begin(self.flight)
        return Progress(self.board, self.slot)

    def tell(self) -> None:
        """Makes the supervisor look at the board now."""
        os.eventfd_write(self.bell_fd, 1)

    def orphaned(self) -> bool:
        """True when the supervisor is gone. For blocking loops: takes 1 us."""
        poller = select.poll()
        poller.register(self.death_fd, select.POLLIN)
        return bool(poller.poll(0))

    def watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Ends the process, at once and without clean-up, when the supervisor is gone."""
        loop.add_reader(self.death_fd, os._exit, ORPHANED)


class Born(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The nursery's answer to a `Lifeline`: the process that now lives with it. With it comes its pidfd."""

    name: str
    pid: int


def _die_with_pipe(death_fd: int) -> None:
    # Opened anew because the flags and the owner belong to the open file, which all children share. It stays open.
    own = os.open(f"/proc/self/fd/{death_fd}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.fcntl(own, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(own, _F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(own, fcntl.F_SETFL, fcntl.fcntl(own, fcntl.F_GETFL) | os.O_ASYNC)
    except OSError as error:
        print(f"no kernel tie to the supervisor ({error}): the work loop has to notice", file=sys.stderr)
