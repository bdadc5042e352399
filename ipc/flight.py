"""The flight recorder: what one process said, heard and was given in CPU in its last minute, in shared memory.

It is read after its process was killed, or while it runs. The supervisor makes one segment for each process and removes
it after the process has ended. A process without one (no room in /dev/shm; a command line) records nothing.

    from        what                                                          written by
    0           magic, version, slots, process id, outermost frame, CRC-32    the process, once, when it is armed
    256         slots of 64 bytes: number, time, kind, body, CRC-32           the process, round and round
    the end     tracebacks and stacks, as text, appended to the file          faulthandler, or the excepthook

A slot is trusted only if its number belongs into it and its checksum is right, as in `ipc.rings`: what was torn by a
kill is left out. A message takes 1 to 1.5 us. Nothing here raises or waits: it must not be what kills its process.

Of a message are kept the time, the way, the peer, the kind, the size and the request's number, and never what it says:
a caller's words do not belong on a disk that nobody thinks of. (A traceback quotes an error's text, as the log does.)

Stacks: `faulthandler` writes them into the segment's file itself, beyond the part that is mapped, so one file holds
everything and needs no reader to be there. On SIGUSR2 for whoever asks; on SIGSEGV and its like before the process
ends. They are written frame by frame without an end mark. The main thread comes last, and its outermost frame is known
beforehand: with that frame the stacks are complete.
"""

import asyncio
import faulthandler
import os
import resource
import signal
import struct
import sys
import time
import zlib
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

from ipc import segment as shared_memory
from ipc.segment import Segment

AUDIO_BYTES = 32 * 1024
"""508 records: an audio actor hears of one call, and notes one line a second. There may be hundreds of them."""
BUS_BYTES = 256 * 1024
"""4092 records: a minute at 68 messages a second. A busier actor keeps less than a minute."""

LEAVE_FREE_BYTES = 8 * 1024 * 1024
"""No recorder is made when less than this of /dev/shm is free: the rings of a dozen more calls come first."""

STACKS_SIGNAL = signal.SIGUSR2

LONGEST_TRACEBACK = 16 * 1024
"""In characters. The end is kept: the error itself stands there."""
LONGEST_STACKS = 1024 * 1024
"""In bytes: faulthandler shows 100 threads of 100 frames."""

NEVER_NS = (1 << 63) - 1
SECOND_NS = 1_000_000_000

_MAGIC = b"RINGFLY1"
_VERSION = 1
_HEADER = struct.Struct("<8sIII228s")
_CRC = struct.Struct("<I")
_SLOTS_AT = 256
_SLOT_BYTES = 64
_MESSAGE = struct.Struct("<QqBBII16s18s")
_SECOND = struct.Struct("<QqBIIIIIIIH13x")
_NOTE = struct.Struct("<QqB43s")
_NUMBERED = struct.Struct("<QqB")
_IS_MESSAGE, _IS_SECOND, _IS_NOTE = 1, 2, 3
_MOST = 0xFFFFFFFF
_PEER_BYTES, _KIND_BYTES, _NOTE_BYTES = 16, 18, 43
_FILE_NAME_BYTES, _FRAME_NAME_BYTES = 160, 66
_YIELD_EVERY = 64
"""Records. Reading 4092 of them takes 12 ms, and the interpreter changes threads by itself only every 5 ms."""


class Way(IntEnum):
    """What kind of message, and where it went."""

    COMMAND_OUT = 1
    COMMAND_IN = 2
    REPLY_OUT = 3
    REPLY_IN = 4
    NOTE_OUT = 5
    NOTE_IN = 6
    EVENT_OUT = 7
    EVENT_IN = 8
    EXPIRED_IN = 9
    """Came after its deadline, and was dropped."""


class MessageRecord(NamedTuple):
    time_ns: int
    way: Way
    peer: str
    """Cut at 16 bytes; "" for an event that goes to everybody. On an audio actor's own socket: the call."""
    kind: str
    """The message's name, cut at 18 bytes."""
    size: int
    request: int
    """0 where nothing answers."""


