"""The STT actor's work: it follows the ears of its calls, utterance by utterance, and says what it understood.

Between utterances nothing is computed. An utterance begins in the past (the ear keeps 30 s), so nothing is lost when
its beginning is noticed late, or when another actor has to hear it again from the start.
"""

import asyncio
import logging
import time
from dataclasses import dataclass

import numpy as np

from actors import open_call
from actors.actor import Actor
from actors.pcm import Resampler
from actors.stt.engine import (
    Distant,
    DistantEngine,
    DistantStream,
    Hints,
    SttEngine,
    SttStream,
    UnusableHints,
)
from config.grammar import grammar
from ipc.bus import Bus, Refused
from ipc.ear import EarReader
from ipc.messages import Attend, Done, Finish, Hear, Heard, HeardWord, Partial, Release
from ipc.rings import Bell, Rings

log = logging.getLogger(__name__)

SPARE_AFTER_S = 1.0
"""A recogniser takes 50 ms to make. The next call's is made once the last one's first words are behind us."""

BATCH_FRAMES = 25
"""An utterance that is heard again from its start is fed half a second at a time, so that other calls come between."""


@dataclass
class _Utterance:
    number: int
    reader: EarReader
    resampler: Resampler
    frames: int = 0
    text: str = ""


Engine = SttEngine | DistantEngine
Stream = SttStream | DistantStream


class CallEar:
    """One call's ear and its recogniser."""

    def __init__(self, call_id: str, rings: Rings, bell: Bell, engine: Engine, stream: Stream) -> None:
        self.call_id = call_id
        self.rings = rings
        self.bell = bell
        self._stream = stream
        self._rate = engine.sample_rate
        self._utterance: _Utterance | None = None

    @property
    def behind(self) -> bool:
        return self._utterance is not None and self._utterance.reader.behind > 0

    def begin(self, number: int, from_frame: int) -> None:
        """Raises `Refused`."""
        if isinstance(self._stream, DistantStream):
            if self._stream.broken:
                raise Refused(f"call {self.call_id} is not heard any more: {self._stream.broken}", busy=True)
            self._stream.drop()
        elif self._utterance is not None:
            self._stream.finish()
        self._utterance = _Utterance(number, EarReader(self.rings, from_frame), Resampler(self.rings.rate, self._rate))

    def follow(self) -> Partial | None:
        """Takes a batch of what waits in the ear; returns the guess at the utterance if it has changed."""
        utterance = self._utterance
        if utterance is None:
            return None
        batch: list[bytes] = []
        while len(batch) < BATCH_FRAMES and (frame := utterance.reader.read()):
            batch.append(frame.pcm)
        if not batch:
            return None
        utterance.frames += len(batch)
        samples = np.frombuffer(b"".join(batch), dtype="<i2")
        text = self._stream.feed(utterance.resampler.feed(samples))
        if text == utterance.text:
            return None
        utterance.text = text
        return Partial(call_id=self.call_id, utterance=utterance.number, text=text, to_frame=utterance.reader.position)

    def needs(self, number: int, to_frame: int) -> bool:
        """True while the utterance has not been fed up to this frame, and the ear has more of it."""
        utterance = self._utterance
        if utterance is None or utterance.number != number:
            raise Refused(f"utterance {number} of call {self.call_id} is not being heard here")
        return utterance.reader.position < to_frame and utterance.reader.behind > 0

    async def finish(self, began_ns: int) -> Heard:
        """Raises `Refused`."""
        utterance, self._utterance = self._utterance, None
        assert utterance is not None
        self._stream.feed(utterance.resampler.flush())
        try:
            hearing = await self._stream.finish() if isinstance(self._stream, DistantStream) else self._stream.finish()
        except Distant as error:
            raise Refused(f"what was said in call {self.call_id} is lost here: {error}", busy=True) from error
        return Heard(
            text=hearing.text,
            confidence=hearing.confidence,
            frames=utterance.frames,
            lost=utterance.reader.lost,
            took_ns=time.monotonic_ns() - began_ns,
            words=tuple(HeardWord(word.text, word.start_ms, word.end_ms, word.confidence) for word in hearing.words),
        )

    def close(self) -> None:
        self._stream.close()
        self.bell.close()
        self.rings.close()


