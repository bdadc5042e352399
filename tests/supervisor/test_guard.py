"""What the guard sees: lateness from real rings, CPU from the kernel's own figures."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from ipc import rings
from ipc.mouth import SENT, SKIPPED, MouthReader
from ipc.rings import Rings
from supervisor import guard
from supervisor.blame import LATE_NS
from supervisor.guard import Guard, Lateness, Machine, machine, processes, shares

DEADLINE_S = 30

CALLS = [f"ringmaster-test-{os.getpid()}-guard-{number}" for number in (1, 2)]


@pytest.fixture
def calls() -> Iterator[list[MouthReader]]:
    """The pacer's ends of two calls."""
    for name in CALLS:
        rings.create(name, 8000)
    views = [Rings(name) for name in CALLS]
    yield [MouthReader(view) for view in views]
    for view in views:
        view.close()
    for name in CALLS:
        rings.unlink(name)


def send(call: MouthReader, *late_ms: float) -> None:
    for late in late_ms:
        call.note_lateness(int(late * 1e6))
    call.grid[SENT] += len(late_ms)
    call.publish()


def test_late_frames_of_all_calls_are_counted_from_look_to_look(calls: list[MouthReader]) -> None:
    lateness = Lateness()
    send(calls[0], 500, 500)
    assert lateness.look(CALLS) == (0, 0), "what was before is not counted"
    send(calls[0], 0, 1, 25)
    send(calls[1], 300, 0.5)
    assert lateness.look(CALLS) == (5, 2)
    assert lateness.look(CALLS) == (0, 0)
    send(calls[1], 0)
    assert lateness.look(CALLS[1:]) == (1, 0)
    lateness.look([])


def test_a_frame_that_was_never_sent_is_late(calls: list[MouthReader]) -> None:
    lateness = Lateness()
    lateness.look(CALLS)
    calls[0].grid[SKIPPED] += 7
    send(calls[0], 0)
    assert lateness.look(CALLS) == (8, 7)
    lateness.look([])


@pytest.mark.parametrize(("late_ms", "late"), [(0.0, 0), (7.4, 0), (18.0, 0), (23.1, 1), (100, 1), (5000, 1)])
def test_late_is_what_is_later_than_a_frame_is_long(calls: list[MouthReader], late_ms: float, late: int) -> None:
    lateness = Lateness()
    lateness.look(CALLS)
    send(calls[0], late_ms)
    assert lateness.look(CALLS) == (1, late)
    assert LATE_NS == rings.FRAME_NS
    lateness.look([])


def test_a_call_that_has_just_ended_is_passed_over(calls: list[MouthReader]) -> None:
    lateness = Lateness()
    assert lateness.look([*CALLS, "ringmaster-test-nowhere"]) == (0, 0)
    lateness.look([])


def test_shares_are_of_what_passed_between_two_looks() -> None:
    before = {1: ("supervisor", 100), 2: ("stt.1", 500), 8: ("ffmpeg", 1000), 9: ("ffmpeg", 0), 10: ("cron", 5)}
    now = {
        1: ("supervisor", 110),
        2: ("stt.1", 560),
        3: ("audio.9", 10),  # ours and new: all of it
        8: ("ffmpeg", 1050),
        9: ("ffmpeg", 30),
        10: ("cron", 5),
        11: ("mysqld", 7000),  # another's that was not looked at before: nobody knows when it used that
    }
    assert shares(before, now, {1, 2, 3}, 400) == (0.2, (("ffmpeg", 0.2),))


def test_a_process_id_that_is_used_again_counts_for_nothing_below_zero() -> None:
    assert shares({7: ("old", 900)}, {7: ("new", 3)}, set(), 100) == (0.0, ())
    assert shares({7: ("old", 900)}, {7: ("new", 3)}, {7}, 100) == (0.0, ())


def test_a_busy_program_is_found_among_all_processes() -> None:
    script = "print(flush=True)\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as spinner:
        assert spinner.stdout is not None
        spinner.stdout.readline()
        before = processes({os.getpid()}, everybody=True)
        start, ticks = machine(None), before[spinner.pid][1]
        while processes({spinner.pid}, everybody=False)[spinner.pid][1] < ticks + 20:
            os.sched_yield()
        now = processes({os.getpid()}, everybody=True)
        spinner.kill()
        assert os.getpid() in now
        assert now[spinner.pid][1] >= ticks + 20
        programs = shares(before, now, {os.getpid()}, machine(None).total - start.total)[1]
        assert now[spinner.pid][0] in [name for name, _ in programs]
    assert set(processes({os.getpid()}, everybody=False)) == {os.getpid()}


