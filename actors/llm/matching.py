"""How well what was heard fits a phrase: both are laid side by side, word by word, at the least cost.

Recognisers drop and add words, callers say "um" and "please": a phrase need not be said exactly. Every word has a
weight. The words that agree are M; those that the phrase wants and that were not heard, and those that were heard and
that the phrase does not have, are the cost C. The fit is 2M / (2M + C), from 0 to 1 (Dice's coefficient of the two).
Slots, and words that turn the meaning round, must agree: without them there is no fit at all.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

from config.phrases import Choice, Expression, Sequence, Slot, Spoken, Word, certain_slots, expand, slots
from config.script import Words

ENOUGH = 0.7
"""Least fit that counts as understood: "opening hours" fits "what are your opening hours" at 0.73."""

_IGNORED, _LIGHT, _FULL, _SLOT = 0.05, 0.25, 1.0, 1.5
"""Weights. An ignored word has one, so that "okay" alone still is an answer."""

_CONTRACTIONS = {
    "can't": "can not", "cannot": "can not", "won't": "will not", "shan't": "shall not", "let's": "let us",
    "wanna": "want to", "gonna": "going to", "gotta": "got to", "ok": "okay", "y'all": "you all",
}  # fmt: skip
_ENDINGS = (("n't", " not"), ("'re", " are"), ("'ve", " have"), ("'ll", " will"), ("'d", " would"), ("'m", " am"))
_IS = frozenset({"what", "where", "when", "who", "how", "that", "it", "there", "here", "he", "she"})

_UNITS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_PIECE = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*|(?<!\d)\d{1,2}(?!\d)")


@dataclass(frozen=True, slots=True)
class Fit:
    """One phrase that was understood."""

    score: float
    """At least `ENOUGH`, at most 1."""
    slots: Mapping[str, str]
    """Values by slot name."""


def tokens(text: str) -> tuple[str, ...]:
    """What was heard, or what a phrase holds, in a form in which both can be compared: small letters, contractions
    written out, numbers as words, no plural."""
    plain = text.lower().replace("’", "'").replace(".", "")
    return tuple(_singular(word) for piece in _PIECE.findall(plain) for word in _spelled(piece))


def _spelled(piece: str) -> Iterator[str]:
    if piece.isdecimal():
        yield from _number(piece)
        return
    written = _CONTRACTIONS.get(piece, piece)
    for ending, instead in _ENDINGS:
        if written.endswith(ending) and written != ending:
            written = written.removesuffix(ending) + instead
    if written.endswith("'s") and written.removesuffix("'s") in _IS:
        written = written.removesuffix("'s") + " is"
    yield from written.split()


def _number(digits: str) -> Iterator[str]:
    """One or two digits as they are said; "00", as in "9:00", is not said."""
    number = int(digits)
    if number >= len(_UNITS):
        yield _TENS[number // 10 - 2]
        number %= 10
        if number == 0:
            return
    if digits != "00":
        yield _UNITS[number]


def _singular(word: str) -> str:
    return word.removesuffix("s") if len(word) > 3 and not word.endswith("ss") else word


class Weights:
    """What a word weighs, after the script's lists."""

    def __init__(self, words: Words) -> None:
        self._weights = dict.fromkeys(tokens(words.light), _LIGHT) | dict.fromkeys(tokens(words.ignore), _IGNORED)
        self._negative = frozenset(tokens(words.negative))

    def of(self, word: str) -> float:
        """0 for no word."""
        return self._weights.get(word, _FULL) if word else 0.0

    def negative(self, word: str) -> bool:
        """Whether it turns the meaning round."""
        return word in self._negative


@dataclass(frozen=True, slots=True)
class Heard:
    """What the caller said: its words, and every slot value that begins at each of them, with its length in words."""

    words: tuple[str, ...]
    slots: Mapping[int, tuple[tuple[str, str, int], ...]]
    slot_names: frozenset[str]


class Spotter:
    """Finds the slots' spoken forms in what was heard."""

    def __init__(self, slots: Mapping[str, Iterable[Spoken]]) -> None:
        self._forms: dict[str, dict[tuple[tuple[str, ...], str], str]] = {}
        for name, forms in slots.items():
            for form in forms:
                for said in expand(form.expression):
                    spelled = tokens(" ".join(said))
                    # The upper line wins where two lines hold the same spoken form.
                    self._forms.setdefault(spelled[0], {}).setdefault((spelled, name), form.value)

    def heard(self, text: str) -> Heard:
        """The caller's words, with all slots in them."""
        # "yes yes" and "no no no" mean what is said once.
        words = tuple(word for word, _ in groupby(tokens(text)))
        spotted: dict[int, tuple[tuple[str, str, int], ...]] = {}
        for at, word in enumerate(words):
            found = tuple(
                (name, value, len(said))
                for (said, name), value in self._forms.get(word, {}).items()
                if words[at : at + len(said)] == said
            )
            if found:
                spotted[at] = found
        return Heard(words, spotted, frozenset(name for found in spotted.values() for name, _, _ in found))


