"""Whether somebody said yes or no, in the words of an agent's phrases, whatever else they said around them."""

import re
from functools import lru_cache

from config.phrases import expand, parse_phrases

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")

Spelled = tuple[str, ...]


class YesNo:
    def __init__(self, accept: str, decline: str) -> None:
        """Phrases without slots, one a line, that have been checked."""
        self._yes = _forms(accept)
        self._no = _forms(decline)

    def understood(self, text: str) -> bool | None:
        """None where neither is said. Where both are, the longer one counts ("no problem, put them through" is a yes),
        and of two that are as long the last."""
        words = tuple(_WORD.findall(text.lower().replace("’", "'")))
        yes, no = _longest(words, self._yes), _longest(words, self._no)
        return None if yes == no else yes > no


def _longest(words: Spelled, forms: frozenset[Spelled]) -> tuple[int, int]:
    """Words of the longest form that is said, and where it begins; nothing is (0, -1)."""
    best = (0, -1)
    for start in range(len(words)):
        for end in range(start + 1, len(words) + 1):
            if words[start:end] in forms:
                best = max(best, (end - start, start))
    return best


@lru_cache(maxsize=64)
def _forms(phrases: str) -> frozenset[Spelled]:
    """Everything that the phrases stand for. Kept: all calls of an agent have the same."""
    return frozenset(
        tuple(word.replace("’", "'") for word in form) for phrase in parse_phrases(phrases) for form in expand(phrase)
    )
