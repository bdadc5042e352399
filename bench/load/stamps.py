"""When a frame arrived, by the kernel's clock and not by when somebody got round to reading it (socket(7)).

The kernel notes CLOCK_REALTIME as a segment enters the network stack; recvmsg(2) hands that out beside the data. TCP
gives the time of the last segment that the read took from, and on loopback one send is one segment: read frame by
frame, each frame has its own time. Measured: 7 us after the sender's call, and two frames that wait together keep the
times at which they were sent.
"""

import contextlib
import socket
import struct
import time

SO_TIMESTAMPNS = 35
"""Python has no name for it; the number is that of x86 and Arm."""
ROOM = socket.CMSG_SPACE(16)
_TIMESPEC = struct.Struct("qq")

TRIES = 50
"""Of a frame through loopback, 2 ms apart: the kernel begins to take times a moment after they were asked for."""
BRACKETS = 5


def ask(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)


def realtime_ns(extras: list[tuple[int, int, bytes]]) -> int:
    """The time in recvmsg's ancillary data; 0 when there is none."""
    for _, kind, data in extras:
        if kind == SO_TIMESTAMPNS:
            seconds, nanoseconds = _TIMESPEC.unpack(data)
            return int(seconds) * 1_000_000_000 + int(nanoseconds)
    return 0


def realtime_minus_monotonic_ns() -> int:
    """Of several looks the one whose two readings of the monotonic clock lie closest together: good to 0.2 us."""
    best = (1 << 62, 0)
    for _ in range(BRACKETS):
        before, real, after = time.monotonic_ns(), time.time_ns(), time.monotonic_ns()
        best = min(best, (after - before, real - (before + after) // 2))
    return best[1]


def work() -> tuple[bool, contextlib.ExitStack]:
    """True when TCP over loopback has them here. The kernel goes on taking times until the stack is closed."""
    stack = contextlib.ExitStack()
    listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    near = stack.enter_context(socket.create_connection(listener.getsockname()))
    far = stack.enter_context(listener.accept()[0])
    ask(near)
    for _ in range(TRIES):
        far.send(b"?")
        if realtime_ns(near.recvmsg(1, ROOM)[1]):
            return True, stack
        time.sleep(0.002)
    return False, stack
