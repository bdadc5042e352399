"""The engine `gateway`: the voice of another machine, over its gateway (`actors.link`, `ipc.gateway`)."""

import logging
import queue
import threading
import time
from typing import Self

import numpy as np

from actors.link import Broken, Gone, Link, News
from actors.tts.engine import Sink, Voice, Word
from config.load import Config
from ipc import gateway as wire
from ipc.gateway import Audio, Rate

log = logging.getLogger(__name__)

RATE: Rate = 16000


class Gateway:
    """Clauses of all calls of one actor, over one connection. Each is waited for in a thread of its actor's."""

    name = "gateway"
    sample_rate = int(RATE)
    at_once = 32
    """Who computes is elsewhere, and says itself how many at once."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._lock = threading.Lock()
        self._clauses: dict[int, _Clause] = {}
        """Those that are being spoken, by the identity of their sinks."""
        self._places: list[str] = []
        """Calls of ours at the gateway that speak nothing just now: each has rings there, which are used again."""

    @classmethod
    def of(cls, config: Config) -> Self:
        """As the configuration says. Raises `actors.catalogue.Unusable`."""
        return cls(Link.to(config, "tts"))

    def synthesize(self, text: str, voice: Voice, sink: Sink) -> tuple[Word, ...]:
        """Raises `Broken` where the gateway stays away: no other clause can be spoken here either then, and this
        process is of no use. Until then a clause that broke off is spoken again, and what the sink has is left out."""
        with self._lock:
            place = self._places.pop() if self._places else self._link.new_name()[0]
            clause = self._clauses[id(sink)] = _Clause(self._link, place, sink)
        until = time.monotonic() + self._link.timeout_s
        try:
            while True:
                try:
                    return clause.speak(text, voice)
                except Broken as error:
                    if not self._link.wait_until_up(until):
                        raise
                    log.warning("a clause is spoken again: %s", error)
        finally:
            with self._lock:
                del self._clauses[id(sink)]
                self._places.append(place)

    def stop(self, sink: Sink) -> None:
        with self._lock:
            clause = self._clauses.get(id(sink))
        if clause is not None:
            clause.stop()


class _Clause:
    """One clause, at the first attempt and at others."""

    def __init__(self, link: Link, place: str, sink: Sink) -> None:
        self._link = link
        self._place = place
        self._sink = sink
        self._given = 0
        """Bytes that the sink has."""
        self._inbox: queue.SimpleQueue[News | None] = queue.SimpleQueue()
        """None is in it when nobody wants the rest."""
        self._stopped = False

    def stop(self) -> None:
        self._stopped = True
        self._inbox.put(None)

    def speak(self, text: str, voice: Voice) -> tuple[Word, ...]:
        """Raises `Broken`."""
        link, place = self._link, self._place
        inbox = self._inbox = queue.SimpleQueue()
        request, stream = link.new_name()
        link.handle(request, inbox.put)
        link.handle(stream, inbox.put)
        complete = False
        try:
            pace, pitch = voice.words_per_minute, voice.pitch
            command = wire.Speak(
                call=place, request=request, stream=stream, text=text, rate=RATE, voice=voice.name,
                words_per_minute=pace, pitch=pitch,
            )  # fmt: skip
            link.send(command)
            words = self._listen(inbox)
            complete = words is not None
            return words or ()
        except queue.Empty:
            raise Broken(f"nothing from the gateway for {link.timeout_s:g} s") from None
        finally:
            link.forget(request)
            link.forget(stream)
            if not complete:
                link.tell(wire.Cancel(request=request))

    def _listen(self, inbox: "queue.SimpleQueue[News | None]") -> tuple[Word, ...] | None:
        """The clause's words; None when nobody wants the rest. Raises `Broken`, and `queue.Empty`."""
        skip = self._given
        while not self._stopped:
            match inbox.get(timeout=self._link.timeout_s):
                case Audio(pcm=pcm):
                    known, fresh = pcm[:skip], pcm[skip:]
                    skip -= len(known)
                    self._given += len(fresh)
                    if fresh and not self._sink(np.frombuffer(fresh, dtype="<i2").astype(np.int16)):
                        return None
                case wire.Spoken(words=words):
                    return tuple(Word(word.start, word.length, word.sample) for word in words)
                case wire.Error(text=reason) | Gone(reason=reason):
                    raise Broken(reason)
        return None