class Listening:
    """All calls of one STT actor."""

    def __init__(self, actor: Actor, engine: Engine) -> None:
        self._actor = actor
        self._bus: Bus = actor.bus
        self._engine = engine
        self._ears: dict[str, CallEar] = {}
        self._askers: dict[str, str] = {}
        self._spares: dict[Hints, SttStream] = {}
        self._make_spares()
        self._bus.on(Attend, self.attend)
        self._bus.on(Hear, self.hear)
        self._bus.on(Finish, self.finish)
        self._bus.on(Release, self.release)

    def _make_spares(self) -> None:
        """One for each agent. Raises `UnusableHints` if the engine is good for none of them: the operator sees it at
        the start, not the caller in the call."""
        if isinstance(self._engine, DistantEngine):
            return  # those are made where they are used
        unusable: dict[str, UnusableHints] = {}
        agents = self._actor.config.agents
        for agent in agents.values():
            try:
                self._make_spare(Hints(agent.language, grammar(agent), agent.hears == "script"))
            except UnusableHints as error:
                unusable[agent.name] = error
        if unusable and len(unusable) == len(agents):
            raise next(iter(unusable.values()))
        for name, reason in unusable.items():
            log.error("%s does not hear the callers of the agent %s: %s", self._engine.name, name, reason)

    def _make_spare(self, hints: Hints) -> None:
        """Makes and uses the recogniser that the next call with these hints gets, so that it does not wait for it.

        Raises `UnusableHints`.
        """
        if hints not in self._spares and not isinstance(self._engine, DistantEngine):
            stream = self._spares[hints] = self._engine.open(hints)
            stream.feed(np.zeros(self._engine.sample_rate // 2, dtype=np.int16))
            stream.finish()

    async def _stream(self, hints: Hints) -> Stream:
        if isinstance(self._engine, DistantEngine):
            return await self._engine.reach(hints)
        spare = self._spares.pop(hints, None)
        if spare is None:
            return self._engine.open(hints)
        asyncio.get_running_loop().call_later(SPARE_AFTER_S, self._make_spare, hints)
        return spare

    async def attend(self, sender: str, message: Attend) -> Done:
        rings, bell = await open_call.attach(self._actor.run_dir, message.call_id, message.segment, "ear_stt")
        try:
            stream = await self._stream(Hints(message.language, message.grammar, message.strict))
        except (UnusableHints, Distant) as error:
            bell.close()
            rings.close()
            if isinstance(error, Distant):
                raise Refused(f"{self._engine.name} cannot hear call {message.call_id}: {error}", busy=True) from error
            raise Refused(f"{self._engine.name} cannot use the agent's phrases: {error}") from error
        self._drop(message.call_id)
        self._ears[message.call_id] = CallEar(message.call_id, rings, bell, self._engine, stream)
        self._askers[message.call_id] = sender
        asyncio.get_running_loop().add_reader(bell.fileno(), self._rung, message.call_id)
        self._actor.set_calls(len(self._ears))
        return Done()

    def _rung(self, call_id: str) -> None:
        ear = self._ears[call_id]
        ear.bell.clear()
        if ear.rings.closed:
            ear.bell.ring()  # for others who sleep on it: nobody will ring it again
            self._drop(call_id)
            return
        partial = ear.follow()
        if partial:
            self._bus.tell(self._askers[call_id], partial)
        if ear.behind:
            ear.bell.ring()

    def _ear(self, call_id: str) -> CallEar:
        ear = self._ears.get(call_id)
        if ear is None:
            raise Refused(f"call {call_id} is not attended by {self._actor.name}")
        return ear

    async def hear(self, sender: str, message: Hear) -> Done:
        ear = self._ear(message.call_id)
        ear.begin(message.utterance, message.from_frame)
        ear.bell.ring()
        return Done()

    async def finish(self, sender: str, message: Finish) -> Heard:
        began_ns = time.monotonic_ns()
        # Looked up again each time: the call may end while others have their turn.
        while (ear := self._ear(message.call_id)).needs(message.utterance, message.to_frame):
            ear.follow()
            await asyncio.sleep(0)
        return await ear.finish(began_ns)

    async def release(self, sender: str, message: Release) -> Done:
        self._drop(message.call_id)
        return Done()

    def _drop(self, call_id: str) -> None:
        ear = self._ears.pop(call_id, None)
        if ear is not None:
            del self._askers[call_id]
            asyncio.get_running_loop().remove_reader(ear.bell.fileno())
            ear.close()
            self._actor.set_calls(len(self._ears))
