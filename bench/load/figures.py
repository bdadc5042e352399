"""What a caller heard between two times, from its row of the sheet. Pure: rows and times in, figures out.

Pacing error of a frame is its distance from the call's own grid: arrival of frame n less (g + n * 20 ms), in the order
of arrival. g is the median over the window of arrival less n * 20 ms: half of the frames are earlier and half later,
and a burst of late ones does not move it. A frame that the agent never sends shifts all that follow by 20 ms, and is
seen in every one of them.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.load.frames import FRAME_NS, SPEECH_FRAMES
from bench.load.sheet import FOREIGN, KEPT, SILENT, SOUND, Head, Row

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

LATE_MS = 20.0
"""A frame that is a whole frame behind its grid: a phone's jitter buffer of the usual 40 to 60 ms still takes it."""

END_NS = 1_000_000_000
"""What a caller says in its last second need not have come back when it hangs up."""

SILENCE_WITHIN_NS = 2_000_000_000
"""An agent that has not fallen silent by then has not noticed the interruption."""

UNFIT_LATE_MS, UNFIT_CPU_PERCENT = 2.0, 90.0
"""A generator that speaks later than this (p99), or has no more of its core left, says nothing about the agent."""


def now_ns() -> int:
    return time.monotonic_ns()


def quantiles(values: Floats) -> dict[str, float]:
    """p50, p99, p999 and max; each a value that occurred. Empty for no values."""
    if not len(values):
        return {}
    found = np.quantile(values, (0.5, 0.99, 0.999, 1.0), method="higher")
    return {name: round(float(value), 3) for name, value in zip(("p50", "p99", "p999", "max"), found, strict=True)}


@dataclass(frozen=True, eq=False)
class Heard:
    """One caller, one window. Times in ms; arrays in order of arrival.

    frames:       from the agent
    spoken:       by the caller
    lost:         marks spoken in the window that have not come back; those before the first that ever did, and those
                  of the call's last second, are not counted
    duplicates:   marks that came more than once
    reordered:    marks that came after a later one
    foreign:      other callers' marks
    silent:       frames of digital silence
    sound:        frames that are neither silence nor a mark
    late:         more than 20 ms behind the grid
    audio_ratio:  sound that came, by the time that passed
    pace_ms:      of every frame, signed: late is positive
    gap_ms:       between frames that follow each other, both in the window
    latency_ms:   from speaking a mark to hearing it, of every mark that came in the window
    """

    frames: int
    spoken: int
    lost: int
    duplicates: int
    reordered: int
    foreign: int
    silent: int
    sound: int
    late: int
    audio_ratio: float
    longest_gap_ms: float
    longest_without_mark_ms: float
    pace_ms: Floats
    gap_ms: Floats
    latency_ms: Floats
    arrived_ns: Ints


def heard(row: Row, begin_ns: int, end_ns: int) -> Heard:
    """Ask a moment after `end_ns`: a mark that is still on its way counts as lost."""
    _, all_at, all_what = row.arrived()
    inside = (all_at >= begin_ns) & (all_at < end_ns)
    at, what = all_at[inside], all_what[inside]
    marks = what[what >= 0]
    numbers, spoken_at = row.spoken()
    spoken = (spoken_at >= begin_ns) & (spoken_at < end_ns)
    pace = pacing_ms(at)
    return Heard(
        frames=len(at),
        spoken=int(spoken.sum()),
        lost=_lost(row, numbers[spoken], spoken_at[spoken], all_what),
        duplicates=len(marks) - len(np.unique(marks)),
        reordered=int((np.diff(marks) < 0).sum()),
        foreign=int((what == FOREIGN).sum()),
        silent=int((what == SILENT).sum()),
        sound=int((what == SOUND).sum()),
        late=int((pace > LATE_MS).sum()),
        audio_ratio=len(at) * FRAME_NS / (end_ns - begin_ns),
        longest_gap_ms=longest_ms(at, begin_ns, end_ns),
        longest_without_mark_ms=longest_ms(at[what >= 0], begin_ns, end_ns),
        pace_ms=pace,
        gap_ms=np.diff(at) / 1e6,
        latency_ms=_latency_ms(at[what >= 0], marks, numbers, spoken_at),
        arrived_ns=at,
    )


def pacing_ms(at: Ints) -> Floats:
    """Distance of each arrival from the call's grid. See the head of this file."""
    if not len(at):
        return np.empty(0)
    from_first = at - at[0] - np.arange(len(at)) * FRAME_NS
    error: Floats = (from_first - np.median(from_first)) / 1e6
    return error


