"""Dialogues as tokens, with what of them is to be learnt.

All dialogues of one batch share the agent's instructions: they are read once, and each dialogue follows them as if it
were alone.
"""

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from bench.tiny.llm import chatml
from bench.tiny.llm.bpe import Tokenizer
from bench.tiny.llm.chatml import END, START, STOP
from bench.tiny.llm.corpus import Lesson
from config.agent import Agent
from config.phrases import parse_slot

DETAIL = 5.0
"""How much more a day or a time counts than another word: they are few, and the hardest to learn."""

Tokens = NDArray[np.int32]
Weights = NDArray[np.float32]


@dataclass(frozen=True)
class Batch:
    instructions: Tokens
    """[P]: the same for all, with `unused` tokens before them."""
    unused: int
    dialogues: Tokens
    """[B, T], filled up with `END`."""
    weights: Weights
    """[B, T]: how much it matters that the token is foretold; 0 for what the agent does not write."""


def reworded(agent: Agent, chance: random.Random) -> str:
    """The system message, mostly the agent's own, else one that says less, or says it in another order: the answers
    must not hang on a word of it."""
    if chance.random() < 0.5:
        return agent.prompt
    sentences = [sentence for sentence in agent.prompt.replace("\n", " ").split(". ") if sentence]
    kept = [sentence for sentence in sentences if chance.random() < 0.75] or sentences[:1]
    if chance.random() < 0.3:
        chance.shuffle(kept)
    return ". ".join(sentence.rstrip(".") for sentence in kept) + "."


class Writer:
    """Writes lessons as tokens."""

    def __init__(self, tokenizer: Tokenizer, agent: Agent) -> None:
        self._agent = agent
        self._filling = tokenizer.numbers[END]

        @cache
        def encoded(text: str) -> tuple[int, ...]:
            return tuple(tokenizer.encode(text))

        self._encoded = encoded
        values = (
            [form.value for text in agent.script.slots.values() for form in parse_slot(text)] if agent.script else []
        )
        told = [f"{mark}{word}" for value in values for word in value.split() for mark in (" ", "")]
        self._details = np.array(sorted({token for text in told for token in encoded(text)}), np.int32)

    def batch(self, lessons: Iterator[Lesson], chance: random.Random, rows: int, length: int, room: int) -> Batch:
        """The next of the lessons. `length`: most tokens of a dialogue; what is longer is cut off at a turn. `room`:
        most tokens of the instructions; of longer ones the end is kept."""
        tools = self._agent.tools if chance.random() < 0.9 else ()
        system = self._encoded(chatml.instructions(self._agent, reworded(self._agent, chance), tools))[-room:]
        unused = room - len(system)
        dialogues = np.full((rows, length), self._filling, np.int32)
        weights = np.zeros((rows, length), np.float32)
        for row in range(rows):
            self._fill(next(lessons), bool(tools), dialogues[row], weights[row])
        padded = np.pad(np.array(system, np.int32), (unused, 0), constant_values=self._filling)
        return Batch(padded, unused, dialogues, weights)

    def _fill(self, lesson: Lesson, tools: bool, tokens: Tokens, weights: Weights) -> None:
        at = self._put(0, chatml.said("agent", lesson.greeting), 0.0, tokens, weights) if lesson.greeting else 0
        for number, turn in enumerate(lesson.turns):
            last = number == len(lesson.turns) - 1
            asked = chatml.said("tool" if turn.news else "caller", turn.caller)
            calls = turn.calls if tools else ()
            # What was cut off ends where the caller spoke, and a tool that has been called is in no line: nothing is to
            # be learnt of such an end.
            whole = last or (turn.heard == turn.answer and not calls)
            wanted = chatml.answer(turn.answer, calls) if last else turn.heard + (STOP if whole else "")
            pieces = [(asked, 0.0)]
            if wanted:
                pieces += [(f"{START}assistant\n", 0.0), (wanted, 1.0), ("\n" if whole else f"{STOP}\n", 0.0)]
            if at + sum(len(self._encoded(text)) for text, _ in pieces) > len(tokens):
                return
            for text, weight in pieces:
                at = self._put(at, text, weight, tokens, weights)

    def _put(self, at: int, text: str, weight: float, tokens: Tokens, weights: Weights) -> int:
        encoded = np.array(self._encoded(text), np.int32)
        end = at + len(encoded)
        tokens[at:end] = encoded
        weights[at:end] = weight * np.where(np.isin(encoded, self._details), DETAIL, 1.0)
        return end


def texts(agent: Agent, lessons: Sequence[Lesson]) -> Iterator[str]:
    """All that the tokenizer is to know well, without special texts."""
    special = re.compile("|".join(map(re.escape, chatml.SPECIAL)))
    whole = [chatml.instructions(agent, agent.prompt, agent.tools)]
    for lesson in lessons:
        whole.append(lesson.greeting)
        for turn in lesson.turns:
            whole += [turn.caller, chatml.answer(turn.answer, turn.calls)]
    for text in whole:
        yield from special.split(text)