class SecondRecord(NamedTuple):
    """What happened since the last one, about a second before."""

    time_ns: int
    cpu_us: int
    """Used, by all threads."""
    waited_us: int
    """For a CPU, by the main thread, while it could have run. 0 where the kernel does not say."""
    voluntary: int
    involuntary: int
    """Context switches."""
    major_faults: int
    late_us: int
    """The loop's own lateness: of its one timer, or of the latest frame."""
    frames: int
    calls: int


class NoteRecord(NamedTuple):
    time_ns: int
    text: str


Record = MessageRecord | SecondRecord | NoteRecord


class Recorder:
    """Records nothing: of a process that has no segment. `_SegmentRecorder` does what is said here."""

    due_ns = NEVER_NS
    """When `second` is to be called next."""

    def message(self, way: Way, peer: str, kind: str, size: int, request: int = 0) -> None:
        """Of a message of `size` bytes."""

    def second(self, now_ns: int, late_ns: int = 0, frames: int = 0, calls: int = 0) -> None:
        """A second is over. `late_ns` is the worst of it. Takes 7 us: what the scheduler says is read from procfs."""

    def tick(self, now_ns: int, late_ns: int, calls: int) -> None:
        """A frame was due, `late_ns` before now: for a loop that has a clock of its own. Calls `second` by itself.

        Takes 0.1 us.
        """

    def note(self, text: str) -> None:
        """Something else; 43 bytes are kept. No words of a caller's."""

    def last_words(self, text: str) -> None:
        """The traceback of what ends the process."""

    async def seconds(self) -> None:
        """Calls `second` from an event loop, with its lateness, until cancelled."""

    def close(self) -> None:
        """Of a fork, which has inherited it."""


_recorder = Recorder()


def recorder() -> Recorder:
    """This process's own. To be asked for after `begin`, and kept."""
    return _recorder


def begin(name: str) -> None:
    """Arms this process's recorder, on the segment called `name`; "" for none. To be called in the main thread.

    What a fork has inherited is let go: it is its parent's.
    """
    global _recorder
    had_one = _recorder.due_ns != NEVER_NS
    _recorder.close()
    _recorder = Recorder()
    if had_one:
        faulthandler.unregister(STACKS_SIGNAL)
        faulthandler.enable(2)
    if name:
        try:
            _recorder = _SegmentRecorder(name)
        except OSError as error:
            print(f"no flight recorder ({error})", file=sys.stderr)


