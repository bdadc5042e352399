"""Which tokens go through the model next: of every answer that is being written its last token, and beside them as much
of the prompts that are being read as fits into one step.

A step takes the longer the more tokens it has, and everybody's next token waits for it. So a long prompt is read in
pieces, and whoever is writing goes on between them; and what is read on suspicion (`prepare`) is read in smaller ones,
when nobody waits for a prompt to be read.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from actors.llm.sequences import Held

BESIDE_WRITERS = 16
"""Tokens a step that are read on suspicion while others' answers are written: a step of 17 tokens took 33 ms where one
of a single token took 8 (0.5 B, 2 cores), so the writers still have 30 tokens a second, and speech takes 4."""
ALONE = 32
"""The same when nobody else wants anything: whoever comes meanwhile waits up to 60 ms."""


@dataclass(slots=True, eq=False)
class Work:
    """A prompt to be read, and what has been written behind it."""

    held: Held
    tokens: list[int]
    """All that must have gone through the model."""
    answering: bool
    """Whether somebody waits for what comes behind the last token; else it is read on suspicion."""
    opening: int = 0
    """How many of the first tokens all calls of the agent begin with."""
    begun: bool = False
    """Whether the sequence holds the beginning of `tokens`, and nothing else."""

    @property
    def left(self) -> int:
        """How many tokens are still to go."""
        return len(self.tokens) - len(self.held.tokens) if self.begun else len(self.tokens)


@dataclass(frozen=True, slots=True)
class Share:
    """The part of a step that belongs to one sequence."""

    work: Work
    tokens: Sequence[int]
    position: int
    """Of the first of them in the sequence."""
    last: bool
    """Whether the next token is wanted behind these."""


def step(works: Iterable[Work], batch: int) -> list[Share]:
    """The next step; nothing when there is nothing to do. `works`, oldest first, have all begun. `batch`: most tokens
    of prompts in it."""
    going = [work for work in works if work.left]
    writing = [work for work in going if work.answering and work.left == 1]
    reading = [work for work in going if work.answering and work.left > 1]
    guessing = [work for work in going if not work.answering]
    shares = [_share(work, 1) for work in writing]
    room = batch
    if not reading:
        room = min(batch, BESIDE_WRITERS if writing else ALONE)
    for work in reading or guessing:
        if room:
            shares.append(_share(work, room))
            room -= len(shares[-1].tokens)
    return shares


def _share(work: Work, most: int) -> Share:
    at = len(work.held.tokens)
    tokens = work.tokens[at : at + most]
    return Share(work, tokens, at, work.answering and at + len(tokens) == len(work.tokens))


def read(shares: Iterable[Share]) -> None:
    """The step is done: the sequences hold what was in it."""
    for share in shares:
        share.work.held.tokens += share.tokens
