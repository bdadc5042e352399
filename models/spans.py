"""Which parts of a file are there, and who fetches which of the others. Pure: byte offsets in, byte offsets out.

    |######......###########|.............|     # is there, . is missing
           ^                 ^
           claim of one      claim of another source

A source takes the first part that is missing and that nobody fetches. When every missing part is claimed, the next
source takes over the second half of the largest claim; so a slow source ends up with little, and all end together.
"""

from collections.abc import Iterable, Iterator

Span = tuple[int, int]
"""From the first byte to the one after the last."""

SMALLEST = 256 << 10
"""Bytes: less is not worth a second request, which costs a round trip or two."""


class Spans:
    """A set of bytes, as spans that neither touch nor overlap."""

    def __init__(self, spans: Iterable[Span] = ()) -> None:
        self._spans: list[Span] = []
        for start, end in spans:
            self.add(start, end)

    def add(self, start: int, end: int) -> None:
        if start >= end:
            return
        kept = [span for span in self._spans if span[1] < start or span[0] > end]
        touching = [span for span in self._spans if span[1] >= start and span[0] <= end]
        merged = (min([start, *(span[0] for span in touching)]), max([end, *(span[1] for span in touching)]))
        self._spans = sorted([*kept, merged])

    def __iter__(self) -> Iterator[Span]:
        return iter(self._spans)

    def total(self) -> int:
        return sum(end - start for start, end in self._spans)

    def prefix(self) -> int:
        """How many bytes are there from the beginning on without a hole."""
        return self._spans[0][1] if self._spans and self._spans[0][0] == 0 else 0

    def missing(self, length: int) -> Iterator[Span]:
        at = 0
        for start, end in self._spans:
            if start > at:
                yield at, min(start, length)
            at = end
        if at < length:
            yield at, length


class Claim:
    """What one source fetches: it moves `start` on as bytes come, and another source may take `end` back."""

    def __init__(self, start: int, end: int) -> None:
        self.start = start
        self.end = end

    @property
    def left(self) -> int:
        return max(0, self.end - self.start)


class Claims:
    """Parts the missing bytes of one file among its sources."""

    def __init__(self, length: int, there: Spans) -> None:
        self.length = length
        self.there = there
        self._open: list[Claim] = []

    @property
    def complete(self) -> bool:
        return self.there.prefix() == self.length

    def take(self) -> Claim | None:
        """The next part to fetch; None when there is nothing left that is worth a request of its own."""
        taken = Spans([*self.there, *((claim.start, claim.end) for claim in self._open)])
        for start, end in taken.missing(self.length):
            return self._opened(start, end)
        largest = self._largest()
        if largest is None or largest.left < 2 * SMALLEST:
            return None
        middle = largest.start + largest.left // 2
        end, largest.end = largest.end, middle
        return self._opened(middle, end)

    def take_over(self) -> Claim | None:
        """All that is left of the largest claim, however little."""
        largest = self._largest()
        if largest is None or not largest.left:
            return None
        end, largest.end = largest.end, largest.start
        return self._opened(largest.start, end)

    def came(self, claim: Claim, count: int) -> None:
        """So many bytes more of the claim are there."""
        self.there.add(claim.start, claim.start + count)
        claim.start += count

    def release(self, claim: Claim) -> None:
        """Whoever had it fetches no more of it."""
        self._open.remove(claim)

    def _largest(self) -> Claim | None:
        return max(self._open, key=lambda claim: claim.left, default=None)

    def _opened(self, start: int, end: int) -> Claim:
        claim = Claim(start, end)
        self._open.append(claim)
        return claim
