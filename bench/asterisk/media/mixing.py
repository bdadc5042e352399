"""What a mixing bridge does with sound.

    members   technology      how a frame gets from one member to the others
    1-2       simple_bridge   written through at once, as long as it is, however many come together
    3 and up  softmix         into a queue per member; every 20 ms each member hears the sum of the others
    any       holding_bridge  not at all (assumption: roles and entertainment of a holding bridge are left out)

Source: protocol documents; softmix queues as in Asterisk's mixer and signed-linear factory.
"""

from __future__ import annotations

from collections import deque

from bench.asterisk.media.clock import Clock, Ticker
from bench.asterisk.media.formats import Frame, Resampler, add, silence
from bench.asterisk.media.leg import Leg

# A new frame that finds more than this waiting throws the whole queue away first.
QUEUE_INTERVALS = 4
# Of one frame, no more than this is held back for later ticks.
HOLD_SAMPLES = 1280


class Queue:
    """What a member has said and the mixer has not yet taken; PCM at the mixing rate."""

    def __init__(self, rate: int) -> None:
        self.interval = len(silence(rate))
        self.thrown_away = 0
        self._resampler = Resampler(rate)
        self._hold = b""
        self._frames: deque[bytes] = deque()
        self._waiting = 0

    def feed(self, frame: Frame) -> None:
        if self._waiting > QUEUE_INTERVALS * self.interval:
            self.thrown_away += 1
            self._hold = b""
            self._frames.clear()
            self._waiting = 0
        pcm = self._resampler.convert(frame)
        self._frames.append(pcm)
        self._waiting += len(pcm)

    def take(self) -> bytes:
        """The next 20 ms; silence where less is waiting."""
        if self._waiting < self.interval:
            return bytes(self.interval)
        taken = self._hold[: self.interval]
        self._hold = self._hold[len(taken) :]
        while len(taken) < self.interval:
            frame = self._frames.popleft()
            needed = self.interval - len(taken)
            taken += frame[:needed]
            rest = frame[needed:]
            self._waiting -= max(0, len(rest) - 2 * HOLD_SAMPLES)
            self._hold = rest[: 2 * HOLD_SAMPLES]
        self._waiting -= len(taken)
        return taken


class Mixer:
    """The legs of one bridge, in the order in which they joined. All of it under the plane's lock."""

    def __init__(self, clock: Clock, holding: bool = False) -> None:
        self._clock = clock
        self._holding = holding
        self._legs: list[Leg] = []
        self._queues: dict[Leg, Queue] = {}
        self._rate = 8000
        self._ticker: Ticker | None = None

    @property
    def technology(self) -> str:
        if self._holding:
            return "holding_bridge"
        return "softmix" if self._ticker is not None else "simple_bridge"

    def join(self, leg: Leg) -> None:
        self._legs.append(leg)
        leg.sink = lambda frame: self._said(leg, frame)
        self._choose()

    def leave(self, leg: Leg) -> None:
        self._legs.remove(leg)
        leg.sink = None
        self._choose()

    def _choose(self) -> None:
        """The technology for the number of members there are now."""
        if len(self._legs) <= 2 or self._holding:
            if self._ticker is not None:
                self._ticker.stop()
                self._ticker = None
            self._queues.clear()
            return
        rate = max(leg.rate for leg in self._legs)
        if rate != self._rate:
            self._rate = rate
            self._queues.clear()
        self._queues = {leg: self._queues.get(leg) or Queue(rate) for leg in self._legs}
        if self._ticker is None:
            # As in the recordings: with a mixer the first frame is there at once, not when the caller says something.
            self._ticker = self._clock.every_frame(self._tick, delay_ns=0)

    def _said(self, speaker: Leg, frame: Frame) -> None:
        if self._ticker is not None:
            self._queues[speaker].feed(frame)
            return
        if self._holding:
            return
        for leg in self._legs:
            if leg is not speaker:
                leg.hear(frame)

    def _tick(self, due_ns: int) -> None:
        said = {leg: queue.take() for leg, queue in self._queues.items()}
        nothing = silence(self._rate)
        for listener in tuple(self._legs):
            mix = nothing
            for speaker, pcm in said.items():
                if speaker is not listener:
                    mix = add(mix, pcm)
            listener.hear(Frame(mix, self._rate))
