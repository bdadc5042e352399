"""The phrase language: how an agent's script writes down what callers may say.

    [please] (what|when) are your [opening] hours

- `word word`: the words, one after the other
- `(a|b c|d)`: one of them
- `[a]`, `[a|b]`: the same, or nothing
- `{day}`: any spoken form of the slot `day`

One line is one phrase; empty lines and lines that begin with `#` say nothing. Words are letters and apostrophes;
numbers are written out, as they are spoken. In a slot, a line is `spoken form = value`, or only the spoken form where
that is the value. It is the part of JSGF that people write by hand, with slots in place of rules: `config/grammar.py`
makes JSGF of it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

MOST_NESTED = 20
"""Brackets within brackets: far more than anyone can read, and few enough for recursion."""
MOST_FORMS = 2000
"""Spoken forms of one slot: beyond that, a recogniser's grammar and a reader both give up."""

_TOKEN = re.compile(r"\s*(?:(?P<mark>[\[\]()|])|\{(?P<slot>[a-z][a-z0-9_]*)\}|(?P<word>[^\W\d_]+(?:['’][^\W\d_]*)*))")


class PhraseError(ValueError):
    """A phrase is not in the language. `line` and `column` count from 0 within the text that was parsed."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(message)
        self.line = line
        self.column = column


@dataclass(frozen=True, slots=True)
class Word:
    """One word, in small letters."""

    text: str


@dataclass(frozen=True, slots=True)
class Slot:
    """Any spoken form of a slot."""

    name: str


@dataclass(frozen=True, slots=True)
class Sequence:
    """Parts that follow each other."""

    parts: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the options or, where `optional`, nothing."""

    options: tuple["Expression", ...]
    optional: bool = False


Expression = Word | Slot | Sequence | Choice


@dataclass(frozen=True, slots=True)
class Spoken:
    """One line of a slot: how it is said, and the value that it means."""

    expression: Expression
    value: str


def parse_phrases(text: str) -> tuple[Expression, ...]:
    """The phrases of a text, one a line. Raises `PhraseError`."""
    return tuple(_Parser(line, at).phrase() for at, line in _lines(text))


def parse_slot(text: str) -> tuple[Spoken, ...]:
    """The spoken forms of a slot, one a line. Raises `PhraseError`, also when a slot holds a slot."""
    forms = []
    total = 0
    for at, line in _lines(text):
        said, has_value, value = line.partition("=")
        expression = _Parser(said, at).phrase()
        if slots(expression):
            raise PhraseError("a slot's spoken form cannot hold a slot; write its words", at, 0)
        if not has_value and not isinstance(expression, Word) and any(mark in said for mark in "[(|"):
            raise PhraseError("several ways to say it need one value; write `... = value`", at, len(said))
        if has_value and not value.strip():
            raise PhraseError("after `=` comes the value; write it, or leave `=` out", at, len(said))
        total += count(expression)
        if total > MOST_FORMS:
            raise PhraseError(f"a slot has at most {MOST_FORMS} spoken forms; write fewer alternatives", at, 0)
        forms.append(Spoken(expression, " ".join((value if has_value else said).split())))
    return tuple(forms)


def words(expression: Expression) -> Iterator[str]:
    """Every word that stands in the expression."""
    match expression:
        case Word(text):
            yield text
        case Sequence(parts) | Choice(parts):
            for part in parts:
                yield from words(part)


def slots(expression: Expression) -> frozenset[str]:
    """Names of the slots that may be said."""
    match expression:
        case Slot(name):
            return frozenset({name})
        case Sequence(parts) | Choice(parts):
            return frozenset().union(*(slots(part) for part in parts))
    return frozenset()


def certain_slots(expression: Expression) -> frozenset[str]:
    """Names of the slots that are said whichever way the phrase is said."""
    match expression:
        case Slot(name):
            return frozenset({name})
        case Sequence(parts):
            return frozenset().union(*(certain_slots(part) for part in parts))
        case Choice(options, optional) if not optional:
            return frozenset.intersection(*(certain_slots(option) for option in options))
    return frozenset()


