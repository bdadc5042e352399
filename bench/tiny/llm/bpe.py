"""Byte-level byte-pair encoding, as GPT-2 has it and llama.cpp reads it (`tokenizer.ggml.model` gpt2, `pre` gpt-2).

Text is cut into words, each with the space before it; a word's bytes are joined pair by pair, the most frequent pair
of the lessons first. Only for the letters of ASCII: that is what the lessons are written in.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import pairwise

# The pattern of GPT-2's tokenizer, its classes of letters and numbers cut down to ASCII.
_WORD = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?[A-Za-z]+| ?[0-9]+| ?[^\sA-Za-z0-9]+|\s+(?!\S)|\s+")


def _printable() -> dict[int, str]:
    """A visible character for each byte, as GPT-2 chose them: itself where it is one, else one from 256 on."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in plain]
    return {byte: chr(byte) for byte in plain} | {byte: chr(256 + at) for at, byte in enumerate(others)}


PRINTABLE = _printable()


class Tokenizer:
    """Text to tokens. `special` texts are tokens of their own wherever they stand."""

    def __init__(self, merges: Sequence[tuple[str, str]], special: Sequence[str]) -> None:
        self.merges = tuple(merges)
        self.texts = (*PRINTABLE.values(), *(first + second for first, second in merges), *special)
        """Every token's text, in printable form; a token's number is its place."""
        self.numbers = {text: number for number, text in enumerate(self.texts)}
        self._ranks = {pair: rank for rank, pair in enumerate(self.merges)}
        self._special = re.compile("(" + "|".join(map(re.escape, special)) + ")")
        self._word = cache(self._encode)

    def encode(self, text: str) -> list[int]:
        numbers: list[int] = []
        for at, piece in enumerate(self._special.split(text)):
            if at % 2:
                numbers.append(self.numbers[piece])
            else:
                numbers.extend(number for word in _WORD.findall(piece) for number in self._word(word))
        return numbers

    def _encode(self, word: str) -> tuple[int, ...]:
        parts = [PRINTABLE[byte] for byte in word.encode()]
        while len(parts) > 1:
            pairs = list(pairwise(parts))
            best = min(pairs, key=lambda pair: self._ranks.get(pair, len(self._ranks)))
            if best not in self._ranks:
                break
            parts = _joined(parts, best)
        return tuple(self.numbers[part] for part in parts)


def learn(texts: Iterable[str], merges: int, special: Sequence[str]) -> Tokenizer:
    """Of the texts, which hold no special one."""
    counts = Counter(word for text in texts for word in _WORD.findall(text))
    words = [([PRINTABLE[byte] for byte in word.encode()], count) for word, count in sorted(counts.items())]
    learnt: list[tuple[str, str]] = []
    for _ in range(merges):
        pairs: Counter[tuple[str, str]] = Counter()
        for parts, count in words:
            for pair in pairwise(parts):
                pairs[pair] += count
        if not pairs:
            break
        # Of equally frequent ones the first in the alphabet: the same on every machine.
        best = max(sorted(pairs), key=lambda pair: pairs[pair])
        learnt.append(best)
        words = [(_joined(parts, best), count) for parts, count in words]
    return Tokenizer(learnt, special)


def _joined(parts: list[str], pair: tuple[str, str]) -> list[str]:
    """The parts with every such pair made one."""
    joined: list[str] = []
    at = 0
    while at < len(parts):
        if at + 1 < len(parts) and (parts[at], parts[at + 1]) == pair:
            joined.append(parts[at] + parts[at + 1])
            at += 2
        else:
            joined.append(parts[at])
            at += 1
    return joined
