"""The mouth: the agent to the caller. The layout and the memory model are in `ipc.rings`."""

import struct
from array import array
from typing import NamedTuple

from ipc.rings import MOUTH_SLOTS, Rings

_PLAYED = struct.Struct("<QQqq")
_PLAYOUT = struct.Struct("<qqqqqq")
_MOUTH_WRITTEN = 192 // 8
_MOUTH_WRITING = 200 // 8
_MOUTH_OFFSET = 208 // 8
_MOUTH_GENERATION = 256 // 8
_MOUTH_READ = 320 // 8
_PLAYED_AT = 384
_GRID_AT = 896 // 8
_LATENESS_AT = 1024 // 8
_PLAYOUT_AT = 2368
_END, _LIVE = 1, 2

GENERATIONS_KEPT = 8
LATENESS_BUCKETS = 160
"""Eight to the octave: bucket b holds lateness of about 2 ** (b / 8) microseconds, up to about one second."""


class Played(NamedTuple):
    """How much of one generation the caller has heard."""

    samples: int
    first_ns: int
    """When its first frame went on the wire; 0 if none did."""
    last_ns: int


class Grid(NamedTuple):
    """The pacer's clock and counters; a successor goes on from here."""

    due_ns: int
    """When the next frame is due on the wire; 0 before the first."""
    heard_ns: int
    """When the last frame came from the peer."""
    sent: int
    """Frames put on the wire."""
    voiced: int
    """Of these, frames that came from the mouth."""
    underruns: int
    """Frames of silence sent in the middle of a clause because the mouth was empty."""
    skipped: int
    """Frames never sent because the process was away for longer than it may catch up."""
    received: int
    """Frames taken from the peer."""
    corrupt: int
    """Mouth slots that failed their checksum."""
    takeovers: int
    """How often an audio actor went on with this call: a new one, or one that was given another connection."""


DUE, HEARD, SENT, VOICED, UNDERRUNS, SKIPPED, RECEIVED, CORRUPT, TAKEOVERS = range(len(Grid._fields))
"""Where each field of `Grid` stands in `MouthReader.grid`."""


class Ahead(NamedTuple):
    """What waits in the mouth."""

    frames: int
    complete: bool
    """A clause ends among them."""
    live: bool


class MouthWriter:
    """A TTS actor's or provider's end of the mouth. One at a time; a successor goes on from the counters."""

    def __init__(self, rings: Rings) -> None:
        self._rings = rings

    @property
    def audible(self) -> int:
        """The generation that may be heard now. What is written for an older one is discarded unheard."""
        return self._rings.words[_MOUTH_GENERATION]

    @property
    def written(self) -> int:
        """Slots written since the call began."""
        return self._rings.words[_MOUTH_WRITTEN]

    @property
    def space(self) -> int:
        """Slots that can be written without waiting."""
        words = self._rings.words
        return MOUTH_SLOTS - (words[_MOUTH_WRITTEN] - words[_MOUTH_READ])

    def offset(self, generation: int) -> int:
        """Samples of this generation that have been written."""
        words = self._rings.words
        return words[_MOUTH_OFFSET] if words[_MOUTH_WRITING] == generation else 0

    def write(
        self, pcm: bytes | memoryview, generation: int, now_ns: int, *, end: bool = False, live: bool = False
    ) -> bool:
        """Appends up to 20 ms; `end` marks the last of a clause, the only one that may be shorter. `live` says that the
        samples come as they are made, at the speed of speech, and are worth less the later they are heard: the pacer
        holds nothing of them back, whatever holes they have.

        Returns False, and writes nothing, when the ring is full: wait for the bell `mouth.space`.
        """
        rings = self._rings
        words = rings.words
        index = words[_MOUTH_WRITTEN]
        if index - words[_MOUTH_READ] >= MOUTH_SLOTS:
            return False
        samples = len(pcm) // 2
        offset = self.offset(generation)
        flags = (_END if end else 0) | (_LIVE if live else 0)
        at = rings.mouth_at + index % MOUTH_SLOTS * rings.stride
        rings.write_slot(at, bytes(pcm), index + 1, now_ns, generation, 0.0, flags, 0)
        words[_MOUTH_WRITING] = generation
        words[_MOUTH_OFFSET] = offset + samples
        words[_MOUTH_WRITTEN] = index + 1
        return True


