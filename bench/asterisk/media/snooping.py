"""The sound of a Snoop channel: an ear at another channel's leg, and a mouth there."""

from __future__ import annotations

from bench.asterisk.media.formats import Format, Frame, add
from bench.asterisk.media.leg import Leg
from bench.asterisk.media.mixing import Queue
from bench.asterisk.media.plane import Plane


class SnoopLeg(Leg):
    """Delivers every 20 ms what the spied leg has said ("in"), was told ("out"), or the sum of "both"; what is said to
    it is whispered: to the spied far end ("out"), as if by it ("in"), or both. While nothing is said it delivers
    silence (assumption)."""

    def __init__(self, plane: Plane, form: Format, spied: Leg, spy: str, whisper: str) -> None:
        super().__init__(form)
        self._spied = spied
        self._spy = spy
        self._whisper = whisper
        self._in, self._out = Queue(form.rate), Queue(form.rate)
        spied.taps = (*spied.taps, self)
        self._ticker = plane.clock.every_frame(self._tick)

    def overheard(self, frame: Frame, outgoing: bool) -> None:
        """The spied leg's far end has said (or, `outgoing`, is told) this."""
        if self._spy in ("both", "out" if outgoing else "in"):
            (self._out if outgoing else self._in).feed(frame)

    def put(self, pcm: bytes) -> None:
        frame = Frame(pcm, self.rate)
        if self._whisper in ("out", "both"):
            self._spied.write(frame, tapped=False)
        if self._whisper in ("in", "both"):
            self._spied.deliver(frame, tapped=False)

    def _tick(self, due_ns: int) -> None:
        if self._spy != "none":
            self.deliver(Frame(add(self._in.take(), self._out.take()), self.rate))

    def close(self) -> None:
        super().close()
        self._ticker.stop()
        self._spied.taps = tuple(tap for tap in self._spied.taps if tap is not self)
