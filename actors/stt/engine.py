"""What every speech recogniser looks like to the STT actor: `SttEngine` makes one `SttStream` per call.

Engines run on the actor's own thread and core: `feed` and `finish` may compute, but never wait for anything.
"""

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Pcm = NDArray[np.int16]
"""Mono samples at the engine's `sample_rate`."""


@dataclass(frozen=True, slots=True)
class Hints:
    """What the agent expects to hear.

    `grammar` is JSGF text (JSpeech Grammar Format 1.0, https://www.w3.org/TR/jsgf/) with one public rule, or "" for
    free dictation. An engine without grammars ignores it. `language` is a BCP 47 tag in lower case, such as "en-us".
    """

    language: str
    grammar: str = ""
    strict: bool = False
    """Nothing but the grammar is to be heard. Without it, an engine that takes dictation leaves the grammar alone."""


@dataclass(frozen=True, slots=True)
class Word:
    """One word of an utterance, in milliseconds from the utterance's first sample."""

    text: str
    start_ms: int
    end_ms: int
    confidence: float


@dataclass(frozen=True, slots=True)
class Hearing:
    """What was said in one utterance. `text` is "" when nothing, or nothing the grammar knows, was said."""

    text: str
    confidence: float
    """0.0 to 1.0, comparable only within one engine."""
    words: tuple[Word, ...] = ()
    """Of an engine that can tell them apart."""


class SttStream(Protocol):
    """One call's recogniser. Utterances follow each other on the same stream."""

    def feed(self, pcm: Pcm) -> str:
        """Takes the next samples, any number of them; returns the best guess at the utterance so far ("" for none)."""

    def finish(self) -> Hearing:
        """Ends the utterance and gives the final text; the stream then stands ready for the next one."""

    def close(self) -> None:
        """Frees what the stream holds. It is not used afterwards."""


class SttEngine(Protocol):
    """One loaded model. Construction loads and exercises it; after that the actor reports ready."""

    name: str
    sample_rate: int
    """Hz of the samples that its streams take."""

    def open(self, hints: Hints) -> SttStream:
        """A stream for one call. Raises `UnusableHints` when the engine cannot use the grammar or language."""


@runtime_checkable
class DistantStream(Protocol):
    """One call's recogniser on another machine. As `SttStream`, but for what has to be waited for."""

    broken: str
    """Why it hears nothing any more, for good; "" while all is well."""

    def feed(self, pcm: Pcm) -> str: ...

    def finish(self) -> Awaitable[Hearing]:
        """The utterance ends at once; its text is waited for. Raises `Distant`, when awaited."""

    def drop(self) -> None:
        """The utterance is given up."""

    def close(self) -> None: ...


@runtime_checkable
class DistantEngine(Protocol):
    """A model on another machine."""

    name: str
    sample_rate: int

    async def reach(self, hints: Hints) -> DistantStream:
        """As `SttEngine.open`. Raises `UnusableHints`, and `Distant`."""


class Distant(Exception):
    """The other machine cannot be reached, or was lost in the middle. The text says why."""


class UnusableHints(ValueError):
    """The grammar or language cannot be used. The message says which word or line, and what to change."""
