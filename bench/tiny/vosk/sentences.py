"""What callers say: the words that the model knows, and sentences of them in the proportions of the language model.

Most come from the front desk's script, whose every phrase weighs the same, however many ways there are to say it. The
rest is what any agent asks for: digits, yes and no, single words, and the lines of the demo's caller.
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np

import config
from bench.demo import SCRIPT
from config.agent import Agent
from config.grammar import said, vocabulary
from config.load import load_agent
from config.phrases import Choice, Expression, Sequence, Slot, Word, parse_phrases, parse_slot

UNKNOWN = "[unk]"
"""Kaldi's word for speech that is none."""
DIGITS = ("zero", "oh", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
YES_NO = ("yes", "no")

SHARES = {"script": 0.60, "digits": 0.14, "yes_no": 0.05, "words": 0.06, "demo": 0.05, "unknown": 0.10}
LONGEST_NUMBER = 8

Sentence = tuple[str, ...]


@cache
def front_desk() -> Agent:
    return load_agent(Path(config.__file__).parent / "agents" / "front-desk.yaml")


@cache
def words() -> tuple[str, ...]:
    """Every word that the model knows, in alphabetical order; without `[unk]`."""
    demo = {word for line in SCRIPT for word in line.text.split()}
    return tuple(sorted(vocabulary(front_desk()) | demo | {*DIGITS, *YES_NO}))


@cache
def _phrases() -> tuple[tuple[Expression, ...], dict[str, tuple[Expression, ...]]]:
    """The script's phrases, and the forms of its slots by name."""
    agent = front_desk()
    assert agent.script is not None
    phrases = [phrase for _, some in said(agent.script) for phrase in some]
    consult = agent.consult
    phrases += [phrase for text in (consult.accept, consult.decline, consult.other) for phrase in parse_phrases(text)]
    slots = {name: tuple(form.expression for form in parse_slot(text)) for name, text in agent.script.slots.items()}
    return tuple(phrases), slots


def draw(random: np.random.Generator) -> Sentence:
    """One sentence, of what kind chance says. `[unk]` may stand in it."""
    kind = random.choice(list(SHARES), p=list(SHARES.values()))
    match kind:
        case "script":
            phrases, _ = _phrases()
            return tuple(_say(phrases[random.integers(len(phrases))], random))
        case "digits":
            return tuple(random.choice(DIGITS, random.integers(1, LONGEST_NUMBER + 1)).tolist())
        case "yes_no":
            return tuple(random.choice(YES_NO, random.integers(1, 4)).tolist())
        case "words":
            return tuple(random.choice(words(), random.integers(1, 4)).tolist())
        case "demo":
            return tuple(SCRIPT[random.integers(len(SCRIPT))].text.split())
        case _:
            return (UNKNOWN,) * int(random.integers(1, 6))


def _say(expression: Expression, random: np.random.Generator) -> Iterator[str]:
    """One way to say it."""
    match expression:
        case Word(text):
            yield text
        case Sequence(parts):
            for part in parts:
                yield from _say(part, random)
        case Choice(options, optional):
            if not (optional and random.random() < 0.5):
                yield from _say(options[random.integers(len(options))], random)
        case Slot(name):
            forms = _phrases()[1][name]
            yield from _say(forms[random.integers(len(forms))], random)
