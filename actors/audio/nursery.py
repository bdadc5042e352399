"""The nursery: the warm parent of all audio actors. It imports everything once, and forks a process for each call.

    supervisor -> nursery    a `Lifeline` (JSON), with the child's end of its control socket
    nursery -> supervisor    `Born` (JSON), with the child's pidfd

A fork takes 1 to 2 ms and shares all memory that nobody writes to; starting an interpreter takes 300 ms and shares
none. For that, this process is as plain as can be: one thread, no event loop, no ZeroMQ, and everything frozen for the
garbage collector, which would otherwise write to every object that it looks at.

Its children outlive it: they are tied to the supervisor's death pipe, not to their parent.
"""

import gc
import importlib
import logging
import os
import select
import signal
import socket
import sys
from pathlib import Path
from typing import Any, Protocol, cast

import msgspec

from ipc import descriptors, flight, logs
from ipc.lifeline import ORPHANED, Born, Lifeline
from ipc.progress import Progress, State

log = logging.getLogger(__name__)

SINGLE_THREADED = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""NumPy's libraries start a thread per core when they are imported, and threads do not survive a fork."""

WRONG_USE = 2


class Worker(Protocol):
    """A module that is an audio actor."""

    def settings(self, config: str) -> Any:
        """Reads what the workers will want, so that they inherit it."""

    def serve(self, control: socket.socket, lifeline: Lifeline) -> None:
        """The whole life of one audio actor. What it raises ends the process with 1."""


class Nursery:
    """The loop and the children it has forked. `turn` is one round of it."""

    def __init__(self, lifeline: Lifeline, worker: Worker) -> None:
        self._lifeline = lifeline
        self._worker = worker
        self._control = socket.socket(fileno=lifeline.control_fd)
        self._children: dict[int, tuple[str, int]] = {}  # by pidfd: name, process id
        self._poll = select.poll()
        self._poll.register(self._control, select.POLLIN)
        self._poll.register(lifeline.death_fd, select.POLLIN)

    def turn(self) -> None:
        """Sleeps until the supervisor wants a child, or a child has ended."""
        for descriptor, _ in self._poll.poll():
            if descriptor == self._lifeline.death_fd:
                raise SystemExit(ORPHANED)
            if descriptor == self._control.fileno():
                self._fork()
            else:
                self._bury(descriptor)

    def _fork(self) -> None:
        body, files = descriptors.receive_packet(self._control)
        if not body:
            raise SystemExit(ORPHANED)
        lifeline = msgspec.json.decode(body, type=Lifeline)
        control = socket.socket(fileno=files[0])
        pid = os.fork()
        if pid == 0:
            self._become(control, lifeline)
        control.close()
        pidfd = os.pidfd_open(pid)
        socket.send_fds(self._control, [msgspec.json.encode(Born(name=lifeline.name, pid=pid))], [pidfd])
        self._children[pidfd] = (lifeline.name, pid)
        flight.recorder().note(f"forked {lifeline.name} as process {pid}")
        self._poll.register(pidfd, select.POLLIN)

    def _become(self, control: socket.socket, lifeline: Lifeline) -> None:
        """The child, up to its end: it never returns into the parent's loop, whatever is raised."""
        code = 1
        try:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            self._control.close()
            for pidfd in self._children:
                os.close(pidfd)
            self._worker.serve(control, lifeline)
            code = 0
        except SystemExit as leaving:
            code = leaving.code if isinstance(leaving.code, int) else 1
        finally:
            error = sys.exc_info()
            if error[0] is not None:
                sys.excepthook(*error)
            sys.stderr.flush()
            os._exit(code)

    def _bury(self, pidfd: int) -> None:
        """Only here is known how a child has ended; the supervisor knows when."""
        name, pid = self._children.pop(pidfd)
        self._poll.unregister(pidfd)
        os.close(pidfd)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        flight.recorder().note(f"{name} ended with {code}")
        if code not in (0, -signal.SIGTERM):
            how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
            log.warning("%s %s", name, how)


def _warm_up(lifeline: Lifeline, module: str) -> Worker:
    """Everything that a child will need, in memory that it will share."""
    os.environ.update(SINGLE_THREADED)
    worker = cast(Worker, importlib.import_module(module))
    worker.settings(lifeline.config)
    threads = len(list(Path("/proc/self/task").iterdir()))
    if threads != 1:
        log.warning("importing %s has started %d threads: a fork of them may hang", module, threads - 1)
    gc.collect()
    gc.freeze()
    return worker


def main(module: str) -> None:
    """Runs until the supervisor ends it; `module` is the `Worker`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    lifeline = Lifeline.from_environment(os.environ)
    progress: Progress = lifeline.hold()
    logs.set_up(lifeline.name, "info")
    nursery = Nursery(lifeline, _warm_up(lifeline, module))
    progress.show(State.READY)
    lifeline.tell()
    while True:
        progress.bump()
        nursery.turn()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        print("the nursery is started by the supervisor (`ringmaster up`)", file=sys.stderr)
        sys.exit(WRONG_USE)
    main(sys.argv[2])
