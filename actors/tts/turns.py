"""Who computes next, where clauses of several calls are spoken in threads: whoever would be silent first.

Each clause has a turn with a due time: when its caller will have heard all that is in the mouth. A clause whose mouth
is empty was due when it was asked for. Between two stretches of computing a turn rests: where another one is due
earlier it waits, and goes on when it is the earliest itself. So a caller who waits for the first word goes before
those who have seconds of audio. But a hole in the middle of a word is worse than a beginning that is late: whoever is
being heard, and has less than `SHORT_S` left, goes before everybody who is not. With a voice of medium size, four
callers who asked at once heard their first samples after 78, 418, 766 and 1069 ms when each clause was made to its end,
and after 61, 176, 272 and 361 ms by turns, without a hole (two busy cores; `python -m actors.tts.measure --calls 4`).
"""

import threading
import time

SHORT_S = 0.2
"""The beginning of another clause takes about so long on a machine that has enough to do."""
NEVER_NS = 1 << 62
"""Due time of what nobody waits for."""


class Turns:
    """As many run at once as the engine can use."""

    def __init__(self, at_once: int) -> None:
        self._free = at_once
        self._waiting: list[Turn] = []
        self._lock = threading.Lock()

    def enter(self, turn: "Turn") -> None:
        """Waits until it is this one's turn, or it has been stopped."""
        with self._lock:
            if turn.stopped:
                return
            if self._free:
                self._free -= 1
                turn.running = True
                return
            self._waiting.append(turn)
        turn.woken.wait()

    def rest(self, turn: "Turn") -> None:
        """Lets somebody go first who is due earlier."""
        with self._lock:
            first = min(self._waiting, key=Turn.urgency, default=None)
            if first is None or first.urgency() >= turn.urgency() or not turn.running:
                return
            turn.running = False
            turn.woken.clear()
            self._waiting.append(turn)
            self._wake(first)
        turn.woken.wait()

    def leave(self, turn: "Turn") -> None:
        """It is done."""
        with self._lock:
            if not turn.running:
                return
            turn.running = False
            if self._waiting:
                self._wake(min(self._waiting, key=Turn.urgency))
            else:
                self._free += 1

    def stop(self, turn: "Turn") -> None:
        """Its thread waits no more: it goes on without a turn, in order to end."""
        with self._lock:
            turn.stopped = True
            if turn in self._waiting:
                self._waiting.remove(turn)
                turn.woken.set()

    def _wake(self, turn: "Turn") -> None:
        self._waiting.remove(turn)
        turn.running = True
        turn.woken.set()


class Turn:
    """One clause's place in the order."""

    def __init__(self, due_ns: int, *, heard: bool = False) -> None:
        """`due_ns`: CLOCK_MONOTONIC, when its caller has heard all that there is; `heard`: if there is anything."""
        self.due_ns = due_ns
        self.heard = heard
        self.running = False
        self.stopped = False
        self.woken = threading.Event()

    def urgency(self) -> tuple[bool, int]:
        """The lower the sooner."""
        return not (self.heard and self.due_ns < time.monotonic_ns() + SHORT_S * 1e9), self.due_ns

    def put_off(self, seconds: float) -> None:
        """So much more audio is in its mouth."""
        if self.due_ns < NEVER_NS:
            self.heard = True
            self.due_ns = max(self.due_ns, time.monotonic_ns()) + int(seconds * 1e9)
