"""What a TCP connection that carries a call's audio asks of the kernel, whoever has made it."""

import socket

UNACKNOWLEDGED_MS = 5000
"""A peer that has acknowledged none of our frames for so long has lost its network. Without this the kernel would go on
trying for a quarter of an hour (tcp(7), TCP_USER_TIMEOUT)."""

CONGESTION = b"reno"
"""Every kernel has it, and it sends when told to. BBR, the default of some, has a timer and a model of the path for
each connection: 5 % of the CPU of a dense audio actor, for 50 small frames a second that never fill a window."""


def tune(connection: socket.socket) -> None:
    """Raises `OSError` for a connection that is closed already."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, CONGESTION)
