"""One system per folder, and what is said where it cannot run."""

import errno
import os
import socket
from pathlib import Path

import pytest

from ipc import segment
from ipc.segment import Segment
from supervisor import ports
from supervisor.instance import CannotRun, Instance, holder, segment_prefix
from tests.supervisor.stage import free_port


def test_a_folder_is_made_for_its_owner_only(tmp_path: Path) -> None:
    with Instance(tmp_path / "a" / "b"):
        assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700


def test_a_folder_has_one_system_at_a_time(tmp_path: Path) -> None:
    assert holder(tmp_path) is None
    with Instance(tmp_path):
        assert holder(tmp_path) == os.getpid()
        with pytest.raises(CannotRun, match=f"already runs in .* as process {os.getpid()}"):
            Instance(tmp_path)
    assert holder(tmp_path) is None
    with Instance(tmp_path):
        pass


def test_a_lock_that_a_dead_one_has_left_is_none(tmp_path: Path) -> None:
    (tmp_path / "supervisor.lock").write_text("4194000")
    assert holder(tmp_path) is None
    with Instance(tmp_path):
        assert holder(tmp_path) == os.getpid()


def test_two_folders_have_different_names_for_their_memory(tmp_path: Path) -> None:
    assert segment_prefix(tmp_path / "a") != segment_prefix(tmp_path / "b")
    assert segment_prefix(tmp_path / "a") == segment_prefix(tmp_path / "b" / ".." / "a")


def test_leftovers_of_this_folder_are_reaped_and_no_others(tmp_path: Path) -> None:
    ours, theirs = segment_prefix(tmp_path) + "call-1", segment_prefix(tmp_path / "other") + "call-1"
    for name in (ours, theirs):
        Segment.create(name, 10).close()
    (tmp_path / "stt.1.inbox").touch()
    with Instance(tmp_path) as instance:
        assert instance.reap() == [ours]
        assert not (tmp_path / "stt.1.inbox").exists()
    assert segment.reap(theirs) == [theirs]


def test_a_path_that_is_too_long_for_sockets_is_refused_before_anything_fails(tmp_path: Path) -> None:
    with pytest.raises(CannotRun, match=r"too long .* `run.directory`"):
        Instance(tmp_path / ("x" * 80))


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CannotRun, match=r"cannot work in .*/file/run: "):
        Instance(tmp_path / "file" / "run")


def test_a_taken_port_is_told_with_its_holder() -> None:
    with socket.socket() as holder_of_it:
        holder_of_it.bind(("127.0.0.1", 0))
        holder_of_it.listen()
        port = holder_of_it.getsockname()[1]
        text = ports.explain(OSError(errno.EADDRINUSE, "taken"), "127.0.0.1", port, "audiosocket")
    assert text.startswith(f"port {port} on 127.0.0.1 is taken by ")
    assert f"(process {os.getpid()})" in text
    assert "`audiosocket.port`" in text


@pytest.mark.parametrize(
    ("number", "remedy"),
    [(errno.EADDRNOTAVAIL, "`audiosocket.host`"), (errno.EACCES, "CAP_NET_BIND"), (errno.ENODEV, "`audiosocket.port`")],
)
def test_other_reasons_come_with_their_remedy(number: int, remedy: str) -> None:
    assert remedy in ports.explain(OSError(number, "why"), "10.9.9.9", free_port(), "audiosocket")


def test_what_is_handed_over_is_no_leftover(tmp_path: Path) -> None:
    kept, left = segment_prefix(tmp_path) + "call-1", segment_prefix(tmp_path) + "call-2"
    for name in (kept, left):
        Segment.create(name, 10).close()
    with Instance(tmp_path) as instance:
        assert instance.reap({kept}) == [left]
        assert instance.reap() == [kept]


def test_the_right_to_a_folder_can_be_handed_over(tmp_path: Path) -> None:
    with Instance(tmp_path) as instance:
        with Instance(tmp_path, os.dup(instance.lock_fd)):
            assert holder(tmp_path) == os.getpid()
        with pytest.raises(CannotRun):
            Instance(tmp_path)
