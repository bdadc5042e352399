"""Events of Asterisk that wait to be acted on: in order, bounded, and nobody starves.

A flood must not fill the memory, nor keep others from their turn. Digits are the only events that a caller can send as
fast as they like, so these are counted by channel. What else does not fit is dropped, and an `Up` takes its place: a
comparison with Asterisk finds what was missed.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable

import msgspec

from actors.call_control.ari import AriEvent

log = logging.getLogger(__name__)

MOST_EVENTS = 10_000
"""Waiting at once. A call makes about 60 in its life, half of them at its end: room for 300 that end together."""
MOST_BYTES = 16 * 1024 * 1024
"""Of the messages that they came in."""
AT_ONCE = 64
"""Events given out before others in this process get a turn: 64 take about a ms."""

DIGITS_PER_S = 20.0
"""Of one channel. A tone and its pause take at least 80 ms (ITU-T Q.24), which makes 12 a second."""
DIGITS_AT_ONCE = 64
"""So many may come together: a number that a telephone dials by itself, over SIP INFO."""
MOST_CHANNELS = 2_000
"""Whose digits are counted at once; beyond, those that have been quiet are forgotten."""


class Up(msgspec.Struct, frozen=True):
    """Events come from now on. What happened before is not told."""

    local_address: str
    """Ours, on this connection: one under which Asterisk's machine can reach this one."""


class Down(msgspec.Struct, frozen=True):
    """No events come."""

    problem: str
    """One sentence for the operator."""


Item = Up | Down | AriEvent


class Bucket(msgspec.Struct):
    left: float
    """Digits that may still come."""
    since: float
    """When that was so."""
    told: bool = False
    """Whether the log has been told of this channel."""


class Digits:
    """How many digits each channel may still send: a bucket that fills again."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.refused = 0
        self._clock = clock
        self._buckets: dict[str, Bucket] = {}

    def __len__(self) -> int:
        """Channels whose digits are counted."""
        return len(self._buckets)

    def admits(self, channel_id: str) -> bool:
        now = self._clock()
        bucket = self._buckets.get(channel_id)
        if bucket is None:
            if len(self._buckets) >= MOST_CHANNELS:
                self._forget_quiet_ones(now)
            bucket = self._buckets[channel_id] = Bucket(float(DIGITS_AT_ONCE), now)
        bucket.left = min(DIGITS_AT_ONCE, bucket.left + (now - bucket.since) * DIGITS_PER_S)
        bucket.since = now
        if bucket.left >= 1.0:
            bucket.left -= 1.0
            return True
        self.refused += 1
        if not bucket.told:
            bucket.told = True
            log.warning(
                "%s sends more than %g digits a second: those beyond are dropped; is something wrong with its DTMF "
                "detection?",
                channel_id,
                DIGITS_PER_S,
            )
        return False

    def forget(self, channel_id: str) -> None:
        """The channel has ended."""
        self._buckets.pop(channel_id, None)

    def _forget_quiet_ones(self, now: float) -> None:
        full_after_s = DIGITS_AT_ONCE / DIGITS_PER_S
        self._buckets = {name: each for name, each in self._buckets.items() if now - each.since < full_after_s}


class EventQueue:
    """One reader."""

    def __init__(self, most_events: int = MOST_EVENTS, most_bytes: int = MOST_BYTES) -> None:
        self.dropped = 0
        """Events that found no room."""
        self._most_events, self._most_bytes = most_events, most_bytes
        self._waiting: deque[tuple[Item, int]] = deque()
        self._bytes = 0
        self._filled = asyncio.Event()
        self._given = 0
        self._gap = False
        self._up = Up("")

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, item: Up | Down) -> None:
        """There are few of these: they always find room."""
        if isinstance(item, Up):
            self._up = item
        self._append(item, 0)

    def offer(self, event: AriEvent, size: int) -> None:
        """`size`: bytes of its message. It is dropped when there is no room."""
        if len(self._waiting) < self._most_events and self._bytes + size <= self._most_bytes:
            self._append(event, size)
            return
        if not self._gap:
            log.warning(
                "Asterisk's events come faster than they can be acted on: some are dropped, and the calls are compared "
                "with Asterisk's when the flood is over"
            )
        self._gap = True
        self.dropped += 1

    async def get(self) -> Item:
        """The oldest. Lets others have their turn now and then, also while there is always more."""
        self._given += 1
        if self._given % AT_ONCE == 0:
            await asyncio.sleep(0)
        while not self._waiting:
            if self._gap:
                self._gap = False
                return self._up
            self._filled.clear()
            await self._filled.wait()
        item, size = self._waiting.popleft()
        self._bytes -= size
        return item

    def _append(self, item: Item, size: int) -> None:
        self._waiting.append((item, size))
        self._bytes += size
        self._filled.set()
