"""The ear: the caller to everybody who listens. The layout and the memory model are in `ipc.rings`."""

from typing import NamedTuple

from ipc.cursor import Cursor
from ipc.rings import EAR_SLOTS, Rings

_EAR_WRITTEN = 128 // 8
_SPEECH, _GAP = 1, 2


class Frame(NamedTuple):
    """20 ms of what the caller said, as the audio actor heard it."""

    number: int
    """Frames since the call's first."""
    pcm: bytes
    """16-bit little-endian samples at the call's rate."""
    captured_ns: int
    level: float
    """dBFS of the frame's root mean square; -96.0 for silence."""
    speech: bool
    """What the voice activity detector says."""
    gap: bool
    """True for silence that stands in for a frame that the peer did not send."""
    digit: str
    """DTMF digit that arrived just before this frame, or ""."""


class EarWriter:
    """The audio actor's end of the ear. Never waits. A successor goes on where the counter stands."""

    def __init__(self, rings: Rings) -> None:
        self._rings = rings

    @property
    def written(self) -> int:
        return self._rings.words[_EAR_WRITTEN]

    def write(
        self, pcm: bytes, *, captured_ns: int, level: float, speech: bool, gap: bool = False, digit: str = ""
    ) -> int:
        """Appends 20 ms; returns the frame's number."""
        rings = self._rings
        index = rings.words[_EAR_WRITTEN]
        flags = (_SPEECH if speech else 0) | (_GAP if gap else 0)
        at = rings.ear_at + index % EAR_SLOTS * rings.stride
        rings.write_slot(at, pcm, index + 1, captured_ns, 0, level, flags, ord(digit) if digit else 0)
        rings.words[_EAR_WRITTEN] = index + 1
        return index


class EarReader(Cursor):
    """A cursor of one's own. The writer does not know of it; who falls behind by 30 s loses the oldest, and is told."""

    def __init__(self, rings: Rings, from_frame: int | None = None) -> None:
        """Starts at `from_frame`, which may lie in the past, or at the next frame to come."""
        super().__init__(rings, rings.ear_at, EAR_SLOTS, _EAR_WRITTEN, from_frame)

    def read(self) -> Frame | None:
        """The next frame, or None when it has not been written yet."""
        found = self.next_slot()
        if found is None:
            return None
        number, head, pcm = found
        _, captured_ns, _, level, _, flags, digit, _ = head
        speech, gap = bool(flags & _SPEECH), bool(flags & _GAP)
        return Frame(number, pcm, captured_ns, level, speech, gap, chr(digit).strip("\0"))
