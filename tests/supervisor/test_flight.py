"""Processes that are killed, crash, hang and raise, and what can be read of them afterwards."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ipc import flight, segment
from ipc.bus import Refused
from ipc.messages import Speak
from ipc.orders import Dump, Dumped
from supervisor import flight as keeper
from supervisor.children import Children
from supervisor.flight_text import Subject, render, why
from supervisor.specs import Group
from supervisor.tree import State
from tests.supervisor.stage import DEADLINE_S, configuration, environment, group, puppet
from tests.supervisor.system import System, Visit, kill_with_everything

LOOK_S = 0.02

SECRET = Speak(
    call_id="c1",
    segment="",
    generation=1,
    clause=1,
    text="the number of my card is",
    voice="",
    words_per_minute=150,
    pitch=50,
)


def dumps(run_dir: Path, words: str) -> list[Path]:
    return sorted((run_dir / keeper.FOLDER).glob(f"*-{words}.txt"))


async def dump(run_dir: Path, words: str) -> str:
    """The newest dump of this name, once there is one: it is written after the successor has been started."""
    while not (found := dumps(run_dir, words)):
        await asyncio.sleep(LOOK_S)
    return found[-1].read_text()


def play(folder: Path, scene: Callable[[Children, Path], Awaitable[None]], *groups: Group) -> None:
    """Children of a supervisor that has no bus and no calls."""

    async def run() -> None:
        run_dir = folder / "run"
        run_dir.mkdir()
        children = Children(groups, configuration(folder), run_dir, f"ringmaster-test-{os.getpid()}-board")
        try:
            async with asyncio.timeout(DEADLINE_S):
                watching = asyncio.create_task(children.watch())
                children.begin()
                await scene(children, run_dir)
                await children.finish()
                watching.cancel()
        finally:
            children.close()
        assert not [path.name for path in segment.DIRECTORY.glob(f"ringmaster-test-{os.getpid()}-flight-*")]

    asyncio.run(run())


def pid_of(children: Children, name: str) -> int:
    process = children.process(name)
    assert process is not None
    return process.pid


def ready(children: Children, name: str) -> Callable[[], bool]:
    return lambda: children.tree[name].state is State.READY


# -- the dead


def test_of_an_actor_that_was_killed_its_last_messages_are_known(system: System) -> None:
    async def scene(visitor: Visit) -> None:
        actor = await visitor.actor("tts.1")
        with pytest.raises(Refused, match="does not take Speak"):
            await visitor.bus.ask("tts.1", SECRET, within=DEADLINE_S)
        os.kill(actor.pid, signal.SIGKILL)
        text = await dump(system.run_dir, "tts.1-killed")
        head, _, rest = text.partition("\n")
        assert head.startswith(f"tts.1: role tts, process {actor.pid}, Ringmaster ")
        assert rest.splitlines()[0].endswith(" UTC: killed by SIGKILL")
        asked, answered = [line.split() for line in text.splitlines() if "test" in line][-2:]
        assert asked[1:5] == ["<-", "command", "Speak", "test"]
        assert answered[1:5] == ["->", "reply", "Refusal", "test"]
        assert float(asked[0]) <= float(answered[0]) <= 0
        assert int(asked[5]) > len(SECRET.text)
        assert asked[7] == answered[7]
        assert SECRET.text not in text, "what is said belongs to nobody but the caller"
        while (await visitor.actor("tts.1")).state != "ready":
            await asyncio.sleep(LOOK_S)

    system.play(scene)


def test_of_an_audio_actor_that_was_killed_in_a_call_is_known_which_call_it_had(system: System) -> None:
    async def scene(visitor: Visit) -> None:
        await visitor.warm()
        peer = await visitor.connect("12345678-1234-4234-8234-00000000000a")
        await peer.hear(3)
        while not (calls := [call for call in (await visitor.status()).calls if call.audio_actor]):
            await asyncio.sleep(LOOK_S)
        actor = await visitor.actor(calls[-1].audio_actor)
        os.kill(actor.pid, signal.SIGKILL)
        await peer.hear(20)  # from its successor, which did not wait for the dump
        while not (found := dumps(system.run_dir, f"{actor.name}-*")):
            await asyncio.sleep(LOOK_S)
        text = found[0].read_text()
        assert "<- note AttachMedia" in text
        assert calls[-1].call_id[:16] in text

    system.play(scene)


def test_a_crash_a_hang_and_an_error_each_leave_what_explains_them(tmp_path: Path) -> None:
    async def scene(children: Children, run_dir: Path) -> None:
        await children.until(ready(children, "tts.1"))
        await children.until(ready(children, "llm.1"))
        os.kill(pid_of(children, "tts.1"), signal.SIGSEGV)
        os.kill(pid_of(children, "llm.1"), signal.SIGSTOP)
        crashed = await dump(run_dir, "tts.1-crashed")
        assert "Fatal Python error: Segmentation fault" in crashed
        assert "in _run_module_as_main" in crashed
        assert "UTC: killed by SIGSEGV" in crashed
        raised = await dump(run_dir, "stt.1-raised")
        assert "ValueError: the well is dry" in raised
        assert "UTC: exit code 1" in raised
        stopped = await dump(run_dir, "llm.1-stalled")
        assert "UTC: no progress for" in stopped
        assert "None: it did not run" in stopped
        spinning = await dump(run_dir, "conversation.1-stalled")
        assert "in spin\n" in spinning
        assert "UTC: no progress for" in spinning

    play(
        tmp_path,
        scene,
        group("tts", puppet("tts.1")),
        group("llm", puppet("llm.1", stall_s=1.0)),
        group("stt", puppet("stt.1", "raising"), intensity=0),
        group("conversation", puppet("conversation.1", "spinning", stall_s=1.0), intensity=0),
    )


def test_who_ends_as_it_was_told_leaves_nothing_and_who_had_to_be_killed_does(tmp_path: Path) -> None:
    async def scene(children: Children, run_dir: Path) -> None:
        await children.until(ready(children, "stt.1"))
        await children.until(ready(children, "tts.1"))

    play(tmp_path, scene, group("stt", puppet("stt.1")), group("tts", puppet("tts.1", "deaf", shutdown_s=0.3)))
    (left,) = (tmp_path / "run" / keeper.FOLDER).iterdir()
    assert left.name.endswith("-tts.1-killed.txt")


def test_without_room_for_recorders_everybody_works_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(flight, "LEAVE_FREE_BYTES", 1 << 60)

    async def scene(children: Children, run_dir: Path) -> None:
        await children.until(ready(children, "stt.1"))
        os.kill(pid_of(children, "stt.1"), signal.SIGKILL)
        await children.until(lambda: children.tree["stt.1"].restarts == 1)
        await children.until(ready(children, "stt.1"))

    play(tmp_path, scene, group("stt", puppet("stt.1")))
    assert not (tmp_path / "run" / keeper.FOLDER).exists()
    assert len([record for record in caplog.records if "no room for the flight recorder" in record.message]) == 1


def test_a_supervisor_that_was_killed_is_written_down_by_the_next_one(tmp_path: Path) -> None:
    config = configuration(tmp_path)
    with System(config) as system:
        dead = system.process.pid

        async def scene(visitor: Visit) -> None:
            await visitor.status()
            kill_with_everything(system)

        system.play(scene)
    with System(config) as again:
        (path,) = dumps(again.run_dir, "supervisor-killed")
        text = path.read_text()
        assert text.startswith(f"supervisor: role supervisor, process {dead}, ")
        assert "<- command Status" in text
    assert again.segments("flight") == []


def test_a_supervisor_that_hangs_is_written_down_with_where_it_hung(tmp_path: Path) -> None:
    """systemd ends it with SIGABRT when its watchdog has not been fed."""
    config = configuration(tmp_path)
    with System(config) as system:
        system.process.send_signal(signal.SIGABRT)
        system.process.wait(DEADLINE_S)
    with System(config) as again:
        (path,) = dumps(again.run_dir, "supervisor-crashed")
        text = path.read_text()
        assert "Fatal Python error: Aborted" in text
        assert "in run_forever" in text


# -- the living


def test_everybody_is_written_down_with_their_stacks_when_somebody_asks(system: System) -> None:
    async def scene(visitor: Visit) -> None:
        await visitor.warm()
        dumped = await visitor.ask(Dump(), Dumped)
        names = [actor.name for actor in (await visitor.status()).actors]
        assert set(dumped.processes) == set(names)
        assert dumped.silent == ()
        sections = Path(dumped.path).read_text().split(": role ")[1:]
        assert len(sections) == len(names)
        for section in sections:
            assert "Current thread" in section
            assert "in _run_module_as_main" in section
        for name in ("stt.1", "llm.1", "call-control"):
            assert (await visitor.actor(name)).state == "ready", "nobody was harmed"

    system.play(scene)


def test_what_was_asked_for_is_not_taken_for_the_end_of_who_dies_later(system: System) -> None:
    async def scene(visitor: Visit) -> None:
        before, old = await visitor.actor("tts.1"), dumps(system.run_dir, "tts.1-killed")
        await visitor.ask(Dump(names=("tts.1",)), Dumped)
        os.kill(before.pid, signal.SIGKILL)
        while (after := await visitor.actor("tts.1")).state != "ready" or after.pid == before.pid:
            await asyncio.sleep(LOOK_S)
        while not (found := [path for path in dumps(system.run_dir, "tts.1-killed") if path not in old]):
            await asyncio.sleep(LOOK_S)
        assert "None: it did not run" in found[0].read_text()

    system.play(scene)


def test_a_name_that_nobody_has_is_refused(system: System) -> None:
    async def scene(visitor: Visit) -> None:
        with pytest.raises(Refused, match=r"no process is called stt\.9"):
            await visitor.ask(Dump(names=("stt.1", "stt.9")), Dumped)

    system.play(scene)


def test_a_folder_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    async def run() -> None:
        run_dir = tmp_path / "run"
        run_dir.write_text("no folder")
        flights = keeper.Flights(run_dir, f"ringmaster-test-{os.getpid()}-")
        with pytest.raises(Refused, match=r"a dump cannot be written .* set `run.directory`"):
            await flights.dump((), ())
        flights.close()

    asyncio.run(run())


def ringmaster(system: System, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "supervisor.cli", "dump", "--run-dir", str(system.run_dir), *words],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        env=environment(),
    )


def test_the_command_names_the_file_shows_it_and_tells_of_who_is_silent(system: System) -> None:
    plain = ringmaster(system, "stt.1", "supervisor")
    assert (plain.returncode, plain.stderr) == (0, "")
    written = Path(plain.stdout.strip())
    assert written.parent == system.run_dir / keeper.FOLDER
    assert [text.split(":")[0] for text in written.read_text().splitlines() if ": role " in text] == [
        "stt.1",
        "supervisor",
    ]
    shown = ringmaster(system, "stt.1", "--show")
    assert shown.stdout.startswith("stt.1: role stt, process ")

    stopped: list[int] = []

    async def stop(visitor: Visit) -> None:
        stopped.append((await visitor.actor("nursery")).pid)
        os.kill(stopped[0], signal.SIGSTOP)

    system.play(stop)
    try:
        asked = ringmaster(system, "nursery", "stt.1", "--json")
    finally:
        os.kill(stopped[0], signal.SIGCONT)
    assert asked.returncode == 1
    answer = json.loads(asked.stdout)
    assert (answer["processes"], answer["silent"]) == (["nursery", "stt.1"], ["nursery"])
    assert "nursery did not show its stacks" in asked.stderr


def test_the_command_tells_that_nothing_runs(tmp_path: Path, system: System) -> None:
    words = ["--run-dir", str(tmp_path)]
    done = ringmaster(system, *words)
    assert done.returncode == 1
    assert "ringmaster up" in done.stderr


# -- the folder and the text


def test_only_the_newest_dumps_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"20260101T0000{number:02d}.000Z-stt.1-killed.txt" for number in range(60)]
    for name in names:
        (tmp_path / name).write_text("x" * 10)
    (tmp_path / "20250101T000000.000Z-stt.1-killed.part").write_text("half")
    keeper.prune(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == names[-keeper.MOST_FILES :]
    monkeypatch.setattr(keeper, "MOST_BYTES", 35)
    keeper.prune(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == names[-3:]
    monkeypatch.setattr(keeper, "MOST_BYTES", 1)
    keeper.prune(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == names[-1:], "the one that was just asked for"


@pytest.mark.parametrize(
    ("how", "stacks", "stalled", "word"),
    [
        ("killed by SIGKILL", "", False, "killed"),
        ("killed by SIGSEGV", "", False, "crashed"),
        ("ended", "Fatal Python error: Aborted", False, "crashed"),
        ("ended", "Traceback (most recent call last):\n", False, "raised"),
        ("exit code 9", "", False, "ended"),
        ("no progress for 3.0 s", "Current thread", True, "stalled"),
    ],
)
def test_why_is_one_word(how: str, stacks: str, stalled: bool, word: str) -> None:
    assert why(how, stacks, stalled=stalled) == word


def test_a_person_can_read_it() -> None:
    records: list[flight.Record] = [
        flight.MessageRecord(0, flight.Way.COMMAND_OUT, "tts.1", "Speak", 210, 7),
        flight.MessageRecord(500_000, flight.Way.EVENT_OUT, "", "Journaled", 99, 0),
        flight.SecondRecord(1_000_000_000, 12_300, 400, 50, 2, 0, 300, 50, 1),
        flight.NoteRecord(1_500_000_000, "forked audio.1"),
    ]
    subject = Subject("stt.1", "stt", 123, "", "killed by SIGKILL")
    when = datetime(2026, 8, 1, 12, 0, 0, 45_000, tzinfo=UTC)
    text = render(subject, flight.Recording(123, records, "Current thread ..."), 2_000_000_000, when)
    assert "2026-08-01 12:00:00.045 UTC: killed by SIGKILL\n" in text
    assert text.rstrip().splitlines()[-4:] == [
        "     -2000.0  -> command Speak              tts.1            210 bytes #7",
        "     -1999.5  -> event Journaled          everybody        99 bytes",
        "     -1000.0     second: 12.3 ms CPU, 0.4 ms waited, 50+2 switches, 0 major faults, 0.3 ms late, 50 frames on"
        " 1 calls",
        "      -500.0     forked audio.1",
    ]


def test_a_process_without_a_recording_says_why() -> None:
    subject = Subject("stt.1", "stt", 123, "", "killed by SIGKILL")
    text = render(subject, flight.Recording(0, [], ""), 0, datetime.now(UTC))
    assert "It had no recorder" in text
