"""Recordings, from real rings into real files, by the real thread. The test is the audio actor."""

import asyncio
import os
import threading
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from actors.conversation import recorder
from actors.conversation.recorder import Recorder, folder, sweep
from config.keeping import History, Recording
from config.schema import Settings
from ipc import rings as ring
from ipc.ear import EarWriter
from ipc.journal import Noted, Record, Recorded
from ipc.rings import Rings
from ipc.tap import TAPPED, TapWriter

NAME = f"ringmaster-test-{os.getpid()}-recorder"
CALL = "branch~1795.1"


class Stage:
    """A call's rings, an audio actor that speaks into them, and a recorder."""

    def __init__(self, tmp_path: Path, *, calls: str = "none", directory: str = "") -> None:
        ring.create(NAME, 8000)
        self.rings = Rings(NAME)
        self.ear, self.tap = EarWriter(self.rings), TapWriter(self.rings)
        recording = Recording(directory=directory or str(tmp_path / "recordings"), calls=calls)  # type: ignore[arg-type]
        self.settings = Settings(recording=recording)
        self.journal: list[Record] = []
        self.wrote = asyncio.Event()
        self.recorder = self.make()
        self.number = 0

    def make(self) -> Recorder:
        return Recorder(CALL, NAME, self.rings, self.settings, self.write)

    def write(self, record: Record) -> None:
        self.journal.append(record)
        self.wrote.set()

    def talk(self, frames: int) -> None:
        """Frame n of the caller is full of n + 1, that of the agent of -n - 1."""
        for _ in range(frames):
            if self.rings.listened & TAPPED:
                self.tap.write((-self.number - 1).to_bytes(2, "little", signed=True) * 160, 0)
            pcm = (self.number + 1).to_bytes(2, "little") * 160
            self.ear.write(pcm, captured_ns=0, level=-20.0, speech=True)
            self.number += 1

    @property
    def recorded(self) -> list[Recorded]:
        return [record for record in self.journal if isinstance(record, Recorded)]

    def close(self) -> None:
        self.rings.close()
        ring.unlink(NAME)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path)
    yield stage
    stage.close()


def read(path: str) -> tuple[list[int], list[int]]:
    """The number in each frame, left and right."""
    with wave.open(path) as file:
        assert (file.getnchannels(), file.getframerate()) == (2, 8000)
        pcm = file.readframes(file.getnframes())
    numbers = [
        [int.from_bytes(pcm[at + side : at + side + 2], "little", signed=True) for at in range(0, len(pcm), 640)]
        for side in (0, 2)
    ]
    return numbers[0], numbers[1]


async def until(true: Callable[[], bool]) -> None:
    """The thread writes about once a second."""
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.01)


def frames_in(path: str, frames: int) -> Callable[[], bool]:
    """As the header says, which is written after the samples."""
    return lambda: Path(path).exists() and int.from_bytes(Path(path).read_bytes()[40:44], "little") >= frames * 640


def test_a_recording_holds_both_sides_from_its_first_frame_to_its_last(stage: Stage) -> None:
    async def scene() -> None:
        stage.talk(7)
        stage.recorder.start()
        stage.talk(100)
        stage.recorder.stop()
        stage.talk(5)
        await until(frames_in(stage.recorded[0].path, 100))

    asyncio.run(scene())
    begun, ended = stage.recorded
    assert (begun.from_frame, begun.frames, begun.ended) == (7, 0, False)
    assert (ended.path, ended.from_frame, ended.frames, ended.ended) == (begun.path, 7, 100, True)
    assert read(begun.path) == (list(range(8, 108)), list(range(-8, -108, -1)))


def test_the_file_can_be_played_while_it_grows(stage: Stage) -> None:
    async def scene() -> tuple[list[int], list[int]]:
        stage.recorder.start()
        stage.talk(30)
        await until(frames_in(stage.recorded[0].path, 30))
        so_far = read(stage.recorded[0].path)
        stage.talk(10)
        stage.recorder.stop()
        await until(frames_in(stage.recorded[0].path, 40))
        return so_far

    assert asyncio.run(scene()) == (list(range(1, 31)), list(range(-1, -31, -1)))
    assert read(stage.recorded[0].path)[0] == list(range(1, 41))


def test_the_call_may_be_gone_before_the_file_is_complete(tmp_path: Path) -> None:
    stage = Stage(tmp_path)

    async def scene() -> None:
        stage.recorder.start()
        stage.talk(50)
        stage.recorder.stop()
        stage.close()
        await until(frames_in(stage.recorded[0].path, 50))

    asyncio.run(scene())
    assert read(stage.recorded[0].path)[1] == list(range(-1, -51, -1))


