"""How long the beginning of what the agent says is held back, so that it does not run dry in the middle. Pure: it is
told the time and what waits in the mouth.

Engines that are faster than speech are never held back. One that comes in bursts, or late, makes a hole in mid-clause;
from then on so much is gathered before it is heard that the next burst comes in time:

    event                                   what comes of it
    -------------------------------------   ----------------------------------------------------------------------------
    a hole of h ms in mid-clause            the start delay of the next is h ms longer, and as long as the low watermark
                                            at least, but never longer than `jitter_buffer_ms`
    something comes again                   it is heard as soon as it is as long as the low watermark; after the second
                                            hole of a clause twice as long, after the third four times: a provider that
                                            is slower than speech makes few long holes instead of many short ones
    a clause ends, nothing had run dry      the start delay is shorter by an eighth of what was never needed: of what
                                            the least that waited was above the low watermark; or by half, where the
                                            clause was complete before it was heard
    a clause is complete in the mouth       counts as enough, whatever its length

A hole that the caller hears for `provider_grace_ms` is a starvation, and of too many of these within 30 s nothing can
be heard any more: then it is better to gather whole sentences (`actors.audio.playout`).
"""

from collections import deque
from enum import Enum

from config.media import Streaming
from ipc.mouth import Ahead
from ipc.rings import FRAME_MS

WINDOW_NS = 30_000_000_000
"""In which starvations are counted."""
MS = 1_000_000


class Verdict(Enum):
    """What a hole has come to."""

    BEARABLE = 0
    FILES_NEXT = 1
    """The next clause is better played from a file."""
    FILES_NOW = 2
    """So is the rest of this one, if it ever comes."""


class Buffering:
    """The start delay of one call."""

    def __init__(self, streaming: Streaming, delay_ms: int = 0) -> None:
        """`delay_ms`: what a predecessor had come to."""
        self._streaming = streaming
        self._longest = max(streaming.jitter_buffer_ms, streaming.min_start_ms)
        self.delay_ms = max(delay_ms, streaming.min_start_ms)
        self._dry_since = 0
        self._counted = False
        self._starved: deque[int] = deque()
        self._waiting = 0
        self._waiting_since = 0
        self._least: int | None = None
        """Least ms that waited while the clause was not complete; None where it always was."""
        self._holes = 0
        """Of this clause."""

    @property
    def always_on_time(self) -> bool:
        """Nothing is held back, and there is nothing to be unlearned."""
        return self.delay_ms == 0

    @property
    def telling(self) -> int:
        """Frames: that more than these wait says nothing that needs to be known."""
        return (self.delay_ms + self._streaming.low_watermark_ms) // FRAME_MS

    def may_start(self, now_ns: int, ahead: Ahead) -> bool:
        """Whether what waits in the mouth may be heard from now on. To be asked every 20 ms while nothing is heard."""
        if ahead.frames == 0:
            self._waiting = 0
            return False
        if ahead.frames != self._waiting:
            self._waiting, self._waiting_since = ahead.frames, now_ns
        wanted = self._rebuffering_ms if self._dry_since else self.delay_ms
        enough = ahead.complete or ahead.live or ahead.frames * FRAME_MS >= wanted
        # Who stops in mid-clause and says no more is not waited for for ever.
        patience = max(self._streaming.provider_grace_ms, wanted) * MS
        if not enough and now_ns - self._waiting_since < patience:
            return False
        if self._dry_since:
            self._grow((now_ns - self._dry_since) // MS)
        self._waiting = self._dry_since = 0
        return True

    def flows(self, ahead: Ahead) -> None:
        """So much waits while the clause is heard. Need not be told of more than `telling` frames."""
        if not ahead.complete:
            waiting = ahead.frames * FRAME_MS
            self._least = waiting if self._least is None else min(self._least, waiting)

    def ran_dry(self, now_ns: int) -> None:
        """The mouth is empty in mid-clause, for the first time since something was heard."""
        self._dry_since, self._counted = now_ns, False
        self._holes += 1

    def still_dry(self, now_ns: int, *, empty: bool) -> Verdict:
        """What the hole has come to. `empty`: nothing at all has come yet."""
        streaming, dry_ms = self._streaming, (now_ns - self._dry_since) // MS
        if empty and dry_ms >= streaming.fallback_timeout_ms:
            return Verdict.FILES_NOW
        if not self._counted and dry_ms >= streaming.provider_grace_ms:
            self._counted = True
            self._starved.append(now_ns)
        while self._starved and now_ns - self._starved[0] > WINDOW_NS:
            self._starved.popleft()
        return Verdict.FILES_NEXT if len(self._starved) >= streaming.starvations else Verdict.BEARABLE

    def clause_over(self) -> None:
        """The mouth is empty after a clause's end."""
        if not self._holes:
            self._shrink()
        self.begin()

    def begin(self) -> None:
        """What comes next has nothing to do with what was before: the caller has interrupted."""
        self._least, self._holes, self._dry_since, self._waiting = None, 0, 0, 0

    @property
    def _rebuffering_ms(self) -> int:
        return min(self._streaming.low_watermark_ms << min(self._holes - 1, 10), self._longest)

    def _grow(self, hole_ms: int) -> None:
        self.delay_ms = min(max(self._streaming.low_watermark_ms, self.delay_ms + hole_ms), self._longest)

    def _shrink(self) -> None:
        unneeded = self.delay_ms // 2 if self._least is None else (self._least - self._streaming.low_watermark_ms) // 8
        left = self.delay_ms - max(0, unneeded)
        # Less than a frame is no delay.
        self.delay_ms = max(left if left >= FRAME_MS else 0, self._streaming.min_start_ms)
