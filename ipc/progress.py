"""The progress board: by what every child shows its supervisor, in shared memory, that its own work goes on.

One slot a child, of one cache line, so that no two children write to the same line:

    word 0    progress    bumped by the work loop itself, not by a thread that would go on beside a hung loop
    word 1    state       a `State`
    word 2    calls       that the child is serving
    3 ... 7   not used

Each word is 64 bits, aligned, written by the slot's child with one store and read by the supervisor, who only writes a
slot to clear it between two owners.
"""

from collections.abc import Collection
from enum import IntEnum

from ipc.segment import Segment

SLOT_WORDS = 8
SLOT_BYTES = SLOT_WORDS * 8

_PROGRESS, _STATE, _CALLS = range(3)


class State(IntEnum):
    STARTING = 0
    """Also what an empty slot says."""
    READY = 1
    STOPPING = 2


class Progress:
    """A child's own slot. The child is its only writer."""

    def __init__(self, board: str, slot: int) -> None:
        """Attaches to the board. Raises `FileNotFoundError` when the supervisor is gone."""
        self._segment = Segment.attach(board)
        self._words = self._segment.buf[slot * SLOT_BYTES : (slot + 1) * SLOT_BYTES].cast("Q")

    def bump(self) -> None:
        """To be called by the work loop, several times a second. Takes 0.1 us."""
        self._words[_PROGRESS] += 1

    def show(self, state: State) -> None:
        self._words[_STATE] = state

    def set_calls(self, calls: int) -> None:
        self._words[_CALLS] = calls

    def close(self) -> None:
        self._words.release()
        self._segment.close()


class Board:
    """All slots, as the supervisor sees them. Slots are handed out and taken back."""

    def __init__(self, name: str, slots: int = 0, taken: Collection[int] = ()) -> None:
        """Makes a board. Without `slots` it is a predecessor's, on which the owners of those that are `taken` live on.

        Raises `FileExistsError`, or `OSError` when shared memory is full; `FileNotFoundError` for a predecessor's.
        """
        self.name = name
        self._segment = Segment.create(name, slots * SLOT_BYTES) if slots else Segment.attach(name)
        self._words = self._segment.buf.cast("Q")
        last = len(self._words) // SLOT_WORDS - 1
        self._free = [slot for slot in range(last, -1, -1) if slot not in taken]

    def take(self) -> int:
        """An empty slot. Raises `LookupError` when all are taken."""
        if not self._free:
            raise LookupError(f"all {len(self._words) // SLOT_WORDS} slots of the progress board are taken")
        slot = self._free.pop()
        self.clear(slot)
        return slot

    def give_back(self, slot: int) -> None:
        """Only once the slot's owner is dead: it would write on."""
        self._free.append(slot)

    def clear(self, slot: int) -> None:
        """Makes the slot as a child finds it that has just been started."""
        for word in range(slot * SLOT_WORDS, (slot + 1) * SLOT_WORDS):
            self._words[word] = 0

    def progress(self, slot: int) -> int:
        return self._words[slot * SLOT_WORDS + _PROGRESS]

    def state(self, slot: int) -> State:
        return State(self._words[slot * SLOT_WORDS + _STATE])

    def calls(self, slot: int) -> int:
        return self._words[slot * SLOT_WORDS + _CALLS]

    def close(self) -> None:
        """Unmaps and unlinks."""
        self._words.release()
        self._segment.close()
        self._segment.unlink()


class Pulse:
    """Tells, look by look, whether a child's progress has stopped for too long. Time is data, in seconds.

    Only time during which the supervisor itself was looking counts: after a suspended laptop or a stopped supervisor
    the first look finds every child quiet since long ago, and none of them to blame.
    """

    def __init__(self, stall_s: float, longest_look_s: float) -> None:
        """No look adds more than `longest_look_s` to the quiet time, however late it comes."""
        self._stall_s = stall_s
        self.restart(longest_look_s)

    def restart(self, longest_look_s: float) -> None:
        """Nothing that was seen so far counts."""
        self._longest_look_s = longest_look_s
        self._last: tuple[int, float] | None = None
        self.quiet_s = 0.0

    def look(self, progress: int, now: float) -> bool:
        """True when the child has stalled."""
        before = self._last
        self._last = (progress, now)
        if before is None or before[0] != progress:
            self.quiet_s = 0.0
            return False
        self.quiet_s += min(now - before[1], self._longest_look_s)
        return self.quiet_s >= self._stall_s
