"""The media half of the stand-in: one lock, one clock, one poller, and the way back to the event loop."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

from bench.asterisk.media.clock import Clock
from bench.asterisk.media.poller import Poller


class Plane:
    """Who touches a leg, a mixer or a media socket holds `lock`; it is re-entrant and never held across an await."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.clock = Clock(self.lock)
        self.poller = Poller(self.lock)
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.clock.start()
        self.poller.start()

    def stop(self) -> None:
        self._loop = None
        self.clock.stop()
        self.poller.stop()

    def stall(self, seconds: float) -> None:
        until_ns = time.monotonic_ns() + int(seconds * 1e9)
        self.clock.stall(until_ns)
        self.poller.stall(until_ns)

    def notify(self, what: Callable[[], None]) -> None:
        """Has `what` called in the event loop; from any thread. Silently nothing once the stand-in has stopped."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(what)
