"""How each word is said, as the voices said it: what is rarer than one in twenty is left out."""

from collections import Counter, defaultdict
from collections.abc import Iterable

from bench.tiny.vosk.corpus import Example
from bench.tiny.vosk.graph import Lexicon
from bench.tiny.vosk.sentences import UNKNOWN

RAREST = 0.05
MOST = 4
"""Ways of one word."""


def lexicon(examples: Iterable[Example]) -> Lexicon:
    """Raises ValueError if a word has no sound at all, which the graph cannot hold."""
    counts: dict[str, Counter[tuple[str, ...]]] = defaultdict(Counter)
    for example in examples:
        if example.sounds is not None:
            for word, sounds in zip(example.words, example.sounds, strict=True):
                if word != UNKNOWN:
                    counts[word][sounds] += 1
    ways = {}
    for word, heard in sorted(counts.items()):
        total = heard.total()
        ways[word] = {sounds: count / total for sounds, count in heard.most_common(MOST) if count >= RAREST * total}
        if () in ways[word]:
            raise ValueError(f"{word} is said without a sound")
    return ways
