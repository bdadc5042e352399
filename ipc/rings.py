"""The audio plane: two rings of 20 ms slots per call, in one shared-memory segment.

    caller ==wire==> audio actor ==ear==> STT, conversation, recorder ...     one writer, any number of readers
    caller <==wire== audio actor <==mouth== one TTS actor or provider         one writer at a time, one reader

    +------+------------------------------------------------------------------+--------------------+-----------------+
    |    0 | magic, version, rate, slot bytes, ear slots, mouth slots         | maker, once        | everybody       |
    |   64 | closed                                                           | supervisor         | everybody       |
    |  128 | ear: written                                                     | audio actor        | ear readers     |
    |  192 | mouth: written, generation, samples written of this generation   | mouth writer       | pacer, writer   |
    |  256 | mouth: generation that may be heard                              | conversation       | pacer, writer   |
    |  320 | mouth: read                                                      | audio actor        | mouth writer    |
    |  384 | pacer: eight records of what was played, by generation modulo 8  | audio actor        | conversation    |
    |  896 | pacer: its grid and counters (one record)                        | audio actor        | its successor   |
    | 1024 | pacer: histogram of lateness                                     | audio actor        | reports         |
    | 4096 | ear slots, 30 s                                                  | audio actor        | ear readers     |
    |  ... | mouth slots, 5 s                                                 | mouth writer       | pacer           |
    +------+------------------------------------------------------------------+--------------------+-----------------+
      from   what                                                               the one who writes   who reads

    slot: sequence u64, time ns i64, generation u32, level f32, samples u16, flags u8, digit u8, checksum u32 | samples

States of slot n, and what a reader that wants frame f (f % slots == n) makes of them:

    in the slot                          written    the reader sees                        and does
    ----------------------------------   --------   -----------------------------------    ---------------------------
    something older than f               <= f       the counter: f is not there yet        waits for its bell
    f, being written                     <= f       the counter: f is not there yet        waits for its bell
    f, complete                          >  f       sequence f + 1, checksum right         takes it
    f, stores not visible yet (Arm)      >  f       sequence or checksum wrong             reads again, counts `torn`
    f + k * slots, being written         >  f       sequence or checksum wrong             reads again, then as below
    f + k * slots, complete              >  f       a later sequence                       counts f as lost, goes on at
                                                                                           the oldest frame still held

Memory model. Every counter is 64 bits, 8-aligned, written by one process with one store: it is never seen half-written,
and it never goes back. A slot is written before its counter. x86 keeps that order; Arm may not, and Python has no
fence: so nothing rests on the order of two stores. A slot is copied out first and trusted only if its sequence and its
CRC-32 agree in the copy; the same holds for the records. A writer that is killed leaves at worst a slot or a record
that nobody trusts, and its successor goes on from the counters.

Readers sleep on eventfds (`Bell`), one for each, which the supervisor makes and hands out; nobody spins.
"""

import os
import struct
import zlib
from typing import NamedTuple

from ipc import segment as shared_memory
from ipc.segment import Segment

MAGIC = b"RINGMSTR"
VERSION = 1
FRAME_MS = 20
FRAME_NS = FRAME_MS * 1_000_000
EAR_SLOTS = 30_000 // FRAME_MS
MOUTH_SLOTS = 5_000 // FRAME_MS

BELLS = ("ear.stt", "ear.conversation", "ear.tap", "mouth.space")
"""The bells of a call, in the order in which their descriptors travel."""

_HEADER = struct.Struct("<8sIIIII")
_SLOT = struct.Struct("<QqIfHBB")
_CRC = struct.Struct("<I")
_SLOT_HEAD = _SLOT.size + _CRC.size
_PLAYED = struct.Struct("<QQqq")
_GRID = struct.Struct("<qqQQQQQQQ")

_CLOSED = 64 // 8
_EAR_WRITTEN = 128 // 8
_MOUTH_WRITTEN = 192 // 8
_MOUTH_WRITING = 200 // 8
_MOUTH_OFFSET = 208 // 8
_MOUTH_GENERATION = 256 // 8
_MOUTH_READ = 320 // 8
_PLAYED_AT = 384
_GRID_AT = 896
_LATENESS_AT = 1024
_SLOTS_AT = 4096

GENERATIONS_KEPT = 8
LATENESS_BUCKETS = 160
"""Eight to the octave: bucket b holds lateness of about 2 ** (b / 8) microseconds, up to about one second."""

_READ_AGAIN = 8
"""A torn slot is read again this often. One store takes nanoseconds to become visible; a copy takes about 1 us."""

_SPEECH, _GAP, _END = 1, 2, 4


class WrongRing(ValueError):
    """The segment is not a call's rings, or of another version or size. The text names both sides' figures."""


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
    """How often a new audio actor went on with this call."""


