"""From 16000 Hz to 8000 Hz: a half-band filter, then every other sample. Without it a "s" would come back as a whistle.

Half of such a filter's taps are 0 and its two sides mirror each other, so twelve multiplications a sample are left,
done for 20 ms at once by `audioop`. NumPy would do it as fast, but every audio actor would carry it.
"""

import warnings
from array import array

with warnings.catch_warnings():
    # In the standard library up to Python 3.12; from 3.13 on the package audioop-lts has it under the same name.
    warnings.simplefilter("ignore", DeprecationWarning)
    import audioop

_MIDDLE = 0.5
_SIDE = (
    *(0.31669, -0.10127, 0.05586, -0.03510, 0.02290, -0.01493),
    *(0.00948, -0.00576, 0.00326, -0.00166, 0.00071, -0.00021),
)
"""Taps at 1, 3, 5 ... samples from the middle: sin(x)/x under a Kaiser window (beta 6). Falls by 0.05 dB up to 3400 Hz,
and by 45 dB from 4600 Hz on."""

_TAPS = len(_SIDE)
_HEADROOM = 0.25
_WIDE = 4
"""Bytes of a sample while it is worked on."""


class Halving:
    """A stream of 16-bit samples at 16000 Hz in, at 8000 Hz out, 1.5 ms later."""

    def __init__(self) -> None:
        self._even = bytes(_TAPS * _WIDE)
        self._odd = bytes(2 * _TAPS * _WIDE)

    def halve(self, pcm: bytes) -> bytes:
        """Of an even number of samples."""
        samples = array("h", pcm)
        even = self._even + _widened(samples[0::2])
        odd = self._odd + _widened(samples[1::2])
        size = len(pcm) // 4 * _WIDE
        total = audioop.mul(even[:size], _WIDE, _MIDDLE)
        for number, tap in enumerate(_SIDE):
            before, after = (_TAPS - 1 - number) * _WIDE, (_TAPS + number) * _WIDE
            both = audioop.add(odd[before : before + size], odd[after : after + size], _WIDE)
            total = audioop.add(total, audioop.mul(both, _WIDE, tap), _WIDE)
        self._even, self._odd = even[size:], odd[size:]
        return audioop.lin2lin(audioop.mul(total, _WIDE, 1 / _HEADROOM), _WIDE, 2)


def _widened(samples: "array[int]") -> bytes:
    return audioop.mul(audioop.lin2lin(samples.tobytes(), 2, _WIDE), _WIDE, _HEADROOM)
