"""The sounds that the model tells apart, and their numbers in Kaldi.

espeak's mnemonics are finer than what a listener needs: a stressed and an unstressed vowel, or a released and a dental
"t", are one sound here. In Kaldi a sound inside a word, at its begin, at its end and as a whole word are four phones
with the same two distributions ("pdfs"): that is how Vosk finds a word's begin and end in a path through the graph.
"""

from typing import Literal

Position = Literal["begin", "end", "internal", "singleton"]
POSITIONS: tuple[Position, ...] = ("begin", "end", "internal", "singleton")

SILENCE = "SIL"
GARBAGE = "SPN"
"""Speech that is no word of the vocabulary: the word `[unk]` is made of it."""

SOUNDS = (
    *("p", "b", "t", "t#", "d", "k", "g", "tS", "dZ", "f", "v", "T", "D", "s", "z", "S", "Z", "h"),
    *("m", "n", "N", "l", "r", "j", "w"),
    *("i:", "i", "I", "E", "a", "aa", "A:", "0", "O:", "O", "U", "u:", "V", "3:", "3", "@", "@L"),
    *("eI", "aI", "OI", "oU", "aU", "i@", "e@", "U@", "A@", "O@"),
)
SAME = {
    "@2": "@",
    "@-": "@",
    "@5": "@",
    "a#": "@",
    "I#": "I",
    "I2": "I",
    "i@3": "i@",
    "t2": "t",
    "t[": "t",
    "w#": "w",
    "r-": "r",
    ";": "j",
    "aI2": "aI",
    "aI@": "aI",
    "o@": "O@",
    "O2": "0",
    "IR": "3:",
    "VR": "3:",
    "?": "t",
}
STRESS = "',%=|"

SILENCE_PDF = 0
GARBAGE_PDF = 1
PDFS = 2 + 2 * len(SOUNDS)


def sound(mnemonic: str) -> str | None:
    """The sound of one of espeak's mnemonics; None for a pause. Raises KeyError for one that is unknown."""
    if mnemonic.startswith("_"):
        return None
    bare = mnemonic.lstrip(STRESS)
    bare = SAME.get(bare, bare)
    if bare not in SOUNDS:
        raise KeyError(mnemonic)
    return bare


def pdfs(name: str) -> tuple[int, int]:
    """Of a sound's first frame, and of its later ones. So two "n" in a row are not one long one."""
    if name == SILENCE:
        return SILENCE_PDF, SILENCE_PDF
    if name == GARBAGE:
        return GARBAGE_PDF, GARBAGE_PDF
    first = 2 + 2 * SOUNDS.index(name)
    return first, first + 1


def phone(name: str, position: Position = "internal") -> int:
    """Kaldi's number: 1 is silence, then each sound in its four positions."""
    if name == SILENCE:
        return 1
    return 2 + 4 * (GARBAGE, *SOUNDS).index(name) + POSITIONS.index(position)


def all_phones() -> list[tuple[str, Position | None]]:
    """Every phone in Kaldi's order, from 1; silence has no position."""
    return [(SILENCE, None), *((name, position) for name in (GARBAGE, *SOUNDS) for position in POSITIONS)]
