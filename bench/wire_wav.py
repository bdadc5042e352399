"""A call as it was on the wire, as a stereo WAV file: the caller left, the agent right."""

import wave
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench.asterisk.media.handset import Wire, WireLog


def write(file: Path, log: WireLog) -> int:
    """Puts every frame where it belongs in time; returns the CLOCK_MONOTONIC ns of the file's first sample, 0 if none.

    Frames follow each other without a gap as long as they came within 60 ms of their place: jitter of the network is
    what a phone's buffer is for. A longer hole is silence, as the person heard it.
    """
    start_ns = min((wire.at_ns for wire in (*log.sent[:1], *log.heard[:1])), default=0)
    sides = [_lay_out(wires, start_ns, log.rate) for wires in (log.sent, log.heard)]
    length = max(len(side) for side in sides)
    stereo = np.zeros((length, 2), dtype="<i2")
    for channel, side in enumerate(sides):
        stereo[: len(side), channel] = side
    with wave.open(str(file), "wb") as out:
        out.setnchannels(2)
        out.setsampwidth(2)
        out.setframerate(log.rate)
        out.writeframes(stereo.tobytes())
    return start_ns


def _lay_out(wires: Sequence[Wire], start_ns: int, rate: int) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    tolerance = rate * 60 // 1000
    pieces: list[bytes] = []
    at = 0
    for wire in wires:
        place = (wire.at_ns - start_ns) * rate // 1_000_000_000
        if place - at > tolerance:
            pieces.append(bytes((place - at) * 2))
            at = place
        pieces.append(wire.pcm)
        at += wire.samples
    return np.frombuffer(b"".join(pieces), dtype="<i2")
