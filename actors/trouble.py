"""What stands in an engine's way while it runs, for the operator to read in `ringmaster status`.

An engine knows nothing of its actor, and may notice from any thread; so its actor says here whom to tell.
"""

import asyncio

from ipc.bus import Bus
from ipc.messages import Problem

SUPERVISOR = "supervisor"

_ways: list[tuple[asyncio.AbstractEventLoop, Bus]] = []
"""This process's way to the supervisor, once it has one."""


def goes_over(bus: Bus) -> None:
    """From now on the supervisor is told over this bus. To be called in its loop."""
    _ways[:] = [(asyncio.get_running_loop(), bus)]


def tell(text: str) -> None:
    """One sentence with its remedy, in place of the one before; "" when all is well again."""
    for loop, bus in _ways:
        if not loop.is_closed():
            loop.call_soon_threadsafe(bus.tell, SUPERVISOR, Problem(text=text))