def count(expression: Expression) -> int:
    """In how many ways it can be said, a slot counted as one."""
    match expression:
        case Sequence(parts):
            ways = 1
            for part in parts:
                ways *= count(part)
            return ways
        case Choice(options, optional):
            return sum(count(option) for option in options) + optional
    return 1


def expand(expression: Expression) -> Iterator[tuple[str, ...]]:
    """Every way to say an expression without slots, as words."""
    match expression:
        case Word(text):
            yield (text,)
        case Sequence(parts):
            if not parts:
                yield ()
                return
            for head in expand(parts[0]):
                for tail in expand(Sequence(parts[1:])):
                    yield head + tail
        case Choice(options, optional):
            if optional:
                yield ()
            for option in options:
                yield from expand(option)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    for at, line in enumerate(text.splitlines()):
        if line.strip() and not line.lstrip().startswith("#"):
            yield at, line


class _Parser:
    """Recursive descent over one line."""

    def __init__(self, line: str, at: int) -> None:
        self._line = line
        self._at = at
        self._column = 0
        self._depth = 0

    def phrase(self) -> Expression:
        """The whole line."""
        expression = self._alternatives("")
        if _may_be_silent(expression):
            raise self._error("this can be said without a word; put one outside of the brackets", 0)
        return expression

    def _alternatives(self, closing: str) -> Expression:
        """What stands up to `closing`, which is taken too; "" is the line's end."""
        options: list[Expression] = []
        parts: list[Expression] = []
        start = self._column
        while True:
            column, mark, part = self._next()
            if part is not None:
                parts.append(part)
            elif mark in ("(", "["):
                parts.append(self._group(mark, column))
            elif mark == "|" or mark == closing:
                if not parts:
                    raise self._error("words are missing here; use [ ] for what may be left out", column)
                options.append(parts[0] if len(parts) == 1 else Sequence(tuple(parts)))
                parts = []
                if mark == closing:
                    return options[0] if len(options) == 1 else Choice(tuple(options))
            elif mark == "":
                raise self._error(f"a bracket opens here that is never closed; add `{closing}`", max(start - 1, 0))
            else:
                raise self._error(f"`{mark}` closes nothing here; remove it", column)

    def _group(self, opening: str, column: int) -> Expression:
        self._depth += 1
        if self._depth > MOST_NESTED:
            raise self._error(f"brackets stand more than {MOST_NESTED} deep; write several lines", column)
        inner = self._alternatives(")" if opening == "(" else "]")
        self._depth -= 1
        if opening == "(":
            return inner
        return Choice(inner.options, True) if isinstance(inner, Choice) else Choice((inner,), True)

    def _next(self) -> tuple[int, str, Expression | None]:
        """The column of the next token, and it: a mark ("" at the end), or a word or slot."""
        rest = self._line[self._column :]
        column = self._column + len(rest) - len(rest.lstrip())
        match = _TOKEN.match(self._line, self._column)
        if match is None:
            if column < len(self._line):
                found = self._line[column]
                hint = "write numbers out" if found.isdigit() else "words, [ ], ( ), | and {slot} may stand here"
                raise self._error(f"`{found}` is not part of a phrase; {hint}", column)
            self._column = len(self._line)
            return column, "", None
        self._column = match.end()
        if match["word"]:
            return column, "", Word(match["word"].lower().replace("’", "'"))
        if match["slot"]:
            return column, "", Slot(match["slot"])
        return column, match["mark"], None

    def _error(self, message: str, column: int) -> PhraseError:
        return PhraseError(message, self._at, column)


def _may_be_silent(expression: Expression) -> bool:
    match expression:
        case Sequence(parts):
            return all(_may_be_silent(part) for part in parts)
        case Choice(options, optional):
            return optional or any(_may_be_silent(option) for option in options)
    return False
