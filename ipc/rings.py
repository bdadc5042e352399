"""The audio plane: three rings of 20 ms slots per call, in one shared-memory segment.

    caller ==wire==> audio actor ==ear==> STT, conversation, recorder ...     one writer, any number of readers
    caller <==wire== audio actor <==mouth== one TTS actor or provider         one writer at a time, one reader
                     audio actor ==tap==> recorder                            one writer, any number of readers

    +------+------------------------------------------------------------------+--------------------+-----------------+
    |    0 | magic, version, rate, slot bytes, ear, mouth and tap slots       | maker, once        | everybody       |
    |   64 | closed                                                           | supervisor         | everybody       |
    |   72 | which of the bells somebody listens for, a byte each             | their listeners    | audio actor     |
    |  128 | ear: written                                                     | audio actor        | ear readers     |
    |  192 | mouth: written, generation, samples written of this generation   | mouth writer       | pacer, writer   |
    |  256 | mouth: generation that may be heard                              | conversation       | pacer, writer   |
    |  320 | mouth: read                                                      | audio actor        | mouth writer    |
    |  384 | pacer: eight records of what was played, by generation modulo 8  | audio actor        | conversation    |
    |  896 | pacer: its grid and counters, a word each                        | audio actor        | its successor   |
    | 1024 | pacer: histogram of lateness                                     | audio actor        | reports         |
    | 2304 | tap: written                                                     | audio actor        | recorder        |
    | 2368 | playout: what its successor must know, a record                  | audio actor        | its successor   |
    | 4096 | ear slots, 30 s                                                  | audio actor        | ear readers     |
    |  ... | mouth slots, 5 s                                                 | mouth writer       | pacer           |
    |  ... | tap slots, 30 s: what went to the caller, only while recorded    | audio actor        | recorder        |
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

from ipc import segment as shared_memory
from ipc.segment import Segment

MAGIC = b"RINGMSTR"
VERSION = 3
FRAME_MS = 20
FRAME_NS = FRAME_MS * 1_000_000
EAR_SLOTS = 30_000 // FRAME_MS
MOUTH_SLOTS = 5_000 // FRAME_MS
TAP_SLOTS = EAR_SLOTS

BELLS = ("ear.stt", "ear.conversation", "ear.tap", "mouth.space")
"""The bells of a call, in the order in which their descriptors travel."""

EAR_BELLS = 3
"""The first so many of `BELLS` are rung by the audio actor for each frame in the ear."""

_HEADER = struct.Struct("<8sIIIIII")
_SLOT = struct.Struct("<QqIfHBB")
_CRC = struct.Struct("<I")
_MARKS = struct.Struct("<16xI6xB")
"""Generation and flags of a slot."""
_SLOT_AND_CRC = struct.Struct(_SLOT.format + "I")
_CRC_AT = _SLOT.size
_SLOT_HEAD = _SLOT_AND_CRC.size
_CLOSED = 64 // 8
_LISTENED_AT = 72
_SLOTS_AT = 4096

READ_AGAIN = 8
"""A torn slot is read again this often. One store takes nanoseconds to become visible; a copy takes about 1 us."""


class WrongRing(ValueError):
    """The segment is not a call's rings, or of another version or size. The text names both sides' figures."""


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
    segment = Segment.create(name, _size(payload))
    _HEADER.pack_into(segment.buf, 0, MAGIC, VERSION, rate, payload, EAR_SLOTS, MOUTH_SLOTS, TAP_SLOTS)
    segment.close()


def unlink(name: str) -> None:
    """Takes the name away; the memory goes when the last process lets go. Does nothing when it is gone already."""
    shared_memory.unlink(name)


class Rings:
    """One process's view of a call's rings. Raises FileNotFoundError, or `WrongRing`."""

    def __init__(self, name: str) -> None:
        self._segment = Segment.attach(name)
        buf = self._segment.buf
        magic, version, rate, payload, *slots = _HEADER.unpack_from(buf, 0)
        try:
            _check(name, magic, version, rate, (payload, *slots), self._segment.size)
        except WrongRing:
            self._segment.close()
            raise
        self.rate: int = rate
        self.payload: int = payload
        self.stride: int = _SLOT_HEAD + payload
        self.buf = buf
        self.words: memoryview[int] = buf[:_SLOTS_AT].cast("Q")
        self.ear_at = _SLOTS_AT
        """Where the ear's first slot is; the next is a `stride` further."""
        self.mouth_at: int = _SLOTS_AT + EAR_SLOTS * self.stride
        self.tap_at: int = self.mouth_at + MOUTH_SLOTS * self.stride

    def close(self) -> None:
        self.words.release()
        self._segment.close()

    @property
    def closed(self) -> bool:
        """True once the supervisor has ended the call."""
        return self.words[_CLOSED] != 0

    def mark_closed(self) -> None:
        self.words[_CLOSED] = 1

    def listen(self, bell: int) -> None:
        """Has the audio actor ring this one of `BELLS`: each costs it 1 to 3 us a frame, heard or not.

        It is never taken back: a reader that comes later must not be made deaf by one that leaves late.
        """
        self.buf[_LISTENED_AT + bell] = 1

    @property
    def listened(self) -> int:
        """Bells that somebody listens for: 1 for the first of `BELLS`, 256 for the second, and so on; their sum."""
        return self.words[_LISTENED_AT // 8]

    # -- records: a struct and its checksum, read again until they agree

    def write_record(self, at: int, body: bytes) -> None:
        self.buf[at : at + len(body) + _CRC.size] = body + _CRC.pack(zlib.crc32(body))

    def read_record(self, at: int, layout: struct.Struct) -> tuple[int, ...] | None:
        """None when it was never written, or its writer died in the middle of it."""
        for _ in range(READ_AGAIN):
            copy = bytes(self.buf[at : at + layout.size + _CRC.size])
            body = copy[: layout.size]
            if _CRC.unpack_from(copy, layout.size)[0] == zlib.crc32(body):
                return layout.unpack(body)
        return None

    def write_slot(
        self, at: int, pcm: bytes, sequence: int, time_ns: int, generation: int, level: float, flags: int, digit: int
    ) -> None:
        head = _SLOT.pack(sequence, time_ns, generation, level, len(pcm) // 2, flags, digit)
        slot = head + _CRC.pack(zlib.crc32(pcm, zlib.crc32(head))) + pcm
        self.buf[at : at + len(slot)] = slot

    def copy_slot(self, at: int) -> tuple[tuple[int, int, int, float, int, int, int, int], bytes, bool]:
        """The slot's header and its checksum, its samples, and whether the checksum says that they belong together."""
        copy = bytes(self.buf[at : at + self.stride])
        head = _SLOT_AND_CRC.unpack_from(copy)
        pcm = copy[_SLOT_HEAD : _SLOT_HEAD + head[4] * 2]
        return head, pcm, zlib.crc32(pcm, zlib.crc32(copy[:_CRC_AT])) == head[7]

    def slot_marks(self, at: int) -> tuple[int, int]:
        """Generation and flags of a slot, unchecked: for who only wants to know what may be coming."""
        generation, flags = _MARKS.unpack_from(self.buf, at)
        return generation, flags


def _check(name: str, magic: bytes, version: int, rate: int, shape: tuple[int, ...], size: int) -> None:
    """Raises `WrongRing`. The shape is bytes a frame, ear slots, mouth slots, tap slots."""
    if magic != MAGIC:
        raise WrongRing(f"segment {name} begins with {magic!r}, which are no call's rings")
    if version != VERSION:
        raise WrongRing(
            f"segment {name} holds rings of version {version}, this process uses version {VERSION}: its call was begun"
            " by another release of Ringmaster; calls that begin now are not concerned"
        )
    ours = (frame_bytes(rate), EAR_SLOTS, MOUTH_SLOTS, TAP_SLOTS)
    if shape != ours or size < _size(ours[0]):
        raise WrongRing(
            f"segment {name} has (bytes a frame, ear slots, mouth slots, tap slots, size) {(*shape, size)}, this"
            f" process uses {(*ours, _size(ours[0]))}"
        )


def _size(payload: int) -> int:
    """Bytes of a segment whose frames have this many bytes."""
    return _SLOTS_AT + (EAR_SLOTS + MOUTH_SLOTS + TAP_SLOTS) * (_SLOT_HEAD + payload)
