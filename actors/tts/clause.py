"""One clause on its way into the mouth, and the mouth of one call with the clauses that wait for it."""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from typing import TypeVar

from actors.tts.engine import Word
from ipc.messages import Placed, Speak, Spoken, WordAt
from ipc.mouth import MouthWriter
from ipc.rings import FRAME_NS, MOUTH_SLOTS, Bell, Rings

Note = TypeVar("Note", Placed, Spoken)


class Clause:
    """Slots are full but for the last, which carries the end mark."""

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
    """One call's mouth. Closed, it may not be touched any more."""

    def __init__(self, rings: Rings, bell: Bell) -> None:
        self.rings = rings
        self.bell = bell
        self.writer = MouthWriter(rings)
        self.waiting: asyncio.Queue[tuple[str, Speak, int]] = asyncio.Queue()
        """Who asks, for what, and when it came (CLOCK_MONOTONIC, ns)."""
        self.space = asyncio.Event()
        self.task: asyncio.Task[None] | None = None
        self.closed = False

    def dry_ns(self, generation: int, asked_ns: int) -> int:
        """When the caller has heard all that is in it of this generation; when it was asked for if there is nothing."""
        if not self.writer.offset(generation) or self.writer.space == MOUTH_SLOTS:
            return asked_ns
        return time.monotonic_ns() + (MOUTH_SLOTS - self.writer.space) * FRAME_NS

    def close(self) -> None:
        self.closed = True
        if self.task:
            self.task.cancel()
        self.bell.close()
        self.rings.close()
