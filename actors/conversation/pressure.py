"""Whether the engines still answer in time: when they do not, new calls are refused, so that those that are up do not
wait ever longer. `turns.refuse_above_ms` says what in time is; `ringmaster bench capacity` measures it.

`audio.max_calls` bounds the calls. This is for the hour in which the engines carry fewer: one of them is down, callers
speak longer sentences, something else runs on the machine.
"""

from collections import deque

from ipc.journal import Record, TurnTimed

WINDOW_NS = 20_000_000_000
"""Turns that are older say nothing about now. A caller takes about one in 5 s."""
LATE_SHARE = 0.25
"""Of the turns. Where capacity was measured, at most one in 20 was late."""
LEAST_LATE = 3
"""The death of an engine makes a turn of each call that it served late, once; that alone is no want of capacity."""


class Pressure:
    """Of the calls of one conversation actor. Times in CLOCK_MONOTONIC ns."""

    def __init__(self, limit_ms: int) -> None:
        """limit_ms: from the caller's last sample to the answer's first on the wire; 0 never finds anything late."""
        self._limit_ms = limit_ms
        self._turns: deque[tuple[int, bool]] = deque()  # when its first sample went on the wire, whether it was late

    def note(self, record: Record) -> None:
        """To be told of everything that goes into a journal."""
        if not isinstance(record, TurnTimed) or not self._limit_ms:
            return
        took_ms = (record.on_wire_ns - record.last_speech_ns) / 1e6
        # A filler is said because the answer is late, however soon it is said.
        self._turns.append((record.on_wire_ns, record.filler or took_ms > self._limit_ms))

    def too_high(self, now_ns: int) -> bool:
        """No further call should be taken now."""
        while self._turns and self._turns[0][0] < now_ns - WINDOW_NS:
            self._turns.popleft()
        late = sum(late for _, late in self._turns)
        return late >= max(LEAST_LATE, LATE_SHARE * len(self._turns))
