"""What callers say to an agent, as a recogniser would write it: small letters, no punctuation, now and then a word too
many or too few. All of it comes from the agent's own phrases, and from words that no agent expects.
"""

import random
import zlib
from collections.abc import Mapping, Sequence

from config.phrases import Choice, Expression, Slot, Spoken, Word, parse_phrases, parse_slot
from config.phrases import Sequence as Parts
from config.script import Script

HELD_OUT = 0.15
"""Share of the ways to say a phrase that no lesson holds: what the examination is made of."""
HELD_OUT_WORDS = 4
"""Least words of such a sentence: from "correct" alone nobody could guess what it means."""

_FILLERS = ("um", "uh", "well", "so", "okay", "please", "hmm", "er", "just", "actually")

_STRAY = """
grandmother seventeen purple bicycles elephant sings banana yesterday river music football weather politics window
yellow guitar cousin bought sandwich train mountain winter happy quickly under carpet television dances strange
pencil kitchen garden flowers bottle coffee airport singing monkeys chocolate castle green seven million planets
dragon umbrella noisy neighbor painted ladder soup shoes running marathon lottery ticket sleeping cat dog loves
barking uncle brother sister birthday party balloon invented spaceship pyramid ocean whales fishing boat captain
hungry tiger forest newspaper yelling tomato salad recipe engine broken bridge purple violin orchestra swimming pool
diamond ring wedding cake funny movie actor famous singer orange juice frozen pizza delivery truck highway desert
camel sandstorm telescope galaxy quantum physics homework teacher blackboard summer vacation hotel elevator basement
ghost haunted pumpkin candle smoke fire engine seventy eighty hundred thousand silver spoon
"""
"""Words of sentences that no agent understands."""
_LITTLE = ("my", "the", "a", "has", "is", "and", "in", "with", "on", "was", "they", "he", "she", "his", "very", "old")
_HEADS = ("my", "the", "a", "his", "yesterday the", "i think the", "why does the", "did you know that my", "")


class Callers:
    """Callers of one agent's script."""

    def __init__(self, script: Script) -> None:
        self._slots = {name: parse_slot(text) for name, text in script.slots.items()}
        self.yes, self.no = parse_phrases(script.yes), parse_phrases(script.no)
        self.intents = {name: parse_phrases(intent.heard) for name, intent in script.intents.items()}
        self.during = {name: intent.during for name, intent in script.intents.items()}
        self.forms = {name: parse_phrases(form.heard) for name, form in script.forms.items()}
        self.answers = {name: parse_phrases(form.answers) for name, form in script.forms.items()}
        self.cancels = {name: parse_phrases(form.cancel) for name, form in script.forms.items()}
        self._stray = _STRAY.split()
        self._words = sorted({word for phrases in self.intents.values() for phrase in phrases for word in _all(phrase)})

    def say(self, chance: random.Random, phrases: Sequence[Expression], *, held_out: bool = False) -> str:
        """One of the phrases, said one of its ways: one of those of the lessons, or of the examination."""
        for _ in range(200):
            said = " ".join(_expanded(chance, chance.choice(phrases), self._slots))
            if is_held_out(said) is held_out:
                return said
        # A phrase of one or two ways may have none of the wanted kind.
        return said

    def mangle(self, chance: random.Random, text: str) -> str:
        """As a recogniser may get it wrong."""
        words = text.split()
        kind = chance.random()
        at = chance.randrange(len(words))
        if kind < 0.35:
            words.insert(0, chance.choice(_FILLERS))
        elif kind < 0.5:
            words.insert(at, chance.choice(_FILLERS))
        elif kind < 0.75 and len(words) > 2:
            del words[at]
        elif kind < 0.85:
            words.insert(at, words[at])
        elif len(words) > 2:
            words[at] = chance.choice(self._words)
        return " ".join(words)

    def stray(self, chance: random.Random) -> str:
        """Something that has nothing to do with the agent."""
        words = chance.choice(_HEADS).split()
        for _ in range(chance.randint(2, 5)):
            words.append(chance.choice(self._stray))
            if chance.random() < 0.35:
                words.append(chance.choice(_LITTLE))
        return " ".join(words)

    def salad(self, chance: random.Random) -> str:
        """Words that the agent's callers use, in no order."""
        return " ".join(chance.choice(self._words) for _ in range(chance.randint(1, 5)))


def is_held_out(said: str) -> bool:
    """Whether this sentence belongs to the examination; the same on every machine."""
    return said.count(" ") >= HELD_OUT_WORDS - 1 and zlib.crc32(said.encode()) % 1000 < HELD_OUT * 1000


def _expanded(chance: random.Random, expression: Expression, slots: Mapping[str, Sequence[Spoken]]) -> list[str]:
    match expression:
        case Word(text):
            return [text]
        case Slot(name):
            return _expanded(chance, chance.choice(slots[name]).expression, slots)
        case Parts(parts):
            return [word for part in parts for word in _expanded(chance, part, slots)]
        case Choice(options, optional):
            if optional and chance.random() < 0.6:
                return []
            return _expanded(chance, chance.choice(options), slots)


def _all(expression: Expression) -> list[str]:
    match expression:
        case Word(text):
            return [text]
        case Parts(parts) | Choice(parts):
            return [word for part in parts for word in _all(part)]
    return []