class _SegmentRecorder(Recorder):
    def __init__(self, name: str) -> None:
        """Raises `OSError`, most of all `FileNotFoundError`."""
        self._segment = Segment.attach(name)
        self._buf = self._segment.buf
        self._slots = (self._segment.size - _SLOTS_AT) // _SLOT_BYTES
        self._number = 0
        self._frames = self._latest_ns = 0
        self._tail = os.open(shared_memory.DIRECTORY / name, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        try:
            self._scheduler = os.open("/proc/self/schedstat", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._scheduler = -1
        self._before = self._facts()
        self.due_ns = time.monotonic_ns() + SECOND_NS
        faulthandler.enable(self._tail)
        faulthandler.register(STACKS_SIGNAL, self._tail)
        header = _HEADER.pack(_MAGIC, _VERSION, self._slots, os.getpid(), _outermost_frame())
        # With one store, and last: from now on the signal is understood.
        self._buf[: _HEADER.size + _CRC.size] = header + _CRC.pack(zlib.crc32(header))
        self.note(f"process {os.getpid()} begins")

    def message(self, way: Way, peer: str, kind: str, size: int, request: int = 0) -> None:
        number = self._number
        body = _MESSAGE.pack(
            number + 1,
            time.monotonic_ns(),
            _IS_MESSAGE,
            way,
            size & _MOST,
            request & _MOST,
            peer.encode(errors="replace"),
            kind.encode(errors="replace"),
        )
        self._put(number, body)

    def second(self, now_ns: int, late_ns: int = 0, frames: int = 0, calls: int = 0) -> None:
        self.due_ns = max(self.due_ns, now_ns) + SECOND_NS
        facts, before = self._facts(), self._before
        self._before = facts
        changes = [min(_MOST, max(0, new - old)) for new, old in zip(facts, before, strict=True)]
        late_us = min(_MOST, max(0, late_ns) // 1000)
        body = _SECOND.pack(
            self._number + 1, now_ns, _IS_SECOND, *changes, late_us, frames & _MOST, min(0xFFFF, max(0, calls))
        )
        self._put(self._number, body)

    def tick(self, now_ns: int, late_ns: int, calls: int) -> None:
        self._frames += 1
        if late_ns > self._latest_ns:
            self._latest_ns = late_ns
        if now_ns >= self.due_ns:
            self.second(now_ns, self._latest_ns, self._frames, calls)
            self._frames = self._latest_ns = 0

    def note(self, text: str) -> None:
        body = _NOTE.pack(self._number + 1, time.monotonic_ns(), _IS_NOTE, text.encode(errors="replace"))
        self._put(self._number, body)

    def _put(self, number: int, body: bytes) -> None:
        at = _SLOTS_AT + number % self._slots * _SLOT_BYTES
        self._buf[at : at + _SLOT_BYTES] = body + _CRC.pack(zlib.crc32(body))
        self._number = number + 1

    def _facts(self) -> tuple[int, int, int, int, int]:
        """Since the process was born: CPU and waiting in us, context switches, major faults."""
        waited_ns = 0
        if self._scheduler >= 0:
            try:
                waited_ns = int(os.pread(self._scheduler, 96, 0).split()[1])
            except (OSError, IndexError, ValueError):
                waited_ns = 0  # this kernel does not count it
        usage = resource.getrusage(resource.RUSAGE_SELF)
        cpu_us = time.process_time_ns() // 1000
        return cpu_us, waited_ns // 1000, usage.ru_nvcsw, usage.ru_nivcsw, usage.ru_majflt

    def last_words(self, text: str) -> None:
        try:
            os.write(self._tail, text[-LONGEST_TRACEBACK:].encode(errors="replace"))
        except OSError:
            return  # /dev/shm is full; the log has it

    async def seconds(self) -> None:
        while True:
            due_ns = self.due_ns
            await asyncio.sleep(max(0, due_ns - time.monotonic_ns()) / 1e9)
            now_ns = time.monotonic_ns()
            self.second(now_ns, late_ns=now_ns - due_ns)

    def close(self) -> None:
        self._segment.close()
        os.close(self._tail)
        if self._scheduler >= 0:
            os.close(self._scheduler)


def _outermost_frame() -> bytes:
    """How the line of the main thread's outermost frame begins and ends, as faulthandler will write it."""
    frame = sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
    file, function = (
        text.encode("ascii", "backslashreplace") for text in (frame.f_code.co_filename, frame.f_code.co_name)
    )
    return file[:_FILE_NAME_BYTES] + b"\n" + function[:_FRAME_NAME_BYTES]


# -- the reader's side: the supervisor


class Recording(NamedTuple):
    """All that can be read of a recorder."""

    pid: int
    """0 when its process has never armed it."""
    records: list[Record]
    """Oldest first."""
    stacks: str
    """Tracebacks and stacks; "" when there are none."""


def make(name: str, size: int) -> str:
    """Makes the segment of a process that is about to be started; gives its name, or "" when there is no room.

    Raises `FileExistsError`.
    """
    try:
        disk = os.statvfs(shared_memory.DIRECTORY)
        if disk.f_bavail * disk.f_frsize < LEAVE_FREE_BYTES:
            return ""
        Segment.create(name, size).close()
    except FileExistsError:
        raise
    except OSError:
        return ""
    return name


def discard(name: str) -> None:
    """Removes a segment; also one that is gone."""
    if name:
        shared_memory.unlink(name)


def armed(name: str) -> int:
    """Process id of who understands `STACKS_SIGNAL`; 0 when nobody does, to whom the signal would be the end."""
    header = _header(_bytes(name, 0, _SLOTS_AT))
    return 0 if header is None else header[0]


def clear_stacks(name: str) -> None:
    """Takes away what was written before, so that what comes next is the answer."""
    header = _header(_bytes(name, 0, _SLOTS_AT))
    if header is not None:
        try:
            os.truncate(_path(name), _SLOTS_AT + header[1] * _SLOT_BYTES)
        except OSError:
            return  # it is gone


def stacks_complete(name: str) -> bool:
    """True when the main thread's outermost frame has been written, which comes last. Takes some 30 us."""
    header = _header(_bytes(name, 0, _SLOTS_AT))
    if header is None:
        return False
    _, slots, frame = header
    text = _bytes(name, _SLOTS_AT + slots * _SLOT_BYTES, LONGEST_STACKS)
    if not text.endswith(b"\n"):
        return False
    last = text[:-1].rpartition(b"\n")[2]
    file, _, function = frame.partition(b"\n")
    # A stack of more than 100 frames ends with dots.
    return last == b"  ..." or (last.startswith(b'  File "' + file) and last.endswith(b" in " + function))


def read(name: str) -> Recording:
    """Reads a recorder, of a living process or a dead one. For a thread: it takes 12 ms for an actor on the bus.

    A segment that is gone, or was never armed, gives an empty recording.
    """
    content = _bytes(name, 0, BUS_BYTES + LONGEST_STACKS)
    header = _header(content)
    if header is None:
        return Recording(0, [], "")
    pid, slots, _ = header
    numbered: list[tuple[int, Record]] = []
    for slot in range(slots):
        at = _SLOTS_AT + slot * _SLOT_BYTES
        found = _record(content[at : at + _SLOT_BYTES], slot, slots)
        if found is not None:
            numbered.append(found)
        if not slot % _YIELD_EVERY:
            time.sleep(0)
    numbered.sort(key=lambda pair: pair[0])
    stacks = content[_SLOTS_AT + slots * _SLOT_BYTES :].decode(errors="replace")
    return Recording(pid, [record for _, record in numbered], stacks)


def _path(name: str) -> Path:
    return shared_memory.DIRECTORY / name


def _bytes(name: str, start: int, size: int) -> bytes:
    """Of the segment's file, as far as it goes."""
    if not name:
        return b""
    try:
        with _path(name).open("rb", buffering=0) as file:
            file.seek(start)
            return file.read(size) or b""
    except OSError:
        return b""


def _header(content: bytes) -> tuple[int, int, bytes] | None:
    """Process id, slots, outermost frame; None when the process has not come so far."""
    if len(content) < _HEADER.size + _CRC.size:
        return None
    body = content[: _HEADER.size]
    magic, version, slots, pid, frame = _HEADER.unpack(body)
    sound = _CRC.unpack_from(content, _HEADER.size)[0] == zlib.crc32(body)
    return (pid, slots, frame.rstrip(b"\0")) if sound and (magic, version) == (_MAGIC, _VERSION) else None


def _record(slot: bytes, index: int, slots: int) -> tuple[int, Record] | None:
    """The record's number and the record; None when the slot is empty or torn."""
    if len(slot) < _SLOT_BYTES or zlib.crc32(slot[:-4]) != _CRC.unpack_from(slot, _SLOT_BYTES - 4)[0]:
        return None
    number, time_ns, kind = _NUMBERED.unpack_from(slot)
    if not number or (number - 1) % slots != index:
        return None
    if kind == _IS_MESSAGE:
        _, _, _, way, size, request, peer, name = _MESSAGE.unpack_from(slot)
        return number, MessageRecord(time_ns, Way(way), _text(peer), _text(name), size, request)
    if kind == _IS_SECOND:
        return number, SecondRecord(time_ns, *_SECOND.unpack_from(slot)[3:])
    return number, NoteRecord(time_ns, _text(_NOTE.unpack_from(slot)[3]))


def _text(padded: bytes) -> str:
    return padded.rstrip(b"\0").decode(errors="replace")
