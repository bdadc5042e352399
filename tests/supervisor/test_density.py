"""Several calls on one audio actor, with real processes: what the callers notice when it fails."""

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest

from ipc.bus import Refused
from ipc.messages import CallList, CloseCall, Done, ListCalls, OpenCall
from ipc.orders import Drain
from tests.supervisor.stage import alive, configuration
from tests.supervisor.system import Peer, System, Visit
from tests.supervisor.test_system import open_call

CALLS = 6


@pytest.fixture(scope="module")
def dense(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    audio = {"warm": 2, "max_calls": CALLS, "calls_per_process": 4, "cores": [0], "priority": 0}
    with System(configuration(tmp_path_factory.mktemp("dense"), audio=audio)) as system:
        yield system


async def fill(visitor: Visit) -> dict[str, Peer]:
    """As many calls as there may be."""
    await visitor.warm(2)
    return {call_id: (await open_call(visitor, call_id))[1] for call_id in (f"c{n}" for n in range(CALLS))}


async def served(visitor: Visit) -> dict[str, list[str]]:
    """The calls of each audio actor."""
    table: dict[str, list[str]] = {}
    for call in (await visitor.ask(ListCalls(), CallList)).calls:
        table.setdefault(call.audio_actor, []).append(call.call_id)
    return table


def test_calls_share_an_actor_and_each_hears_silence_without_a_pause(dense: System) -> None:
    async def scene(visitor: Visit) -> None:
        peers = await fill(visitor)
        sizes = sorted(len(calls) for calls in (await served(visitor)).values())
        assert sizes == [2, 4]
        await asyncio.gather(*(peer.hear(25) for peer in peers.values()))
        with pytest.raises(Refused, match="max_calls"):
            await visitor.ask(OpenCall(call_id="more", rate=8000, media_uuid="more"), Done)
        assert (await visitor.status()).calls_refused["full"] >= 1

    dense.play(scene)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "hanging"])
def test_when_an_actor_fails_each_of_its_calls_goes_on_elsewhere(dense: System, how: signal.Signals) -> None:
    async def scene(visitor: Visit) -> None:
        peers = await fill(visitor)
        await visitor.warm(2)
        name, lost = max((await served(visitor)).items(), key=lambda item: len(item[1]))
        os.kill((await visitor.actor(name)).pid, how)
        for call_id in lost:
            assert (await visitor.media(call_id, "moved")).reason == f"{name} died"
        await asyncio.gather(*(peer.hear(20) for peer in peers.values()))
        assert name not in await served(visitor)
        if how is signal.SIGSTOP:
            assert f"{name}: no progress for " in dense.log()
            assert "it is stopped" in dense.log()

    dense.play(scene)


def test_an_actor_lives_as_long_as_its_last_call(dense: System) -> None:
    async def scene(visitor: Visit) -> None:
        peers = await fill(visitor)
        name, calls = max((await served(visitor)).items(), key=lambda item: len(item[1]))
        pid = (await visitor.actor(name)).pid
        for call_id in calls[:-1]:
            await visitor.ask(CloseCall(call_id=call_id), Done)
            assert await peers[call_id].hear_the_end() == b"\x00\x00\x00"
        await peers[calls[-1]].hear(20)
        assert (await visitor.actor(name)).pid == pid
        await visitor.ask(CloseCall(call_id=calls[-1]), Done)
        assert not alive(pid)

    dense.play(scene)


def test_while_it_drains_callers_are_refused_as_busy_and_counted(dense: System) -> None:
    async def scene(visitor: Visit) -> None:
        _, peer = await open_call(visitor, "old")
        await visitor.ask(Drain(on=True), Done)
        with pytest.raises(Refused, match="no new calls are taken") as refused:
            await open_call(visitor, "new")
        assert refused.value.busy
        status = await visitor.status()
        assert status.draining
        assert not status.ready
        assert status.calls_refused["draining"] == 1
        assert any("drain --off" in problem for problem in status.problems)
        await peer.hear(20)
        await visitor.ask(Drain(on=False), Done)
        await open_call(visitor, "new")
        assert (await visitor.status()).ready

    dense.play(scene)
