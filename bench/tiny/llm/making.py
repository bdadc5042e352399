"""From the agent's script to the model's file, in one go; the same file for the same seed on the same machine."""

import random
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from bench.tiny.llm import bpe, gguf_file, lessons, net, training
from bench.tiny.llm.chatml import SPECIAL
from bench.tiny.llm.corpus import Lesson, Teacher
from bench.tiny.llm.lessons import Batch, Writer
from config.agent import Agent

FILE = "front-desk-tiny.gguf"
STEPS = 700
SEED = 5

MERGES = 900
"""Enough for nearly every word of the agent and its callers to be one token."""
TOKENIZED = 1500
"""Dialogues of which the tokenizer is learnt."""

SHORT = (32, 176, 48)
LONG = (14, 352, 224)
"""Dialogues in a batch, most tokens of each, and of the instructions before them. Most batches are short, for attention
to far-off words costs most of the time."""
LONG_EVERY, LONG_EVERY_THEN = 3, 2
PURPOSEFUL, AGAIN = 0.6, 0.6
"""In the rounds that go on from the file of the one before: callers who fill forms, of which there were few, and
the pace."""


def make(agent: Agent, path: Path, steps: int, seed: int, tell: Callable[[str], None]) -> None:
    """Writes the model of an agent's script."""
    teacher = Teacher(agent)
    tokenizer = bpe.learn(lessons.texts(agent, list(islice(teacher.lessons(seed), TOKENIZED))), MERGES, SPECIAL)
    tell(f"tokenizer: {len(tokenizer.texts)} tokens")
    shape = net.Shape(len(tokenizer.texts))
    writer = Writer(tokenizer, agent)
    path.parent.mkdir(parents=True, exist_ok=True)

    def round_of(dialogues: Iterator[Lesson], long_every: int, steps: int, seed: int) -> None:
        chance = random.Random(seed)
        first = not path.exists()
        weights = net.begin(shape, seed + 1) if first else gguf_file.read(path)

        def batch(step: int) -> Batch:
            return writer.batch(dialogues, chance, *(LONG if step % long_every == long_every - 1 else SHORT))

        learnt = training.train(shape, weights, batch, steps, tell, 1.0 if first else AGAIN)
        gguf_file.write(path, shape, tokenizer, {name: np.asarray(value) for name, value in learnt.items()})
        tell(f"{path}: {path.stat().st_size / 1e6:.2f} MB")

    path.unlink(missing_ok=True)
    round_of(teacher.lessons(seed + 1), LONG_EVERY, steps, seed + 2)
    round_of(teacher.lessons(seed + 10, PURPOSEFUL), LONG_EVERY_THEN, steps * 4 // 7, seed + 11)
    round_of(teacher.lessons(seed + 20, PURPOSEFUL), LONG_EVERY_THEN, steps * 3 // 7, seed + 21)
