"""A running system is retuned: what the kernel says of each thread, what later processes get, and what callers hear."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from ipc import media_uuid
from ipc.bus import Refused
from ipc.lifeline import REALTIME_REMEDY
from ipc.messages import CallOpened, OpenCall
from ipc.orders import ActorStatus, Granted, Recycle, Retuned, SetCores, SetDensity, SetPriority
from supervisor import threads
from tests.supervisor.stage import alive, configuration, wait_until_dead
from tests.supervisor.system import Peer, System, Visit

HOME = tuple(sorted(os.sched_getaffinity(0)))
CORE = HOME[-1]

YIELDING = min(19, os.getpriority(os.PRIO_PROCESS, 0) + 3)
"""A niceness that nobody needs a privilege for."""


@pytest.fixture(scope="module")
def retuned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system of its own: what was said of it would hold for other tests."""
    folder = tmp_path_factory.mktemp("retuned")
    with System(configuration(folder, audio={"warm": 1, "max_calls": 4, "priority": 0, "cores": [CORE]})) as system:
        yield system


def places(pid: int) -> set[tuple[int, ...]]:
    """The cores of each thread."""
    return {tuple(sorted(os.sched_getaffinity(int(path.name)))) for path in Path(f"/proc/{pid}/task").iterdir()}


def niceness(pid: int) -> set[int]:
    return {os.getpriority(os.PRIO_PROCESS, int(path.name)) for path in Path(f"/proc/{pid}/task").iterdir()}


async def killed_and_back(visitor: Visit, name: str) -> ActorStatus:
    before = await visitor.actor(name)
    os.kill(before.pid, signal.SIGKILL)
    while True:
        after = await visitor.actor(name)
        if after.state == "ready" and after.pid != before.pid:
            return after
        await asyncio.sleep(0.02)


async def open_call(visitor: Visit, call_id: str) -> tuple[str, Peer]:
    """Its audio actor, and Asterisk's end of its connection."""
    await visitor.warm()
    uuid = media_uuid.make()
    opened = await visitor.ask(OpenCall(call_id=call_id, rate=8000, media_uuid=uuid), CallOpened)
    peer = await visitor.connect(uuid)
    await visitor.media(call_id, "attached")
    await peer.hear(3)
    return opened.audio_actor, peer


def by_name(answer: Retuned) -> dict[str, Granted]:
    return {actor.name: actor for actor in answer.actors}


# -- cores


def test_a_role_is_moved_at_once_with_all_its_threads_and_stays_there(retuned: System) -> None:
    async def scene(visitor: Visit) -> None:
        answer = await visitor.ask(SetCores(target="stt", cores=(CORE,)), Retuned)
        assert answer.config == str(retuned.config.path)
        before = await visitor.actor("stt.1")
        assert answer.actors == (Granted(name="stt.1", pid=before.pid, cores=(CORE,), scheduling=before.scheduling),)
        assert places(before.pid) == {(CORE,)}
        after = await killed_and_back(visitor, "stt.1")
        assert places(after.pid) == {(CORE,)}
        await visitor.ask(SetCores(target="stt", cores=()), Retuned)
        assert places(after.pid) == {HOME}

    retuned.play(scene)


def test_audio_actors_are_moved_those_that_wait_and_those_that_are_forked_later(retuned: System) -> None:
    async def scene(visitor: Visit) -> None:
        await visitor.warm()
        waiting = by_name(await visitor.ask(SetCores(target="audio", cores=HOME), Retuned))
        assert waiting
        name, _ = await open_call(visitor, "call-1")
        assert places((await visitor.actor(name)).pid) == {HOME}
        await visitor.warm()
        [later] = [
            actor
            for actor in (await visitor.status()).actors
            if actor.role == "audio" and actor.state == "ready" and actor.name not in waiting
        ]
        assert places(later.pid) == {HOME}

    retuned.play(scene)


def test_a_process_that_is_being_born_is_moved_once_it_has_taken_its_old_place(retuned: System) -> None:
    async def scene(visitor: Visit) -> None:
        before = await visitor.actor("tts.1")
        os.kill(before.pid, signal.SIGKILL)
        born = before
        while born.pid in (0, before.pid):
            born = await visitor.actor("tts.1")
        assert born.state == "starting"
        await visitor.ask(SetCores(target="tts", cores=(CORE,)), Retuned)
        while (await visitor.actor("tts.1")).state != "ready":
            await asyncio.sleep(0.02)
        assert places(born.pid) == {(CORE,)}

    retuned.play(scene)


