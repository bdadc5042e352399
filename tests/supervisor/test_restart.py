"""Everything is started anew in the middle of calls: the same audio actors, the same connections, another program."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import pytest
import yaml

from ipc import media_uuid
from ipc.bus import NoAnswer, Refused
from ipc.descriptors import fetch
from ipc.messages import CallList, CallOpened, CloseCall, Done, ExpectMedia, ListCalls, MediaAwaited, OpenCall
from ipc.orders import Drain, RestartHouse, SystemStatus
from tests.supervisor.stage import DEADLINE_S, alive, configuration, environment
from tests.supervisor.system import System, Visit
from tests.supervisor.test_system import open_call


async def restart(visitor: Visit) -> SystemStatus:
    """Until the new program is ready; its status."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "supervisor.cli", "restart", "--json", "--run-dir", str(visitor.system.run_dir)),
        stdout=asyncio.subprocess.PIPE,
        env=environment(),
    )
    out, _ = await process.communicate()
    assert process.returncode == 0, out
    told = json.loads(out)
    assert told["calls_went_on"] == told["calls_before"]
    return await visitor.status()


async def calls(visitor: Visit) -> CallList:
    return await visitor.ask(ListCalls(), CallList)


def test_calls_go_on_with_the_same_audio_actors_through_one_restart_after_another(tmp_path: Path) -> None:
    audio = {"warm": 2, "max_calls": 8, "calls_per_process": 2, "cores": [0], "priority": 0}
    with System(configuration(tmp_path, audio=audio)) as system:

        async def scene(visitor: Visit) -> None:
            peers = [(await open_call(visitor, f"c{n}"))[1] for n in range(3)]
            opened = await calls(visitor)
            before = {actor.name: actor for actor in (await visitor.status()).actors}
            for _ in range(2):
                status = await restart(visitor)
                after = {actor.name: actor for actor in status.actors}
                assert status.pid == system.process.pid
                assert await calls(visitor) == opened, "the same in every respect"
                for call in opened.calls:
                    assert after[call.audio_actor].pid == before[call.audio_actor].pid
                    assert after[call.audio_actor].calls == before[call.audio_actor].calls
                for name in ("nursery", "stt.1", "conversation.1", "call-control"):
                    assert after[name].pid != before[name].pid
                await asyncio.gather(*(peer.hear(20) for peer in peers))
            (await fetch(system.run_dir, "c0")).close()

            # The new program knows all that the old one did: takeover, another connection, other calls, the end.
            name = opened.calls[0].audio_actor
            os.kill(before[name].pid, signal.SIGKILL)
            await visitor.media("c0", "moved")
            await peers[0].hear(20)
            another = media_uuid.make()
            await visitor.ask(ExpectMedia(call_id="c2", media_uuid=another), MediaAwaited)
            second = await visitor.connect(another)
            await second.hear(20)
            fresh, peer = await open_call(visitor, "fresh")
            assert fresh.segment not in {call.segment for call in opened.calls}
            await peer.hear(20)
            for call_id in ("c0", "c1", "c2", "fresh"):
                await visitor.ask(CloseCall(call_id=call_id), Done)
            assert await peers[1].hear_the_end() == b"\x00\x00\x00"
            assert (await calls(visitor)).calls == ()

        system.play(scene)
        assert system.stop() == 0
        assert system.segments() == []


def test_an_audio_actor_that_dies_while_nobody_looks_is_replaced_afterwards(tmp_path: Path) -> None:
    with System(configuration(tmp_path)) as system:

        async def scene(visitor: Visit) -> None:
            opened, peer = await open_call(visitor, "c1")
            pid = (await visitor.actor(opened.audio_actor)).pid
            await visitor.ask(RestartHouse(), Done)
            # While nobody answers, the one program has let go and the other has not taken over.
            with pytest.raises(NoAnswer):
                while True:
                    await visitor.bus.ask("supervisor", ListCalls(), within=0.05)
            os.kill(pid, signal.SIGKILL)
            system.wait_for("STATUS=ready")
            while not (listed := await calls(visitor)).calls[0].audio_actor:
                await asyncio.sleep(0.02)
            assert listed.calls[0].audio_actor != opened.audio_actor
            await peer.hear(50)

        system.play(scene)


def test_a_caller_who_comes_meanwhile_waits_in_the_queue_of_the_door(tmp_path: Path) -> None:
    with System(configuration(tmp_path)) as system:

        async def scene(visitor: Visit) -> None:
            name = media_uuid.make()
            await visitor.warm()
            await visitor.ask(OpenCall(call_id="c1", rate=8000, media_uuid=name), CallOpened)
            await visitor.ask(RestartHouse(), Done)
            with pytest.raises(NoAnswer):
                while True:
                    await visitor.bus.ask("supervisor", ListCalls(), within=0.05)
            peer = await visitor.connect(name)
            await peer.hear(20)

        system.play(scene)


def test_a_configuration_that_is_wrong_by_now_is_told_before_anything_is_stopped(tmp_path: Path) -> None:
    config = configuration(tmp_path)
    with System(config) as system:

        async def scene(visitor: Visit) -> None:
            _, peer = await open_call(visitor, "c1")
            before = await visitor.status()
            text = config.path.read_text()
            settings = yaml.safe_load(text)
            settings["audio"]["warm"] = "many"
            config.path.write_text(yaml.safe_dump(settings))
            with pytest.raises(Refused, match=r"nothing has been changed(.|\n)*ringmaster\.yaml(.|\n)*warm"):
                await visitor.ask(RestartHouse(), Done)
            after = await visitor.status()
            assert [actor.pid for actor in after.actors] == [actor.pid for actor in before.actors]
            await peer.hear(20)
            config.path.write_text(text)

        system.play(scene)


def test_a_system_that_drains_still_drains_afterwards_with_the_new_settings(tmp_path: Path) -> None:
    config = configuration(tmp_path)
    with System(config) as system:

        async def scene(visitor: Visit) -> None:
            await visitor.ask(Drain(on=True), Done)
            with pytest.raises(Refused):
                await open_call(visitor, "refused")
            settings = yaml.safe_load(config.path.read_text())
            settings["turns"] = {"max_call_s": 77}
            config.path.write_text(yaml.safe_dump(settings))
            status = await restart(visitor)
            assert status.draining
            assert status.calls_refused == {"draining": 1}
            assert status.max_call_s == 77

        system.play(scene)


def test_systemd_is_told_of_it(tmp_path: Path) -> None:
    with System(configuration(tmp_path)) as system:

        async def scene(visitor: Visit) -> None:
            await visitor.ask(RestartHouse(), Done)

        system.play(scene)
        system.wait_for("STATUS=ready")
        reloading = next(
            number for number, told in enumerate(system.told) if told.startswith("RELOADING=1\nMONOTONIC_")
        )
        assert "READY=1" in system.told[reloading:]


def test_a_signal_that_comes_in_the_middle_ends_the_system(tmp_path: Path) -> None:
    with System(configuration(tmp_path)) as system:
        pids: list[int] = []

        async def scene(visitor: Visit) -> None:
            await open_call(visitor, "c1")
            pids.extend(actor.pid for actor in (await visitor.status()).actors)
            await visitor.ask(RestartHouse(), Done)
            system.process.terminate()
            await asyncio.to_thread(system.process.wait, DEADLINE_S)

        system.play(scene)
        assert system.stop() == 0
        assert not any(alive(pid) for pid in pids)
        assert system.segments() == []
