"""A leg: one channel's sound, between the core of Asterisk and the far end (a phone, a socket, a file).

Two directions, named from the core: `hear` gives the far end a frame; `deliver` is what the far end has sent. Where a
delivered frame goes is `sink`: a bridge's mixer, a dialplan application, or nowhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from bench.asterisk.media.clock import Clock, Ticker
from bench.asterisk.media.formats import Format, Frame, Resampler

Sink = Callable[[Frame], None]
DIGIT_SECONDS = 0.1


class Tap(Protocol):
    """Listens to a leg from outside."""

    def overheard(self, frame: Frame, outgoing: bool) -> None: ...


class Leg:
    """Common to all far ends; all of it is called under the plane's lock."""

    def __init__(self, form: Format) -> None:
        self.form = form
        self.sink: Sink | None = None
        self.muted_in = False
        self.muted_out = False
        self.suspended = False
        self.taps: tuple[Tap, ...] = ()
        self._resampler = Resampler(form.rate)

    @property
    def rate(self) -> int:
        return self.form.rate

    def hear(self, frame: Frame) -> None:
        """From a bridge: the far end hears this, unless it is muted or listens to a file meanwhile."""
        if not self.suspended and not self.muted_out:
            self.write(frame)

    def write(self, frame: Frame, tapped: bool = True) -> None:
        """The far end gets this frame, at once."""
        if self.taps and tapped:
            for tap in self.taps:
                tap.overheard(frame, outgoing=True)
        self.put(self._resampler.convert(frame))

    def put(self, pcm: bytes) -> None:
        """The far end's own way of taking PCM at `rate`."""
        raise NotImplementedError

    def deliver(self, frame: Frame, tapped: bool = True) -> None:
        """The far end has said this."""
        if self.taps and tapped:
            for tap in self.taps:
                tap.overheard(frame, outgoing=False)
        if self.sink is not None and not self.muted_in and not self.suspended:
            self.sink(frame)

    def digit(self, digit: str, seconds: float) -> None:
        """The far end gets a key press. Most far ends have no way to take one."""

    def bridged(self, others: Sequence[str]) -> None:
        """The leg's channel is in a bridge with these others, by id."""

    def drop(self) -> bool:
        """The far end's connection breaks, where there is one; whether there was."""
        return False

    def close(self) -> None:
        """The channel has ended."""
        self.sink = None


class LocalLeg(Leg):
    """One half of a Local channel: what is written to it is read from the other half."""

    def __init__(self, form: Format) -> None:
        super().__init__(form)
        self.other: LocalLeg | None = None

    def put(self, pcm: bytes) -> None:
        if self.other is not None:
            self.other.deliver(Frame(pcm, self.rate))

    def close(self) -> None:
        super().close()
        self.other = None


def local_pair(form: Format) -> tuple[LocalLeg, LocalLeg]:
    one, two = LocalLeg(form), LocalLeg(form)
    one.other, two.other = two, one
    return one, two


class ListenerLeg(Leg):
    """An internal far end that only listens: a bridge's recorder."""

    def __init__(self, form: Format, take: Callable[[bytes], None]) -> None:
        super().__init__(form)
        self._take = take

    def put(self, pcm: bytes) -> None:
        self._take(pcm)


class SpeakerLeg(Leg):
    """An internal far end that only speaks: a bridge's announcer or music."""

    def put(self, pcm: bytes) -> None:
        """What the bridge says to it is lost."""


class Player:
    """Gives `take` 20 ms of sound every 20 ms until `source` returns None; then calls `done` once.

    source: called in the clock's thread for the next 20 ms; None = the end
    """

    def __init__(self, clock: Clock, take: Sink, source: Callable[[], Frame | None], done: Callable[[], None]) -> None:
        self._take = take
        self._source = source
        self._done = done
        self.paused = False
        # As in the recording: the first frame is out at once, the rest follow on the grid.
        self._ticker: Ticker = clock.every_frame(self._tick, delay_ns=0)

    def stop(self) -> None:
        """Ends it without `done`."""
        self._ticker.stop()

    def _tick(self, due_ns: int) -> None:
        if self.paused:
            return
        frame = self._source()
        if frame is None:
            self._ticker.stop()
            self._done()
        else:
            self._take(frame)
