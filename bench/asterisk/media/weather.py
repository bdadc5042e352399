"""A bad line between Asterisk and the agent, for RTP: loss, jitter and packets that overtake each other.

Each direction of each leg has dice of its own, thrown once a packet: the same seed and the same number of packets
make the same weather, whatever the clock does.
"""

from __future__ import annotations

import heapq
import itertools
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from bench.asterisk.media.clock import Clock, Ticker

# How often a delayed packet is looked for: a twentieth of a packet's length, so that the delays stay what they are.
STEP_NS = 1_000_000


@dataclass(frozen=True, slots=True)
class Weather:
    """loss:      share of packets that never arrive, 0 to 1
    jitter_ms: each packet is late by 0 to so much, evenly distributed; order is kept
    reorder:   share of packets that are late by 25 ms more and let one or two others pass
    duplicate: share of packets that arrive twice
    """

    loss: float = 0.0
    jitter_ms: float = 0.0
    reorder: float = 0.0
    duplicate: float = 0.0
    seed: int = 1


OVERTAKEN_NS = 25_000_000


class Line:
    """One direction of one leg. `deliver` gets the packets that arrive, in the order in which they do."""

    def __init__(self, clock: Clock, weather: Weather, name: str, deliver: Callable[[bytes], None]) -> None:
        self.lost = self.duplicated = self.overtaken = 0
        self._clock = clock
        self._weather = weather
        self._dice = random.Random(f"{weather.seed} {name}")
        self._deliver = deliver
        self._heap: list[tuple[int, int, bytes]] = []
        self._order = itertools.count()
        self._latest_ns = 0
        self._ticker: Ticker | None = None

    def send(self, packet: bytes) -> None:
        """Under the plane's lock."""
        weather, dice = self._weather, self._dice
        # Always the same number of throws: a packet's fate does not depend on its predecessors'.
        loss, late, reorder, duplicate = (dice.random() for _ in range(4))
        if loss < weather.loss:
            self.lost += 1
            return
        due_ns = time.monotonic_ns() + int(late * weather.jitter_ms * 1e6)
        if reorder < weather.reorder:
            self.overtaken += 1
            due_ns += OVERTAKEN_NS
        else:
            due_ns = self._latest_ns = max(due_ns, self._latest_ns)
        self._push(due_ns, packet)
        if duplicate < weather.duplicate:
            self.duplicated += 1
            self._push(due_ns, packet)
        if self._ticker is None:
            self._ticker = self._clock.every(STEP_NS, self._tick)

    def _push(self, due_ns: int, packet: bytes) -> None:
        heapq.heappush(self._heap, (due_ns, next(self._order), packet))

    def _tick(self, due_ns: int) -> None:
        now_ns = time.monotonic_ns()
        while self._heap and self._heap[0][0] <= now_ns:
            self._deliver(heapq.heappop(self._heap)[2])
        if not self._heap:
            self.close()

    def close(self) -> None:
        if self._ticker is not None:
            self._ticker.stop()
            self._ticker = None
