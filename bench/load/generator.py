"""The generator: all callers of a bench in one process with one thread, which speaks for each on an exact 20 ms grid.

    bench -> generator    `Take` with a connected media socket, `Speak`, `Leave`    (orders)
    generator -> bench    `Ready`, `Heard`, `Over`                                  (orders)
    generator -> sheet    every frame: when it was spoken, when it arrived, what it was

It must not be late itself, or it would blame the agent: real-time priority above the audio actors', no garbage
collection, nothing allocated that stays. It sleeps to its next frame and reads what has come meanwhile; how late it
reads matters to nobody, because the kernel notes when a frame arrived (`stamps`). Where the kernel does not, it wakes
for every frame. Its own lateness is in the sheet: when a frame was spoken, beside the grid.

Started by `callers`: `python -m bench.load.generator CONTROL_FD SHEET_FD`.
"""

import contextlib
import gc
import heapq
import os
import select
import socket
import sys
import time
import warnings
from collections import deque

from bench.load import frames, stamps
from bench.load.frames import AUDIBLE_RMS, FRAME_BYTES, FRAME_NS, HEADER, MAGIC, MARK, MARK_AT, SILENCE
from bench.load.orders import Heard, Leave, Over, Ready, Say, Speak, Take, pack, unpack
from bench.load.sheet import FOREIGN, KEPT, SILENT, SOUND, Head, Sheet
from ipc import descriptors, prctl

with warnings.catch_warnings():
    # In the standard library up to Python 3.12; from 3.13 on the package audioop-lts has it under the same name.
    warnings.simplefilter("ignore", DeprecationWarning)
    import audioop

PRIORITY = 30
"""Above the audio actors' 20: who measures goes first. It needs 30 us a frame pair, so it delays nobody by much."""

LOOK_NS = 1_000_000
"""It looks at what has arrived at least this often: a call's socket holds hundreds of frames, so nothing is urgent."""
REST_NS = 250_000
"""Least time between two rounds: frames that fall due within it go out together, so late by at most this."""

MOST_CATCH_UP = 5
"""Frames of one call that a late generator sends at once; more are skipped and counted, and nothing is then fit."""

# As plain integers: an enumeration's member takes 0.2 us to look up, and there are twenty of them to a frame pair.
ARRIVED, CALL, FIRST_NS, GRID_NS, OVER_NS, REFUSED, SKIPPED, SPEECH_EVERY, SPEECH_FIRST, SPOKEN, STRANGE, UNSTAMPED = (
    int(field)
    for field in (
        Head.ARRIVED,
        Head.CALL,
        Head.FIRST_NS,
        Head.GRID_NS,
        Head.OVER_NS,
        Head.REFUSED,
        Head.SKIPPED,
        Head.SPEECH_EVERY,
        Head.SPEECH_FIRST,
        Head.SPOKEN,
        Head.STRANGE,
        Head.UNSTAMPED,
    )
)

LINES, LINE_END_NS, AUDIBLE_NS = int(Head.LINES), int(Head.LINE_END_NS), int(Head.AUDIBLE_NS)

OFFSET_EVERY_NS = 1_000_000_000
"""The wall clock may be put right meanwhile."""


class Caller:
    """One call: its socket, its grid, its row."""

    __slots__ = ("arrived", "call", "due_ns", "every", "first", "frame", "head", "heard", "line", "line_at", "rest",
                 "row", "sock", "spoken", "take")  # fmt: skip

    def __init__(self, take: Take, sock: socket.socket, sheet: Sheet) -> None:
        self.take = take
        self.row = take.row
        self.sock = sock
        self.due_ns = 0
        self.frame = frames.silence()
        self.head, self.spoken, self.arrived, self.heard = sheet.view(take.row)
        self.call = self.head[CALL]
        self.every, self.first = take.speech_every, take.speech_first
        self.rest = self.line = b""
        self.line_at = 0

    def close(self) -> None:
        self.sock.close()
        for view in (self.spoken, self.arrived, self.heard, self.head):
            view.release()


