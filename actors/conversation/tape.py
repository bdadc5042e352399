"""Both sides of a call, beside each other: the caller from the ear, the agent from the tap. Pure.

The ear is the clock: a frame for every 20 ms, whatever the line does. Every frame of the agent says how many frames the
ear held when it was sent, so the two sides belong together to within a frame or two. They are laid one behind the other
as they were sent, and moved only where they have come apart by more than jitter does.
"""

import warnings
from collections import deque

with warnings.catch_warnings():
    # In the standard library up to Python 3.12; from 3.13 on the package audioop-lts has it under the same name.
    warnings.simplefilter("ignore", DeprecationWarning)
    import audioop

APART = 5
"""Frames (100 ms) by which the sides may be apart before that is put right: jitter makes up to three."""
FAR_APART = 25
"""... after which also speech is left out; before, silence alone."""
LAGGING = 50
"""Frames for which one side is waited for: the audio actor is dead, or just being replaced."""


class Tape:
    """What has been heard and sent, and is not in the file yet."""

    def __init__(self, frame_bytes: int, from_frame: int, done: int = 0) -> None:
        """`from_frame`: the ear's frame with which the recording began; `done`: frames that are in the file already."""
        self._silence = bytes(frame_bytes)
        self._from = from_frame
        self._done = done
        self._caller: deque[bytes] = deque()
        self._agent: deque[bytes] = deque()

    def hear(self, number: int, pcm: bytes) -> None:
        """The caller's frame of this number. What the ear has lost is silence."""
        place = number - self._from - self._done
        if place < len(self._caller):
            return  # in the file already
        self._caller.extend([self._silence] * (place - len(self._caller)))
        self._caller.append(pcm)

    def send(self, beside: int, pcm: bytes) -> None:
        """The agent's next frame, sent when the ear held so many frames (modulo 2 ** 32)."""
        place = ((beside - self._from + 0x80000000) & 0xFFFFFFFF) - 0x80000000 - self._done
        behind = place - len(self._agent)
        if behind > APART:
            self._agent.extend([self._silence] * behind)
        elif behind < -FAR_APART or (behind < -APART and not any(pcm)):
            return
        self._agent.append(pcm)

    def take(self, until: int | None = None) -> bytes:
        """What is complete, left and right in turn. `until`: the ear's frame before which the recording ends: then
        everything, and no more than that."""
        ahead = max(len(self._caller), len(self._agent))
        frames = min(len(self._caller), len(self._agent))
        frames = max(frames, ahead - LAGGING) if until is None else max(0, until - self._from - self._done)
        left, right = (b"".join(self._first(side, frames)) for side in (self._caller, self._agent))
        self._done += frames
        return audioop.add(audioop.tostereo(left, 2, 1, 0), audioop.tostereo(right, 2, 0, 1), 2)

    def _first(self, side: deque[bytes], frames: int) -> list[bytes]:
        return [side.popleft().ljust(len(self._silence), b"\0") if side else self._silence for _ in range(frames)]
