"""The sound of one telephone: a microphone on an exact 20 ms clock, an ear that writes down what it hears and when.

Between a SIP telephone and the bridge lies G.711 mu-law; both directions pass through it here unless the phone was
made without.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from bench.asterisk.media.clock import Clock, Ticker
from bench.asterisk.media.formats import FORMATS, Format, Frame, silence
from bench.asterisk.media.leg import Leg

# A translator to G.711 has room for this much; a longer frame is dropped whole ("Out of buffer space").
TRANSLATOR_SAMPLES = 8096
# In the recordings the caller's first RTP packet came about 80 ms after the answer.
PICKUP_NS = 80_000_000


@dataclass(frozen=True, slots=True)
class Wire:
    """One frame as it crossed the wire.

    at_ns: monotonic nanoseconds
    pcm:   what the wire carried, decoded: 16-bit PCM at the phone's rate; empty when the phone keeps no sound
    """

    at_ns: int
    pcm: bytes
    samples: int


@dataclass(slots=True)
class WireLog:
    """Everything that one phone sent and heard, each in order."""

    rate: int
    sent: list[Wire] = field(default_factory=list)
    heard: list[Wire] = field(default_factory=list)


class HandsetLeg(Leg):
    """The leg of a PJSIP channel.

    coded:      whether sound passes through mu-law (8 kHz phones only)
    keep_sound: whether the log holds the sound or only when and how much
    on_heard:   called in a media thread for each frame heard; must return at once
    """

    def __init__(self, clock: Clock, form: Format, coded: bool, keep_sound: bool) -> None:
        super().__init__(form)
        self.log = WireLog(form.rate)
        self.on_heard: Callable[[Wire], None] | None = None
        self.on_first: Callable[[], None] | None = None
        self.pickup_ns = PICKUP_NS
        self.digits = ""
        self.has_microphone = True
        self.on_hold = False
        self.suppresses_silence = False
        self._clock = clock
        self._coded = coded and form.rate == FORMATS["ulaw"].rate
        self._keep_sound = keep_sound
        self._to_say: deque[tuple[bytes, Callable[[int], None] | None]] = deque()
        self._silence = silence(form.rate)
        self._microphone: Ticker | None = None
        self._holding_digit_until_ns = 0

    @property
    def frame_bytes(self) -> int:
        return len(self._silence)

    def pick_up(self) -> None:
        """The microphone starts, a moment after the answer."""
        if self._microphone is None and self.has_microphone:
            self._microphone = self._clock.every_frame(self._speak, self.pickup_ns)

    def say(self, pcm: bytes, spoken: Callable[[int], None] | None = None) -> None:
        """Queues 20 ms for the microphone; `spoken` gets the moment at which it went out (monotonic ns)."""
        self._to_say.append((pcm, spoken))

    def shut_up(self) -> int:
        """Forgets what was not said yet; how many frames that were."""
        forgotten = len(self._to_say)
        self._to_say.clear()
        return forgotten

    def waiting(self) -> int:
        return len(self._to_say)

    def hold_digit(self, seconds: float) -> None:
        """While a key is down the phone sends telephone-events instead of sound."""
        self._holding_digit_until_ns = time.monotonic_ns() + int(seconds * 1e9)

    def _speak(self, due_ns: int) -> None:
        if due_ns < self._holding_digit_until_ns or self.on_hold:
            return
        if self.suppresses_silence and not self._to_say:
            return
        pcm, spoken = self._to_say.popleft() if self._to_say else (self._silence, None)
        pcm = self._through_codec(pcm)
        now_ns = time.monotonic_ns()
        self.log.sent.append(Wire(now_ns, pcm if self._keep_sound else b"", len(pcm) // 2))
        self.deliver(Frame(pcm, self.rate))
        if spoken is not None:
            spoken(now_ns)

    def put(self, pcm: bytes) -> None:
        samples = len(pcm) // 2
        if self._coded and samples > TRANSLATOR_SAMPLES:
            return
        pcm = self._through_codec(pcm)
        wire = Wire(time.monotonic_ns(), pcm if self._keep_sound else b"", samples)
        self.log.heard.append(wire)
        if self.on_first is not None:
            first, self.on_first = self.on_first, None
            first()
        if self.on_heard is not None:
            self.on_heard(wire if self._keep_sound else Wire(wire.at_ns, pcm, samples))

    def digit(self, digit: str, seconds: float) -> None:
        self.digits += digit

    def _through_codec(self, pcm: bytes) -> bytes:
        if not self._coded:
            return pcm
        ulaw = FORMATS["ulaw"]
        return ulaw.decode(ulaw.encode(pcm))

    def close(self) -> None:
        super().close()
        if self._microphone is not None:
            self._microphone.stop()
            self._microphone = None
