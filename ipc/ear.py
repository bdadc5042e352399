"""The ear: the caller to everybody who listens. The layout and the memory model are in `ipc.rings`."""

from typing import NamedTuple

from ipc.rings import EAR_SLOTS, READ_AGAIN, Rings

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


class EarReader:
    """A cursor of one's own. The writer does not know of it; who falls behind by 30 s loses the oldest, and is told."""

    def __init__(self, rings: Rings, from_frame: int | None = None) -> None:
        """Starts at `from_frame`, which may lie in the past, or at the next frame to come."""
        self._rings = rings
        self.position: int = rings.words[_EAR_WRITTEN] if from_frame is None else from_frame
        self.lost = 0
        """Frames that were overwritten before they were read."""
        self.torn = 0
        """Reads that had to be done again."""

    @property
    def behind(self) -> int:
        """Frames that wait to be read."""
        return max(0, self._rings.words[_EAR_WRITTEN] - self.position)

    def read(self) -> Frame | None:
        """The next frame, or None when it has not been written yet."""
        rings = self._rings
        while self.position < rings.words[_EAR_WRITTEN]:
            wanted = self.position
            for _ in range(READ_AGAIN):
                head, pcm, intact = rings.copy_slot(rings.ear_at + wanted % EAR_SLOTS * rings.stride)
                if intact and head[0] >= wanted + 1:
                    break
                self.torn += 1
            if intact and head[0] == wanted + 1:
                self.position = wanted + 1
                _, captured_ns, _, level, _, flags, digit, _ = head
                return Frame(
                    wanted, pcm, captured_ns, level, bool(flags & _SPEECH), bool(flags & _GAP), chr(digit).strip("\0")
                )
            self._skip(wanted)
        return None

    def _skip(self, wanted: int) -> None:
        # One slot more than the oldest, because the writer may be in the middle of it.
        oldest = self._rings.words[_EAR_WRITTEN] - EAR_SLOTS + 1
        target = max(wanted + 1, oldest)
        self.lost += target - wanted
        self.position = target
