"""One event loop for all tests of this folder: what has been entered in it lives on from one test to the next.

The stand-in Asterisk and a place on the bus belong to the loop in which they were made, and a system takes seconds to
start: so the tests, each of which is a coroutine, are played one after the other in the same loop.
"""

import asyncio
import contextlib
import inspect
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

import pytest

T = TypeVar("T")

SCENE_S = 60.0
"""For one test. Only a broken one takes so long: whatever a test waits for has a shorter deadline of its own."""


class Loop:
    def __init__(self) -> None:
        self._runner = asyncio.Runner()

    def play(self, scene: Coroutine[Any, Any, T]) -> T:
        async def bounded() -> T:
            async with asyncio.timeout(SCENE_S):
                return await scene

        return self._runner.run(bounded())

    def play_test(self, item: pytest.Function) -> bool | None:
        """For `pytest_pyfunc_call`: a test that is a coroutine is played here."""
        if not inspect.iscoroutinefunction(item.obj):
            return None
        names = inspect.signature(item.obj).parameters
        self.play(item.obj(**{name: item.funcargs[name] for name in names}))
        return True

    @contextlib.contextmanager
    def entered(self, context: contextlib.AbstractAsyncContextManager[T]) -> Iterator[T]:
        """Enters and leaves it in one task, as task groups want it."""
        over = asyncio.Event()

        async def stay(inside: asyncio.Future[T]) -> None:
            async with context as value:
                inside.set_result(value)
                await over.wait()

        async def enter() -> tuple[T, asyncio.Task[None]]:
            inside: asyncio.Future[T] = asyncio.get_running_loop().create_future()
            staying = asyncio.create_task(stay(inside))
            await asyncio.wait((inside, staying), return_when=asyncio.FIRST_COMPLETED)
            if not inside.done():
                await staying  # which raises what went wrong
            return inside.result(), staying

        async def leave(staying: asyncio.Task[None]) -> None:
            over.set()
            await staying

        value, staying = self.play(enter())
        try:
            yield value
        finally:
            self.play(leave(staying))

    def close(self) -> None:
        self._runner.close()
