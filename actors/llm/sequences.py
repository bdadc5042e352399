"""Whose tokens lie in which sequence of the model's memory, and what of it the next prompt needs not read again.

    sequence 0   call "17"    [system tools][greeting][caller][agent][caller]     reserved
    sequence 1   nobody's     [system tools]                                      free
    sequence 2   ...
    sequence 4   an agent's   [system tools][greeting]                            kept for good

Pure: it says what is to be cut and copied, and is told what has been read. A copy costs nothing, for sequences share
the cells of what they have in common; so a prompt begins with the longest piece that any sequence has of it.

Models without a memory of each token (Mamba, Gated DeltaNet and the like) cannot be cut: `whole`. They go on where they
stand, or from a copy of all that another sequence holds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from actors.llm.engine import Full

Tokens = list[int]


@dataclass(frozen=True, slots=True)
class Cut:
    """Forget what the sequence holds from this token on."""

    sequence: int
    keep: int


@dataclass(frozen=True, slots=True)
class Copy:
    """Give an empty sequence the first `count` tokens of another."""

    source: int
    sequence: int
    count: int


Change = Cut | Copy


@dataclass(slots=True, eq=False)
class Held:
    """One sequence, and what it holds."""

    number: int
    call: str = ""
    """Whose it is; "" for nobody's, or for somebody who did not say."""
    reserved: bool = False
    busy: bool = False
    """Whether an answer is being written in it, or read for."""
    used: int = 0
    """When it was last taken, as a count."""
    opening: int = 0
    """How many of its first tokens every call of the same agent begins with."""
    left: bool = False
    """Whether its call is over, and what only that call knew can be forgotten."""
    tokens: Tokens = field(default_factory=list)


class Sequences:
    """All sequences of one context."""

    def __init__(self, calls: int, openings: int = 0, *, whole: bool = False) -> None:
        """`calls` sequences for calls, and `openings` more that keep what agents' calls begin with."""
        self._calls = [Held(number) for number in range(calls)]
        self._openings = [Held(calls + number) for number in range(openings)]
        self._whole = whole
        self._clock = 0

    @property
    def openings(self) -> Sequence[Held]:
        """What is kept for good."""
        return self._openings

    def reserve(self, call: str) -> None:
        """Keeps a sequence for the call. Raises `Full`. Once more for the same call changes nothing."""
        held = self._of(call)
        if held is None:
            held = self._spare([held for held in self._calls if not held.reserved and not held.busy])
        if held is None:
            raise Full(f"all {len(self._calls)} calls of this language model are taken")
        held.reserved = True
        self._give(held, call)

    def release(self, call: str) -> None:
        """The call is over, or elsewhere."""
        held = self._of(call)
        if held is not None:
            held.call, held.reserved, held.left = "", False, True

    def tidy(self) -> list[Change]:
        """Cuts what nobody needs any more: a step takes the longer the more there is to look through. Not while one is
        under way."""
        changes: list[Change] = []
        for held in self._calls:
            if held.left and not self._whole and (cut := self._shorten(held, held.opening)):
                changes.append(cut)
            held.left = False
        return changes

    def take(self, call: str) -> Held:
        """The sequence in which the call's next prompt is read. Raises `Full` where it has none and finds none."""
        held = self._of(call)
        if held is None:
            held = self._spare([held for held in self._calls if not held.reserved and not held.busy])
        if held is None:
            raise Full(f"all {len(self._calls)} calls of this language model are taken")
        self._give(held, call)
        return held

    def _of(self, call: str) -> Held | None:
        return next((held for held in self._calls if call and held.call == call), None)

    def _spare(self, spare: list[Held]) -> Held | None:
        """Nobody's before somebody's, and the longest unused one."""
        return min(spare, key=lambda held: (held.call != "", held.used), default=None)

    def _give(self, held: Held, call: str) -> None:
        self._clock += 1
        held.call, held.used, held.left = call, self._clock, False

    def begin(self, held: Held, tokens: Sequence[int], *, answering: bool = True) -> list[Change]:
        """Makes the sequence hold as much of the beginning of `tokens` as can be had without reading; but not all of it
        where it is to be answered: what comes after the last token is known only when that is read. Not while a step
        is under way."""
        most = len(tokens) - answering
        own = self._usable(held, tokens, most)
        best = max(
            (other for other in (*self._openings, *self._calls) if other is not held),
            key=lambda other: self._usable(other, tokens, most),
            default=held,
        )
        there = self._usable(best, tokens, most)
        if own >= there:
            cut = self._shorten(held, own)
            return [cut] if cut else []
        changes: list[Change] = [Cut(held.number, 0)] if held.tokens else []
        held.tokens = list(tokens[:there])
        return [*changes, Copy(best.number, held.number, there)]

    def _usable(self, held: Held, tokens: Sequence[int], most: int) -> int:
        """How many of the first tokens, up to `most`, can be had from this sequence."""
        same = common(held.tokens, tokens)
        if self._whole:
            return same if same == len(held.tokens) and same <= most else 0
        return min(same, most)

    def _shorten(self, held: Held, keep: int) -> Cut | None:
        if keep >= len(held.tokens):
            return None
        del held.tokens[keep:]
        return Cut(held.number, keep)


def common(one: Sequence[int], two: Sequence[int]) -> int:
    """How many tokens both begin with."""
    length = min(len(one), len(two))
    if one[:length] == two[:length]:
        return length
    low, high = 0, length
    while low < high:  # the longest beginning that is the same: each test compares at the speed of C
        middle = (low + high + 1) // 2
        if one[low:middle] == two[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
