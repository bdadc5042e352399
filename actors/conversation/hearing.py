"""The caller's utterances on their way to an STT actor and back: the call's recogniser, whichever actor runs it.

If the actor dies or does not answer, another one hears the utterance again from its start: the ear still has it.
Nothing that the caller said is lost, and the turn machine does not notice.
"""

import asyncio
import logging

from msgspec import structs

from actors.conversation.events import Transcript
from actors.pool import PATIENCE_S, Engines, Lost, NoEngine
from ipc.bus import Bus, NoAnswer, Refused
from ipc.messages import Attend, Finish, Hear, Heard, Message, Release

log = logging.getLogger(__name__)

ATTEND_S = 3.0
HEAR_S = 1.0
FINISH_S = 2.0
"""A final text takes about 30 ms; after a replay of 30 s of ear, 1.5 s."""


class Hearing:
    """One call's recogniser. Commands go out one after the other, in the order in which they were given."""

    def __init__(self, bus: Bus, engines: Engines, attend: Attend, lost: Lost) -> None:
        self._bus = bus
        self._engines = engines
        self._attend = attend
        self._lost = lost
        self.actor = ""
        self._utterance: Hear | None = None
        self._order = asyncio.Lock()
        self._moves = 0

    async def open(self, patience: float = 0.0) -> None:
        """Raises `NoEngine`, as it is at once: a call that cannot be heard is better not answered."""
        async with self._order:
            self.actor, _ = await self._engines.ask("stt", "", self._attend, ATTEND_S, patience=patience)

    async def take_over(self) -> None:
        """Like `open`, for a call that a predecessor held, with a recogniser whose actor nobody knows any more: it is
        given back first, for two that listen for the same bell would miss half of its rings."""
        for name in self._engines.order("stt"):
            self._bus.tell(name, Release(call_id=self._attend.call_id))
        await self.open(PATIENCE_S)

    async def attend(self, grammar: str) -> None:
        """Somebody else is heard from now on, who is expected to say other things."""
        async with self._order:
            self._attend = structs.replace(self._attend, grammar=grammar)
            self._utterance = None
            await self._ask(self._attend, ATTEND_S)

    async def begin(self, utterance: int, from_frame: int) -> None:
        async with self._order:
            self._utterance = Hear(call_id=self._attend.call_id, utterance=utterance, from_frame=from_frame)
            await self._ask(self._utterance, HEAR_S)

    async def finish(self, utterance: int, to_frame: int) -> Transcript:
        """The final text; "" when no recogniser could be had."""
        async with self._order:
            command = Finish(call_id=self._attend.call_id, utterance=utterance, to_frame=to_frame)
            heard = await self._ask(command, FINISH_S)
            self._utterance = None
        if not isinstance(heard, Heard):
            return Transcript(utterance, "", 0.0, 0)
        return Transcript(utterance, heard.text, heard.confidence, heard.lost)

    async def move(self, reason: str) -> None:
        """The actor is gone: another one hears what this one was hearing."""
        moves = self._moves
        async with self._order:
            if self._moves == moves:  # else whoever was asking it has found out for themselves
                await self._move(reason)

    async def _ask(self, command: Message, within: float) -> Message | None:
        for _ in range(2):
            try:
                return await self._engines.ask_one(self.actor, command, within)
            except (Refused, NoAnswer) as error:
                if not await self._move(str(error)):
                    break
        return None

    async def _move(self, reason: str) -> bool:
        lost = self.actor
        self._moves += 1
        try:
            self.actor, _ = await self._engines.ask("stt", "", self._attend, ATTEND_S)
            if self.actor != lost:
                # It may only have been slow; two that listen for the same bell would miss half of its rings.
                self._bus.tell(lost, Release(call_id=self._attend.call_id))
            if self._utterance is not None:
                await self._engines.ask_one(self.actor, self._utterance, HEAR_S)
        except (NoEngine, Refused, NoAnswer) as error:
            log.error("call %s: nobody can hear the caller: %s", self._attend.call_id, error)
            self._lost("stt", lost, reason, "")
            return False
        self._lost("stt", lost, reason, self.actor)
        return True

    def release(self) -> None:
        if self.actor:
            self._bus.tell(self.actor, Release(call_id=self._attend.call_id))
