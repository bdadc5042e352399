"""The language model: how likely each word follows another, counted over drawn sentences.

Bigrams with absolute discounting, backed off to the words' own frequencies: Ney, Essen and Kneser, "On structuring
probabilistic dependences in stochastic language modelling" (Computer Speech and Language, 1994).
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from bench.tiny.vosk.sentences import Sentence

DISCOUNT = 0.5
"""Taken off each count, and given to what was never seen after the word."""
EVERY_WORD = 1.0
"""Added to each word's own count: a word that no sentence holds is still possible."""

BEGIN, END = "<s>", "</s>"


@dataclass(frozen=True, slots=True)
class Bigrams:
    """Probabilities. What follows a word and is not in `after` has the weight `backoff` of the word times `alone`."""

    alone: dict[str, float]
    """Of each word and of END, whatever went before."""
    after: dict[str, dict[str, float]]
    """By the word before, which may be BEGIN."""
    backoff: dict[str, float]


def estimate(sentences: Iterable[Sentence], vocabulary: Iterable[str]) -> Bigrams:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    alone: Counter[str] = Counter(dict.fromkeys((*vocabulary, END), EVERY_WORD))
    for sentence in sentences:
        for before, word in zip((BEGIN, *sentence), (*sentence, END), strict=True):
            counts[before][word] += 1
            alone[word] += 1
    total = sum(alone.values())
    after: dict[str, dict[str, float]] = {}
    backoff: dict[str, float] = {}
    for before, followers in counts.items():
        seen = sum(followers.values())
        after[before] = {word: (count - DISCOUNT) / seen for word, count in followers.items()}
        backoff[before] = DISCOUNT * len(followers) / seen
    return Bigrams({word: count / total for word, count in alone.items()}, after, backoff)