def test_whoever_is_started_by_a_moved_supervisor_is_not_where_it_is(retuned: System) -> None:
    async def scene(visitor: Visit) -> None:
        [supervisor] = (await visitor.ask(SetCores(target="supervisor", cores=(HOME[0],)), Retuned)).actors
        assert (supervisor.pid, supervisor.cores) == (retuned.process.pid, (HOME[0],))
        assert places(supervisor.pid) == {(HOME[0],)}
        after = await killed_and_back(visitor, "llm.1")
        assert places(after.pid) == {HOME}
        await visitor.ask(SetCores(target="supervisor", cores=()), Retuned)

    retuned.play(scene)


def test_cores_that_are_not_there_are_refused_with_those_that_are(retuned: System) -> None:
    async def scene(visitor: Visit) -> None:
        before = places((await visitor.actor("tts.1")).pid)
        with pytest.raises(Refused, match=r"^cores 1023 cannot be used here: this machine lets Ringmaster have \d"):
            await visitor.ask(SetCores(target="tts", cores=(CORE, 1023)), Retuned)
        assert places((await visitor.actor("tts.1")).pid) == before

    retuned.play(scene)


@pytest.mark.parametrize(
    ("target", "sentence"),
    [("sst", "there is no actor or role `sst`; did you mean `stt`"), ("piano", "the roles are audio, call-control, ")],
)
def test_whoever_is_not_there_is_refused_with_who_is(retuned: System, target: str, sentence: str) -> None:
    async def scene(visitor: Visit) -> None:
        for order in (SetCores(target=target, cores=()), SetPriority(target=target), Recycle(target=target)):
            with pytest.raises(Refused, match=sentence):
                await visitor.ask(order, Retuned)

    retuned.play(scene)


# -- urgency


def test_niceness_is_given_to_every_thread_and_to_later_processes(retuned: System) -> None:
    async def scene(visitor: Visit) -> None:
        [granted] = (await visitor.ask(SetPriority(target="tts.1", nice=YIELDING), Retuned)).actors
        assert (granted.scheduling, granted.problem) == (f"nice:{YIELDING}", "")
        assert niceness(granted.pid) == {YIELDING}
        assert niceness((await killed_and_back(visitor, "tts.1")).pid) == {YIELDING}

    retuned.play(scene)


def test_audio_actors_that_are_forked_later_have_the_urgency_too(retuned: System) -> None:
    async def scene(visitor: Visit) -> None:
        await visitor.warm()
        waiting = by_name(await visitor.ask(SetPriority(target="audio", nice=YIELDING), Retuned))
        assert {actor.scheduling for actor in waiting.values()} == {f"nice:{YIELDING}"}
        await open_call(visitor, "call-1")
        await visitor.warm()
        audio = [actor for actor in (await visitor.status()).actors if actor.role == "audio"]
        assert {actor.name for actor in audio} - waiting.keys()
        assert {actor.scheduling for actor in audio if actor.state == "ready"} == {f"nice:{YIELDING}"}

    retuned.play(scene)


def test_real_time_is_granted_or_refused_with_the_remedy_and_nothing_in_between(retuned: System) -> None:
    async def scene(visitor: Visit) -> None:
        before = await visitor.actor("llm.1")
        order = SetPriority(target="llm", realtime=1)
        if threads.permits(1, 0):
            [granted] = (await visitor.ask(order, Retuned)).actors
            assert granted.scheduling == "fifo:1"
            [granted] = (await visitor.ask(SetPriority(target="llm"), Retuned)).actors
            assert granted.scheduling == "normal"
        else:
            with pytest.raises(Refused) as refusal:
                await visitor.ask(order, Retuned)
            assert REALTIME_REMEDY in str(refusal.value)
            assert (await visitor.actor("llm.1")).scheduling == before.scheduling

    retuned.play(scene)


@pytest.mark.parametrize("target", ["supervisor", "nursery"])
def test_whoever_starts_others_cannot_be_made_to_yield(retuned: System, target: str) -> None:
    async def scene(visitor: Visit) -> None:
        with pytest.raises(Refused, match="would yield like it"):
            await visitor.ask(SetPriority(target=target, nice=3), Retuned)
        assert (await visitor.actor(target)).scheduling != "nice:3"

    retuned.play(scene)


