"""The tap: what the caller is sent, for whoever records the call. The layout and the memory model are in `ipc.rings`.

Nothing is written until somebody listens for the bell `ear.tap`: a frame costs the audio actor 3 us, and hardly any
call is recorded.
"""

from typing import NamedTuple

from ipc.cursor import Cursor
from ipc.rings import BELLS, TAP_SLOTS, Rings

TAPPED = 1 << 8 * BELLS.index("ear.tap")
"""Of `Rings.listened`."""

_TAP_WRITTEN = 2304 // 8
_EAR_WRITTEN = 128 // 8


class Sent(NamedTuple):
    """20 ms as they went on the wire."""

    number: int
    """Frames since the tap was first listened to."""
    pcm: bytes
    """16-bit little-endian samples at the call's rate; silence included."""
    sent_ns: int
    beside: int
    """How many frames the ear held by then, modulo 2 ** 32: which of the caller's frames this one belongs to."""


class TapWriter:
    """The audio actor's end. Never waits. A successor goes on where the counter stands."""

    def __init__(self, rings: Rings) -> None:
        self._rings = rings

    def write(self, pcm: bytes, sent_ns: int) -> None:
        """Appends 20 ms."""
        rings = self._rings
        words = rings.words
        index = words[_TAP_WRITTEN]
        at = rings.tap_at + index % TAP_SLOTS * rings.stride
        rings.write_slot(at, pcm, index + 1, sent_ns, words[_EAR_WRITTEN] & 0xFFFFFFFF, 0.0, 0, 0)
        words[_TAP_WRITTEN] = index + 1


class TapReader(Cursor):
    """A cursor of one's own; the tap keeps 30 s."""

    def __init__(self, rings: Rings, from_frame: int | None = None) -> None:
        """Starts at `from_frame`, which may lie in the past, or at the next frame to come."""
        super().__init__(rings, rings.tap_at, TAP_SLOTS, _TAP_WRITTEN, from_frame)

    def read(self) -> Sent | None:
        """The next frame, or None when it has not been sent yet."""
        found = self.next_slot()
        if found is None:
            return None
        number, head, pcm = found
        return Sent(number, pcm, head[1], head[2])