@pytest.mark.parametrize(("calls", "recorded"), [("wire", 1), ("none", 0), ("asterisk", 0)])
def test_the_configuration_says_which_calls_are_recorded_from_the_start(
    tmp_path: Path, calls: str, recorded: int
) -> None:
    stage = Stage(tmp_path, calls=calls)

    async def scene() -> None:
        stage.recorder.begin([])
        stage.recorder.stop()

    asyncio.run(scene())
    stage.close()
    assert len(stage.recorded) == 2 * recorded
    assert all(record.ended is bool(number) for number, record in enumerate(stage.recorded))


def test_who_starts_twice_has_one_recording_and_who_stops_twice_ends_it_once(stage: Stage) -> None:
    async def scene() -> None:
        for _ in range(2):
            stage.recorder.start()
        for _ in range(2):
            stage.recorder.stop()

    asyncio.run(scene())
    assert [record.ended for record in stage.recorded] == [False, True]


def test_after_kill_9_the_successor_goes_on_in_the_same_file_from_the_right_frame(stage: Stage, tmp_path: Path) -> None:
    pid = os.fork()
    if pid == 0:
        recorder.SCRIBE = recorder._Scribe()  # the thread of this one was not forked

        async def first_life() -> None:
            stage.recorder.start()
            stage.talk(40)
            (tmp_path / "path").write_text(stage.recorded[0].path)
            await asyncio.sleep(60)

        asyncio.run(first_life())
        os._exit(1)

    async def scene() -> str:
        await until(lambda: (tmp_path / "path").exists() and (tmp_path / "path").read_text() != "")
        path = (tmp_path / "path").read_text()
        await until(frames_in(path, 40))
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        stage.number = 40
        stage.talk(60)  # nobody is there to write it down
        stage.make().begin([Recorded(at_ns=0, path=path, from_frame=0, frames=0)])
        await until(frames_in(path, 100))
        return path

    path = asyncio.run(scene())
    assert read(path) == (list(range(1, 101)), list(range(-1, -101, -1)))
    assert stage.recorded == [], "it is the same recording"


def test_a_recording_that_has_ended_is_not_taken_up_again(stage: Stage) -> None:
    async def scene() -> None:
        stage.recorder.begin([Recorded(at_ns=0, path="/nowhere.wav", from_frame=0, frames=9, ended=True)])
        stage.recorder.stop()

    asyncio.run(scene())
    assert stage.journal == []


def test_where_nothing_can_be_written_the_journal_says_so_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    stage = Stage(tmp_path, directory=str(tmp_path / "file" / "recordings"))

    async def scene() -> None:
        stage.recorder.start()
        await until(lambda: len(stage.journal) == 3)
        stage.recorder.stop()

    asyncio.run(scene())
    stage.close()
    noted, ended = stage.journal[1:]
    assert isinstance(noted, Noted) and "recording.directory" in noted.detail["reason"]
    assert isinstance(ended, Recorded) and ended.ended and ended.frames == 0


def test_a_disk_that_stops_for_seconds_costs_nothing(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    pwrite = os.pwrite
    works_again = threading.Event()

    def slow(descriptor: int, data: bytes, at: int) -> int:
        works_again.wait()
        return pwrite(descriptor, data, at)

    monkeypatch.setattr(os, "pwrite", slow)

    async def scene() -> None:
        stage.recorder.start()
        stage.talk(500)
        stage.recorder.stop()
        works_again.set()  # had the conversation waited for the disk, it would not have come here
        await until(frames_in(stage.recorded[0].path, 500))

    asyncio.run(scene())
    assert read(stage.recorded[0].path)[0] == list(range(1, 501))


def test_old_recordings_are_deleted_and_nothing_else(tmp_path: Path) -> None:
    old = time.time() - 31 * 86_400
    names = {"20250101-120000-c.wav": old, "20250131-120000-c.wav": time.time(), "notes.wav": old, "20250101.txt": old}
    for name, modified in names.items():
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (modified, modified))
    assert sweep(tmp_path, 30) == 1
    assert {path.name for path in tmp_path.iterdir()} == names.keys() - {"20250101-120000-c.wav"}
    assert sweep(tmp_path / "missing", 30) == 0


def test_recordings_are_beside_the_history_where_nothing_is_said() -> None:
    assert folder(Settings(history=History(directory="/var/lib/x"))) == Path("/var/lib/x/recordings")
