"""An event loop in virtual time: thirty seconds of waiting take no time, and happen in the same order each time.

Nothing in it touches sockets or threads: `run_in_executor` runs at once. When every task waits for a timer, the clock
jumps to the first; when every task waits and there is no timer, nothing will ever happen again, which is an error.
"""

import asyncio
import selectors
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

START_NS = 1_000_000_000_000


class _Selector(selectors.SelectSelector):
    def __init__(self, clock: "Clock") -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise AssertionError("everybody waits, and nothing will come")
        self._clock.now_ns += max(0, round(timeout * 1e9))
        return []


class Clock(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.now_ns = START_NS
        super().__init__(_Selector(self))

    def time(self) -> float:
        return self.now_ns / 1e9

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> "asyncio.Future[Any]":
        future: asyncio.Future[Any] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 (handed on to whoever awaits it, as a thread's would be)
            future.set_exception(error)
        return future

    def _write_to_self(self) -> None:
        """Nobody sleeps in `select`, so nobody is to be woken."""


def in_virtual_time(work: Coroutine[Any, Any, None], patch: pytest.MonkeyPatch) -> None:
    """Runs it to its end, with every clock of the process showing virtual time."""
    clock = Clock()
    began = time.time()
    patch.setattr(time, "monotonic_ns", lambda: clock.now_ns)
    patch.setattr(time, "monotonic", clock.time)
    patch.setattr(time, "time", lambda: began + (clock.now_ns - START_NS) / 1e9)
    asyncio.set_event_loop(clock)
    try:
        clock.run_until_complete(work)
        left = asyncio.all_tasks(clock)
        for task in left:
            task.cancel()
        clock.run_until_complete(asyncio.gather(*left, return_exceptions=True))
    finally:
        asyncio.set_event_loop(None)
        clock.close()
