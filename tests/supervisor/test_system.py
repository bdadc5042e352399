"""The whole supervisor, with real processes, a real bus and real connections: what a caller notices when things die."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from ipc import media_uuid, segment
from ipc.bus import Refused
from ipc.descriptors import fetch
from ipc.messages import (
    CallList,
    CallOpened,
    CloseCall,
    Done,
    ExpectMedia,
    ListCalls,
    MediaAwaited,
    OpenCall,
    Problem,
)
from ipc.rings import BELLS, Rings
from supervisor.instance import segment_prefix
from tests.supervisor.stage import DEADLINE_S, alive, configuration, environment, wait_until_dead
from tests.supervisor.system import Peer, System, Visit, kill_with_everything


async def open_call(visitor: Visit, call_id: str, rate: int = 8000) -> tuple[CallOpened, Peer]:
    """A call whose media is attached and flows."""
    await visitor.warm()
    name = media_uuid.make()
    opened = await visitor.ask(OpenCall(call_id=call_id, rate=rate, media_uuid=name), CallOpened)
    peer = await visitor.connect(name)
    await visitor.media(call_id, "attached")
    await peer.hear(3)
    return opened, peer


async def close(visitor: Visit, call_id: str) -> None:
    await visitor.ask(CloseCall(call_id=call_id), Done)


# -- the house


def test_everybody_is_ready_and_measured(system: System) -> None:
    async def scene(visitor: Visit) -> None:
        status = await visitor.status()
        assert status.ready
        names = [actor.name for actor in status.actors]
        assert names[:2] == ["supervisor", "nursery"]
        assert names[-5:] == ["stt.1", "llm.1", "tts.1", "conversation.1", "call-control"]
        for actor in status.actors:
            assert actor.state == "ready"
            assert actor.cores
            assert actor.scheduling
            assert actor.memory_mb > 0.1

    system.play(scene)


def test_a_dead_actor_is_missed_and_comes_back(system: System) -> None:
    async def scene(visitor: Visit) -> None:
        before = await visitor.actor("tts.1")
        os.kill(before.pid, signal.SIGKILL)
        while (after := await visitor.actor("tts.1")).state != "ready" or after.pid == before.pid:
            await asyncio.sleep(0.02)
        assert (after.restarts, after.note) == (before.restarts + 1, "killed by SIGKILL")

    system.play(scene)


def test_a_problem_that_an_actor_tells_of_is_shown_until_it_takes_it_back(system: System) -> None:
    async def scene(visitor: Visit) -> None:
        visitor.bus.tell("supervisor", Problem(text="the well is dry"))
        assert "test: the well is dry" in (await visitor.status()).problems
        visitor.bus.tell("supervisor", Problem(text=""))
        assert "test: the well is dry" not in (await visitor.status()).problems

    system.play(scene)


def test_an_audio_actor_has_a_single_thread(system: System) -> None:
    async def scene(visitor: Visit) -> None:
        await open_call(visitor, "c1")
        for actor in (await visitor.status()).actors:
            if actor.role in ("audio", "nursery"):
                assert len(list(Path(f"/proc/{actor.pid}/task").iterdir())) == 1

    system.play(scene)


# -- calls


def test_a_call_has_rings_bells_and_silence_from_the_first_frame_on(system: System) -> None:
    async def scene(visitor: Visit) -> None:
        opened, peer = await open_call(visitor, "c1")
        rings = Rings(opened.segment)
        assert rings.rate == 8000
        rings.listen(BELLS.index("ear.conversation"))
        bells = await fetch(system.run_dir, "c1")
        heard = asyncio.Event()
        asyncio.get_running_loop().add_reader(bells.ear_conversation, heard.set)
        peer.say(1)
        await heard.wait()
        asyncio.get_running_loop().remove_reader(bells.ear_conversation)
        bells.close()
        rings.close()
        (call,) = (await visitor.ask(ListCalls(), CallList)).calls
        assert (call.call_id, call.segment, call.audio_actor) == ("c1", opened.segment, opened.audio_actor)
        assert (await visitor.actor(opened.audio_actor)).calls == 1
        await close(visitor, "c1")

    system.play(scene)


def test_nothing_is_left_of_a_call_that_was_closed(system: System) -> None:
    async def scene(visitor: Visit) -> None:
        before = system.segments()
        opened, peer = await open_call(visitor, "c1")
        actor = await visitor.actor(opened.audio_actor)
        rings = Rings(opened.segment)
        await close(visitor, "c1")
        assert rings.closed, "whoever still reads is told"
        rings.close()
        assert not alive(actor.pid)
        assert system.segments() == before
        assert await peer.hear_the_end() == b"\x00\x00\x00"
        assert (await visitor.status()).calls == ()
        with pytest.raises(LookupError):
            await fetch(system.run_dir, "c1")
        await close(visitor, "c1")  # and once more: it is not known any longer, which is fine

    system.play(scene)


def test_opening_a_call_twice_gives_the_same_call(system: System) -> None:
    async def scene(visitor: Visit) -> None:
        await visitor.warm()
        command = OpenCall(call_id="c1", rate=16000, media_uuid=media_uuid.make())
        assert await visitor.ask(command, CallOpened) == await visitor.ask(command, CallOpened)
        assert len((await visitor.status()).calls) == 1
        await close(visitor, "c1")

    system.play(scene)


def test_a_call_that_never_got_its_media_gives_its_audio_actor_back(system: System) -> None:
    async def scene(visitor: Visit) -> None:
        await visitor.warm()
        command = OpenCall(call_id="c1", rate=8000, media_uuid=media_uuid.make())
        opened = await visitor.ask(command, CallOpened)
        pid = (await visitor.actor(opened.audio_actor)).pid
        await close(visitor, "c1")
        assert (await visitor.actor(opened.audio_actor)).pid == pid

    system.play(scene)


def test_a_wrong_rate_is_refused(system: System) -> None:
    async def scene(visitor: Visit) -> None:
        with pytest.raises(Refused, match="44100 samples per second"):
            await visitor.ask(OpenCall(call_id="c1", rate=44100, media_uuid=media_uuid.make()), CallOpened)

    system.play(scene)


def test_more_calls_than_allowed_are_refused_as_busy(system: System) -> None:
    async def scene(visitor: Visit) -> None:
        most = system.config.settings.audio.max_calls
        for number in range(most):
            await open_call(visitor, f"c{number}")
        with pytest.raises(Refused, match="max_calls") as refused:
            await visitor.ask(OpenCall(call_id="more", rate=8000, media_uuid=media_uuid.make()), CallOpened)
        assert refused.value.busy
        for number in range(most):
            await close(visitor, f"c{number}")
        await open_call(visitor, "again")
        await close(visitor, "again")

    system.play(scene)


# -- media


def test_media_that_the_peer_closes_is_lost_and_another_connection_may_come(system: System) -> None:
    async def scene(visitor: Visit) -> None:
        opened, peer = await open_call(visitor, "c1")
        peer.writer.close()
        event = await visitor.media("c1", "lost")
        assert event.reason.startswith("closed by peer")
        another = media_uuid.make()
        await visitor.ask(ExpectMedia(call_id="c1", media_uuid=another), MediaAwaited)
        successor = await visitor.connect(another)
        await visitor.media("c1", "attached")
        await successor.hear(3)
        assert (await visitor.ask(ListCalls(), CallList)).calls[0].audio_actor == opened.audio_actor
        await close(visitor, "c1")

    system.play(scene)


def test_a_new_connection_replaces_one_that_still_lives(system: System) -> None:
    async def scene(visitor: Visit) -> None:
        _, first = await open_call(visitor, "c1")
        another = media_uuid.make()
        await visitor.ask(ExpectMedia(call_id="c1", media_uuid=another), MediaAwaited)
        second = await visitor.connect(another)
        await visitor.media("c1", "attached")
        await second.hear(3)
        assert await first.hear_the_end() == b"\x00\x00\x00"
        await second.hear(3)
        await close(visitor, "c1")

    system.play(scene)


def test_a_late_connection_of_ours_is_not_taken_for_a_call(system: System) -> None:
    async def scene(visitor: Visit) -> None:
        before = (await visitor.status()).media_refused.get("late", 0)
        late = await visitor.connect(media_uuid.make())
        await late.reader.read()
        status = await visitor.status()
        assert status.media_refused["late"] == before + 1
        assert status.calls == ()

    system.play(scene)


def test_a_call_from_the_dialplan_is_opened_by_call_control(system: System) -> None:
    async def scene(visitor: Visit) -> None:
        await visitor.warm()
        name = "0" + str(uuid.uuid4())[1:]
        peer = await visitor.connect(name)
        await visitor.media(name, "attached")
        await peer.hear(3)
        await close(visitor, name)
        assert await peer.hear_the_end() == b"\x00\x00\x00"

    system.play(scene)


def test_a_caller_whom_call_control_refuses_goes_on_in_the_dialplan(system: System) -> None:
    async def scene(visitor: Visit) -> None:
        peer = await visitor.connect("f" + str(uuid.uuid4())[1:])
        peer.say(10)
        assert await peer.reader.read() == b"\x00\x00\x00"

    system.play(scene)


def test_nonsense_at_the_door_does_not_reach_a_call(system: System) -> None:
    async def scene(visitor: Visit) -> None:
        _, peer = await open_call(visitor, "c1")
        before = sum((await visitor.status()).media_refused.values())
        crowd = [await asyncio.open_connection("127.0.0.1", system.port) for _ in range(200)]
        for number, (_, writer) in enumerate(crowd):
            writer.write((b"", b"\x01\x00", b"GET / HTTP/1.0\r\n\r\n")[number % 3])
        await peer.hear(50)
        for reader, writer in crowd:
            with contextlib.suppress(ConnectionResetError):
                await reader.read()
            writer.close()
        assert sum((await visitor.status()).media_refused.values()) == before + len(crowd)
        await close(visitor, "c1")

    system.play(scene)


# -- the death of audio actors


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "hanging"])
def test_when_an_audio_actor_fails_another_goes_on_with_the_same_connection_and_rings(
    system: System, how: signal.Signals
) -> None:
    async def scene(visitor: Visit) -> None:
        opened, peer = await open_call(visitor, "c1")
        await visitor.warm()
        os.kill((await visitor.actor(opened.audio_actor)).pid, how)
        event = await visitor.media("c1", "moved")
        assert event.reason == f"{opened.audio_actor} died"
        await peer.hear(20)
        (call,) = (await visitor.ask(ListCalls(), CallList)).calls
        assert (call.segment, call.audio_actor != opened.audio_actor) == (opened.segment, True)
        await close(visitor, "c1")
        assert await peer.hear_the_end() == b"\x00\x00\x00"

    system.play(scene)


def test_a_caller_whose_audio_actor_died_comes_before_the_next_call(system: System) -> None:
    async def scene(visitor: Visit) -> None:
        _, peer = await open_call(visitor, "c1")
        await visitor.warm()
        # All that wait die with it, so that there is nobody to take over yet.
        audio = [actor for actor in (await visitor.status()).actors if actor.role == "audio"]
        for actor in audio:
            os.kill(actor.pid, signal.SIGSTOP)
        for actor in audio:
            os.kill(actor.pid, signal.SIGKILL)
        await visitor.media("c1", "moved")
        await peer.hear(20)
        await close(visitor, "c1")

    system.play(scene)


def test_calls_outlive_the_nursery_and_it_goes_on_forking(system: System) -> None:
    async def scene(visitor: Visit) -> None:
        opened, peer = await open_call(visitor, "c1")
        audio = (await visitor.actor(opened.audio_actor)).pid
        nursery = (await visitor.actor("nursery")).pid
        os.kill(nursery, signal.SIGKILL)
        await peer.hear(50)
        assert (await visitor.actor(opened.audio_actor)).pid == audio
        while (await visitor.actor("nursery")).pid in (0, nursery):
            await asyncio.sleep(0.02)
        # A new actor of the new nursery takes over from one of the old.
        await visitor.warm()
        os.kill(audio, signal.SIGKILL)
        await visitor.media("c1", "moved")
        await peer.hear(20)
        await close(visitor, "c1")

    system.play(scene)


def test_a_nursery_that_hangs_is_replaced(system: System) -> None:
    async def scene(visitor: Visit) -> None:
        await visitor.warm()
        nursery = (await visitor.actor("nursery")).pid
        os.kill(nursery, signal.SIGSTOP)
        await open_call(visitor, "c1")  # which makes the pool ask for another actor
        while (await visitor.actor("nursery")).pid in (0, nursery):
            await asyncio.sleep(0.1)
        assert (await visitor.actor("nursery")).note.startswith("did not fork audio.")
        await close(visitor, "c1")
        await visitor.warm()

    system.play(scene)


def test_a_connection_that_kills_every_audio_actor_is_given_up(system: System) -> None:
    async def scene(visitor: Visit) -> None:
        _, peer = await open_call(visitor, "c1")
        for death in range(4):
            await visitor.warm()
            (call,) = (await visitor.ask(ListCalls(), CallList)).calls
            os.kill((await visitor.actor(call.audio_actor)).pid, signal.SIGKILL)
            event = await visitor.media("c1", "moved" if death < 3 else "lost")
        assert event.reason == "4 audio actors died of it within 10 s"
        await peer.hear_the_end()
        await close(visitor, "c1")

    system.play(scene)


def test_whoever_was_left_alone_has_served_all_the_time(system: System) -> None:
    """Its loop has shown progress through all of the above, though it had nothing to do."""

    async def scene(visitor: Visit) -> None:
        for name in ("stt.1", "llm.1", "conversation.1", "call-control"):
            assert (await visitor.actor(name)).restarts == 0

    system.play(scene)


# -- beginnings and ends


def start_another(run_dir: Path, config: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "supervisor.cli", "up", "--config", str(config), "--run-dir", str(run_dir)],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        env=environment(),
    )


def test_a_second_start_in_the_same_folder_is_refused_in_one_sentence(system: System) -> None:
    done = start_another(system.run_dir, system.config.path)
    assert done.returncode == 1
    assert f"already runs in {system.run_dir}, as process {system.process.pid}" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_is_told_with_its_holder_and_the_remedy(system: System, tmp_path: Path) -> None:
    done = start_another(tmp_path, system.config.path)
    assert done.returncode == 1
    assert f"port {system.port} on 127.0.0.1 is taken by ringmaster (process {system.process.pid})" in done.stderr
    assert "audiosocket.port" in done.stderr
    assert "Traceback" not in done.stderr
    assert segment.reap(segment_prefix(tmp_path)) == []


def test_an_ordinary_end_leaves_nothing_behind_and_ends_calls_in_order(tmp_path: Path) -> None:
    with System(configuration(tmp_path)) as system:
        pids: list[int] = []

        async def scene(visitor: Visit) -> None:
            _, peer = await open_call(visitor, "c1")
            pids.extend(actor.pid for actor in (await visitor.status()).actors)
            peer.say(50)
            stopping = asyncio.create_task(asyncio.to_thread(system.stop))
            await peer.hear_the_end()
            peer.writer.close()
            assert await stopping == 0

        system.play(scene)
    assert not any(alive(pid) for pid in pids)
    assert system.segments() == []
    assert sorted(path.name for path in system.run_dir.iterdir()) == ["supervisor.lock"]


def test_when_the_supervisor_is_killed_everybody_dies_and_the_next_one_cleans_up(tmp_path: Path) -> None:
    config = configuration(tmp_path)
    with System(config) as system:

        async def scene(visitor: Visit) -> None:
            await open_call(visitor, "c1")
            kill_with_everything(system)

        system.play(scene)
        leftovers = system.segments()
        assert len(leftovers) == 2, "the progress board and the rings of the call"
    with System(config) as again:
        assert [name for name in again.segments() if "call" in name] == []
        for name in leftovers:
            assert f"a predecessor has left: {name}" in again.log()


def test_systemd_is_told_of_readiness_of_life_and_of_the_end(tmp_path: Path) -> None:
    with System(configuration(tmp_path), {"WATCHDOG_USEC": "200000"}) as system:
        assert "READY=1" in system.told
        for _ in range(3):
            system.wait_for("WATCHDOG=1")
        system.process.terminate()
        system.wait_for("STOPPING=1")
        wait_until_dead([system.process.pid])