class Bell:
    """An eventfd. Ringing it twice before it is heard is the same as ringing it once."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def fileno(self) -> int:
        return self.descriptor

    def ring(self) -> None:
        os.eventfd_write(self.descriptor, 1)

    def clear(self) -> None:
        try:
            os.eventfd_read(self.descriptor)
        except BlockingIOError:
            return

    def close(self) -> None:
        os.close(self.descriptor)


def make_bells() -> list[int]:
    """New descriptors for one call, in the order of `BELLS`."""
    return [os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC) for _ in BELLS]


def frame_bytes(rate: int) -> int:
    """Bytes of one 20 ms frame at this rate: 320 at 8000 Hz."""
    return rate * FRAME_MS // 1000 * 2


def create(name: str, rate: int) -> None:
    """Makes a call's rings. Raises OSError when shared memory is full or the name is taken."""
    payload = frame_bytes(rate)
    segment = Segment.create(name, _SLOTS_AT + (EAR_SLOTS + MOUTH_SLOTS) * (_SLOT_HEAD + payload))
    _HEADER.pack_into(segment.buf, 0, MAGIC, VERSION, rate, payload, EAR_SLOTS, MOUTH_SLOTS)
    segment.close()


def unlink(name: str) -> None:
    """Takes the name away; the memory goes when the last process lets go. Does nothing when it is gone already."""
    shared_memory.unlink(name)


class Rings:
    """One process's view of a call's rings. Raises FileNotFoundError, or `WrongRing`."""

    def __init__(self, name: str) -> None:
        self._segment = Segment.attach(name)
        buf = self._segment.buf
        magic, version, rate, payload, ear_slots, mouth_slots = _HEADER.unpack_from(buf, 0)
        ours = (MAGIC, VERSION, EAR_SLOTS, MOUTH_SLOTS, frame_bytes(rate))
        theirs = (magic, version, ear_slots, mouth_slots, payload)
        if ours != theirs:
            self._segment.close()
            raise WrongRing(
                f"segment {name} has (magic, version, ear slots, mouth slots, bytes) {theirs}, this process uses {ours}"
            )
        self.rate: int = rate
        self.payload: int = payload
        self.stride = _SLOT_HEAD + payload
        self.buf = buf
        self.words: memoryview[int] = buf[:_SLOTS_AT].cast("Q")
        self._ear_at = _SLOTS_AT
        self._mouth_at = _SLOTS_AT + EAR_SLOTS * self.stride

    def close(self) -> None:
        self.words.release()
        self._segment.close()

    @property
    def closed(self) -> bool:
        """True once the supervisor has ended the call."""
        return self.words[_CLOSED] != 0

    def mark_closed(self) -> None:
        self.words[_CLOSED] = 1

    def ear_slot(self, index: int) -> int:
        return self._ear_at + index % EAR_SLOTS * self.stride

    def mouth_slot(self, index: int) -> int:
        return self._mouth_at + index % MOUTH_SLOTS * self.stride

    # -- records: a struct and its checksum, read again until they agree

    def write_record(self, at: int, layout: struct.Struct, *fields: int) -> None:
        body = layout.pack(*fields)
        self.buf[at : at + layout.size + _CRC.size] = body + _CRC.pack(zlib.crc32(body))

    def read_record(self, at: int, layout: struct.Struct) -> tuple[int, ...] | None:
        """None when it was never written, or its writer died in the middle of it."""
        for _ in range(_READ_AGAIN):
            copy = bytes(self.buf[at : at + layout.size + _CRC.size])
            body = copy[: layout.size]
            if _CRC.unpack_from(copy, layout.size)[0] == zlib.crc32(body):
                return layout.unpack(body)
        return None

    def write_slot(self, at: int, pcm: bytes | memoryview, *fields: float) -> None:
        head = _SLOT.pack(*fields)
        size = len(pcm)
        start = at + _SLOT_HEAD
        self.buf[start : start + size] = pcm
        self.buf[at:start] = head + _CRC.pack(zlib.crc32(pcm, zlib.crc32(head)))

    def copy_slot(self, at: int) -> tuple[tuple[int, int, int, float, int, int, int], bytes, bool]:
        """The slot's header, its samples, and whether the checksum says that they belong together."""
        copy = bytes(self.buf[at : at + self.stride])
        head = _SLOT.unpack_from(copy)
        pcm = copy[_SLOT_HEAD : _SLOT_HEAD + head[4] * 2]
        crc = zlib.crc32(pcm, zlib.crc32(copy[: _SLOT.size]))
        return head, pcm, crc == _CRC.unpack_from(copy, _SLOT.size)[0]


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
        rings.write_slot(
            rings.ear_slot(index), pcm, index + 1, captured_ns, 0, level, len(pcm) // 2, flags, ord(digit or "\0")
        )
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
            for _ in range(_READ_AGAIN):
                head, pcm, intact = rings.copy_slot(rings.ear_slot(wanted))
                if intact and head[0] >= wanted + 1:
                    break
                self.torn += 1
            if intact and head[0] == wanted + 1:
                self.position = wanted + 1
                _, captured_ns, _, level, _, flags, digit = head
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


