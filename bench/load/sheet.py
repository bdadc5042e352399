"""The sheet: what a generator writes down of each call, in memory that the bench reads at any time.

A row is one call. It has a head and three rings of `KEPT` frames:

    head         int64[16]      the fields of `Head`
    spoken_ns    int64[KEPT]    when frame n of the caller was given to the kernel; 0 where it was skipped
    arrived_ns   int64[KEPT]    when the n-th frame from the agent arrived
    heard        int64[KEPT]    what that was: a mark's number, or one of the constants below

The generator is the only writer and counts up in the head after it has written, so a reader who reads the count first
sees whole entries. Pages are used only when they are touched: a row that nobody uses costs nothing.
"""

import mmap
import os
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

KEPT = 16_384
"""Frames: 5.5 minutes."""
HEAD = 16
ROWS = 4096

SILENT = -1
"""A frame of digital silence."""
SOUND = -2
"""A frame of anything else: an agent that talks."""
FOREIGN = -3
"""Another call's mark."""

_FIELDS = HEAD + 3 * KEPT
Column = NDArray[np.int64]


class Head(IntEnum):
    """Fields of a row's head, each an int64."""

    GRID_NS = 0
    """When the caller's frame 0 was due; 0 while the microphone is closed."""
    SPOKEN = 1
    """The caller's frames so far, skipped ones included."""
    ARRIVED = 2
    """Frames from the agent so far."""
    SKIPPED = 3
    """The caller's frames that were never spoken because the generator was away for too long."""
    REFUSED = 4
    """The caller's frames that the kernel did not take: the agent had stopped reading."""
    FIRST_NS = 5
    OVER_NS = 6
    UNSTAMPED = 7
    """Frames without a time from the kernel: theirs is when they were read."""
    STRANGE = 8
    """Messages from the agent that are no audio of 20 ms."""
    CALL = 9
    """In the marks."""
    SPEECH_EVERY = 10
    SPEECH_FIRST = 11
    LINES = 12
    """Lines that the caller was told to say and has said to their end."""
    LINE_END_NS = 13
    """When the last frame of the last of them was spoken."""
    AUDIBLE_NS = 14
    """When the last frame of sound arrived."""


class Row:
    """One call's row, for the bench. Times in monotonic nanoseconds."""

    def __init__(self, cells: Column) -> None:
        self._cells = cells

    def __getitem__(self, field: Head) -> int:
        return int(self._cells[field])

    def begin(self, call: int) -> None:
        """The row is a new call's, of this number in its marks. Before the generator knows of it."""
        self._cells[:HEAD] = 0
        self._cells[Head.CALL] = call

    def spoken(self) -> tuple[Column, Column]:
        """Numbers of the caller's frames that are still kept, and when each was spoken (0: skipped)."""
        count = self[Head.SPOKEN]
        numbers = np.arange(max(0, count - KEPT), count)
        return numbers, self._ring(0)[numbers % KEPT]

    def arrived(self, most: int = KEPT) -> tuple[Column, Column, Column]:
        """Numbers of the agent's last frames, as far as they are kept, when each arrived, and what it was."""
        count = self[Head.ARRIVED]
        numbers = np.arange(max(0, count - most), count)
        return numbers, self._ring(1)[numbers % KEPT], self._ring(2)[numbers % KEPT]

    def _ring(self, which: int) -> Column:
        return self._cells[HEAD + which * KEPT : HEAD + (which + 1) * KEPT]


class Sheet:
    """All rows. The bench makes it; a generator gets its descriptor."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._memory = mmap.mmap(descriptor, 0)
        self.rows = len(self._memory) // (8 * _FIELDS)

    @classmethod
    def create(cls, rows: int = ROWS) -> "Sheet":
        descriptor = os.memfd_create("load-sheet", os.MFD_CLOEXEC)
        os.ftruncate(descriptor, rows * 8 * _FIELDS)
        return cls(descriptor)

    def row(self, number: int) -> Row:
        return Row(np.frombuffer(self._memory, np.int64, _FIELDS, number * 8 * _FIELDS))

    def view(self, number: int) -> tuple[memoryview, memoryview, memoryview, memoryview]:
        """Head and rings of one row as integers to write: ten times as fast as an array's cells."""
        start = number * 8 * _FIELDS
        with memoryview(self._memory) as memory:
            cells = memory[start : start + 8 * _FIELDS].cast("q")
        rings = (cells[HEAD + at * KEPT : HEAD + (at + 1) * KEPT] for at in range(3))
        return cells[:HEAD], *rings  # type: ignore[return-value]

    def close(self) -> None:
        os.close(self.descriptor)
