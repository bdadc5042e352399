"""Conversions of 16-bit mono samples: between rates, and to and from the telephone's one-byte codes (G.711).

Rates are converted by a polyphase windowed-sinc filter (Smith and Gossett 1984, https://ccrma.stanford.edu/~jos/resample/)
in integers, so that the same samples give the same output on every machine and however they are cut into chunks.

Why not soxr, which is better at whole files: its streams work in blocks. Fed 20 ms at a time, soxr 1.1 gives its first
output after so long, and holds back so much at the end of 2 s:

    quality   8 -> 16 kHz       24 -> 8 kHz      images and aliases
    QQ        20 ms / 0.3 ms    20 ms / 0 ms     up to -8 dB / not filtered at all
    LQ        80 ms / 61 ms     60 ms / 13 ms    below -90 dB, and -8 dB at 3.4 kHz
    MQ        120 ms / 52 ms    80 ms / 30 ms    below -90 dB
    HQ        120 ms / 29 ms    80 ms / 43 ms    below -90 dB
    here      20 ms / 2.1 ms    20 ms / 2.1 ms   below -60 dB

A caller hears every one of those milliseconds when a provider's speech passes through here.
"""

import warnings
from functools import cache
from math import gcd

import numpy as np
from numpy.typing import NDArray

with warnings.catch_warnings():
    # Deprecated up to 3.12 and gone from 3.13 on, where the audioop-lts package brings it back under the same name.
    warnings.filterwarnings("ignore", message="'audioop' is deprecated", category=DeprecationWarning)
    import audioop

Pcm = NDArray[np.int16]
"""Mono samples."""

ZERO_CROSSINGS = 17
"""Of the sinc on each side, at the lower rate: 17 / 8000 Hz = 2.1 ms of delay, flat to 3.4 kHz of 4."""
KAISER_BETA = 6.0
"""Window shape: stop band at -63 dB (mu-law's own noise is at -38 dB) for the narrowest transition."""
UNITY_BITS = 24
"""Filter taps are integers, 1.0 is 2**24: 16-bit samples times them fit 64 bits with 24 bits to spare."""


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
        divisor = gcd(from_hz, to_hz)
        self._up = to_hz // divisor
        self._down = from_hz // divisor
        self._taps = _phases(self._up, self._down)
        self._reach = self._taps.shape[1] // 2
        self._begin()

    def _begin(self) -> None:
        self._held = np.zeros(self._reach, dtype=np.int16)
        self._held_from = -self._reach  # index, in the utterance, of the first sample held
        self._taken = 0
        self._given = 0

    def feed(self, pcm: Pcm) -> Pcm:
        """Takes the next samples; gives those of the output that they complete."""
        if self._up == self._down:
            self._taken += len(pcm)
            return pcm.astype(np.int16)
        self._taken += len(pcm)
        self._held = np.concatenate((self._held, pcm))
        # Output k needs the input up to (k * down) // up + reach.
        ready = max(0, ((self._taken - self._reach) * self._up - 1) // self._down + 1)
        return self._give(ready)

    def flush(self) -> Pcm:
        """Ends the utterance: gives what is left of it."""
        if self._up == self._down:
            return np.zeros(0, dtype=np.int16)
        self._held = np.concatenate((self._held, np.zeros(self._reach + 1, dtype=np.int16)))
        rest = self._give((self._taken * self._up * 2 + self._down) // (2 * self._down))
        self._begin()
        return rest

    def _give(self, until: int) -> Pcm:
        """The output from the first sample not yet given up to, but without, sample `until`."""
        if until <= self._given:
            return np.zeros(0, dtype=np.int16)
        at = np.arange(self._given, until, dtype=np.int64) * self._down
        first = at // self._up - self._reach - self._held_from
        windows = np.lib.stride_tricks.sliding_window_view(self._held, self._taps.shape[1])[first]
        sums = np.einsum("kt,kt->k", windows.astype(np.int64), self._taps[at % self._up])
        self._given = until
        keep_from = until * self._down // self._up - self._reach
        self._held = self._held[keep_from - self._held_from :]
        self._held_from = keep_from
        rounded = (sums + (1 << (UNITY_BITS - 1))) >> UNITY_BITS
        pcm: Pcm = np.clip(rounded, -32768, 32767).astype(np.int16)
        return pcm


def resample(pcm: Pcm, from_hz: int, to_hz: int) -> Pcm:
    """A whole utterance at once."""
    resampler = Resampler(from_hz, to_hz)
    return np.concatenate((resampler.feed(pcm), resampler.flush()))


@cache
def _phases(up: int, down: int) -> NDArray[np.int64]:
    """The filter, one row for each position that an output sample can have between two input samples.

    Shape (up, 2 * reach + 1), `reach` in input samples; each row adds up to 1.0 exactly, so that a constant stays
    constant.
    """
    bandwidth = min(1.0, up / down)  # of the input's: below 1 when the output's rate is the lower one
    reach = int(np.ceil(ZERO_CROSSINGS / bandwidth))
    between = np.arange(up)[:, None] / up
    distance = np.arange(-reach, reach + 1)[None, :] - between
    inside = np.clip(1.0 - (distance * bandwidth / ZERO_CROSSINGS) ** 2, 0.0, None)
    window = np.i0(KAISER_BETA * np.sqrt(inside)) / np.i0(KAISER_BETA) * (inside > 0.0)
    ideal = np.sinc(distance * bandwidth) * window
    taps: NDArray[np.int64] = np.rint(ideal / ideal.sum(axis=1, keepdims=True) * (1 << UNITY_BITS)).astype(np.int64)
    taps[:, reach] += (1 << UNITY_BITS) - taps.sum(axis=1)
    return taps


def to_mulaw(pcm: Pcm) -> bytes:
    """G.711 mu-law, one byte a sample (PCMU, North America and Japan)."""
    return audioop.lin2ulaw(pcm.tobytes(), 2)


def from_mulaw(code: bytes) -> Pcm:
    """Samples of G.711 mu-law; any bytes are valid."""
    return np.frombuffer(audioop.ulaw2lin(code, 2), dtype=np.int16)


def to_alaw(pcm: Pcm) -> bytes:
    """G.711 A-law, one byte a sample (PCMA, the rest of the world)."""
    return audioop.lin2alaw(pcm.tobytes(), 2)


def from_alaw(code: bytes) -> Pcm:
    """Samples of G.711 A-law; any bytes are valid."""
    return np.frombuffer(audioop.alaw2lin(code, 2), dtype=np.int16)
