"""One client's ear: what it sends goes into rings of our own, and an STT actor hears it there.

If that actor dies, another one hears the utterance again from its start: the ear still has it. The client notices
nothing but a later answer.
"""

import asyncio
import logging
import time
from collections.abc import Callable

from actors.gateway.lending import Lending, Session
from actors.pool import PATIENCE_S, NoEngine
from ipc.bus import NoAnswer, Refused
from ipc.ear import EarWriter
from ipc.messages import Attend, Finish, Hear, Heard, Message, Partial, Release
from ipc.rings import FRAME_MS, FRAME_NS

log = logging.getLogger(__name__)

ATTEND_S = 3.0
HEAR_S = 1.0
FINISH_S = 15.0
"""For the final text, after as much audio at once as may come: `BURST_S`. An actor that dies is known to at once."""

BURST_S = 20.0
"""Audio may come so much faster than it is said: an utterance that is heard again from its start, a recording. The ear
holds 30 s, and who follows it must not be overtaken."""

SILENT_DBFS = -96.0


class Lost(Exception):
    """What was said cannot be understood any more: no STT actor could be had. The text says why."""


class Recognising:
    """Not used before `open`, nor after `close`."""

    def __init__(self, lending: Lending, on_partial: Callable[[int, str], None]) -> None:
        """`on_partial` gets an utterance's number and the guess at it."""
        self._lending = lending
        self._engines = lending.engines
        self._on_partial = on_partial
        self.actor = ""
        self._session: Session | None = None
        self._utterance: Hear | None = None
        self._order = asyncio.Lock()
        self._moves = 0
        self._rest = b""
        """Samples that are no whole frame yet."""
        self._due_s = 0.0
        """When what has been written so far will have been said, by a clock that may be `BURST_S` late."""

    async def open(
        self, rate: int, language: str, grammar: str, *, strict: bool = False, patience: float = 0.0
    ) -> None:
        """While no actor is there, waits for one up to `patience` seconds.

        Raises `NoEngine`, `Refused` and `NoAnswer`; then there is nothing to be closed.
        """
        session = await self._lending.open_session(rate, "ear_stt")
        self._attend = Attend(
            call_id=session.id, segment=session.segment, language=language, grammar=grammar, strict=strict
        )
        self._lending.add(session.id, self)
        try:
            self.actor, _ = await self._engines.ask("stt", "", self._attend, ATTEND_S, patience)
        except NoEngine:
            self._lending.remove(session.id)
            await session.close()
            raise
        self._session = session
        self._ear = EarWriter(session.rings)
        self.frame_bytes = session.rings.payload

    @property
    def position(self) -> int:
        """Of the next frame."""
        return self._ear.written

    def write(self, pcm: bytes) -> float:
        """The next samples, as many as there are; returns for how many seconds no more are to be taken."""
        if self._session is None:
            return 0.0
        pcm = self._rest + pcm
        size = self.frame_bytes
        whole = len(pcm) // size * size
        for at in range(0, whole, size):
            self._put(pcm[at : at + size])
        self._rest = pcm[whole:]
        if not whole:
            return 0.0
        self._session.bell.ring()
        now = time.monotonic()
        self._due_s = max(self._due_s, now - BURST_S) + whole // size * FRAME_MS / 1000
        return max(0.0, self._due_s - now)

    def flush(self) -> int:
        """Fills the last frame up; the position after it, where an utterance that ends here ends."""
        if self._rest and self._session is not None:
            self._put(self._rest.ljust(self.frame_bytes, b"\0"))
            self._rest = b""
            self._session.bell.ring()
        return self.position

    def _put(self, frame: bytes) -> None:
        self._ear.write(frame, captured_ns=time.monotonic_ns(), level=SILENT_DBFS, speech=True)

    # -- utterances: commands go out one after the other, in the order in which they were given

    async def begin(self, utterance: int, from_frame: int) -> None:
        """Raises `Lost`."""
        async with self._order:
            self._utterance = Hear(call_id=self._attend.call_id, utterance=utterance, from_frame=from_frame)
            await self._ask(self._utterance, HEAR_S)

    async def finish(self, utterance: int, to_frame: int) -> Heard:
        """Raises `Lost`."""
        async with self._order:
            if self._utterance is None or self._utterance.utterance != utterance:
                raise Lost(f"utterance {utterance} is not being heard")
            command = Finish(call_id=self._attend.call_id, utterance=utterance, to_frame=to_frame)
            try:
                heard = await self._ask(command, FINISH_S)
            finally:
                self._utterance = None
            assert isinstance(heard, Heard)
            return heard

    async def _ask(self, command: Message, within: float) -> Message:
        try:
            return await self._engines.ask_one(self.actor, command, within)
        except (Refused, NoAnswer) as error:
            await self._move(str(error))
        if isinstance(command, Hear):
            return command  # `_move` has said it
        try:
            return await self._engines.ask_one(self.actor, command, within)
        except (Refused, NoAnswer) as error:
            raise Lost(str(error)) from error

    async def _move(self, reason: str) -> None:
        """Raises `Lost`."""
        lost = self.actor
        self._moves += 1
        try:
            self.actor, _ = await self._engines.ask("stt", "", self._attend, ATTEND_S, PATIENCE_S)
            if self.actor != lost:
                # It may only have been slow; two that listen for the same bell would miss half of its rings.
                self._lending.bus.tell(lost, Release(call_id=self._attend.call_id))
            if self._utterance is not None:
                await self._engines.ask_one(self.actor, self._utterance, HEAR_S)
        except (NoEngine, Refused, NoAnswer) as error:
            self.actor = ""
            raise Lost(str(error)) from error
        log.info("a client is heard by %s from now on; %s: %s", self.actor, lost, reason)

    # -- what comes of it

    def take(self, note: Message) -> None:
        if isinstance(note, Partial):
            self._on_partial(note.utterance, note.text)

    def actor_lost(self, reason: str) -> None:
        self._lending.spawn(self._move_if_nobody_has(reason, self._moves), "another recogniser")

    async def _move_if_nobody_has(self, reason: str, moves: int) -> None:
        async with self._order:
            if self._moves == moves and self._session is not None:  # else whoever was asking it has found out
                try:
                    await self._move(reason)
                except Lost as lost:
                    log.error("a client cannot be heard: %s", lost)

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is None:
            return
        self._lending.remove(session.id)
        if self.actor:
            self._lending.bus.tell(self.actor, Release(call_id=session.id))
        await session.close()


def lost_ms(heard: Heard) -> int:
    """Audio of the utterance that no recogniser has heard."""
    return heard.lost * FRAME_NS // 1_000_000
