"""The engine `gateway`: the recogniser of another machine, over its gateway (`actors.link`, `ipc.gateway`).

It is told the same as a recogniser here: audio as it comes, and where an utterance ends. So it computes there what it
would here, while the caller speaks, and only the final text has to be waited for.
"""

import asyncio
import threading
import time
from collections.abc import Awaitable
from concurrent.futures import Future
from typing import Self

from actors.link import Broken, Gone, Link, News
from actors.stt.engine import Distant, DistantStream, Hearing, Hints, Pcm, UnusableHints, Word
from config.load import Config
from ipc import gateway as wire

BACK_S = 2.5
"""A gateway that has just been killed is back within about a second; whoever wants a recogniser waits for three."""


class Gateway:
    """All calls' recognisers, over one connection."""

    name = "gateway"
    sample_rate = 16000
    """The wider of the two that the protocol has: what the engine there makes of it is for it to know."""

    def __init__(self, link: Link) -> None:
        self._link = link

    @classmethod
    def of(cls, config: Config) -> Self:
        """As the configuration says. Raises `actors.catalogue.Unusable`."""
        return cls(Link.to(config, "stt"))

    async def reach(self, hints: Hints) -> DistantStream:
        """Raises `UnusableHints`, and `Distant`."""
        await self._link.until_up(time.monotonic() + BACK_S)
        stream = _Stream(self._link, hints, self.sample_rate)
        try:
            async with asyncio.timeout(self._link.timeout_s):
                await asyncio.wrap_future(stream.attended)
        except TimeoutError:
            stream.close()
            raise Distant(f"no recogniser there within {self._link.timeout_s:g} s") from None
        except (Distant, UnusableHints):
            stream.close()
            raise
        return stream


class _Stream:
    """One call's recogniser. What comes for it comes in the link's thread."""

    def __init__(self, link: Link, hints: Hints, rate: int) -> None:
        self.broken = ""
        self.attended: Future[None] = Future()
        self._link = link
        self._call, self._stream = link.new_name()
        self._sequence = 0
        self._utterance = 0
        self._begun = False
        self._guess = ""
        self._lock = threading.Lock()
        self._finals: dict[int, Future[Hearing]] = {}
        """By utterance, those that are waited for."""
        link.handle(self._call, self._take)
        try:
            link.send(
                wire.Attend(
                    call=self._call,
                    stream=self._stream,
                    rate=16000 if rate == 16000 else 8000,
                    language=hints.language,
                    grammar=hints.grammar,
                    strict=hints.strict,
                )
            )
        except Broken as error:
            link.forget(self._call)
            self.attended.set_exception(Distant(str(error)))

    def feed(self, pcm: Pcm) -> str:
        if self.broken or not len(pcm):
            return self._guess
        try:
            self._begin()
            self._link.send_audio(self._stream, self._sequence, pcm.astype("<i2").tobytes())
            self._sequence += 1
        except Broken as error:
            self._break(str(error))
        return self._guess

    def _begin(self) -> None:
        if not self._begun:
            self._begun, self._guess = True, ""
            self._utterance += 1
            self._link.send(wire.Hear(call=self._call, utterance=self._utterance))

    def finish(self) -> Awaitable[Hearing]:
        final: Future[Hearing] = Future()
        with self._lock:
            self._finals[self._utterance + (not self._begun)] = final
        try:
            self._begin()
            self._link.send(wire.Finish(call=self._call, utterance=self._utterance))
        except Broken as error:
            self._break(str(error))
        if self.broken:
            self._break(self.broken)
        self._begun, self._guess = False, ""
        return _answer(final, self._link.timeout_s)

    def drop(self) -> None:
        self._begun, self._guess = False, ""

    def close(self) -> None:
        self._link.forget(self._call)
        self._break("it was closed")
        self._link.tell(wire.Release(call=self._call))

    # -- in the link's thread

    def _take(self, news: News) -> None:
        match news:
            case wire.Attended() if not self.attended.done():
                self.attended.set_result(None)
            case wire.Partial(utterance=utterance, text=text) if utterance == self._utterance and self._begun:
                self._guess = text
            case wire.Heard():
                words = tuple(Word(word.text, word.start_ms, word.end_ms, word.confidence) for word in news.words)
                self._settle(news.utterance, Hearing(news.text, news.confidence, words))
            case wire.Error(code="refused", text=text) if not self.attended.done():
                self.attended.set_exception(UnusableHints(text))
            case wire.Error(text=text) | Gone(reason=text):
                self._break(text)

    def _settle(self, utterance: int, hearing: Hearing) -> None:
        with self._lock:
            final = self._finals.pop(utterance, None)
        if final is not None and not final.done():
            final.set_result(hearing)

    def _break(self, reason: str) -> None:
        with self._lock:
            self.broken = self.broken or reason
            finals, self._finals = self._finals, {}
            if not self.attended.done():
                self.attended.set_exception(Distant(reason))
        for final in finals.values():
            if not final.done():
                final.set_exception(Distant(reason))


async def _answer(final: "Future[Hearing]", within_s: float) -> Hearing:
    """Raises `Distant`."""
    try:
        async with asyncio.timeout(within_s):
            return await asyncio.wrap_future(final)
    except TimeoutError:
        raise Distant(f"the recogniser there gave no text within {within_s:g} s") from None