# -- density


def test_from_the_next_call_on_more_calls_share_an_actor(retuned: System) -> None:
    async def scene(visitor: Visit) -> None:
        # As long as fewer actors serve than they have cores, each call gets one of its own.
        await visitor.ask(SetCores(target="audio", cores=(CORE,)), Retuned)
        first, _ = await open_call(visitor, "call-1")
        second, _ = await open_call(visitor, "call-2")
        assert first != second
        await visitor.ask(SetDensity(calls_per_process=2), Retuned)
        third, _ = await open_call(visitor, "call-3")
        assert third in (first, second)
        await visitor.ask(SetDensity(calls_per_process=1), Retuned)
        fourth, _ = await open_call(visitor, "call-4")
        assert fourth not in (first, second)

    retuned.play(scene)


# -- fresh processes


def test_an_actor_is_replaced_and_that_is_no_restart(retuned: System) -> None:
    async def scene(visitor: Visit) -> None:
        before = await visitor.actor("conversation.1")
        [fresh] = (await visitor.ask(Recycle(target="conversation"), Retuned)).actors
        after = await visitor.actor("conversation.1")
        assert fresh.pid == after.pid != before.pid
        assert (after.state, after.restarts) == ("ready", before.restarts)
        assert not alive(before.pid)

    retuned.play(scene)


def test_callers_go_on_while_their_audio_actors_are_replaced_however_often(retuned: System) -> None:
    async def scene(visitor: Visit) -> None:
        await visitor.ask(SetDensity(calls_per_process=2), Retuned)
        peers = [(await open_call(visitor, f"call-{number}"))[1] for number in range(3)]
        for _ in range(5):
            before = [actor for actor in (await visitor.status()).actors if actor.role == "audio"]
            answer = await visitor.ask(Recycle(target="audio"), Retuned)
            assert not {actor.problem for actor in answer.actors} - {""}
            assert not {actor.pid for actor in before if actor.state == "ready"} & {
                actor.pid for actor in answer.actors
            }
            wait_until_dead(actor.pid for actor in before)
            for number, peer in enumerate(peers):
                moved = await visitor.media(f"call-{number}", "moved")
                assert moved.reason.endswith(" was recycled")
                await peer.hear(25)
        await visitor.ask(SetDensity(calls_per_process=1), Retuned)

    retuned.play(scene)


def test_one_audio_actor_can_be_replaced_alone(retuned: System) -> None:
    async def scene(visitor: Visit) -> None:
        first, one = await open_call(visitor, "call-1")
        second, other = await open_call(visitor, "call-2")
        bystander = await visitor.actor(second)
        await visitor.ask(Recycle(target=first), Retuned)
        assert (await visitor.media("call-1", "moved")).reason == f"{first} was recycled"
        assert (await visitor.actor(second)).pid == bystander.pid
        await one.hear(25)
        await other.hear(25)

    retuned.play(scene)


def test_the_nursery_is_replaced_and_calls_do_not_notice(retuned: System) -> None:
    async def scene(visitor: Visit) -> None:
        _, peer = await open_call(visitor, "call-1")
        before = await visitor.actor("nursery")
        [fresh] = (await visitor.ask(Recycle(target="nursery"), Retuned)).actors
        assert fresh.pid not in (0, before.pid)
        await peer.hear(25)
        await open_call(visitor, "call-2")

    retuned.play(scene)


def test_the_supervisor_is_not_recycled(retuned: System) -> None:
    async def scene(visitor: Visit) -> None:
        with pytest.raises(Refused, match="`ringmaster restart`"):
            await visitor.ask(Recycle(target="supervisor"), Retuned)

    retuned.play(scene)


def test_one_recycling_at_a_time(retuned: System) -> None:
    async def scene(visitor: Visit) -> None:
        answers = await asyncio.gather(
            visitor.ask(Recycle(target="stt"), Retuned),
            visitor.ask(Recycle(target="llm"), Retuned),
            return_exceptions=True,
        )
        assert isinstance(answers[0], Retuned)
        assert isinstance(answers[1], Refused)
        assert answers[1].busy
        assert str(answers[1]).startswith("stt is being recycled")

    retuned.play(scene)
