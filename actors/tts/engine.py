"""What every speech synthesiser looks like to the TTS actor: text in, samples out through a sink, chunk by chunk."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Pcm = NDArray[np.int16]
"""Mono samples at the engine's `sample_rate`."""

Sink = Callable[[Pcm], bool]
"""Takes the next samples of the clause. Returns False to cancel: the engine stops and calls it no more."""


@dataclass(frozen=True, slots=True)
class Voice:
    """How the agent sounds. `name` is the engine's own name for the voice, "" for its default."""

    name: str = ""
    words_per_minute: int = 165
    pitch: int = 50
    """0 to 99; 50 is the voice as it was made. Engines without pitch ignore it."""


@dataclass(frozen=True, slots=True)
class Word:
    """Where one word of the clause lies. An engine that cannot tell gives no words."""

    start: int
    """Offset in the clause's text, in characters."""
    length: int
    """Characters."""
    sample: int
    """Where it begins in the clause's audio, in samples at the engine's rate."""


class TtsEngine(Protocol):
    """One loaded synthesiser. Construction loads and exercises it; after that the actor reports ready."""

    name: str
    sample_rate: int
    """Hz of the samples that it gives."""

    def synthesize(self, text: str, voice: Voice, sink: Sink) -> tuple[Word, ...]:
        """Speaks one clause into `sink`, as early and in as small chunks as the engine can.

        Returns the words in order, those spoken so far if the sink cancelled. Raises `UnusableVoice`.
        """


class PatientSink(Protocol):
    """The sink that a `SlowEngine` is given by the actor."""

    def __call__(self, pcm: Pcm) -> bool:
        """As any `Sink`."""

    def rest(self) -> bool:
        """To be called before each stretch of computing: others who are more urgent go first. False to cancel."""


@runtime_checkable
class SlowEngine(TtsEngine, Protocol):
    """One that computes, or waits for somebody, longer than the actor's loop may stand still: its clauses are spoken
    in threads. Engines that give their samples within milliseconds are no such ones, and run on the loop itself."""

    at_once: int
    """How many clauses it speaks at the same time, each in a thread of its own. Of others that wait the most urgent
    goes on as soon as one of them is done, or rests."""

    def stop(self, sink: Sink) -> None:
        """The clause that is being spoken into this sink is wanted no more: `synthesize` is to return soon.

        Called from another thread, and perhaps too late or for a sink that it has never seen.
        """


class UnusableVoice(ValueError):
    """The engine has no such voice. The message names those it has."""
