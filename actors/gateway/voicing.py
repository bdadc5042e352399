"""One client's voice: a TTS actor speaks into a mouth of our own, which is read as fast as the client takes it.

    speak --Speak--> TTS actor ==mouth==> chunks, in pieces of up to 20 ms, then what the actor says of the words

When the client does not take them, the mouth fills up and the TTS actor waits, as in a call. If that actor dies,
another one speaks the clause again, and what the client has already is left out.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass

from actors.gateway.lending import Lending, Session
from actors.pool import NoEngine
from ipc.messages import Message, Release, Speak, Speaking, Spoken, WordAt
from ipc.mouth import MouthGauge, MouthReader

log = logging.getLogger(__name__)

SPEAK_S = 2.0
"""For taking a clause on."""

LOOK_S = 0.01
"""Between two looks into the mouth while a clause is being made: nobody rings when it has been written to, for a pacer
looks by its clock."""

STALL_S = 30.0
"""Without a sample, after which a clause is given up: its actor lives, and does not speak."""

ATTEMPTS = 3
"""How many actors may die of one clause."""


LONGEST_PIECE = 240
"""Characters that an actor is given at once, which is 15 s of speech: others wait for it meanwhile, and so does whoever
wants to hear the beginning."""


class Lost(Exception):
    """The clause cannot be spoken, or its rest cannot. The text says why."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How it is to sound, as in `ipc.messages.Speak`."""

    voice: str = ""
    words_per_minute: int = 165
    pitch: int = 50


@dataclass(frozen=True, slots=True)
class Said:
    """The end of a clause."""

    samples: int
    words: tuple[WordAt, ...]


class Voicing:
    """Clauses one after the other, at one rate. Its rings are made when the first one comes."""

    def __init__(self, lending: Lending, rate: int) -> None:
        self._lending = lending
        self._rate = rate
        self.actor = ""
        self._session: Session | None = None
        self._order = asyncio.Lock()
        self._clause = 0
        self._spoken: Spoken | None = None
        self._died = ""
        self._changed = asyncio.Event()
        self._released = False

    async def _open(self) -> None:
        session = await self._lending.open_session(self._rate, "mouth_space")
        if self._released:
            await session.close()
            return
        self._session = session
        self._mouth = MouthReader(session.rings)
        self._gauge = MouthGauge(session.rings)
        self._lending.add(session.id, self)

    async def speak(self, text: str, manner: Manner) -> AsyncGenerator[bytes | Said, None]:
        """The text's samples, then what is to be said of it. Closing the iterator cancels.

        Raises `Lost`, `Refused` and `NoAnswer`.
        """
        samples = 0
        words: list[WordAt] = []
        async with self._order:
            if self._session is None:
                await self._open()
            for start, piece in pieces(text):
                before = samples
                async with contextlib.aclosing(self._speak_piece(piece, manner)) as chunks:
                    async for chunk in chunks:
                        samples += len(chunk) // 2
                        yield chunk
                spoken: Spoken | None = self._spoken
                if spoken is not None:
                    words += [WordAt(word.start + start, word.length, word.sample + before) for word in spoken.words]
        yield Said(samples, tuple(words))

    async def _speak_piece(self, text: str, manner: Manner) -> AsyncGenerator[bytes, None]:
        """Its samples; then `_spoken` is what the actor said of it."""
        given = 0
        for _ in range(ATTEMPTS):
            self._spoken, self._died = None, ""
            await self._ask(text, manner)
            try:
                async with contextlib.aclosing(self._chunks(skip=given)) as chunks:
                    async for chunk in chunks:
                        given += len(chunk)
                        yield chunk
            finally:
                if self._spoken is None and self._session is not None:
                    self._gauge.flush()
            if self._spoken is not None:
                return
            log.info("a clause is spoken again from its start: %s", self._died)
        raise Lost(f"{ATTEMPTS} actors have died of it; the last: {self._died}")

    async def _ask(self, text: str, manner: Manner) -> None:
        if self._session is None:
            raise Lost("it was released")
        self._clause += 1
        command = Speak(
            call_id=self._session.id,
            segment=self._session.segment,
            generation=self._gauge.flush(),
            clause=self._clause,
            text=text,
            voice=manner.voice,
            words_per_minute=manner.words_per_minute,
            pitch=manner.pitch,
        )
        try:
            self.actor, _ = await self._lending.engines.ask("tts", self.actor, command, SPEAK_S)
        except NoEngine as error:
            raise Lost(str(error)) from error

    async def _chunks(self, skip: int) -> AsyncGenerator[bytes, None]:
        """Until all has come, or the actor has died. `skip`: bytes that the client has already. Raises `Lost`."""
        loop = asyncio.get_running_loop()
        last = loop.time()
        while self._session is not None:
            self._changed.clear()
            pcm = self._take()
            if pcm:
                last = loop.time()
                skipped, pcm = pcm[:skip], pcm[skip:]
                skip -= len(skipped)
                if pcm:
                    yield pcm
                continue
            if self._spoken is not None or self._died:
                return
            if loop.time() - last > STALL_S:
                raise Lost(f"{self.actor} has said nothing for {STALL_S:g} s")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._changed.wait()
        raise Lost("it was released")

    def _take(self) -> bytes:
        """All that is in the mouth."""
        assert self._session is not None
        pieces = []
        while taken := self._mouth.take():
            pieces.append(taken[0])
        if pieces:
            self._session.bell.ring()
        return b"".join(pieces)

    def take(self, note: Message) -> None:
        if isinstance(note, Speaking | Spoken) and note.clause == self._clause:
            self._spoken = note if isinstance(note, Spoken) else self._spoken
            self._changed.set()

    def actor_lost(self, reason: str) -> None:
        self._died = f"{self.actor}: {reason}"
        self._changed.set()

    async def close(self) -> None:
        self._released = True
        session, self._session = self._session, None
        if session is None:
            return
        self._changed.set()
        self._lending.remove(session.id)
        if self.actor:
            self._lending.bus.tell(self.actor, Release(call_id=session.id))
        await session.close()


def pieces(text: str) -> Iterator[tuple[int, str]]:
    """The text in pieces that are not too long, each with its place: cut behind sentences where there are any, else
    behind commas, else between words, else anywhere."""
    start = 0
    while len(text) - start > LONGEST_PIECE:
        end = _cut(text[start : start + LONGEST_PIECE + 1])
        yield start, text[start : start + end]
        start += end
    yield start, text[start:]


def _cut(head: str) -> int:
    """Where the first piece of a text that begins so ends."""
    for ends in (".!?", ";:,", ""):
        for at in range(len(head) - 1, 0, -1):
            if head[at].isspace() and (not ends or head[at - 1] in ends):
                return at + 1
    return len(head) - 1