def test_a_process_that_has_gone_is_left_out() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert processes({gone.pid}, everybody=False) == {}


def figures(at_ns: int = 0, **more: int | None) -> Machine:
    usual: dict[str, int | None] = {
        "total": 0, "idle": 0, "steal": 0, "pressed_us": 0, "periods": 0, "throttled": 0
    }  # fmt: skip
    return Machine(at_ns, **(usual | more))  # type: ignore[arg-type]


def test_the_machines_figures_become_shares_of_the_time_between() -> None:
    before = figures(total=1000, idle=400, steal=10, pressed_us=5_000, periods=100, throttled=3)
    now = figures(10**9, total=1200, idle=450, steal=30, pressed_us=255_000, periods=110, throttled=8)
    assert now.share("idle", before) == 0.25
    assert now.share("steal", before) == 0.1
    assert now.pressure_since(before) == 0.25
    assert now.throttled_since(before) == 0.5


def test_a_kernel_that_does_not_count_gives_no_figures() -> None:
    assert figures(1).share("idle", figures()) is None
    assert figures(1, pressed_us=None).pressure_since(figures()) is None
    assert figures(1).throttled_since(figures()) == 0.0


def test_idle_time_that_went_back_is_none() -> None:
    assert figures(total=100, idle=9).share("idle", figures(idle=10)) == 0.0


def test_the_kernels_files_are_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "self").mkdir()
    (tmp_path / "pressure").mkdir()
    (tmp_path / "stat").write_text("cpu  10 20 30 40 50 60 70 80 90 100\ncpu0 1 2 3 4 5 6 7 8 9 10\n")
    (tmp_path / "pressure/cpu").write_text("some avg10=1.05 avg60=0.83 avg300=0.73 total=123\nfull avg10=0.0 total=9\n")
    monkeypatch.setattr(guard, "PROC", tmp_path)
    now = machine(None)
    # Guests (90, 100) are contained in user time already.
    assert (now.total, now.idle, now.steal, now.pressed_us) == (360, 90, 80, 123)
    monkeypatch.setattr(guard, "PROC", tmp_path / "nowhere")
    now = machine(None)
    assert (now.total, now.idle, now.steal, now.pressed_us) == (0, 0, 0, None)


@pytest.mark.parametrize(
    ("groups", "file"),
    [
        ("0::/system.slice/ringmaster.service\n", "system.slice/ringmaster.service/cpu.stat"),  # systemd
        ("0::/\n", "cpu.stat"),  # in a container, where the group is the root
        ("0::/../../elsewhere\n", "cpu.stat"),  # in a container that sees the host's path
        ("7:memory:/a\n4:cpu,cpuacct:/docker/1\n", "cpu,cpuacct/docker/1/cpu.stat"),  # control groups of version 1
    ],
)
def test_the_quota_of_our_control_group_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, groups: str, file: str
) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(groups)
    counters = tmp_path / "cgroup" / file
    counters.parent.mkdir(parents=True)
    counters.write_text("usage_usec 5\nnr_periods 120\nnr_throttled 30\nthrottled_usec 99\n")
    monkeypatch.setattr(guard, "PROC", tmp_path / "proc")
    monkeypatch.setattr(guard, "CGROUPS", tmp_path / "cgroup")
    assert guard.throttle_file() == counters
    assert (machine(counters).periods, machine(counters).throttled) == (120, 30)


def test_without_a_control_group_there_is_no_quota(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "PROC", tmp_path)
    assert guard.throttle_file() is None
    assert (machine(None).periods, machine(None).throttled) == (0, 0)


def test_late_audio_is_a_problem_until_it_has_been_in_time_for_a_while(
    calls: list[MouthReader], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(guard, "LOOK_S", 0.005)
    caplog.set_level("INFO")
    children = SimpleNamespace(tree=[SimpleNamespace(name="stt.1")], process=lambda name: None)
    open_calls = SimpleNamespace(listing=lambda: [SimpleNamespace(segment=name) for name in CALLS])

    async def run() -> None:
        watched = Guard(children, open_calls)  # type: ignore[arg-type]
        watching = asyncio.create_task(watched.watch())
        async with asyncio.timeout(DEADLINE_S):
            while not watched.problems:
                send(calls[0], 0, 50)
                await asyncio.sleep(0.001)
            (problem,) = watched.problems
            assert problem.startswith("callers hear gaps: 50 % of the frames")
            while watched.problems:
                send(calls[0], 0)
                await asyncio.sleep(0.001)
        watching.cancel()

    asyncio.run(run())
    told = [record.getMessage() for record in caplog.records if record.name == guard.__name__]
    assert told[0].startswith("callers hear gaps")
    assert told[-1] == "audio is in time again"
