"""Shared memory between processes that know nothing of each other."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from ipc import segment
from ipc.segment import Segment

HUGE = 1 << 50


@pytest.fixture
def name() -> Iterator[str]:
    prefix = f"ringmaster-test-{os.getpid()}-"
    yield prefix + "a"
    segment.reap(prefix)


def children() -> list[str]:
    with open(f"/proc/self/task/{os.getpid()}/children") as file:  # noqa: PTH123 (procfs has no size to read by)
        return file.read().split()


def run(program: str, *arguments: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True, timeout=30
    ).stdout


def test_what_one_writes_another_reads(name: str) -> None:
    with Segment.create(name, 100) as mine, Segment.attach(name) as theirs:
        assert (mine.size, len(theirs.buf)) == (100, 100)
        mine.buf[99] = 7
        assert theirs.buf[99] == 7


def test_a_segment_begins_as_zeros(name: str) -> None:
    with Segment.create(name, 5000) as mine:
        assert bytes(mine.buf) == bytes(5000)


def test_a_segment_outlives_another_process_that_was_attached_to_it(name: str) -> None:
    with Segment.create(name, 100):
        run("import sys; from ipc.segment import Segment; s = Segment.attach(sys.argv[1]); s.buf[0] = 9", name)
        with Segment.attach(name) as again:
            assert again.buf[0] == 9


def test_no_tracker_process_is_started(name: str) -> None:
    before = children()
    with Segment.create(name, 100), Segment.attach(name):
        assert children() == before


def test_a_name_is_taken_once(name: str) -> None:
    with Segment.create(name, 100), pytest.raises(FileExistsError):
        Segment.create(name, 100)


def test_a_segment_that_does_not_exist_cannot_be_attached(name: str) -> None:
    with pytest.raises(FileNotFoundError):
        Segment.attach(name)


def test_too_little_memory_is_an_error_with_a_remedy_and_leaves_nothing_behind(name: str) -> None:
    with pytest.raises(OSError, match=r"no room for .* MB of shared memory .*Make it larger"):
        Segment.create(name, HUGE)
    assert segment.reap(name) == []


def test_an_unlinked_segment_stays_usable_for_those_who_have_it(name: str) -> None:
    with Segment.create(name, 100) as mine:
        mine.unlink()
        mine.unlink()
        mine.buf[0] = 1
        with pytest.raises(FileNotFoundError):
            Segment.attach(name)


def test_closing_under_somebody_who_still_looks_is_refused_and_can_be_repeated(name: str) -> None:
    mine = Segment.create(name, 100)
    view = mine.buf[10:20]
    with pytest.raises(BufferError):
        mine.close()
    view.release()
    mine.close()
    with pytest.raises(ValueError, match="closed"):
        _ = mine.buf


def test_leaving_with_a_view_open_makes_no_noise(name: str) -> None:
    program = (
        "import sys; from ipc.segment import Segment\nsegment = Segment.attach(sys.argv[1])\nview = segment.buf[1:]"
    )
    with Segment.create(name, 100):
        done = subprocess.run([sys.executable, "-c", program, name], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")


def test_leftovers_are_reaped_by_prefix_and_named(name: str) -> None:
    for suffix in "bca":
        Segment.create(name + suffix, 10).close()
    assert segment.reap(name) == [name + "a", name + "b", name + "c"]
    assert segment.reap(name) == []
