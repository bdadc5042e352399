"""Descriptors on their way between processes: sockets and bells that work on the other side."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path

import pytest

from ipc import descriptors
from ipc.descriptors import DescriptorStore, MediaMessage, fetch
from ipc.messages import AttachMedia, DetachMedia, FileHeard, FileReady, FilesDropped, MediaEnded
from ipc.rings import BELLS, Bell, make_bells

ATTACH = AttachMedia(call_id="c1", segment="s1")


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = descriptors.pair()
    with ours, theirs:
        yield ours, theirs


@pytest.fixture
def bells() -> Iterator[list[int]]:
    bells = make_bells()
    yield bells
    for bell in bells:
        os.close(bell)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_message_arrives_with_working_descriptors_in_order(
    ends: tuple[socket.socket, socket.socket], bells: list[int]
) -> None:
    ours, theirs = ends
    caller, media = socket.socketpair()
    with caller, media:
        descriptors.send(ours, ATTACH, [media.fileno(), *bells])
    received = descriptors.receive(theirs)
    assert received is not None
    message, files = received
    assert message == ATTACH
    assert len(files) == 1 + len(BELLS)
    Bell(files[2]).ring()
    assert [os.eventfd_read(bell) for bell in bells if bell == bells[1]] == [1]
    assert not any(os.get_inheritable(file) for file in files)
    for file in files:
        os.close(file)


def test_messages_keep_their_bounds(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    sent: list[MediaMessage] = [
        DetachMedia(call_id="c1"),
        MediaEnded(call_id="c1", reason="detached"),
        DetachMedia(call_id="c2"),
        FileReady(call_id="c2", playback_id="f1", generation=3, samples=8000),
        FilesDropped(call_id="c2", generation=4),
        FileHeard(call_id="c2", playback_id="f1", state="done"),
    ]
    for message in sent:
        descriptors.send(ours, message)
    assert [descriptors.receive(theirs) for _ in sent] == [(message, []) for message in sent]


def test_the_end_of_the_other_side_is_no_message(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    ours.close()
    assert descriptors.receive(theirs) is None


def test_more_descriptors_than_there_can_be_are_an_error_and_leak_nothing(
    ends: tuple[socket.socket, socket.socket], bells: list[int]
) -> None:
    ours, theirs = ends
    before = open_files()
    descriptors.send(ours, ATTACH, [*bells, *bells])
    with pytest.raises(OSError, match="lost on their way"):
        descriptors.receive(theirs)
    assert open_files() == before


def test_the_end_of_the_other_side_in_the_middle_of_a_question_is_no_error(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = ends
    descriptors.send(theirs, MediaEnded(call_id="c1", reason="detached"))
    ours.close()
    assert descriptors.receive(theirs) is None


def test_sending_to_nobody_is_an_error(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    theirs.close()
    with pytest.raises(BrokenPipeError):
        descriptors.send(ours, ATTACH)


def test_a_wrong_message_is_an_error_and_leaks_no_descriptor(
    ends: tuple[socket.socket, socket.socket], bells: list[int]
) -> None:
    ours, theirs = ends
    before = open_files()
    socket.send_fds(ours, [b"\x81\xa4type\xa4Nope"], bells)
    with pytest.raises(ValueError, match="Nope"):
        descriptors.receive(theirs)
    assert open_files() == before


# -- the store


def with_store(
    run_dir: Path, lookup: Callable[[str], Sequence[int] | None], scene: Callable[[], Awaitable[None]]
) -> None:
    async def play() -> None:
        async with asyncio.timeout(20):
            store = DescriptorStore(run_dir, lookup)
            serving = asyncio.create_task(store.serve())
            await asyncio.sleep(0)  # up to its first wait: the door is open
            await scene()
            serving.cancel()

    asyncio.run(play())


def test_whoever_names_an_open_call_gets_its_bells(tmp_path: Path, bells: list[int]) -> None:
    async def scene() -> None:
        theirs = await fetch(tmp_path, "c1")
        named = [theirs.ear_stt, theirs.ear_conversation, theirs.ear_tap, theirs.mouth_space]
        for number, (bell, original) in enumerate(zip(named, bells, strict=True), start=1):
            os.eventfd_write(bell.fileno(), number)
            assert os.eventfd_read(original) == number
        theirs.close()

    with_store(tmp_path, {"c1": bells}.get, scene)


def test_an_unknown_call_is_an_error_that_names_it(tmp_path: Path) -> None:
    async def scene() -> None:
        with pytest.raises(LookupError, match="no open call c2"):
            await fetch(tmp_path, "c2")

    with_store(tmp_path, lambda _: None, scene)


def test_fetching_and_closing_leaks_no_descriptor(tmp_path: Path, bells: list[int]) -> None:
    async def scene() -> None:
        (await fetch(tmp_path, "c1")).close()
        before = open_files()
        for _ in range(50):
            (await fetch(tmp_path, "c1")).close()
        assert open_files() <= before + 1, "the store may not have closed the last one yet"

    with_store(tmp_path, {"c1": bells}.get, scene)


def test_a_client_that_says_nothing_is_in_nobodys_way(tmp_path: Path, bells: list[int]) -> None:
    async def scene() -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as silent:
            silent.connect(str(tmp_path / descriptors.SOCKET_NAME))
            (await fetch(tmp_path, "c1")).close()

    with_store(tmp_path, {"c1": bells}.get, scene)


def test_without_a_supervisor_there_is_no_connection(tmp_path: Path) -> None:
    with pytest.raises(ConnectionError, match="no supervisor"):
        asyncio.run(fetch(tmp_path, "c1"))


def test_a_socket_that_a_dead_supervisor_has_left_is_no_connection(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as dead:
        dead.bind(str(tmp_path / descriptors.SOCKET_NAME))
    with pytest.raises(ConnectionError):
        asyncio.run(fetch(tmp_path, "c1"))
