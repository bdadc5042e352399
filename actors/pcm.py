"""Conversions of 16-bit mono samples: between rates (libsamplerate), and to and from the telephone's codes (G.711).

Why not soxr, which is better at whole files: its streams work in blocks. Fed 20 ms at a time, soxr 1.1 gives its first
output from 8 to 16 kHz after 80 ms (LQ) to 120 ms (HQ); libsamplerate at once, and holds back 5.9 ms (`sinc_medium`) or
2.5 ms (`sinc_fastest`, which is 8.8 dB down at 3.4 kHz when it goes to 8 kHz, against 0.2 dB). A caller hears every one
of those milliseconds when a provider's speech passes through here.
"""

import warnings
from typing import cast

import numpy as np
import samplerate
from numpy.typing import NDArray

with warnings.catch_warnings():
    # Deprecated up to 3.12 and gone from 3.13 on, where the audioop-lts package brings it back under the same name.
    warnings.filterwarnings("ignore", message="'audioop' is deprecated", category=DeprecationWarning)
    import audioop

Pcm = NDArray[np.int16]
"""Mono samples."""

FULL_SCALE = 32768.0
TAIL_S = 0.05
"""So much silence pushes the last sample out of the converter's filter."""


class Resampler:
    """One stream's conversion from `from_hz` to `to_hz`, fed in chunks of any size.

    Output sample k belongs to the instant of input sample k * from_hz / to_hz: nothing is shifted, so offsets into the
    audio (of words, say) just scale. An utterance is any number of `feed`s and one `flush`; its output is as long as
    its input, to the nearest sample (a half counts up). After `flush` the next utterance may begin.
    """

    def __init__(self, from_hz: int, to_hz: int) -> None:
        """Raises ValueError unless both rates are positive."""
        if from_hz <= 0 or to_hz <= 0:
            raise ValueError(f"cannot convert {from_hz} Hz to {to_hz} Hz: rates are positive")
        self._from_hz = from_hz
        self._to_hz = to_hz
        self._begin()

    def _begin(self) -> None:
        self._converter = samplerate.Resampler("sinc_medium", channels=1)
        self._taken = 0
        self._given = 0

    def feed(self, pcm: Pcm) -> Pcm:
        """Takes the next samples; gives those of the output that they complete."""
        if self._from_hz == self._to_hz or not len(pcm):
            return pcm.astype(np.int16)
        self._taken += len(pcm)
        converted = self._convert(pcm)
        self._given += len(converted)
        return converted

    def flush(self) -> Pcm:
        """Ends the utterance: gives what is left of it."""
        wanted = (2 * self._taken * self._to_hz + self._from_hz) // (2 * self._from_hz)
        missing = wanted - self._given
        rest = self._convert(np.zeros(int(self._from_hz * TAIL_S), dtype=np.int16))[:missing] if missing else None
        self._begin()
        return np.zeros(0, dtype=np.int16) if rest is None else rest

    def _convert(self, pcm: Pcm) -> Pcm:
        wave = self._converter.process(pcm.astype(np.float32) / FULL_SCALE, self._to_hz / self._from_hz)
        return cast(Pcm, np.clip(np.rint(wave * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16))


def resample(pcm: Pcm, from_hz: int, to_hz: int) -> Pcm:
    """A whole utterance at once."""
    resampler = Resampler(from_hz, to_hz)
    return np.concatenate((resampler.feed(pcm), resampler.flush()))


def to_mulaw(pcm: Pcm) -> bytes:
    """G.711 mu-law, one byte a sample (PCMU, North America and Japan)."""
    return audioop.lin2ulaw(pcm.tobytes(), 2)


def from_mulaw(code: bytes) -> Pcm:
    """Samples of G.711 mu-law; any bytes are valid."""
    return np.frombuffer(audioop.ulaw2lin(code, 2), dtype=np.int16)
