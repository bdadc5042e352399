"""The 20 ms clock of the stand-in: microphones, mixers, players.

asyncio's timers are whole milliseconds and wait for the event loop; a caller's phone does neither. So one thread sleeps
to absolute deadlines. A tick that comes late is done at once and the grid stays where it was. How late each tick was
is kept: when a bench sees a bad figure, `Clock.lateness` says whether the stand-in is to blame.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass

from bench.asterisk.media.formats import FRAME_NS

LATENESS_KEPT = 500_000


@dataclass(frozen=True, slots=True)
class Lateness:
    """How late the ticks of the stand-in's own clock were, in milliseconds."""

    ticks: int
    p50_ms: float
    p99_ms: float
    p99_9_ms: float
    max_ms: float


class Ticker:
    """One thing that happens again and again, mostly every 20 ms. `tick` is called with the deadline (monotonic ns), in
    the clock's thread."""

    def __init__(self, tick: Callable[[int], None], first_ns: int, step_ns: int = FRAME_NS) -> None:
        self.tick = tick
        self.due_ns = first_ns
        self.step_ns = step_ns
        self.stopped = False

    def stop(self) -> None:
        """No further tick begins after this; call it under the plane's lock to be sure that none is under way."""
        self.stopped = True


class Clock:
    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock
        self._wake = threading.Condition()
        self._heap: list[tuple[int, int, Ticker]] = []
        self._order = itertools.count()
        self._running = False
        self._stalled_until_ns = 0
        self._lateness = array("q")
        self._ticks = 0
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._running = True
        self._thread = threading.Thread(target=self._run, name="asterisk-clock", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        with self._wake:
            self._running = False
            self._heap.clear()
            self._wake.notify()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def every_frame(self, tick: Callable[[int], None], delay_ns: int = FRAME_NS) -> Ticker:
        """Calls `tick` every 20 ms, first `delay_ns` from now, until the ticker is stopped."""
        return self._add(Ticker(tick, time.monotonic_ns() + delay_ns))

    def every(self, step_ns: int, tick: Callable[[int], None]) -> Ticker:
        """Calls `tick` every `step_ns`, first after so long."""
        return self._add(Ticker(tick, time.monotonic_ns() + step_ns, step_ns))

    def _add(self, ticker: Ticker) -> Ticker:
        with self._wake:
            heapq.heappush(self._heap, (ticker.due_ns, next(self._order), ticker))
            self._wake.notify()
        return ticker

    def stall(self, until_ns: int) -> None:
        """Does nothing until then; what fell due meanwhile follows in one burst, as after a real standstill."""
        with self._wake:
            self._stalled_until_ns = until_ns
            self._wake.notify()

    def lateness(self) -> Lateness:
        ordered = sorted(self._lateness)
        if not ordered:
            return Lateness(0, 0.0, 0.0, 0.0, 0.0)

        def at(share: float) -> float:
            return ordered[min(len(ordered) - 1, int(share * len(ordered)))] / 1e6

        return Lateness(self._ticks, at(0.5), at(0.99), at(0.999), ordered[-1] / 1e6)

    def _run(self) -> None:
        while True:
            ticker = self._next()
            if ticker is None:
                return
            due_ns = ticker.due_ns
            with self._lock:
                if not ticker.stopped:
                    self._note(due_ns)
                    ticker.tick(due_ns)
            if not ticker.stopped:
                ticker.due_ns = due_ns + ticker.step_ns
                with self._wake:
                    heapq.heappush(self._heap, (ticker.due_ns, next(self._order), ticker))

    def _next(self) -> Ticker | None:
        """The next ticker, when its time has come; None at the end."""
        with self._wake:
            while self._running:
                while self._heap and self._heap[0][2].stopped:
                    heapq.heappop(self._heap)
                now = time.monotonic_ns()
                if not self._heap:
                    self._wake.wait()
                    continue
                due = max(self._heap[0][0], self._stalled_until_ns)
                if due <= now:
                    return heapq.heappop(self._heap)[2]
                self._wake.wait((due - now) / 1e9)
        return None

    def _note(self, due_ns: int) -> None:
        late = time.monotonic_ns() - max(due_ns, self._stalled_until_ns)
        if due_ns < self._stalled_until_ns:
            return  # ordered from outside: no fault of the clock
        self._ticks += 1
        if len(self._lateness) < LATENESS_KEPT:
            self._lateness.append(late)
        else:
            self._lateness[self._ticks % LATENESS_KEPT] = late