_Way = tuple[float, float, tuple[tuple[str, str], ...]]
"""Cost, agreement and slots of one alignment up to some point."""


@dataclass(frozen=True, slots=True)
class _Arc:
    """One way on from a state of a phrase. Neither word nor slot: for free."""

    end: int
    word: str = ""
    slot: str = ""


class Phrase:
    """One phrase, made ready to be compared."""

    def __init__(self, expression: Expression, weights: Weights) -> None:
        # States are numbered so that every arc leads to a higher one: one pass over them finds the best alignment.
        self._arcs: list[list[_Arc]] = [[]]
        self._weights = weights
        self._last = self._build(expression, 0)
        self._words = frozenset(arc.word for arcs in self._arcs for arc in arcs if arc.word)
        self._slots = slots(expression)
        self._certain = certain_slots(expression)

    def _build(self, expression: Expression, start: int) -> int:
        """Adds the expression's arcs from state `start`; the state in which it ends."""
        match expression:
            case Word(text):
                for word in tokens(text):
                    start = self._step(start, word=word)
                return start
            case Slot(name):
                return self._step(start, slot=name)
            case Sequence(parts):
                for part in parts:
                    start = self._build(part, start)
                return start
            case Choice(options, optional):
                ends = [self._build(option, start) for option in options] + [start] * optional
                self._arcs.append([])
                for end in ends:
                    self._arcs[end].append(_Arc(len(self._arcs) - 1))
                return len(self._arcs) - 1

    def _step(self, start: int, word: str = "", slot: str = "") -> int:
        self._arcs.append([])
        self._arcs[start].append(_Arc(len(self._arcs) - 1, word, slot))
        return len(self._arcs) - 1

    def fit(self, heard: Heard) -> Fit | None:
        """How well it fits, or None where it does not fit well enough."""
        if self._hopeless(heard):
            return None
        # One column per state; in it, per number of words used up, the best way there: cost, agreement, slots.
        columns: list[dict[int, _Way]] = [{} for _ in self._arcs]
        columns[0][0] = (0.0, 0.0, ())
        for state, arcs in enumerate(self._arcs):
            column = columns[state]
            for at, word in enumerate(heard.words):
                if at in column and not self._weights.negative(word):
                    cost, agreed, filled = column[at]
                    _keep(column, at + 1, (cost + self._weights.of(word), agreed, filled))
            for arc in arcs:
                self._follow(arc, column, columns[arc.end], heard)
        best = columns[self._last].get(len(heard.words))
        if best is None or best[1] == 0.0:
            return None
        score = 2 * best[1] / (2 * best[1] + best[0])
        return Fit(score, dict(best[2])) if score >= ENOUGH else None

    def _hopeless(self, heard: Heard) -> bool:
        """Whether it cannot fit, whichever way it is aligned: spares most phrases the comparison."""
        if not self._certain <= heard.slot_names:
            return True
        if self._slots & heard.slot_names:
            return False
        weighed = [(word in self._words, self._weights.of(word)) for word in heard.words]
        total = sum(weight for _, weight in weighed)
        agreed = sum(weight for known, weight in weighed if known)
        return 2 * agreed < ENOUGH * (agreed + total)

    def _follow(self, arc: _Arc, column: dict[int, _Way], onto: dict[int, _Way], heard: Heard) -> None:
        weight = self._weights.of(arc.word)
        for at, (cost, agreed, filled) in column.items():
            if arc.slot:
                for slot, value, length in heard.slots.get(at, ()):
                    if slot == arc.slot:
                        _keep(onto, at + length, (cost, agreed + _SLOT, (*filled, (slot, value))))
            elif not arc.word:
                _keep(onto, at, (cost, agreed, filled))
            else:
                if at < len(heard.words) and heard.words[at] == arc.word:
                    _keep(onto, at + 1, (cost, agreed + weight, filled))
                if not self._weights.negative(arc.word):
                    _keep(onto, at, (cost + weight, agreed, filled))


def _keep(column: dict[int, _Way], at: int, way: _Way) -> None:
    """Keeps the better of two ways: the cheaper one or, at the same cost, the one that agrees in more."""
    there = column.get(at)
    if there is None or (way[0], -way[1]) < (there[0], -there[1]):
        column[at] = way
