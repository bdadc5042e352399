"""How to close a media connection so that Asterisk sees an end, and not an error.

A socket that is closed while it holds unread bytes resets the connection (RFC 1122, 4.2.2.13), and there always are
some: Asterisk sends every 20 ms. A reset makes the dialplan's `AudioSocket()` hang the caller up; an orderly end lets
the dialplan go on, to a human for example. So: say that we are done, read on until the peer is done too, then close.
"""

import asyncio
import socket

TERMINATE_FRAME = b"\x00\x00\x00"

DISCARD_BYTES = 64 * 1024


async def part(connection: socket.socket, within_s: float, *, terminate: bool = False) -> None:
    """Closes a non-blocking connection, at the latest after `within_s`. The peer may be long gone.

    `terminate` first sends the frame that ends the call's media: only for whoever knows that no half a frame was sent.
    """
    loop = asyncio.get_running_loop()
    with connection:
        try:
            if terminate:
                connection.send(TERMINATE_FRAME)
            connection.shutdown(socket.SHUT_WR)
            async with asyncio.timeout(within_s):
                while await loop.sock_recv(connection, DISCARD_BYTES):
                    pass
        except (OSError, TimeoutError):
            return  # reset, or still sending: closing is all that is left