def longest_ms(at: Ints, begin_ns: int, end_ns: int) -> float:
    """The longest time without any of these, the window's edges included."""
    return float(np.diff(np.concatenate(([begin_ns], at, [end_ns]))).max()) / 1e6


def _lost(row: Row, numbers: Ints, spoken_at: Ints, what: Ints) -> int:
    """Of these marks. None where no mark ever came back: the agent is not one that returns them."""
    returned = what[what >= 0]
    if not len(returned):
        return 0
    due = numbers >= returned.min()
    if row[Head.OVER_NS]:
        due &= spoken_at < row[Head.OVER_NS] - END_NS
    return int((~np.isin(numbers[due], returned)).sum())


def _latency_ms(at: Ints, marks: Ints, numbers: Ints, spoken_at: Ints) -> Floats:
    if not len(marks) or not len(numbers):
        return np.empty(0)
    known = (marks >= numbers[0]) & (marks <= numbers[-1])
    latency: Floats = (at[known] - spoken_at[marks[known] - numbers[0]]) / 1e6
    return latency


@dataclass(frozen=True)
class BargeIn:
    """One interruption of an agent that was talking. Times in ms from the first frame of the caller's speech."""

    onset_ns: int
    silent_after_ms: float | None
    """When the first silent frame came; None when none did within 2 s."""
    talks_again_ms: float | None
    """When the agent's voice was there again; None when it was not, up to the window's end."""


def barge_ins(row: Row, begin_ns: int, end_ns: int) -> list[BargeIn]:
    """All interruptions that began in the window, 2 s before its end or earlier, while the agent was talking."""
    every, first = row[Head.SPEECH_EVERY], row[Head.SPEECH_FIRST]
    numbers, spoken_at = row.spoken()
    if not every:
        return []
    begins = (numbers >= first) & ((numbers - first) % every == 0)
    begins &= (spoken_at >= begin_ns) & (spoken_at < end_ns - SILENCE_WITHIN_NS)
    _, at, what = row.arrived()
    return [found for onset in spoken_at[begins] if (found := _barge_in(int(onset), at, what, end_ns)) is not None]


def _barge_in(onset_ns: int, at: Ints, what: Ints, end_ns: int) -> BargeIn | None:
    after = int(np.searchsorted(at, onset_ns))
    if after == 0 or what[after - 1] == SILENT:
        return None  # there was nothing to interrupt
    silent = np.flatnonzero((what[after:] == SILENT) & (at[after:] < onset_ns + SILENCE_WITHIN_NS))
    if not len(silent):
        return BargeIn(onset_ns, None, None)
    at_silence = after + int(silent[0])
    again = np.flatnonzero((what[at_silence:] == SOUND) & (at[at_silence:] < end_ns))
    return BargeIn(
        onset_ns,
        (int(at[at_silence]) - onset_ns) / 1e6,
        (int(at[at_silence + int(again[0])]) - onset_ns) / 1e6 if len(again) else None,
    )


@dataclass(frozen=True, eq=False)
class Health:
    """How the generators themselves did.

    late_ms: of every frame that was spoken, against its grid
    skipped: frames that were never spoken because a generator was away for more than 100 ms
    """

    late_ms: Floats
    skipped: int
    cpu_percent: float

    @property
    def fit(self) -> bool:
        """False when what was measured may be the generator's own fault."""
        late = quantiles(self.late_ms).get("p99", 0.0)
        return late <= UNFIT_LATE_MS and self.skipped == 0 and self.cpu_percent <= UNFIT_CPU_PERCENT


def health(rows: Sequence[Row], begin_ns: int, end_ns: int, cpu_percent: float) -> Health:
    late: list[Floats] = []
    skipped = 0
    for row in rows:
        numbers, at = row.spoken()
        due = row[Head.GRID_NS] + numbers * FRAME_NS
        inside = (due >= begin_ns) & (due < end_ns)
        skipped += int((at[inside] == 0).sum())
        inside &= at > 0
        late.append((at[inside] - due[inside]) / 1e6)
    return Health(np.concatenate(late) if late else np.empty(0), skipped, cpu_percent)


def histogram(values: Floats, edges: Sequence[float]) -> list[int]:
    """How many lie between each two edges; what lies beyond the last counts in the last."""
    clipped = np.clip(values, edges[0], edges[-1])
    return [int(count) for count in np.histogram(clipped, edges)[0]]


def json_of(values: dict[str, Any]) -> dict[str, Any]:
    """With every float short enough to read."""
    return {key: round(value, 3) if isinstance(value, float) else value for key, value in values.items()}


LONGEST_SPEECH_NS = SPEECH_FRAMES * FRAME_NS
LONGEST_WINDOW_NS = KEPT * FRAME_NS
"""A longer window than a row keeps cannot be asked for."""
