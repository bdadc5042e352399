"""Sound as it travels inside the stand-in, and the formats that Asterisk names.

Inside, sound is always 16-bit little-endian mono PCM with its rate beside it. A leg converts at its own edge, as
Asterisk's translators do at a channel's edge.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any

with warnings.catch_warnings():
    # The standard library calls it deprecated on 3.11 and 3.12; from 3.13 on audioop-lts supplies the same module.
    warnings.simplefilter("ignore", DeprecationWarning)
    import audioop

FRAME_NS = 20_000_000
FRAMES_PER_SECOND = 50


@dataclass(frozen=True, slots=True)
class Frame:
    """A stretch of sound, of any length.

    pcm:  signed 16-bit little-endian mono samples
    rate: samples per second
    """

    pcm: bytes
    rate: int

    @property
    def samples(self) -> int:
        return len(self.pcm) // 2


@dataclass(frozen=True, slots=True)
class Format:
    """One of Asterisk's audio formats.

    kind:         AudioSocket message kind (everything that is not signed linear goes out as 0x10, uncoded)
    payload_type: RTP payload type that Asterisk sends it with
    """

    name: str
    rate: int
    kind: int
    payload_type: int

    @property
    def linear(self) -> bool:
        return self.name.startswith("slin")

    def encode(self, pcm: bytes) -> bytes:
        """PCM at this format's rate to the bytes of this format."""
        if self.name == "ulaw":
            return audioop.lin2ulaw(pcm, 2)
        if self.name == "alaw":
            return audioop.lin2alaw(pcm, 2)
        return pcm

    def decode(self, payload: bytes) -> bytes:
        """The bytes of this format to PCM at this format's rate; an odd byte at the end of linear sound is dropped."""
        if self.name == "ulaw":
            return audioop.ulaw2lin(payload, 2)
        if self.name == "alaw":
            return audioop.alaw2lin(payload, 2)
        return payload[: len(payload) & ~1]


# Source: protocol documents (AudioSocket kinds 0x10-0x18; RTP's static table). Compressed formats other than G.711 are
# left out: the stand-in has no codec for them and says so when asked.
FORMATS = {
    entry.name: entry
    for entry in (
        Format("ulaw", 8000, 0x10, 0),
        Format("alaw", 8000, 0x10, 8),
        Format("slin", 8000, 0x10, 10),
        Format("slin12", 12000, 0x11, 122),
        Format("slin16", 16000, 0x12, 118),
        Format("slin24", 24000, 0x13, 123),
        Format("slin32", 32000, 0x14, 124),
        Format("slin44", 44100, 0x15, 125),
        Format("slin48", 48000, 0x16, 126),
        Format("slin96", 96000, 0x17, 127),
        Format("slin192", 192000, 0x18, 96),
    )
}
KIND_RATES = {entry.kind: entry.rate for entry in FORMATS.values() if entry.linear}
KNOWN_ELSEWHERE = frozenset({"g722", "gsm", "opus", "g729", "speex", "ilbc", "codec2"})


class Resampler:
    """Turns frames of any rate into PCM at one rate; keeps the filter's state from frame to frame."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self._source = rate
        self._state: Any = None

    def convert(self, frame: Frame) -> bytes:
        if frame.rate == self.rate:
            return frame.pcm
        if frame.rate != self._source:
            self._source = frame.rate
            # Begun as if the sample before had been zero, so that already the first frame has its full length.
            self._state = (-frame.rate // math.gcd(frame.rate, self.rate), ((0, 0),))
        pcm, self._state = audioop.ratecv(frame.pcm, 2, 1, frame.rate, self.rate, self._state)
        return bytes(pcm)


def add(one: bytes, other: bytes) -> bytes:
    """The saturated sum of two stretches of PCM of equal length."""
    return audioop.add(one, other, 2)


def loudness(pcm: bytes) -> int:
    """The RMS of a stretch of PCM, 0 to 32767."""
    return audioop.rms(pcm, 2)


def swapped(pcm: bytes) -> bytes:
    """PCM with the two bytes of every sample exchanged: RTP carries linear sound in network order."""
    return audioop.byteswap(pcm, 2)


def silence(rate: int, milliseconds: int = 20) -> bytes:
    return bytes(2 * rate * milliseconds // 1000)
