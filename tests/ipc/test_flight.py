"""The flight recorder: what is in it when its process has been killed at any instant."""

import itertools
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ipc import flight, segment
from ipc.flight import MessageRecord, NoteRecord, Recorder, SecondRecord, Way

DEADLINE_S = 20
SLOTS = (flight.AUDIO_BYTES - 256) // 64

_numbers = itertools.count(1)


@pytest.fixture
def name() -> Iterator[str]:
    """A recorder that nobody has armed."""
    name = flight.make(f"ringmaster-test-{os.getpid()}-flight-{next(_numbers)}", flight.AUDIO_BYTES)
    assert name
    yield name
    flight.discard(name)


class Life:
    """A process that has armed a recorder, run `body` and told us so; then it lives until it is killed.

    Always another process: the tests' own must not change how it takes signals.
    """

    def __init__(self, name: str, body: Callable[[Recorder], object]) -> None:
        mine, theirs = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                flight.begin(name)
                body(flight.recorder())
                os.write(theirs, b"x")
                while True:
                    signal.pause()
            finally:
                os._exit(77)
        self.pidfd = os.pidfd_open(self.pid)
        os.close(theirs)
        self._told = os.read(mine, 1)
        os.close(mine)

    def __enter__(self) -> "Life":
        assert self._told == b"x", "it died before its time"
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        if self.pidfd >= 0:
            signal.pidfd_send_signal(self.pidfd, how)
            assert select.select([self.pidfd], [], [], DEADLINE_S)[0], "it still lives"
            os.waitpid(self.pid, 0)
            os.close(self.pidfd)
            self.pidfd = -1

    def show_stacks(self) -> None:
        signal.pidfd_send_signal(self.pidfd, flight.STACKS_SIGNAL)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        os.sched_yield()


def test_what_a_process_did_last_is_there_after_it_was_killed(name: str) -> None:
    def body(recorder: Recorder) -> None:
        recorder.message(Way.COMMAND_IN, "conversation.1", "Speak", 123, 7)
        recorder.message(Way.EVENT_OUT, "", "ActorChanged", 45)
        recorder.second(time.monotonic_ns(), late_ns=1_500_000, frames=50, calls=1)
        recorder.note("forked audio.1")

    with Life(name, body) as life:
        life.kill()
        recording = flight.read(name)
        assert recording.pid == life.pid
    begun, spoke, changed, second, note = recording.records
    assert begun == NoteRecord(begun.time_ns, f"process {life.pid} begins")
    assert spoke == MessageRecord(spoke.time_ns, Way.COMMAND_IN, "conversation.1", "Speak", 123, 7)
    assert changed == MessageRecord(changed.time_ns, Way.EVENT_OUT, "", "ActorChanged", 45, 0)
    assert isinstance(second, SecondRecord)
    assert (second.late_us, second.frames, second.calls) == (1500, 50, 1)
    assert note == NoteRecord(note.time_ns, "forked audio.1")
    times = [record.time_ns for record in recording.records]
    assert times == sorted(times)
    assert recording.stacks == ""


def test_the_scheduler_facts_are_those_of_the_second(name: str) -> None:
    def body(recorder: Recorder) -> None:
        recorder.second(time.monotonic_ns())
        begin = time.process_time_ns()
        while time.process_time_ns() - begin < 50_000_000:
            pass
        recorder.second(time.monotonic_ns())
        recorder.second(time.monotonic_ns())

    with Life(name, body):
        busy, idle = [record for record in flight.read(name).records if isinstance(record, SecondRecord)][1:]
    assert busy.cpu_us >= 50_000
    assert idle.cpu_us < busy.cpu_us


def test_ticks_add_up_to_seconds_with_the_latest_of_each(name: str) -> None:
    def body(recorder: Recorder) -> None:
        start = recorder.due_ns - flight.SECOND_NS
        for number in range(1, 121):
            due = start + number * 20_000_000
            late = 7_000_000 if number == 60 else 100_000
            recorder.tick(due + late, late, calls=1)

    with Life(name, body):
        seconds = [record for record in flight.read(name).records if isinstance(record, SecondRecord)]
    assert [(second.frames, second.late_us, second.calls) for second in seconds] == [(50, 100, 1), (50, 7000, 1)]


def test_the_oldest_records_make_room(name: str) -> None:
    def body(recorder: Recorder) -> None:
        for number in range(3 * SLOTS):
            recorder.message(Way.NOTE_OUT, "peer", "Kind", number)

    with Life(name, body):
        records = flight.read(name).records
    assert [record.size for record in records if isinstance(record, MessageRecord)] == list(range(2 * SLOTS, 3 * SLOTS))


@pytest.mark.parametrize("byte", [0, 9, 17, 40, 63], ids="byte {}".format)
def test_a_record_that_was_torn_by_a_kill_is_left_out(name: str, byte: int) -> None:
    def body(recorder: Recorder) -> None:
        for size in (1, 2, 3):
            recorder.message(Way.NOTE_IN, "peer", "Kind", size)

    with Life(name, body):
        pass
    with (segment.DIRECTORY / name).open("r+b") as file:
        file.seek(256 + 2 * 64 + byte)
        changed = file.read(1)[0] ^ 0x55
        file.seek(256 + 2 * 64 + byte)
        file.write(bytes([changed]))
    records = flight.read(name).records
    assert [record.size for record in records if isinstance(record, MessageRecord)] == [1, 3]


