"""The TTS actor's work: it speaks clauses into the mouths of its calls, each call's in the order in which they came."""

import asyncio
import logging
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from actors import open_call
from actors.actor import Actor
from actors.pcm import Resampler
from actors.tts.engine import Pcm, TtsEngine, UnusableVoice, Voice, Word
from ipc.bus import Bus
from ipc.messages import Done, Placed, Release, Speak, Speaking, Spoken, WordAt
from ipc.mouth import MouthWriter
from ipc.rings import Bell, Rings

log = logging.getLogger(__name__)

Note = TypeVar("Note", Placed, Spoken)

REMEMBERED = 64
"""Clauses that are kept ready to be said again: greetings, fillers, prompts. 5 s at 8 kHz are 80 kB."""
LONGEST_REMEMBERED = 160
"""Characters. Longer clauses are hardly ever said twice."""


@dataclass(frozen=True)
class Rendering:
    """A clause as samples at the call's rate, with its words."""

    pcm: bytes
    words: tuple[Word, ...]
    """Sample offsets at the call's rate."""


class Clause:
    """One clause on its way into the mouth. Slots are full but for the last, which carries the end mark."""

    def __init__(self, message: Speak, writer: MouthWriter, payload: int) -> None:
        self.message = message
        self.samples = 0
        self.first_sample = writer.offset(message.generation)
        self._writer = writer
        self._payload = payload
        self._buffer = bytearray()
        self._ready: deque[bytes] = deque()
        self._end = False

    @property
    def wanted(self) -> bool:
        """False once its generation has been flushed."""
        return self._writer.audible <= self.message.generation

    def add(self, pcm: bytes) -> None:
        self._buffer += pcm
        # One sample at least stays, because the last slot is told apart only when the clause ends.
        while len(self._buffer) > self._payload:
            self._ready.append(bytes(self._buffer[: self._payload]))
            del self._buffer[: self._payload]

    def end(self) -> None:
        if self._buffer:
            self._ready.append(bytes(self._buffer))
        self._end = True

    def write(self) -> bool:
        """Moves what is ready into the mouth; False when the mouth is full."""
        while self._ready:
            last = self._end and len(self._ready) == 1
            if not self._writer.write(self._ready[0], self.message.generation, time.monotonic_ns(), end=last):
                return False
            self.samples += len(self._ready.popleft()) // 2
        return True

    def layout(self, kind: type[Note], words: Sequence[Word]) -> Note:
        """The note that says where the clause and its words lie in their generation."""
        waiting = sum(len(pcm) for pcm in self._ready) // 2
        return kind(
            call_id=self.message.call_id,
            generation=self.message.generation,
            clause=self.message.clause,
            first_sample=self.first_sample,
            samples=self.samples + waiting,
            words=tuple(WordAt(word.start, word.length, self.first_sample + word.sample) for word in words),
        )


class CallMouth:
    """One call's mouth and the clauses that wait for it."""

    def __init__(self, rings: Rings, bell: Bell) -> None:
        self.rings = rings
        self.bell = bell
        self.writer = MouthWriter(rings)
        self.waiting: asyncio.Queue[tuple[str, Speak]] = asyncio.Queue()
        self.space = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    def close(self) -> None:
        if self.task:
            self.task.cancel()
        self.bell.close()
        self.rings.close()


