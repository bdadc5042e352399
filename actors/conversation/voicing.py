"""The agent's clauses on their way to a TTS actor: spoken in order, and again elsewhere if that actor dies."""

import asyncio
import logging

from actors.conversation.engines import Engines, Lost, NoEngine
from actors.conversation.events import Say
from config.agent import Agent
from ipc.bus import Bus
from ipc.messages import Release, Speak, Spoken

log = logging.getLogger(__name__)

SPEAK_S = 1.0
"""For taking a clause on."""


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
        self._pending: dict[tuple[int, int], Speak] = {}
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
        async with self._order:
            # A new reply: nobody waits for the clauses of an older one any more.
            self._pending = {key: speak for key, speak in self._pending.items() if key[0] == clause.generation}
            self._pending[clause.generation, clause.clause] = command
            await self._send(command)

    async def _send(self, command: Speak) -> bool:
        try:
            self.actor, _ = await self._engines.ask("tts", self.actor, command, SPEAK_S)
        except NoEngine as error:
            log.error("call %s: nobody can speak to the caller: %s", self._call_id, error)
            return False
        return True

    def take(self, note: Spoken) -> None:
        self._pending.pop((note.generation, note.clause), None)

    async def move(self, reason: str) -> None:
        """The actor is gone: another one speaks the clauses that were not in the mouth yet."""
        lost = self.actor
        async with self._order:
            for command in list(self._pending.values()):
                if not await self._send(command):
                    break
        self._lost("tts", lost, reason, self.actor if self.actor != lost else "")

    def release(self) -> None:
        if self.actor:
            self._bus.tell(self.actor, Release(call_id=self._call_id))
