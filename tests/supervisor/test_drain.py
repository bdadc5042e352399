"""`ringmaster drain`, as an operator runs it, and its list of what is left."""

import asyncio
import json
import signal
import sys
from pathlib import Path

import pytest

from ipc.messages import CloseCall, Done, OpenedCall
from supervisor.commands.drain import left, table
from tests.supervisor.stage import configuration, environment
from tests.supervisor.system import System, Visit
from tests.supervisor.test_system import open_call


async def drain(system: System, *words: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "supervisor.cli", "drain", "--run-dir", str(system.run_dir), *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        # Where the tests run in the background the shell may have had Ctrl-C ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        env=environment(),
    )


async def outcome(process: asyncio.subprocess.Process) -> tuple[int, str, str]:
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


def opened(call_id: str, age_s: float) -> OpenedCall:
    born = int((10_000 - age_s) * 1e9)
    return OpenedCall(call_id=call_id, segment="s", rate=8000, media_uuid="u", audio_actor="audio.1", opened_ns=born)


def test_what_is_left_is_told_with_its_age_and_its_bound_the_oldest_first() -> None:
    calls = left([opened("young", 5), opened("old", 1795), opened("overdue", 4000)], 1800, int(10_000e9))
    assert [(call.call_id, call.age_s, call.at_most_s) for call in calls] == [
        ("overdue", 4000, 0),
        ("old", 1795, 5),
        ("young", 5, 1795),
    ]
    assert table(calls).splitlines() == [
        "call         age  at most  audio actor",
        "overdue  1:06:40     0:00  audio.1",
        "old        29:55     0:05  audio.1",
        "young       0:05    29:55  audio.1",
    ]


def test_the_command_ends_with_the_last_call_and_can_be_taken_back(system: System) -> None:
    async def scene(visitor: Visit) -> None:
        await open_call(visitor, "c1")
        process = await drain(system)
        assert process.stdout is not None
        head = (await process.stdout.readline()).decode()
        assert head.split() == ["call", "age", "at", "most", "audio", "actor"]
        assert (await visitor.status()).draining
        await visitor.ask(CloseCall(call_id="c1"), Done)
        code, out, _ = await outcome(process)
        assert (code, out.splitlines()[-1]) == (
            0,
            "no calls are left; still draining: `ringmaster drain --off` takes new calls again",
        )
        code, out, _ = await outcome(await drain(system, "--off"))
        assert (code, out) == (0, "new calls are taken again\n")
        assert not (await visitor.status()).draining

    system.play(scene)


def test_when_the_time_is_over_the_calls_that_are_left_are_told(system: System) -> None:
    async def scene(visitor: Visit) -> None:
        await open_call(visitor, "c1")
        code, out, _ = await outcome(await drain(system, "--within", "0.1", "--json"))
        assert code == 1
        told = json.loads(out)
        assert told["draining"]
        assert [call["call_id"] for call in told["calls"]] == ["c1"]
        most = system.config.settings.turns.max_call_s
        assert told["calls"][0]["age_s"] + told["calls"][0]["at_most_s"] == pytest.approx(most)
        code, _, _ = await outcome(await drain(system, "--off"))
        assert code == 0

    system.play(scene)


def test_ctrl_c_ends_the_waiting_and_not_the_draining(system: System) -> None:
    async def scene(visitor: Visit) -> None:
        await open_call(visitor, "c1")
        process = await drain(system)
        assert process.stdout is not None
        try:
            await process.stdout.readline()
            process.send_signal(signal.SIGINT)
            code, _, err = await outcome(process)
            assert code == 1
            assert "still draining" in err
            assert (await visitor.status()).draining
        finally:
            await outcome(await drain(system, "--off"))

    system.play(scene)


def test_a_drained_system_can_be_stopped_at_once(tmp_path: Path) -> None:
    with System(configuration(tmp_path)) as system:

        async def scene(visitor: Visit) -> None:
            code, out, _ = await outcome(await drain(system, "--stop"))
            assert (code, out) == (0, "no calls are left; the system has been stopped\n")
            assert system.stop() == 0

        system.play(scene)


def test_where_nothing_runs_the_operator_is_told_so(tmp_path: Path) -> None:
    async def scene() -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "supervisor.cli", "drain", "--run-dir", str(tmp_path)),
            stderr=asyncio.subprocess.PIPE,
            env=environment(),
        )
        _, err = await process.communicate()
        assert process.returncode == 1
        assert "is not running" in err.decode()

    asyncio.run(scene())
