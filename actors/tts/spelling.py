"""From a clause's text to Piper's phonemes, and where its words lie among them.

Piper's phonemizer gives symbols: letters of the phonetic alphabet, stress marks, punctuation, and a space between
words. Its words are not always the text's: "of the" is one of its words, "42" two. Where the numbers differ, each word
of the text is spelled by itself, and its share of the phonemes says where it is.
"""

import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Sentences = list[list[str]]

PUNCTUATION = ".,;:!?…"
VOWELS = "aeiouyæøœɐɑɒɔɘəɚɛɜɞɨɪɤɵɶʉʊʌʏᵻɝ"
CLOSING = string.punctuation + "“”„‘’‚…–—¡¿«»‹›"
"""What may stand at either end of a word without belonging to it."""

MARKS = {",": 15.0, ";": 22.0, ":": 22.0, ".": 30.0, "?": 30.0, "!": 33.0}
FRAMES = {"ˈ": 3.8, "ˌ": 0.0, "ː": 3.2, " ": 0.3, "-": 2.0, **MARKS}
VOWEL, CONSONANT = 6.1, 6.6
"""10 ms frames: means of 380 English sentences of espeak's, of which each phoneme's place is known; a stress mark's is
what the vowel behind it lasts longer. They put words within 75 ms of their places on average, and 190 ms at worst, in
the four sentences that were tried. A voice that tells how long its phonemes last needs none of them."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where one word of the text begins."""

    start: int
    length: int
    """Characters of the text."""
    sentence: int
    phoneme: float
    """Number of the phoneme in its sentence; between two of them, where one is shared with the word before."""


def weight(symbol: str) -> float:
    """About how long a phoneme lasts, in frames of 10 ms."""
    return FRAMES.get(symbol, VOWEL if symbol in VOWELS else CONSONANT)


def audible(sentence: Sequence[str]) -> bool:
    """False where there is nothing in it but spaces and punctuation."""
    return any(symbol not in FRAMES and symbol not in PUNCTUATION for symbol in sentence)


def cleaned(text: str) -> str:
    """The text as a phonemizer can take it, with each character in its place: no zero bytes, no half characters, and no
    double bracket, behind which Piper expects phonemes."""
    cleaned = text.replace("\0", " ").replace("\n", " ").replace("\r", " ").replace("[[", "((").replace("]]", "))")
    return cleaned.encode("utf-8", "replace").decode()


def words_of(text: str) -> list[tuple[int, int]]:
    """Offset and length of each word, without the punctuation around it."""
    found: list[tuple[int, int]] = []
    at = 0
    for part in text.split():
        at = text.index(part, at)
        word = part.strip(CLOSING)
        if word:
            found.append((at + part.index(word), len(word)))
        at += len(part)
    return found


def places(text: str, sentences: Sentences, spell: Callable[[str], Sentences]) -> list[Place]:
    """Where each word of the text begins. `spell` gives the phonemes of a word by itself."""
    words = words_of(text)
    groups = _groups(sentences)
    if len(words) == len(groups):
        return [Place(*word, *group) for word, group in zip(words, groups, strict=True)]
    if not words or not groups:
        return []
    shares = [sum(weight(symbol) for part in spell(text[at : at + length]) for symbol in part) for at, length in words]
    whole = sum(shares) or 1.0
    line = _Line(sentences, groups)
    found: list[Place] = []
    passed = 0.0
    for word, share in zip(words, shares, strict=True):
        found.append(Place(*word, *line.take(passed / whole)))
        passed += share
    return found


def _groups(sentences: Sentences) -> list[tuple[int, int]]:
    """Sentence and number of the first phoneme of each of the phonemizer's words."""
    found: list[tuple[int, int]] = []
    for number, sentence in enumerate(sentences):
        begin: int | None = None
        for at, symbol in enumerate([*sentence, " "]):
            if symbol == " ":
                if begin is not None and audible(sentence[begin:at]):
                    found.append((number, begin))
                begin = None
            elif begin is None:
                begin = at
    return found


class _Line:
    """All sentences' phonemes in a row, as long as they last, from 0 to 1. Places are taken from left to right."""

    NEAR = 0.6
    """A word begins with the phonemizer's word that is nearest, unless that is further away than so much of a word."""

    def __init__(self, sentences: Sentences, groups: list[tuple[int, int]]) -> None:
        self._at: list[tuple[float, int, int]] = []
        total = 0.0
        for number, sentence in enumerate(sentences):
            for phoneme, symbol in enumerate(sentence):
                self._at.append((total, number, phoneme))
                total += 0.0 if symbol in PUNCTUATION else weight(symbol)
        self._whole = total or 1.0
        starts = {(number, phoneme): at / self._whole for at, number, phoneme in self._at}
        self._groups = [(starts[group], *group) for group in groups]
        self._last = (-1, -1.0)

    def take(self, share: float) -> tuple[int, float]:
        """The sentence and the phoneme at this share of the whole, behind all that were taken before."""
        nearest = min(self._groups, key=lambda group: abs(group[0] - share))
        place: tuple[int, float] = nearest[1:]
        if abs(nearest[0] - share) > self.NEAR / len(self._groups) or place <= self._last:
            place = max(((n, p) for at, n, p in self._at if at / self._whole <= share), default=(0, 0))
        if place <= self._last:
            place = (self._last[0], self._last[1] + 0.25)
        self._last = place
        return place
