"""The agent's clauses on their way to a TTS actor: spoken in order and once, and again elsewhere if that actor dies.

asked for --> waiting --an actor takes it--> taken --all of it is in the mouth--> (gone)
                 ^---------that actor dies-----'
"""

import asyncio
import logging
from dataclasses import dataclass

from actors.conversation.events import Say
from actors.pool import Engines, Lost, NoEngine
from config.agent import Agent
from ipc.bus import Bus, NoAnswer, Refused
from ipc.messages import Release, Speak, Spoken

log = logging.getLogger(__name__)

SPEAK_S = 1.0
"""For taking a clause on."""


@dataclass(slots=True)
class _Clause:
    command: Speak
    taken: bool = False
    """True once `actor` has it, and nobody else may speak it as well."""


class Voicing:
    """One call's voice."""

    def __init__(self, bus: Bus, engines: Engines, call_id: str, segment: str, agent: Agent, lost: Lost) -> None:
        self._bus = bus
        self._engines = engines
        self._call_id = call_id
        self._segment = segment
        self._agent = agent
        self._lost = lost
        self.actor = ""
        self._clauses: dict[tuple[int, int], _Clause] = {}
        """Those that are not in the mouth yet, in the order in which they are to be heard."""
        self._order = asyncio.Lock()

    async def say(self, clause: Say) -> None:
        voice = self._agent.voice
        command = Speak(
            call_id=self._call_id,
            segment=self._segment,
            generation=clause.generation,
            clause=clause.clause,
            text=clause.text,
            voice=voice.name,
            words_per_minute=voice.words_per_minute,
            pitch=voice.pitch,
        )
        # A new reply: nobody waits for the clauses of an older one any more.
        self._clauses = {key: waiting for key, waiting in self._clauses.items() if key[0] == clause.generation}
        self._clauses[clause.generation, clause.clause] = _Clause(command)
        await self._send()

    async def _send(self) -> None:
        """Finds an actor for each clause that waits."""
        async with self._order:
            while waiting := next((clause for clause in self._clauses.values() if not clause.taken), None):
                try:
                    waiting.taken = await self._taken(waiting.command)
                except NoEngine as error:
                    log.error("call %s: nobody can speak to the caller: %s", self._call_id, error)
                    return

    async def _taken(self, command: Speak) -> bool:
        """False when the actor that has the clauses before this one does not take it: then they all wait again, so
        that another one speaks them in order. Raises `NoEngine`."""
        if not any(clause.taken for clause in self._clauses.values()):
            self.actor, _ = await self._engines.ask("tts", self.actor, command, SPEAK_S)
            return True
        try:
            await self._engines.ask_one(self.actor, command, SPEAK_S)
        except (Refused, NoAnswer):
            self._take_back()
            return False
        return True

    def _take_back(self) -> None:
        for clause in self._clauses.values():
            clause.taken = False

    def take(self, note: Spoken) -> None:
        self._clauses.pop((note.generation, note.clause), None)

    async def move(self, reason: str) -> None:
        """The actor is gone: another one speaks the clauses that were not in the mouth yet."""
        lost, interrupted = self.actor, bool(self._clauses)
        self._take_back()
        await self._send()
        self._lost("tts", lost, reason, self.actor if interrupted else "")

    def release(self) -> None:
        if self.actor:
            self._bus.tell(self.actor, Release(call_id=self._call_id))
