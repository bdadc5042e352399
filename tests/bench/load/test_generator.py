"""The generator against an agent that echoes, and misbehaves as it is told: each fault is seen, and no other."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable

import pytest

from bench.load import figures
from bench.load.callers import Call, Callers, Manner, NotServed
from bench.load.frames import FRAME_NS
from bench.load.sheet import Head

DEADLINE_S = 20.0
LOOK_S = 0.02


@contextlib.asynccontextmanager
async def echo(*faults: str) -> AsyncIterator[int]:
    """Its port."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.bench.load.echo",
        *faults,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        yield int(await process.stdout.readline())
    finally:
        process.stdin.close()
        await process.wait()


async def until(true: Callable[[], bool]) -> None:
    """Looks at what another process writes down; nobody rings a bell for it."""
    async with asyncio.timeout(DEADLINE_S):
        while not true():
            await asyncio.sleep(LOOK_S)


async def spoken(call: Call, frames: int) -> None:
    await until(lambda: call.row[Head.SPOKEN] >= frames)


def heard(call: Call, frames: int) -> figures.Heard:
    """What became of the caller's first frames."""
    begin = call.row[Head.GRID_NS]
    return figures.heard(call.row, begin, begin + frames * FRAME_NS)


def listen(*faults: str, frames: int = 150) -> figures.Heard:
    """What a caller hears of an agent with these faults, until so many frames were spoken and a few more came back."""

    async def scene() -> figures.Heard:
        async with echo(*faults) as port, Callers() as callers:
            call = await callers.direct(port)
            await call.up(DEADLINE_S)
            await spoken(call, frames + 50)
            return heard(call, frames)

    return asyncio.run(scene())


def test_a_faithful_echo_loses_nothing_and_every_frame_has_the_kernels_time() -> None:
    async def scene() -> None:
        async with echo() as port, Callers(Manner(random_phase=True), processes=2) as callers:
            calls = [await callers.direct(port) for _ in range(6)]
            for call in calls:
                await call.up(DEADLINE_S)
            for call in calls:
                await spoken(call, 150)
            for call in calls:
                found = heard(call, 100)
                assert (found.spoken, found.lost, found.duplicates, found.reordered) == (100, 0, 0, 0)
                assert (found.foreign, found.silent, found.sound) == (0, 0, 0)
                assert len(found.latency_ms) == found.frames > 90
                assert found.latency_ms.min() > 0
                assert call.row[Head.UNSTAMPED] == (0 if callers.clock == "kernel" else call.row[Head.ARRIVED])
            assert len(set(callers.pids)) == 2

    asyncio.run(scene())


def test_dropped_frames_are_lost() -> None:
    found = listen("drop=50")
    assert (found.lost, found.duplicates, found.reordered) == (3, 0, 0)


def test_repeated_frames_are_duplicates() -> None:
    found = listen("repeat=40", frames=150)
    assert (found.lost, found.duplicates, found.reordered) == (0, 3, 0)


def test_frames_in_the_wrong_order_are_seen_and_not_lost() -> None:
    found = listen("swap=60")
    assert (found.lost, found.duplicates, found.reordered) == (0, 0, 2)


def test_frames_of_silence_between_marks_are_counted() -> None:
    found = listen("silence=30", frames=170)
    assert (found.silent, found.lost) == (5, 5)


def test_a_pause_is_a_gap_and_late_frames_and_no_loss() -> None:
    found = listen("hold=60,300")
    assert found.longest_gap_ms >= 300
    assert found.longest_without_mark_ms >= 300
    assert found.late >= 10
    assert found.lost == 0


def test_an_agent_that_closes_ends_the_call() -> None:
    async def scene() -> None:
        async with echo("close=20") as port, Callers() as callers:
            call = await callers.direct(port)
            await call.up(DEADLINE_S)
            async with asyncio.timeout(DEADLINE_S):
                await call.over.wait()
            assert call.by_agent
            assert not call.is_up

    asyncio.run(scene())


def test_a_caller_who_hangs_up_closes_the_connection_and_its_row_is_used_again() -> None:
    async def scene() -> None:
        async with echo() as port, Callers(rows=1) as callers:
            for _ in range(3):
                call = await callers.direct(port)
                await call.up(DEADLINE_S)
                await spoken(call, 10)
                call.hang_up()
                async with asyncio.timeout(DEADLINE_S):
                    await call.over.wait()
                assert not call.by_agent
                assert heard(call, 5).frames > 0
                call.forget()

    asyncio.run(scene())


def test_a_call_that_ends_before_its_first_frame_was_not_served() -> None:
    async def scene() -> None:
        async with echo("close=1") as port, Callers() as callers:
            call = await callers.direct(port)
            with pytest.raises(NotServed):
                await call.up(DEADLINE_S)

    asyncio.run(scene())


def test_a_starved_generator_is_not_fit_and_says_how_many_frames_it_skipped() -> None:
    async def scene() -> figures.Health:
        async with echo() as port, Callers() as callers:
            call = await callers.direct(port)
            await call.up(DEADLINE_S)
            await spoken(call, 20)
            begin = figures.now_ns()
            (pid,) = callers.pids
            os.kill(pid, signal.SIGSTOP)
            try:
                await asyncio.sleep(0.4)  # this is the fault: it gets no CPU for so long
            finally:
                os.kill(pid, signal.SIGCONT)
            await spoken(call, call.row[Head.SPOKEN] + 40)
            return callers.health(begin, figures.now_ns())

    health = asyncio.run(scene())
    assert health.skipped >= 10
    assert not health.fit


def test_a_generator_that_dies_ends_its_calls() -> None:
    async def scene() -> None:
        async with echo() as port, Callers() as callers:
            call = await callers.direct(port)
            await call.up(DEADLINE_S)
            os.kill(callers.pids[0], signal.SIGKILL)
            async with asyncio.timeout(DEADLINE_S):
                await call.over.wait()
            assert call.why == "the generator has died"

    asyncio.run(scene())
