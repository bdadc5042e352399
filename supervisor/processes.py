"""Child processes: started, watched and stopped by their pidfd, which never comes to mean another process.

Stopping is out of band: SIGTERM, then SIGKILL at a deadline. Nothing has to be read by the child for that.
"""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Self

from ipc import last_words
from ipc.flight import STACKS_SIGNAL
from ipc.lifeline import ORPHANED, Lifeline


@dataclass(frozen=True)
class Ending:
    abnormal: bool
    """True unless the exit code was 0. Also True where nobody can tell: another process was the parent."""
    reason: str
    hopeless: bool = False
    """It has said that it cannot do its work (`ipc.last_words`)."""


class Process:
    """A living child. `on_end` is called once, from the event loop, when it has ended and has been reaped."""

    def __init__(
        self,
        name: str,
        pid: int,
        pidfd: int,
        on_end: Callable[[str, Ending], None],
        own: "subprocess.Popen[bytes] | None",
    ) -> None:
        """For `spawn` and `adopt` only."""
        self.name = name
        self.pid = pid
        self.pidfd = pidfd
        self._on_end = on_end
        self._own = own
        self._loop = asyncio.get_running_loop()
        self._kill_timer: asyncio.TimerHandle | None = None
        self._loop.add_reader(pidfd, self._ended)

    @classmethod
    def spawn(
        cls, module: str, arguments: Sequence[str], lifeline: Lifeline, on_end: Callable[[str, Ending], None]
    ) -> Self:
        """Runs `python -m module name arguments...`. Raises `OSError` when the system has no room for a process.

        To be called from the main thread: the kernel counts the *thread* that started a child as its parent.
        """
        inherited = [fd for fd in (lifeline.death_fd, lifeline.bell_fd, lifeline.control_fd) if fd >= 0]
        process = subprocess.Popen(
            [sys.executable, "-m", module, lifeline.name, *arguments],
            env=os.environ | {"PYTHONFAULTHANDLER": "1"} | lifeline.to_environment(),
            pass_fds=inherited,
            stdin=subprocess.DEVNULL,
            # Ctrl-C in a terminal goes to its whole process group; the supervisor alone is to act on it.
            process_group=0,
        )
        return cls(lifeline.name, process.pid, os.pidfd_open(process.pid), on_end, process)

    @classmethod
    def adopt(cls, name: str, pid: int, pidfd: int, on_end: Callable[[str, Ending], None]) -> Self:
        """Takes over a process that another one forked. The pidfd now belongs to this object."""
        return cls(name, pid, pidfd, on_end, None)

    def stop(self, within_s: float) -> None:
        """Asks it to end, and kills it when it has not within that time."""
        self._signal(signal.SIGTERM)
        if self._kill_timer is None:
            self._kill_timer = self._loop.call_later(within_s, self.kill)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def show_stacks(self) -> None:
        """Only for who has armed its flight recorder, and whose end has not been reported (`supervisor.flight`)."""
        self._signal(STACKS_SIGNAL)

    def _signal(self, number: signal.Signals) -> None:
        try:
            signal.pidfd_send_signal(self.pidfd, number)
        except ProcessLookupError:
            return  # it has ended; the loop will call `_ended` soon

    def _ended(self) -> None:
        self._loop.remove_reader(self.pidfd)
        if self._kill_timer is not None:
            self._kill_timer.cancel()
        ending = self._reap()
        os.close(self.pidfd)
        self._on_end(self.name, ending)

    def _reap(self) -> Ending:
        if self._own is not None:
            return _ending(self._own.wait())
        try:
            result = os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED | os.WNOHANG)
        except ChildProcessError:
            result = None
        if result is None:
            return Ending(abnormal=True, reason="ended")
        return _ending(result.si_status if result.si_code == os.CLD_EXITED else -result.si_status)


def _ending(code: int) -> Ending:
    """`code` as in `subprocess`: negative for a signal."""
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        return Ending(abnormal=True, reason=f"killed by {name}")
    if code == last_words.EXIT_CODE:
        return Ending(abnormal=True, reason="says that it cannot do its work; see its log", hopeless=True)
    if code == ORPHANED:
        return Ending(abnormal=True, reason="took its supervisor for dead")
    return Ending(abnormal=code != 0, reason=f"exit code {code}")


def reap_strangers(known: Collection[int]) -> int:
    """Reaps dead processes that became our children when their parent died, and that nobody watches; tells how many.

    `known` are process ids with a watch of their own. Looks without taking, so that theirs are not taken from them.
    """
    count = 0
    while True:
        try:
            dead = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return count
        if dead is None or dead.si_pid in known:
            return count
        os.waitpid(dead.si_pid, os.WNOHANG)
        count += 1
