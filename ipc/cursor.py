"""A reader's place in a ring whose writer never waits: the ear or the tap. The memory model is in `ipc.rings`."""

from ipc.rings import READ_AGAIN, Rings

Head = tuple[int, int, int, float, int, int, int, int]
"""A slot's header and checksum, in the order of `ipc.rings`."""


class Cursor:
    """Who falls behind by the whole ring loses the oldest, and is told. The writer does not know of its readers."""

    def __init__(self, rings: Rings, slots_at: int, slots: int, written_at: int, from_frame: int | None) -> None:
        """`written_at` is the word that counts what was written. Starts at `from_frame`, which may lie in the past, or
        at the next frame to come."""
        self._rings = rings
        self._slots_at = slots_at
        self._slots = slots
        self._written_at = written_at
        self.position: int = rings.words[written_at] if from_frame is None else from_frame
        self.lost = 0
        """Frames that were overwritten before they were read."""
        self.torn = 0
        """Reads that had to be done again."""

    @property
    def behind(self) -> int:
        """Frames that wait to be read."""
        return max(0, self._rings.words[self._written_at] - self.position)

    def next_slot(self) -> tuple[int, Head, bytes] | None:
        """The next frame's number, header and samples, or None when it has not been written yet."""
        rings = self._rings
        while self.position < rings.words[self._written_at]:
            wanted = self.position
            for _ in range(READ_AGAIN):
                head, pcm, intact = rings.copy_slot(self._slots_at + wanted % self._slots * rings.stride)
                if intact and head[0] >= wanted + 1:
                    break
                self.torn += 1
            if intact and head[0] == wanted + 1:
                self.position = wanted + 1
                return wanted, head, pcm
            self._skip(wanted)
        return None

    def _skip(self, wanted: int) -> None:
        # One slot more than the oldest, because the writer may be in the middle of it.
        oldest = self._rings.words[self._written_at] - self._slots + 1
        target = max(wanted + 1, oldest)
        self.lost += target - wanted
        self.position = target
