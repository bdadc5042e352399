"""What a fault is."""

import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field

from bench.chaos.heard import Limits
from bench.chaos.scene import Scene
from bench.load.callers import Call


@dataclass
class Strike:
    """One time that a fault is done. Whoever does it says when it begins and whom it hits.

    began_ns: 0 before that
    hit:      the calls that are served by what is struck
    took_ms:  what it took until something was as it should be, by what that is
    broken:   what should have held and did not, one sentence each
    notes:    what else is worth telling
    """

    number: int
    began_ns: int = 0
    hit: Collection[Call] = ()
    took_ms: dict[str, float] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def begins(self, hit: Collection[Call] = ()) -> None:
        self.hit = hit
        self.began_ns = time.monotonic_ns()

    def took(self, what: str) -> float:
        """Since the beginning."""
        self.took_ms[what] = (time.monotonic_ns() - self.began_ns) / 1e6
        return self.took_ms[what]

    def must(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self.broken.append(otherwise)


@dataclass(frozen=True, kw_only=True)
class Fault:
    """name:   for the command line
    holds:  the sentence of what should hold
    do:     harms the system; returns when the harm is done or undone. `trial` then waits for full strength
    repeat: strikes
    deaths: of audio actors in one strike, of which only so many are allowed in a minute; -1: of all that serve a call
    needs:  "" where it is possible here, else why it is not
    """

    name: str
    holds: str
    do: Callable[[Scene, Strike], Awaitable[None]]
    limits: Limits = field(default_factory=Limits)
    repeat: int = 1
    deaths: int = 0
    needs: Callable[[Scene], str] = lambda scene: ""
