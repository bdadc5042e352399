"""One clause on its way from the engine to samples at the call's rate; and those that are kept to be said again."""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache

import numpy as np

from actors.pcm import Resampler, resample
from actors.tts.engine import Pcm, SlowEngine, TtsEngine, UnusableVoice, Voice, Word
from actors.tts.turns import Turn, Turns

log = logging.getLogger(__name__)

REMEMBERED = 64
"""Clauses that are kept ready to be said again: greetings, fillers, prompts. 5 s at 8 kHz are 80 kB."""
LONGEST_REMEMBERED = 160
"""Characters. Longer clauses are hardly ever said twice."""

Key = tuple[str, Voice, int]
"""Text, voice and rate."""


@dataclass(frozen=True)
class Rendering:
    """A clause as samples at the call's rate, with its words."""

    pcm: bytes
    words: tuple[Word, ...]
    """Sample offsets at the call's rate."""


@cache
def _complain(error: str) -> None:
    """Once, and not for each clause."""
    log.error("the agent's voice cannot be used, the default one speaks instead: %s", error)


class Repertoire:
    """What can be said without computing it again: what was said last, and what was rehearsed, which stays."""

    def __init__(self) -> None:
        self._remembered: OrderedDict[Key, Rendering] = OrderedDict()
        self._rehearsed: dict[Key, Rendering] = {}

    def find(self, key: Key) -> Rendering | None:
        known = self._remembered.get(key)
        if known is None:
            return self._rehearsed.get(key)
        self._remembered.move_to_end(key)
        return known

    def remember(self, key: Key, rendering: Rendering) -> None:
        if len(key[0]) > LONGEST_REMEMBERED or key in self._rehearsed:
            return
        self._remembered[key] = rendering
        if len(self._remembered) > REMEMBERED:
            self._remembered.popitem(last=False)

    def rehearse(self, key: Key, rendering: Rendering) -> None:
        self._rehearsed[key] = rendering


class Render:
    """One clause being made. `run` may be called in a thread, `stop` in another one."""

    def __init__(
        self,
        engine: TtsEngine,
        text: str,
        voice: Voice,
        rate: int,
        put: Callable[[bytes], bool],
        turn: Turn | None = None,
    ) -> None:
        """`put` takes the samples at `rate`, as they are made, and returns False when they are wanted no more. With a
        `turn` the clause is made when it is its turn."""
        self._engine = engine
        self._text = text
        self._voice = voice
        self._rate = rate
        self._put = put
        self._turn = turn
        self._turns: Turns | None = None
        self._resampler = Resampler(engine.sample_rate, rate)
        self._made: list[bytes] = []
        self._stopped = False
        self.shown_ns = time.monotonic_ns()
        """When the engine has last given something, or was given its turn."""
        self.complete = False
        """True once all of it has been made."""

    def run(self, turns: Turns | None = None) -> Rendering:
        """All of it, or what was made before it was stopped."""
        self._turns = turns if self._turn else None
        if self._turns and self._turn:
            self._turns.enter(self._turn)
        self.shown_ns = time.monotonic_ns()
        try:
            words = () if self._stopped else self._speak()
            self.complete = not self._stopped
            if self.complete:
                self._give(self._resampler.flush())
        finally:
            if self._turns and self._turn:
                self._turns.leave(self._turn)
        return Rendering(b"".join(self._made), scaled(words, self._engine.sample_rate, self._rate))

    def _speak(self) -> tuple[Word, ...]:
        try:
            return self._engine.synthesize(self._text, self._voice, self)
        except UnusableVoice as error:
            _complain(str(error))
            return self._engine.synthesize(self._text, Voice(), self)

    def __call__(self, pcm: Pcm) -> bool:
        """The engine's sink."""
        self.shown_ns = time.monotonic_ns()
        if not self._stopped:
            if self._turn:
                self._turn.put_off(len(pcm) / self._engine.sample_rate)
            self._give(self._resampler.feed(pcm))
        return not self._stopped

    def rest(self) -> bool:
        """As `PatientSink.rest`."""
        if self._turns and self._turn and not self._stopped:
            self._turns.rest(self._turn)
        self.shown_ns = time.monotonic_ns()
        return not self._stopped

    def _give(self, pcm: Pcm) -> None:
        self._made.append(pcm.astype("<i2").tobytes())
        if not self._put(self._made[-1]):
            self._stopped = True

    def hangs(self, after_s: float) -> bool:
        """Whether it is its turn, and for so long nothing has come of it."""
        running = self._turn is not None and self._turn.running
        return running and time.monotonic_ns() - self.shown_ns > after_s * 1e9

    def stop(self, turns: Turns) -> None:
        """It is wanted no more. For slow engines only."""
        self._stopped = True
        if self._turn:
            turns.stop(self._turn)
        if isinstance(self._engine, SlowEngine):
            self._engine.stop(self)


def scaled(words: Iterable[Word], from_hz: int, to_hz: int) -> tuple[Word, ...]:
    """The words' places at another rate."""
    scale = to_hz / from_hz
    return tuple(Word(word.start, word.length, int(np.rint(word.sample * scale))) for word in words)


def converted(made: Rendering, from_hz: int, to_hz: int) -> Rendering:
    """The rendering at another rate."""
    pcm = resample(np.frombuffer(made.pcm, "<i2"), from_hz, to_hz)
    return Rendering(pcm.astype("<i2").tobytes(), scaled(made.words, from_hz, to_hz))
