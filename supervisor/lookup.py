"""Names of hosts, looked up in a thread of its own: a name server that does not answer holds up nobody else.

The event loop's own pool of threads is not used: it has a few, which the rest of the supervisor needs, it is waited for
at the end, and a look-up that hangs (10 s and more, resolv.conf(5)) cannot be broken off.
"""

import asyncio
import contextlib
import socket
import threading
from typing import Any

MOST_AT_ONCE = 8
"""Look-ups that hang are not to become as many threads as there are callers."""

_under_way = threading.BoundedSemaphore(MOST_AT_ONCE)

SocketAddress = tuple[socket.AddressFamily, Any]


async def find(host: str, port: int) -> SocketAddress:
    """Family and address for a TCP connection. Raises `OSError`. An address is given back at once, without a thread."""
    with contextlib.suppress(OSError):
        return _ask(host, port, socket.AI_NUMERICHOST)
    if not _under_way.acquire(blocking=False):
        raise OSError(f"{MOST_AT_ONCE} look-ups are waiting for a name server already")
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[SocketAddress] = loop.create_future()

    def look_up() -> None:
        found: SocketAddress | OSError
        try:
            found = _ask(host, port)
        except OSError as error:
            found = error
        finally:
            _under_way.release()
        with contextlib.suppress(RuntimeError):  # the loop is closed, and nobody waits
            loop.call_soon_threadsafe(_settle, answer, found)

    threading.Thread(target=look_up, name="look-up", daemon=True).start()
    return await answer


def _ask(host: str, port: int, flags: int = 0) -> SocketAddress:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)[0]
    except UnicodeError as error:
        raise OSError(f"{host!r} is no name of a host: {error}") from error
    return family, address


def _settle(answer: "asyncio.Future[SocketAddress]", found: SocketAddress | OSError) -> None:
    if answer.done():
        return
    if isinstance(found, OSError):
        answer.set_exception(found)
    else:
        answer.set_result(found)
