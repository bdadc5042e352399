"""What the agents often say, made before anybody asks for it: greetings, fillers, prompts, cut into clauses as the
conversation cuts them.

A slow engine gives a rehearsed clause as soon as it is asked for it, at no cost. The first few seconds of computing
come before the actor is ready, the most urgent sentences first; the rest is made while nobody waits for anything.
"""

import asyncio
import logging
import time
from collections.abc import Iterable, Iterator
from typing import Protocol

from actors.clauses import split
from actors.tts.engine import TtsEngine, Voice
from actors.tts.rendering import LONGEST_REMEMBERED, Render, Rendering, Repertoire, converted
from actors.tts.turns import NEVER_NS, Turn, Turns
from config.agent import Agent
from config.load import Config

log = logging.getLogger(__name__)

BEFORE_READY_S = 1.0
"""So long the actor's start may be put off: a voice of medium size makes 15 s of speech in it."""
MOST = 400
"""Clauses, of all agents together: 20 MB at both rates."""
RATES = (8000, 16000)
"""Hz of calls."""


class Make(Protocol):
    """Makes a clause beside the loop; one that is not urgent, whenever nobody else wants the processor."""

    async def __call__(self, render: Render, *, urgent: bool) -> Rendering: ...


def _sentences(agent: Agent) -> Iterator[Iterable[str]]:
    """What it says without having been asked for it, the most urgent first."""
    consult = agent.consult
    yield (agent.greeting, agent.filler)
    yield (*agent.not_understood, *agent.no_input, agent.goodbye, agent.trouble)
    yield (agent.outbound_greeting, agent.unreachable)
    yield (consult.trying, *consult.waiting, consult.announce, consult.again)
    yield (consult.no_answer, consult.busy, consult.declined, consult.cancelled, consult.failed)


def programme(agents: Iterable[Agent]) -> list[tuple[str, Voice]]:
    """The clauses of these agents that are always the same words, the most urgent of all agents first."""
    ranked = [
        (rank, text, Voice(agent.voice.name, agent.voice.words_per_minute, agent.voice.pitch))
        for agent in agents
        for rank, texts in enumerate(_sentences(agent))
        for text in texts
    ]
    clauses: dict[tuple[str, Voice], None] = {}
    for _, text, voice in sorted(ranked, key=lambda item: item[0]):
        # With a placeholder anywhere the whole may be cut elsewhere.
        for clause in split(text) if "{" not in text else ():
            if len(clause) <= LONGEST_REMEMBERED:
                clauses.setdefault((clause, voice))
    return list(clauses)[:MOST]


class Rehearsal:
    """Of one actor."""

    def __init__(self, config: Config, engine: TtsEngine, repertoire: Repertoire, turns: Turns, make: Make) -> None:
        default = config.settings.agents.default_agent
        agents = sorted(config.agents.values(), key=lambda agent: (agent.name != default, agent.name))
        self._left = programme(agents)
        self._engine = engine
        self._repertoire = repertoire
        self._turns = turns
        self._make = make
        self._render: Render | None = None
        self._quiet = asyncio.Event()
        self._quiet.set()

    async def begin(self) -> None:
        """Before the actor is ready: for `BEFORE_READY_S`, and to the end of the clause."""
        begun, all_of_it = time.monotonic(), len(self._left)
        while self._left and time.monotonic() - begun < BEFORE_READY_S:
            await self._one(urgent=True)
        done, took = all_of_it - len(self._left), time.monotonic() - begun
        log.info("%d of %d clauses that are often said are ready, in %.1f s", done, all_of_it, took)

    async def go_on(self) -> None:
        """The rest, whenever nothing else is being made."""
        while self._left:
            await self._quiet.wait()
            await self._one(urgent=False)

    def give_way(self) -> None:
        """Somebody waits for a clause: what is being rehearsed is given up, to be made another time."""
        self._quiet.clear()
        if self._render:
            self._render.stop(self._turns)

    def resume(self) -> None:
        """Nobody waits for anything any more."""
        self._quiet.set()

    async def _one(self, *, urgent: bool) -> None:
        text, voice = self._left[0]
        made_rate = self._engine.sample_rate
        # One that is not urgent takes no turn: a call would have to wait until its humble thread has run on to where
        # it sees that it is to stop.
        turn = Turn(NEVER_NS) if urgent else None
        self._render = Render(self._engine, text, voice, made_rate, lambda pcm: True, turn)
        made = await self._make(self._render, urgent=urgent)
        complete, self._render = self._render.complete, None
        if complete:
            del self._left[0]
            for rate in RATES:
                self._repertoire.rehearse((text, voice, rate), converted(made, made_rate, rate))