def test_names_that_are_too_long_are_cut_and_odd_figures_do_no_harm(name: str) -> None:
    def body(recorder: Recorder) -> None:
        recorder.message(Way.NOTE_IN, "p" * 99, "k" * 99, 1 << 40, 1 << 63)
        recorder.message(Way.NOTE_IN, "caf\udcff", "", -1)
        recorder.second(0, late_ns=-5, frames=1 << 40, calls=1 << 20)
        recorder.note("n" * 99)

    with Life(name, body):
        records = flight.read(name).records
    assert len(records) == 5
    assert records[1][2:4] == ("p" * 16, "k" * 18)


def test_a_recorder_that_nobody_has_armed_or_that_is_gone_is_empty(name: str) -> None:
    assert flight.read(name) == (0, [], "")
    assert flight.armed(name) == 0
    assert not flight.stacks_complete(name)
    flight.discard(name)
    assert flight.read(name) == (0, [], "")
    assert flight.armed(name) == 0
    flight.clear_stacks(name)


def test_a_process_without_a_recorder_records_nothing(name: str) -> None:
    def body(recorder: Recorder) -> None:
        recorder.message(Way.NOTE_IN, "peer", "Kind", 1)
        recorder.second(0)
        recorder.note("nothing")
        recorder.last_words("nothing")
        assert recorder.due_ns > time.monotonic_ns() + 10**18

    for none in ("", f"ringmaster-test-{os.getpid()}-missing"):
        with Life(none, body):
            assert flight.read(none) == (0, [], "")


def test_when_dev_shm_is_nearly_full_there_is_no_recorder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flight, "LEAVE_FREE_BYTES", 1 << 60)
    name = f"ringmaster-test-{os.getpid()}-none"
    assert flight.make(name, flight.AUDIO_BYTES) == ""
    assert not (segment.DIRECTORY / name).exists()


def test_when_dev_shm_is_full_after_all_there_is_no_recorder() -> None:
    name = f"ringmaster-test-{os.getpid()}-none"
    assert flight.make(name, 1 << 50) == ""
    assert not (segment.DIRECTORY / name).exists()


def _wait_in_a_thread(recorder: Recorder) -> None:
    started = threading.Event()

    def helper_thread() -> None:
        started.set()
        threading.Event().wait()

    threading.Thread(target=helper_thread, daemon=True).start()
    started.wait()


def test_a_process_shows_the_stacks_of_all_its_threads_when_it_is_asked(name: str) -> None:
    with Life(name, _wait_in_a_thread) as life:
        assert flight.armed(name) == life.pid
        for _ in range(2):
            flight.clear_stacks(name)
            assert not flight.stacks_complete(name)
            life.show_stacks()
            until(lambda: flight.stacks_complete(name))
            stacks = flight.read(name).stacks
            assert stacks.count("helper_thread") == 1
            assert stacks.count("in __init__") == 1, "where the main thread waits"
            assert len(flight.read(name).records) == 1, "the records are untouched"


def test_a_stack_is_complete_only_with_its_last_frame(name: str) -> None:
    with Life(name, lambda recorder: None) as life:
        life.show_stacks()
        until(lambda: flight.stacks_complete(name))
        stacks = flight.read(name).stacks.encode()
    path = segment.DIRECTORY / name
    # However far faulthandler has come: after each write of a piece somebody may look.
    for length in range(len(stacks)):
        os.truncate(path, flight.AUDIO_BYTES + length)
        assert not flight.stacks_complete(name), stacks[:length]


def test_a_crash_leaves_the_stacks_of_where_it_was(name: str) -> None:
    with Life(name, _wait_in_a_thread) as life:
        life.kill(signal.SIGSEGV)
    stacks = flight.read(name).stacks
    assert "Fatal Python error: Segmentation fault" in stacks
    assert "helper_thread" in stacks


def test_an_error_that_nobody_catches_leaves_its_traceback(name: str) -> None:
    script = (
        "import sys\n"
        "from ipc import flight, logs\n"
        "flight.begin(sys.argv[1])\n"
        "logs.set_up('stt.1', 'info')\n"
        "flight.recorder().note('before')\n"
        "raise ValueError('the well is dry')\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", script, name], cwd=root, capture_output=True, timeout=DEADLINE_S)
    assert done.returncode == 1
    recording = flight.read(name)
    assert recording.stacks.startswith("Traceback (most recent call last)")
    assert recording.stacks.endswith("ValueError: the well is dry\n")
    assert recording.records[-1][1] == "before"


def test_of_a_very_long_traceback_the_end_is_kept(name: str) -> None:
    with Life(name, lambda recorder: recorder.last_words("x" * 100_000 + "the error")):
        stacks = flight.read(name).stacks
    assert len(stacks) == flight.LONGEST_TRACEBACK
    assert stacks.endswith("the error")


def test_a_fork_does_not_write_into_its_parents_recorder(name: str) -> None:
    own = flight.make(f"{name}-own", flight.AUDIO_BYTES)

    def body(recorder: Recorder) -> None:
        child = os.fork()
        if child == 0:
            flight.begin(own)
            flight.recorder().note("the child's")
            os._exit(0)
        os.waitpid(child, 0)
        other = os.fork()
        if other == 0:
            flight.begin("")
            flight.recorder().note("nobody's")
            os._exit(0)
        os.waitpid(other, 0)
        recorder.note("the parent's")

    try:
        with Life(name, body):
            texts = [record.text for record in flight.read(name).records if isinstance(record, NoteRecord)]
            assert texts[1:] == ["the parent's"]
            texts = [record.text for record in flight.read(own).records if isinstance(record, NoteRecord)]
            assert texts[1:] == ["the child's"]
    finally:
        flight.discard(own)
