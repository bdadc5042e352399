"""Cuts a stream of text into clauses that can be spoken one after the other while the rest is still being thought."""

import re

SHORTEST_FIRST = 8
"""Characters. The first clause decides when the caller hears something: it may be as short as "Sure thing,"."""
SHORTEST_NEXT = 32
"""Characters. Later ones have time: a longer clause has the better melody."""

_SENTENCE_END = re.compile(r"[.!?…]+[\"')\]]*\s+")
_BREAK = re.compile(r"[.!?…,;:]+[\"')\]]*\s+|\s[-–—]\s+")
_ABBREVIATION = re.compile(r"(?:\b(?:mr|mrs|ms|dr|st|no|vs|etc|e\.g|i\.e|[a-z])\.\s+)$", re.IGNORECASE)


class Clauses:
    """One answer. `add` and `rest` give clauses without surrounding space; joined by spaces they are the answer."""

    def __init__(self) -> None:
        self._text = ""
        self._given = 0

    def add(self, text: str) -> list[str]:
        """The clauses that this piece of text completes."""
        self._text += text
        done: list[str] = []
        while (end := self._next_end()) is not None:
            self._cut(end, done)
        return done

    def rest(self) -> list[str]:
        """What is left at the end of the answer."""
        done: list[str] = []
        self._cut(len(self._text), done)
        return done

    def _next_end(self) -> int | None:
        shortest = SHORTEST_NEXT if self._given else SHORTEST_FIRST
        for match in _BREAK.finditer(self._text):
            head = self._text[: match.end()]
            ends_sentence = _SENTENCE_END.fullmatch(match.group()) is not None
            if _ABBREVIATION.search(head):
                continue
            if len(head.strip()) >= (SHORTEST_FIRST if ends_sentence else shortest):
                return match.end()
        return None

    def _cut(self, end: int, done: list[str]) -> None:
        clause, self._text = self._text[:end].strip(), self._text[end:]
        if clause:
            self._given += 1
            done.append(clause)


def split(text: str) -> list[str]:
    """The clauses of a text that is known to its end."""
    clauses = Clauses()
    return clauses.add(text) + clauses.rest()