class MouthReader:
    """The pacer's end of the mouth, and the pacer's own clock and counters.

    Lean, because each of its methods runs 50 times a second for each call: on a machine with a hundred of these
    processes every line that is not run before costs cache misses, not instructions.
    """

    def __init__(self, rings: Rings) -> None:
        self._rings = rings
        self.corrupt = 0
        self.mid_clause = False
        """True when the last slot taken was not the last of its clause: an empty mouth is then an underrun."""
        self._generation = 0
        self._played = (-1, 0, 0)
        """Of the generation that was last noted: its number, samples, and when its first frame went on the wire."""
        self.grid = array("Q", rings.words[_GRID_AT : _GRID_AT + len(Grid._fields)])
        """A `Grid` as numbers, in its order, for the owner to change and `publish`; all 0 before the first actor."""

    @property
    def slot(self) -> int:
        """Slots taken or discarded since the call began."""
        return self._rings.words[_MOUTH_READ]

    def take(self) -> tuple[bytes, int] | None:
        """Samples of the next audible slot and their generation, or None when there is none. Discards the flushed."""
        rings = self._rings
        words = rings.words
        index = words[_MOUTH_READ]
        audible = words[_MOUTH_GENERATION]
        if audible != self._generation:
            self._generation, self.mid_clause = audible, False
        while index < words[_MOUTH_WRITTEN]:
            head, pcm, intact = rings.copy_slot(rings.mouth_at + index % MOUTH_SLOTS * rings.stride)
            index += 1
            words[_MOUTH_READ] = index
            if not intact or head[0] != index:
                self.corrupt += 1
            elif head[2] == audible:
                self.mid_clause = not head[5] & _END
                return pcm, audible
        return None

    def look_ahead(self) -> Ahead:
        """What waits of the audible generation. Discards the flushed; takes nothing.

        A slot that is torn counts: whether it can be heard is seen when it is taken.
        """
        rings = self._rings
        words = rings.words
        index, written, audible = words[_MOUTH_READ], words[_MOUTH_WRITTEN], words[_MOUTH_GENERATION]
        if audible != self._generation:
            self._generation, self.mid_clause = audible, False
        marks = [rings.slot_marks(rings.mouth_at + slot % MOUTH_SLOTS * rings.stride) for slot in range(index, written)]
        flushed = 0
        while flushed < len(marks) and marks[flushed][0] != audible:
            flushed += 1
        if flushed:
            words[_MOUTH_READ] = index + flushed
        flags = [flags for generation, flags in marks[flushed:] if generation == audible]
        return Ahead(len(flags), any(mark & _END for mark in flags), any(mark & _LIVE for mark in flags))

    @property
    def waiting(self) -> int:
        """Slots that wait; right after a flush also those that will never be heard."""
        words = self._rings.words
        return words[_MOUTH_WRITTEN] - words[_MOUTH_READ]

    @property
    def live(self) -> bool:
        """Whether the last slot that was taken was written as `live`."""
        rings = self._rings
        last = rings.words[_MOUTH_READ] - 1
        return last >= 0 and bool(rings.slot_marks(rings.mouth_at + last % MOUTH_SLOTS * rings.stride)[1] & _LIVE)

    @property
    def audible(self) -> int:
        """The generation that may be heard now."""
        return self._rings.words[_MOUTH_GENERATION]

    def note_played(self, generation: int, samples: int, now_ns: int) -> None:
        """Publishes that these samples of this generation are on the wire."""
        rings = self._rings
        at = _PLAYED_AT + generation % GENERATIONS_KEPT * 64
        known, before, first_ns = self._played
        if known != generation:
            record = rings.read_record(at, _PLAYED)
            before, first_ns = record[1:3] if record and record[0] == generation + 1 else (0, now_ns)
        self._played = (generation, before + samples, first_ns)
        rings.write_record(at, _PLAYED.pack(generation + 1, before + samples, first_ns, now_ns))

    def remember(self, state: tuple[int, ...]) -> None:
        """Leaves six numbers for the successor's playout."""
        self._rings.write_record(_PLAYOUT_AT, _PLAYOUT.pack(*state))

    @property
    def remembered(self) -> tuple[int, ...] | None:
        """What a predecessor's playout has left."""
        return self._rings.read_record(_PLAYOUT_AT, _PLAYOUT)

    def publish(self) -> None:
        """Shows `grid` to readers and to a successor. No word of it is ever seen half-written; two words may be of
        different ticks, which costs a successor one frame more or less at worst."""
        self._rings.words[_GRID_AT : _GRID_AT + len(self.grid)] = memoryview(self.grid)

    def note_lateness(self, late_ns: int) -> None:
        """Counts how late one frame went on the wire, in the histogram."""
        self._rings.words[_LATENESS_AT + _bucket(late_ns)] += 1