class Generator:
    def __init__(self, control: socket.socket, sheet: Sheet, stamped: bool) -> None:
        self._control = control
        self._sheet = sheet
        self._stamped = stamped
        self._offset_ns = stamps.realtime_minus_monotonic_ns()
        self._offset_until_ns = 0
        self._callers: dict[int, Caller] = {}  # by descriptor
        self._by_row: dict[int, Caller] = {}
        self._due: list[tuple[int, int]] = []  # a heap: when, row
        self._speech = [bytearray(frame) for frame in frames.speech()]
        self._buffer = bytearray(FRAME_BYTES)
        self._buffers = [self._buffer]
        self._outbox: deque[bytes] = deque()
        self._epoll = select.epoll()
        self._epoll.register(control, select.EPOLLIN)
        self.open = True

    def round(self) -> None:
        """Speaks what is due, reads what has come, sleeps until there is more."""
        now = time.monotonic_ns()
        if now > self._offset_until_ns:
            self._offset_ns, self._offset_until_ns = stamps.realtime_minus_monotonic_ns(), now + OFFSET_EVERY_NS
        if self._due and self._due[0][0] <= now:
            self._speak(now)
        while self.open and (events := self._epoll.poll(0)):
            for descriptor, _ in events:
                caller = self._callers.get(descriptor)
                if caller is not None:
                    self._listen(caller)
                elif descriptor == self._control.fileno():  # and not one that ended in this very round
                    self._obey()
            if self._due and self._due[0][0] <= time.monotonic_ns():
                break
        while self._outbox and self._post(self._outbox[0]):
            self._outbox.popleft()
        self._sleep()

    def _sleep(self) -> None:
        now = time.monotonic_ns()
        until = now + LOOK_NS
        if self._due:
            until = max(min(until, self._due[0][0]), now + REST_NS)
        if self._stamped:
            time.sleep((until - now) / 1e9)
        else:
            # Not the epoll itself: its time-out is whole milliseconds.
            select.select([self._epoll], (), (), (until - now) / 1e9)

    # -- speaking

    def _speak(self, now: int) -> None:
        due, by_row = self._due, self._by_row
        while due and due[0][0] <= now:
            at, row = due[0]
            caller = by_row.get(row)
            if caller is None or caller.due_ns != at:
                heapq.heappop(due)  # it has left
                continue
            behind = (now - at) // FRAME_NS
            if behind > MOST_CATCH_UP:
                self._skip(caller, behind)
            self._say(caller)
            caller.due_ns += FRAME_NS
            heapq.heapreplace(due, (caller.due_ns, row))
            now = time.monotonic_ns()

    def _skip(self, caller: Caller, count: int) -> None:
        for number in range(caller.head[SPOKEN], caller.head[SPOKEN] + count):
            caller.spoken[number % KEPT] = 0
        caller.head[SPOKEN] += count
        caller.head[SKIPPED] += count
        caller.due_ns += count * FRAME_NS

    def _say(self, caller: Caller) -> None:
        number = caller.head[SPOKEN]
        frame = caller.frame
        if caller.every and number >= caller.first and (number - caller.first) % caller.every < len(self._speech):
            frame = self._speech[(number - caller.first) % caller.every]
        line_at = caller.line_at
        if caller.line:
            frame = bytearray(caller.line[line_at : line_at + FRAME_BYTES])
        if caller.take.marks:
            MARK.pack_into(frame, MARK_AT, MAGIC, caller.call, number)
        caller.spoken[number % KEPT] = time.monotonic_ns()
        caller.head[SPOKEN] = number + 1
        if caller.line:
            caller.line_at = line_at + FRAME_BYTES
            if caller.line_at >= len(caller.line):
                caller.line = b""
                caller.head[LINE_END_NS] = caller.spoken[number % KEPT]
                caller.head[LINES] += 1
        try:
            sent = caller.sock.send(frame)
        except BlockingIOError:
            sent = 0
        except OSError:
            return  # reading says how it ended
        if sent != FRAME_BYTES:
            caller.head[REFUSED] += 1
            if sent:
                self._end(caller, True, "the agent has stopped reading in the middle of a frame")

    # -- listening

    def _listen(self, caller: Caller) -> None:
        """One read: at most one frame, so that its time is its own."""
        try:
            count, extras, _, _ = caller.sock.recvmsg_into(self._buffers, stamps.ROOM)
        except BlockingIOError:
            return
        except OSError as error:
            self._end(caller, True, str(error))
            return
        if count == 0:
            self._end(caller, True, "closed")
            return
        at = stamps.realtime_ns(extras) - self._offset_ns if extras else 0
        if at <= 0:
            at = time.monotonic_ns()
            caller.head[UNSTAMPED] += 1
        buffer = self._buffer
        if count == FRAME_BYTES and not caller.rest and buffer.startswith(HEADER):
            self._note(caller, buffer, at)
        else:
            self._listen_slowly(caller, caller.rest + bytes(buffer[:count]), at)

    def _listen_slowly(self, caller: Caller, received: bytes, at: int) -> None:
        """What is not one frame of ours: pieces of several, or other messages."""
        while len(received) >= len(HEADER):
            size = len(HEADER) + int.from_bytes(received[1:3], "big")
            if len(received) < size:
                break
            if received.startswith(HEADER):
                self._note(caller, received[:size], at)
            elif received[0] == 0:
                self._end(caller, True, "terminate")
                return
            else:
                caller.head[STRANGE] += 1
            received = received[size:]
        caller.rest = received

    def _note(self, caller: Caller, frame: bytes | bytearray, at: int) -> None:
        magic, call, number = MARK.unpack_from(frame, MARK_AT)
        if magic == MAGIC and call == caller.call:
            what = number
        elif magic == MAGIC:
            what = FOREIGN
        elif caller.take.listens and audioop.rms(memoryview(frame)[MARK_AT:], 2) < AUDIBLE_RMS:
            what = SILENT
        else:
            what = SILENT if frame == SILENCE else SOUND
        if what == SOUND:
            caller.head[AUDIBLE_NS] = at
        head = caller.head
        count = head[ARRIVED]
        caller.arrived[count % KEPT] = at
        caller.heard[count % KEPT] = what
        head[ARRIVED] = count + 1
        if count == 0:
            head[FIRST_NS] = at
            self._outbox.append(pack(Heard(row=caller.row, at_ns=at)))

    # -- what the bench wants

    def _obey(self) -> None:
        packet, files = descriptors.receive_packet(self._control)
        if not packet:
            self.open = False
            return
        order = unpack(packet)
        if isinstance(order, Take):
            self._take(order, socket.socket(fileno=files[0]))
        elif isinstance(order, Speak | Say | Leave) and order.row in self._by_row:
            caller = self._by_row[order.row]
            if isinstance(order, Speak):
                self._begin(caller)
            elif isinstance(order, Say):
                caller.line, caller.line_at = order.wire, 0
            else:
                self._end(caller, False, "")

    def _take(self, take: Take, sock: socket.socket) -> None:
        sock.setblocking(False)
        stamps.ask(sock)
        caller = Caller(take, sock, self._sheet)
        caller.head[SPEECH_EVERY], caller.head[SPEECH_FIRST] = take.speech_every, take.speech_first
        self._callers[sock.fileno()] = self._by_row[take.row] = caller
        self._epoll.register(sock, select.EPOLLIN)

    def _begin(self, caller: Caller) -> None:
        if caller.due_ns == 0:
            now, phase = time.monotonic_ns(), int(caller.take.phase * FRAME_NS)
            caller.due_ns = now + FRAME_NS - (now - phase) % FRAME_NS
            caller.head[GRID_NS] = caller.due_ns
            heapq.heappush(self._due, (caller.due_ns, caller.row))

    def _end(self, caller: Caller, by_agent: bool, detail: str) -> None:
        now = time.monotonic_ns()
        del self._callers[caller.sock.fileno()], self._by_row[caller.row]
        self._epoll.unregister(caller.sock)
        caller.head[OVER_NS] = now
        caller.due_ns = 0
        caller.close()
        self._outbox.append(pack(Over(row=caller.row, at_ns=now, by_agent=by_agent, detail=detail)))

    def _post(self, packet: bytes) -> bool:
        try:
            self._control.send(packet)
        except BlockingIOError:
            return False
        except OSError:
            self.open = False
        return True


def urgency() -> str:
    """Asks for real-time priority, and says what came of it."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))
    except PermissionError:
        return "normal"
    return f"fifo:{PRIORITY}"


def main(control_fd: int, sheet_fd: int) -> None:
    """Until the bench closes its end."""
    prctl.die_with_parent()
    prctl.set_name("bench-callers")
    control = socket.socket(fileno=control_fd)
    sheet = Sheet(sheet_fd)
    stamped, stack = stamps.work()
    control.send(pack(Ready(granted=urgency(), stamped=stamped)))
    control.setblocking(False)
    generator = Generator(control, sheet, stamped)
    gc.collect()
    gc.freeze()
    gc.disable()
    with stack, contextlib.suppress(KeyboardInterrupt):
        while generator.open:
            generator.round()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
