"""What a caller says: AudioSocket frames of 20 ms at 8 kHz, and how one of them is known when it comes back.

The path is exact 16-bit PCM, so an agent that gives callers their own voice back returns the samples bit by bit. The
first four of a marked frame are

    bytes 0-1  MAGIC
    bytes 2-3  the call, so that one caller's voice in another's ear is seen
    bytes 4-7  the frame's number

Sources: Asterisk's `res_audiosocket.c` for the frame (kind 0x10, length in two bytes, big-endian).
"""

import math
import random
import struct

FRAME_NS = 20_000_000
PAYLOAD = 320
HEADER = b"\x10\x01\x40"
FRAME_BYTES = len(HEADER) + PAYLOAD

MAGIC = 0xA55A
MARK = struct.Struct("<HHI")
MARK_AT = len(HEADER)
CALL_MASK = 0xFFFF

SILENCE = HEADER + bytes(PAYLOAD)

SPEECH_FRAMES = 30
"""One utterance is 0.6 s: longer than it takes to be noticed (140 ms by default), shorter than the pause after it."""

LONGEST_LINE = 190
"""Frames that a caller can be told to say at once: as much as a packet of 64 kB holds."""
AUDIBLE_RMS = 104
"""Of 16-bit samples: -50 dBFS. An agent that talks is louder; its silence is digital, or a line's noise."""

_PITCH_HZ = 140
_FORMANTS_HZ = ((700, 1.0), (1220, 0.6), (2600, 0.3))
"""Of the vowel in "hut" (Peterson and Barney 1952, men): pulses of a voice through three resonances."""
_BANDWIDTH_HZ = 90
_PEAK = 12_000
"""About -15 dBFS with this crest factor: a caller who speaks up, well above the -55 dBFS below which nothing counts."""


def silence() -> bytearray:
    """A frame to write marks into."""
    return bytearray(SILENCE)


def speech(frames: int = SPEECH_FRAMES, seed: int = 1) -> list[bytes]:
    """Frames that WebRTC's detector takes for speech: a vowel with a voice's pulses and a little breath."""
    samples = _vowel(frames * PAYLOAD // 2, random.Random(seed))
    peak = max(abs(sample) for sample in samples)
    pcm = struct.pack(f"<{len(samples)}h", *(round(sample / peak * _PEAK) for sample in samples))
    return [HEADER + pcm[at : at + PAYLOAD] for at in range(0, len(pcm), PAYLOAD)]


def _vowel(count: int, chance: random.Random) -> list[float]:
    period = 8000 / _PITCH_HZ
    source = [0.02 * chance.uniform(-1, 1) for _ in range(count)]
    at = 0.0
    while at < count:
        source[int(at)] += 1.0
        at += period * chance.uniform(0.98, 1.02)
    mixed = [0.0] * count
    radius = math.exp(-math.pi * _BANDWIDTH_HZ / 8000)
    for hertz, gain in _FORMANTS_HZ:
        first, second = 2 * radius * math.cos(2 * math.pi * hertz / 8000), -radius * radius
        before = earlier = 0.0
        for index, sample in enumerate(source):
            value = sample + first * before + second * earlier
            earlier, before = before, value
            mixed[index] += gain * value
    return mixed