class MouthGauge:
    """The conversation's view of the mouth: what may be heard, and what has been."""

    def __init__(self, rings: Rings) -> None:
        self._rings = rings

    @property
    def generation(self) -> int:
        return self._rings.words[_MOUTH_GENERATION]

    def flush(self) -> int:
        """Begins a new generation: nothing of the older ones will be heard from the next frame on. One store."""
        generation = self._rings.words[_MOUTH_GENERATION] + 1
        self._rings.words[_MOUTH_GENERATION] = generation
        return generation

    def played(self, generation: int) -> Played:
        """What the caller has heard of this generation; of the last eight it is known."""
        known = self._rings.read_record(_PLAYED_AT + generation % GENERATIONS_KEPT * 64, _PLAYED)
        if known is None or known[0] != generation + 1:
            return Played(0, 0, 0)
        return Played(*known[1:])

    @property
    def grid(self) -> Grid | None:
        """The pacer's clock and counters; None before its first frame."""
        grid = Grid(*self._rings.words[_GRID_AT : _GRID_AT + len(Grid._fields)])
        return grid if grid.due_ns else None

    def lateness_ms(self, *quantiles: float) -> tuple[float, ...]:
        """How late frames went on the wire, in ms: an upper bound of each quantile, about 9 % above it at most."""
        start = _LATENESS_AT
        counts = list(self._rings.words[start : start + LATENESS_BUCKETS])
        total = sum(counts)
        return tuple(_quantile(counts, total, quantile) for quantile in quantiles)

    def late_frames(self, late_ns: int) -> tuple[int, int]:
        """How many frames have been due, and how many of them went out at least so late (within 12 %), or never."""
        words = self._rings.words
        first = min(_bucket(late_ns) + 1, LATENESS_BUCKETS - 1)
        skipped = words[_GRID_AT + SKIPPED]
        late = sum(words[_LATENESS_AT + first : _LATENESS_AT + LATENESS_BUCKETS])
        return words[_GRID_AT + SENT] + skipped, late + skipped


def _bucket(late_ns: int) -> int:
    """Where in the histogram a frame so late is counted."""
    micros = late_ns // 1000
    octave = micros.bit_length()
    # The three bits below the leading one give the eighth of the octave.
    bucket = octave * 8 + (micros >> (octave - 4) & 7) if octave >= 4 else octave * 8
    return bucket if bucket < LATENESS_BUCKETS else LATENESS_BUCKETS - 1


def _quantile(counts: list[int], total: int, quantile: float) -> float:
    seen = 0
    for bucket, count in enumerate(counts):
        seen += count
        if count and seen >= quantile * total:
            octave, eighth = divmod(bucket, 8)
            upper = 1 << octave if octave < 4 else (8 + eighth + 1) << (octave - 4)
            return min(upper, 1_000_000) / 1000
    return 0.0