class Talking:
    """All calls of one TTS actor. Synthesis runs on the actor's own loop: it is what the process is for."""

    def __init__(self, actor: Actor, engine: TtsEngine) -> None:
        self._actor = actor
        self._bus: Bus = actor.bus
        self._engine = engine
        self._mouths: dict[str, CallMouth] = {}
        self._remembered: OrderedDict[tuple[str, Voice, int], Rendering] = OrderedDict()
        self._bus.on(Speak, self.speak)
        self._bus.on(Release, self.release)

    async def speak(self, sender: str, message: Speak) -> Done:
        mouth = self._mouths.get(message.call_id) or await self._open(message)
        mouth.waiting.put_nowait((sender, message))
        return Done()

    async def _open(self, message: Speak) -> CallMouth:
        rings, bell = await open_call.attach(self._actor.run_dir, message.call_id, message.segment, "mouth_space")
        if message.call_id in self._mouths:  # opened meanwhile, for another clause of the same call
            bell.close()
            rings.close()
            return self._mouths[message.call_id]
        mouth = self._mouths[message.call_id] = CallMouth(rings, bell)
        asyncio.get_running_loop().add_reader(mouth.bell.fileno(), self._rung, message.call_id)
        mouth.task = self._bus.spawn(self._speak_all(message.call_id, mouth), f"mouth of {message.call_id}")
        self._actor.set_calls(len(self._mouths))
        return mouth

    def _rung(self, call_id: str) -> None:
        mouth = self._mouths[call_id]
        mouth.bell.clear()
        mouth.space.set()
        if mouth.rings.closed:
            mouth.bell.ring()  # for others who sleep on it: nobody will ring it again
            self._drop(call_id)

    async def _speak_all(self, call_id: str, mouth: CallMouth) -> None:
        while True:
            sender, message = await mouth.waiting.get()
            clause = Clause(message, mouth.writer, mouth.rings.payload)
            if clause.wanted:
                await self._speak_one(sender, clause, mouth)

    async def _speak_one(self, sender: str, clause: Clause, mouth: CallMouth) -> None:
        message = clause.message
        begun = False

        def write() -> bool:
            nonlocal begun
            all_written = clause.write()
            if clause.samples and not begun:
                begun = True
                self._bus.tell(
                    sender,
                    Speaking(
                        call_id=message.call_id,
                        generation=message.generation,
                        clause=message.clause,
                        written_ns=time.monotonic_ns(),
                    ),
                )
            return all_written

        def put(pcm: bytes) -> bool:
            if clause.wanted:
                clause.add(pcm)
                write()
            return clause.wanted

        words = self._render(message, mouth.rings.rate, put)
        clause.end()
        if clause.wanted and not write():
            self._bus.tell(sender, clause.layout(Placed, words))
        while clause.wanted and not write():
            mouth.space.clear()
            await mouth.space.wait()
        if clause.wanted:
            self._bus.tell(sender, clause.layout(Spoken, words))

    def _render(self, message: Speak, rate: int, put: Callable[[bytes], bool]) -> tuple[Word, ...]:
        """Gives the clause's samples at `rate` to `put`, as they are made or all at once from memory."""
        voice = Voice(message.voice, message.words_per_minute, message.pitch)
        key = (message.text, voice, rate)
        known = self._remembered.get(key)
        if known is not None:
            self._remembered.move_to_end(key)
            put(known.pcm)
            return known.words
        resampler = Resampler(self._engine.sample_rate, rate)
        made: list[bytes] = []
        cancelled = False

        def sink(pcm: Pcm) -> bool:
            nonlocal cancelled
            made.append(resampler.feed(pcm).astype("<i2").tobytes())
            cancelled = not put(made[-1])
            return not cancelled

        try:
            words = self._engine.synthesize(message.text, voice, sink)
        except UnusableVoice as error:
            log.error("the agent's voice cannot be used, the default one speaks instead: %s", error)
            words = self._engine.synthesize(message.text, Voice(), sink)
        if not cancelled:
            made.append(resampler.flush().astype("<i2").tobytes())
            put(made[-1])
        scale = rate / self._engine.sample_rate
        scaled = tuple(Word(word.start, word.length, int(np.rint(word.sample * scale))) for word in words)
        if not cancelled and len(message.text) <= LONGEST_REMEMBERED:
            self._remembered[key] = Rendering(b"".join(made), scaled)
            if len(self._remembered) > REMEMBERED:
                self._remembered.popitem(last=False)
        return scaled

    async def release(self, sender: str, message: Release) -> Done:
        self._drop(message.call_id)
        return Done()

    def _drop(self, call_id: str) -> None:
        mouth = self._mouths.pop(call_id, None)
        if mouth is not None:
            asyncio.get_running_loop().remove_reader(mouth.bell.fileno())
            mouth.close()
            self._actor.set_calls(len(self._mouths))