class MouthWriter:
    """A TTS actor's or provider's end of the mouth. One at a time; a successor goes on from the counters."""

    def __init__(self, rings: Rings) -> None:
        self._rings = rings

    @property
    def audible(self) -> int:
        """The generation that may be heard now. What is written for an older one is discarded unheard."""
        return self._rings.words[_MOUTH_GENERATION]

    @property
    def space(self) -> int:
        """Slots that can be written without waiting."""
        words = self._rings.words
        return MOUTH_SLOTS - (words[_MOUTH_WRITTEN] - words[_MOUTH_READ])

    def offset(self, generation: int) -> int:
        """Samples of this generation that have been written."""
        words = self._rings.words
        return words[_MOUTH_OFFSET] if words[_MOUTH_WRITING] == generation else 0

    def write(self, pcm: bytes | memoryview, generation: int, now_ns: int, *, end: bool = False) -> bool:
        """Appends up to 20 ms; `end` marks the last of a clause, the only one that may be shorter.

        Returns False, and writes nothing, when the ring is full: wait for the bell `mouth.space`.
        """
        rings = self._rings
        words = rings.words
        index = words[_MOUTH_WRITTEN]
        if index - words[_MOUTH_READ] >= MOUTH_SLOTS:
            return False
        samples = len(pcm) // 2
        offset = self.offset(generation)
        rings.write_slot(
            rings.mouth_slot(index), pcm, index + 1, now_ns, generation, 0.0, samples, _END if end else 0, 0
        )
        words[_MOUTH_WRITING] = generation
        words[_MOUTH_OFFSET] = offset + samples
        words[_MOUTH_WRITTEN] = index + 1
        return True


class MouthReader:
    """The pacer's end of the mouth."""

    def __init__(self, rings: Rings) -> None:
        self._rings = rings
        self.corrupt = 0
        self.mid_clause = False
        """True when the last slot taken was not the last of its clause: an empty mouth is then an underrun."""
        self._generation = 0

    def take(self) -> tuple[bytes, int] | None:
        """Samples of the next audible slot and their generation, or None when there is none. Discards the flushed."""
        rings = self._rings
        words = rings.words
        index = words[_MOUTH_READ]
        audible = words[_MOUTH_GENERATION]
        if audible != self._generation:
            self._generation, self.mid_clause = audible, False
        try:
            while index < words[_MOUTH_WRITTEN]:
                head, pcm, intact = rings.copy_slot(rings.mouth_slot(index))
                index += 1
                if not intact or head[0] != index:
                    self.corrupt += 1
                elif head[2] == audible:
                    self.mid_clause = not head[5] & _END
                    return pcm, audible
            return None
        finally:
            words[_MOUTH_READ] = index

    def note_played(self, generation: int, samples: int, now_ns: int) -> None:
        """Publishes that these samples of this generation are on the wire."""
        at = _PLAYED_AT + generation % GENERATIONS_KEPT * 64
        known = self._rings.read_record(at, _PLAYED)
        if known is None or known[0] != generation + 1:
            known = (generation + 1, 0, now_ns, now_ns)
        self._rings.write_record(at, _PLAYED, generation + 1, known[1] + samples, known[2], now_ns)

    def read_grid(self) -> Grid | None:
        fields = self._rings.read_record(_GRID_AT, _GRID)
        return None if fields is None else Grid(*fields)

    def write_grid(self, grid: Grid) -> None:
        self._rings.write_record(_GRID_AT, _GRID, *grid)

    def note_lateness(self, late_ns: int) -> None:
        """Counts how late one frame went on the wire, in the histogram."""
        micros = late_ns // 1000
        octave = micros.bit_length()
        # The three bits below the leading one give the eighth of the octave.
        eighth = (micros >> (octave - 4) & 7) if octave >= 4 else 0
        bucket = min(octave * 8 + eighth, LATENESS_BUCKETS - 1)
        self._rings.words[_LATENESS_AT // 8 + bucket] += 1


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
        fields = self._rings.read_record(_GRID_AT, _GRID)
        return None if fields is None else Grid(*fields)

    def lateness_ms(self, *quantiles: float) -> tuple[float, ...]:
        """How late frames went on the wire, in ms: an upper bound of each quantile, about 9 % above it at most."""
        start = _LATENESS_AT // 8
        counts = list(self._rings.words[start : start + LATENESS_BUCKETS])
        total = sum(counts)
        return tuple(_quantile(counts, total, quantile) for quantile in quantiles)


def _quantile(counts: list[int], total: int, quantile: float) -> float:
    seen = 0
    for bucket, count in enumerate(counts):
        seen += count
        if count and seen >= quantile * total:
            octave, eighth = divmod(bucket, 8)
            upper = 1 << octave if octave < 4 else (8 + eighth + 1) << (octave - 4)
            return min(upper, 1_000_000) / 1000
    return 0.0
