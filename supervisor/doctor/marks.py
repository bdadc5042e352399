"""Frames that can be told apart after any telephone line: each carries its number in its samples' signs.

A frame has 160 samples: 32 bits of 5 samples each, +6000 or -6000. 16 bits are the number, 16 its CRC. Signs survive
G.711, gain and resampling, and a frame of speech or silence is taken for one of ours in one of 65,536 cases.
"""

import binascii
import struct

import numpy as np

SAMPLES = 160
FRAME_BYTES = 2 * SAMPLES
BITS, EACH = 32, 5
AMPLITUDE = 6000
FAINT = 300 * EACH
"""A bit whose samples come to less is none: silence, or noise of the line."""

SILENCE = bytes(FRAME_BYTES)

NUMBERS = 1 << 16


def frame(number: int) -> bytes:
    """The 20 ms frame (8000 Hz, 16-bit little-endian) that carries this number, 0 to 65535."""
    packed = struct.pack(">HH", number, _check(number))
    bits = np.unpackbits(np.frombuffer(packed, dtype=np.uint8)).astype(np.int16)
    return (np.repeat(bits * 2 - 1, EACH) * AMPLITUDE).astype("<i2").tobytes()


def number(pcm: bytes) -> int | None:
    """What a frame carries; None where it is not one of ours."""
    if len(pcm) != FRAME_BYTES:
        return None
    sums = np.frombuffer(pcm, dtype="<i2").astype(np.int32).reshape(BITS, EACH).sum(axis=1)
    if np.abs(sums).min() < FAINT:
        return None
    carried, check = struct.unpack(">HH", np.packbits(sums > 0).tobytes())
    return int(carried) if check == _check(carried) else None


class Reader:
    """Finds marks in a stream, also where its frames begin elsewhere than the sender's."""

    def __init__(self) -> None:
        self._before = b""
        self._shift = 0
        self._last: int | None = None

    def read(self, pcm: bytes) -> int | None:
        """The mark whose last sample is in this frame, once; None where there is none."""
        found = self._find(pcm)
        if found is None or found == self._last:
            return None
        self._last = found
        return found

    def _find(self, pcm: bytes) -> int | None:
        joined = self._before + pcm
        self._before = pcm
        if len(joined) < 2 * FRAME_BYTES:
            return number(pcm)
        found = self._at(joined, self._shift)
        if found is None and any(pcm):
            for shift in range(0, FRAME_BYTES, 2):
                found = self._at(joined, shift)
                if found is not None:
                    self._shift = shift
                    break
        return found

    @staticmethod
    def _at(joined: bytes, shift: int) -> int | None:
        """shift: bytes by which the mark ends before the newest frame does."""
        end = len(joined) - shift
        return number(joined[end - FRAME_BYTES : end])


def _check(number: int) -> int:
    return binascii.crc_hqx(struct.pack(">H", number), 0xFFFF)
