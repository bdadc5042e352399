"""The thread that reads the stand-in's media sockets, as soon as something is there."""

from __future__ import annotations

import selectors
import socket
import threading
import time
from typing import Protocol, cast


class Source(Protocol):
    """A socket that the poller reads. Both calls come from the poller's thread, under the plane's lock."""

    @property
    def socket(self) -> socket.socket: ...

    @property
    def deadline_ns(self) -> int | None:
        """When `expired` is to be called if nothing more arrives (monotonic ns)."""

    def readable(self) -> None:
        """Something can be read without waiting."""

    def expired(self) -> None:
        """The deadline has passed."""


class Poller:
    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock
        self._selector = selectors.DefaultSelector()
        self._waking, self._wakened = socket.socketpair()
        self._wakened.setblocking(False)
        self._waking.setblocking(False)
        self._selector.register(self._wakened, selectors.EVENT_READ)
        self._timed: set[Source] = set()
        self._stalled_until_ns = 0
        self._running = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._running = True
        self._thread = threading.Thread(target=self._run, name="asterisk-poller", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread; the sockets stay with their owners, who have closed them by now."""
        self._running = False
        self._wake()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._selector.close()
        self._waking.close()
        self._wakened.close()

    def add(self, source: Source) -> None:
        with self._lock:
            self._selector.register(source.socket, selectors.EVENT_READ, source)

    def remove(self, source: Source) -> None:
        """Call it before the socket is closed."""
        with self._lock:
            self._timed.discard(source)
            self._selector.unregister(source.socket)

    def timed(self, source: Source) -> None:
        """The source has set itself a deadline."""
        self._timed.add(source)

    def stall(self, until_ns: int) -> None:
        self._stalled_until_ns = until_ns
        self._wake()

    def _wake(self) -> None:
        self._waking.send(b"\0")

    def _run(self) -> None:
        while self._running:
            pause_ns = self._stalled_until_ns - time.monotonic_ns()
            if pause_ns > 0:
                time.sleep(pause_ns / 1e9)
            for key, _ in self._selector.select(self._timeout_s()):
                if key.data is None:
                    self._wakened.recv(4096)
                    continue
                with self._lock:
                    if self._selector.get_map().get(key.fd) is key:
                        cast(Source, key.data).readable()
            self._expire()

    def _timeout_s(self) -> float | None:
        deadlines = [source.deadline_ns for source in tuple(self._timed) if source.deadline_ns is not None]
        if not deadlines:
            return None
        return max(0.0, (min(deadlines) - time.monotonic_ns()) / 1e9)

    def _expire(self) -> None:
        if not self._timed:
            return
        with self._lock:
            now = time.monotonic_ns()
            for source in tuple(self._timed):
                deadline_ns = source.deadline_ns
                if deadline_ns is None:
                    self._timed.discard(source)
                elif deadline_ns <= now:
                    self._timed.discard(source)
                    source.expired()
