"""Which number of calls is tried next: 1, 2, 4, 8 ... until a limit breaks, then between the last that held and the
first that did not. Pure."""

from dataclasses import dataclass

FINE = 8
"""It is narrowed down to one part in so many of what held: an eighth is less than one measurement differs from the
next, and the recommendation keeps a fifth back."""


@dataclass
class Climb:
    """most: calls beyond which nothing is tried. start: the first number, which need not hold. tries: how often a
    number is measured before it counts as broken, for a neighbour's second of work must not halve the result."""

    most: int
    start: int = 1
    tries: int = 2
    held: int = 0
    broke: int | None = None
    _failed: int = 0
    """How often the number that is being tried has failed."""

    def next(self) -> int | None:
        """The next number to measure; None when enough is known."""
        if self.held == 0 and self.broke is None:
            return min(self.start, self.most)
        if self.broke is None:
            return min(self.held * 2, self.most) if self.held < self.most else None
        if self.broke - self.held <= max(1, self.held // FINE):
            return None
        return (self.held + self.broke) // 2

    def note(self, calls: int, held: bool, *, certain: bool = False) -> None:
        """What came of `next`. certain: there is no use in trying it again."""
        if held:
            self.held, self._failed = calls, 0
            return
        self._failed += 1
        if self._failed >= self.tries or certain:
            self.broke, self._failed = calls, 0
