"""Connections of each kind of wire that a call awaits: made, replaced, asked for again, given up. Without processes,
but with real sockets and the real control sockets of audio actors that only listen.
"""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from ipc import descriptors
from ipc.bus import Refused
from ipc.descriptors import MediaMessage
from ipc.messages import (
    AttachMedia,
    CallOpened,
    ConnectMedia,
    DetachMedia,
    FileHeard,
    FileReady,
    FilesDropped,
    MediaChanged,
    MediaEnded,
    OpenCall,
    Wire,
)
from supervisor.call import Call
from supervisor.handover import HandedCall
from tests.supervisor.test_calls import OWNER, Troupe
from tests.supervisor.test_calls import play as play_calls
from tests.supervisor.web import Guest, web

FILE = FileReady(call_id="c1", playback_id="c1-1", generation=3, samples=8000)


async def nothing(guest: Guest) -> None:
    """Lets nobody in."""


def udp_ports() -> set[int]:
    """Those that this process has bound."""
    table = Path("/proc/self/net/udp").read_text().splitlines()[1:]
    own = {str(path.readlink()) for path in Path("/proc/self/fd").iterdir() if path.is_symlink()}
    rows = [line.split() for line in table]
    return {int(row[1].split(":")[1], 16) for row in rows if f"socket:[{row[9]}]" in own}


def opened(troupe: Troupe, wire: Wire, call_id: str = "c1", uuid: str = "u1") -> CallOpened:
    command = OpenCall(call_id=call_id, rate=8000, media_uuid=uuid, wire=wire, playback="file")
    return troupe.calls.open(command, OWNER)


def to_rtp(uuid: str = "u1", port: int = 20000, codec: str = "ulaw") -> ConnectMedia:
    return ConnectMedia(call_id="c1", media_uuid=uuid, host="127.0.0.1", port=port, codec=codec)


def to_websocket(port: int, uuid: str = "u1") -> ConnectMedia:
    return ConnectMedia(call_id="c1", media_uuid=uuid, host="127.0.0.1", port=port, path="/media/abc")


def come(troupe: Troupe, uuid: str) -> socket.socket:
    """An AudioSocket connection; gives Asterisk's end."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    troupe.calls.deliver(uuid, ours)
    return theirs


def play(scene: Callable[[Troupe], Awaitable[None]], density: int) -> None:
    """As that of `test_calls`; afterwards no descriptor and no port is left."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    play_calls(scene, density)
    assert udp_ports() == set()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def orders(troupe: Troupe, name: str = "audio.1") -> list[MediaMessage]:
    """What the actor has been told since the last look."""
    return troupe.told_to(name)


# -- RTP


def test_a_call_over_rtp_has_its_port_before_asterisk_knows_of_it_and_its_end_afterwards() -> None:
    async def scene(troupe: Troupe) -> None:
        troupe.hire(1)
        answer = opened(troupe, "rtp")
        assert (answer.host, answer.port) == ("127.0.0.1", 18940)
        assert udp_ports() == {18940}
        assert orders(troupe) == []
        await troupe.calls.connect(to_rtp(codec="alaw"))
        assert orders(troupe) == [
            AttachMedia(
                call_id="c1",
                segment=answer.segment,
                wire="rtp",
                codec="alaw",
                peer_host="127.0.0.1",
                peer_port=20000,
                playback="file",
            )
        ]
        assert troupe.told == [MediaChanged(call_id="c1", state="attached", media_uuid="u1")]
        assert [call.wire for call in troupe.calls.listing()] == ["rtp"]

    play(scene, density=2)


def test_everything_may_be_asked_again() -> None:
    async def scene(troupe: Troupe) -> None:
        troupe.hire(1)
        answer = opened(troupe, "rtp")
        assert opened(troupe, "rtp") == answer
        again = troupe.calls.expect("c1", "u1", "rtp")
        assert (again.host, again.port) == (answer.host, answer.port)
        await troupe.calls.connect(to_rtp())
        await troupe.calls.connect(to_rtp())
        again = troupe.calls.expect("c1", "u1", "rtp")
        assert (again.host, again.port) == (answer.host, answer.port)
        assert opened(troupe, "rtp") == answer
        assert len(orders(troupe)) == 1
        assert len(troupe.told) == 1
        assert len(udp_ports()) == 1

    play(scene, density=2)


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (to_rtp(uuid="another"), "does not await the connection another"),
        (to_rtp(port=0), "where nothing can be sent to"),
        (to_rtp(codec="opus"), "'opus' is not understood; possible are ulaw, alaw"),
        (ConnectMedia(call_id="c2", media_uuid="u1", host="127.0.0.1", port=1), "no open call c2"),
    ],
    ids=["another connection", "no port", "no codec", "another call"],
)
def test_a_wrong_end_is_refused_and_the_right_one_may_come_afterwards(command: ConnectMedia, why: str) -> None:
    async def scene(troupe: Troupe) -> None:
        troupe.hire(1)
        opened(troupe, "rtp")
        with pytest.raises(Refused, match=why):
            await troupe.calls.connect(command)
        await troupe.calls.connect(to_rtp())
        assert len(orders(troupe)) == 1

    play(scene, density=2)


def test_a_call_for_which_no_port_is_free_is_not_opened_and_the_actor_waits_for_the_next() -> None:
    async def scene(troupe: Troupe) -> None:
        troupe.hire(1)
        for number in range(10):
            opened(troupe, "rtp", f"c{number}", f"u{number}")
        with pytest.raises(Refused, match=r"external_media\.port_range") as refused:
            opened(troupe, "rtp", "more", "more")
        assert refused.value.busy
        assert troupe.calls.refused == {"no media": 1}
        assert troupe.calls.media_refused == {"rtp: no port": 1}
        assert len(troupe.actors["audio.1"].calls) == 10
        with pytest.raises(Refused):
            troupe.calls.expect("c1", "other", "rtp")
        await troupe.calls.connect(to_rtp())  # it awaits what it did before

    play(scene, density=20)


# -- from one to the next


def test_a_call_changes_its_wire_while_it_goes_on() -> None:
    """The old connection is served until the new one is there, and its last word is not taken for the new one's."""

    async def scene(troupe: Troupe) -> None:
        troupe.hire(1)
        async with web() as asterisk:
            opened(troupe, "audiosocket")
            first = come(troupe, "u1")
            troupe.calls.expect("c1", "u2", "rtp")
            assert not troupe.calls.awaits("u1")
            assert [type(order) for order in orders(troupe)] == [AttachMedia]
            await troupe.calls.connect(to_rtp("u2"))
            assert [type(order) for order in orders(troupe)] == [DetachMedia, AttachMedia]
            troupe.calls.expect("c1", "u3", "websocket")
            await troupe.calls.connect(to_websocket(asterisk.port, "u3"))
            assert [type(order) for order in orders(troupe)] == [DetachMedia, AttachMedia]
            assert udp_ports() == set()
            assert [(event.state, event.media_uuid) for event in troupe.told] == [
                ("attached", "u1"),
                ("attached", "u2"),
                ("attached", "u3"),
            ]
            for reason in ("detached", "closed by peer"):  # of u1 and of u2, which was about to end anyhow
                await troupe.says("audio.1", MediaEnded(call_id="c1", reason=reason))  # type: ignore[arg-type]
            assert len(troupe.told) == 3
            await troupe.says("audio.1", MediaEnded(call_id="c1", reason="closed by peer"))
            assert [(event.state, event.media_uuid) for event in troupe.told[3:]] == [("lost", "u3")]
            first.close()

    play(scene, density=2)


def test_a_connection_that_is_no_longer_expected_is_not_let_in_and_its_port_is_free() -> None:
    async def scene(troupe: Troupe) -> None:
        troupe.hire(1)
        opened(troupe, "rtp")
        troupe.calls.expect("c1", "u2", "audiosocket")
        assert udp_ports() == set()
        assert troupe.calls.awaits("u2")
        with pytest.raises(Refused, match="does not await the connection u1"):
            await troupe.calls.connect(to_rtp())
        with pytest.raises(Refused, match="Asterisk is to connect to us"):
            await troupe.calls.connect(to_rtp("u2"))
        troupe.calls.expect("c1", "u3", "websocket")
        assert not troupe.calls.awaits("u3"), "not at the door"
        assert troupe.calls.knows("u3")

    play(scene, density=2)


def test_what_an_actor_had_no_room_to_be_told_it_is_told_later_in_order() -> None:
    async def scene(troupe: Troupe) -> None:
        troupe.hire(1)
        opened(troupe, "audiosocket")
        first = come(troupe, "u1")
        orders(troupe)
        filled = 0
        control = troupe.actors["audio.1"].control
        try:
            while True:
                descriptors.send(control, DetachMedia(call_id="another"))
                filled += 1
        except BlockingIOError:
            pass
        troupe.calls.expect("c1", "u2", "audiosocket")
        second = come(troupe, "u2")
        notes = [FileHeard(call_id="c1", playback_id=f"c1-{n}", state="playing") for n in range(3)]
        for note in notes:
            troupe.calls.file_heard(note)
        told = orders(troupe)[filled:]
        while len(told) < 5:
            await asyncio.sleep(0)
            told += orders(troupe)
        assert [type(order) for order in told] == [DetachMedia, AttachMedia, FileHeard, FileHeard, FileHeard]
        assert told[2:] == notes
        first.close()
        second.close()

    play(scene, density=2)


# -- WebSocket


def test_a_call_over_a_websocket_gets_the_connection_that_we_have_made() -> None:
    async def scene(troupe: Troupe) -> None:
        troupe.hire(1)
        async with web() as asterisk:
            opened(troupe, "websocket")
            one, other = troupe.calls.connect(to_websocket(asterisk.port)), troupe.calls.connect(to_websocket(1))
            await asyncio.gather(one, other)  # which was asked again, in the middle of it
            await troupe.calls.connect(to_websocket(1))  # and afterwards
            guest = await asterisk.guests.get()
            (attach,) = orders(troupe)
            assert isinstance(attach, AttachMedia)
            assert attach.wire == "websocket"
            closing = asyncio.create_task(troupe.calls.close("c1"))
            while not troupe.told_to("audio.1"):
                await asyncio.sleep(0)
            troupe.dies("audio.1")
            assert await guest.reader.read() == b"", "an end, and no reset"
            guest.writer.close()
            await closing

    play(scene, density=2)


@pytest.mark.parametrize("how", ["closed", "another is expected", "restart", "stop"])
def test_a_handshake_that_nobody_wants_any_more_is_broken_off(how: str) -> None:
    async def scene(troupe: Troupe) -> None:
        troupe.hire(1)
        async with web(nothing) as asterisk:
            opened(troupe, "websocket")
            dialing = asyncio.create_task(troupe.calls.connect(to_websocket(asterisk.port)))
            guest = await asterisk.guests.get()
            if how == "closed":
                await troupe.calls.close("c1")
            elif how == "another is expected":
                troupe.calls.expect("c1", "u2", "rtp")
            elif how == "restart":
                await troupe.calls.rest(0.01)
            else:
                await troupe.calls.close_all()
            with pytest.raises(Refused, match="no more") as refused:
                await dialing
            assert refused.value.busy
            assert await guest.reader.read() == b""
            assert orders(troupe) == []
            await troupe.calls.close("c1")

    play(scene, density=2)


def test_a_handshake_that_fails_may_be_tried_again() -> None:
    async def scene(troupe: Troupe) -> None:
        troupe.hire(1)
        opened(troupe, "websocket")
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            with pytest.raises(Refused, match="no WebSocket to"):
                await troupe.calls.connect(to_websocket(nobody.getsockname()[1]))
        assert troupe.calls.media_refused == {"websocket: no connection": 1}
        async with web() as asterisk:
            await troupe.calls.connect(to_websocket(asterisk.port))
            assert len(orders(troupe)) == 1

    play(scene, density=2)


# -- the death of audio actors


@pytest.mark.parametrize("wire", ["audiosocket", "rtp", "websocket"])
def test_a_successor_gets_the_same_connection_whatever_its_wire(wire: Wire) -> None:
    async def scene(troupe: Troupe) -> None:
        troupe.hire(2)
        async with web() as asterisk:
            opened(troupe, wire)
            if wire == "audiosocket":
                end = come(troupe, "u1")
            else:
                end = None
                await troupe.calls.connect(to_rtp() if wire == "rtp" else to_websocket(asterisk.port))
            (first,) = orders(troupe, "audio.1")
            troupe.dies("audio.1")
            (second,) = orders(troupe, "audio.2")
            assert first == second
            assert [(event.state, event.media_uuid) for event in troupe.told] == [("attached", "u1"), ("moved", "u1")]
            if end is not None:
                end.close()

    play(scene, density=1)


def test_an_actor_that_dies_before_it_was_told_of_the_new_connection_owes_no_last_word() -> None:
    async def scene(troupe: Troupe) -> None:
        troupe.hire(2)
        opened(troupe, "audiosocket")
        ends = [come(troupe, "u1")]
        troupe.calls.expect("c1", "u2", "rtp")
        await troupe.calls.connect(to_rtp("u2"))
        troupe.dies("audio.1")
        assert [type(order) for order in orders(troupe, "audio.2")] == [AttachMedia]
        await troupe.says("audio.2", MediaEnded(call_id="c1", reason="unusable"))
        assert troupe.told[-1].state == "lost"
        for end in ends:
            end.close()

    play(scene, density=1)


# -- notes


def test_what_an_actor_says_of_files_goes_to_the_owner_and_back_to_whoever_serves_the_call() -> None:
    async def scene(troupe: Troupe) -> None:
        troupe.hire(2)
        opened(troupe, "rtp")
        await troupe.calls.connect(to_rtp())
        dropped = FilesDropped(call_id="c1", generation=4)
        await troupe.says("audio.1", FILE)
        await troupe.says("audio.1", dropped)
        await troupe.says("audio.2", FILE)  # which does not serve this call
        assert troupe.passed_on == [(OWNER, FILE), (OWNER, dropped)]
        orders(troupe)
        heard = FileHeard(call_id="c1", playback_id="c1-1", state="done")
        troupe.calls.file_heard(heard)
        assert orders(troupe) == [heard]
        troupe.dies("audio.1")
        orders(troupe, "audio.2")
        troupe.calls.file_heard(heard)
        assert orders(troupe, "audio.2") == [heard]
        troupe.calls.file_heard(FileHeard(call_id="nobody", playback_id="x", state="done"))

    play(scene, density=1)


# -- from one program to the next


def test_the_next_program_knows_which_connection_it_has_and_which_it_awaits() -> None:
    async def scene(troupe: Troupe) -> None:
        troupe.hire(1)
        opened(troupe, "rtp")
        await troupe.calls.connect(to_rtp(codec="slin"))
        troupe.calls.expect("c1", "u2", "rtp")
        (handed,) = troupe.calls.handed()
        assert handed.owner == OWNER
        adopted = Call.adopted(handed, None)
        assert adopted.media is not None
        served, awaited = adopted.media, adopted.last
        assert (served.uuid, served.wire, served.codec, served.peer_port) == ("u1", "rtp", "slin", 20000)
        assert (awaited.uuid, awaited.wire, adopted.awaited, adopted.playback) == ("u2", "rtp", True, "file")
        assert served.connection is not None
        assert awaited.connection is not None
        assert [line.connection.detach() for line in (served, awaited) if line.connection] == [
            handed.media,
            handed.waiting,
        ]

    play(scene, density=1)


def test_the_ports_of_a_predecessor_are_in_use() -> None:
    async def scene(troupe: Troupe) -> None:
        troupe.hire(1)
        opened(troupe, "rtp")
        (left,) = troupe.calls.handed()
        bells = tuple(os.dup(bell) for bell in left.bells)
        handed = msgspec.structs.replace(left, waiting=os.dup(left.waiting), bells=bells)
        fresh = Troupe(density=1)
        fresh.calls.last_number = 100
        fresh.calls.adopt([handed], {})
        fresh.hire(1)
        assert opened(fresh, "rtp", "c2", "u2").port == 18942
        await fresh.calls.close_all()
        fresh.dies("audio.1")
        fresh.close()

    play(scene, density=2)


def test_what_an_actor_had_yet_to_be_told_is_told_by_the_next_program() -> None:
    async def scene(troupe: Troupe) -> None:
        troupe.hire(1)
        opened(troupe, "audiosocket")
        ends = [come(troupe, "u1")]
        (left,) = troupe.calls.handed()
        ours, theirs = socket.socketpair()
        bells = tuple(os.dup(bell) for bell in left.bells)
        handed = msgspec.structs.replace(
            left,
            media=ours.detach(),
            media_uuid="u2",
            served=None,
            bells=bells,
            attached=False,
            begun=False,
            outdated=True,
        )
        fresh = Troupe(density=1)
        fresh.hire(1)
        fresh.actors["audio.1"].calls.add("c1")
        fresh.calls.adopt([handed], fresh.actors)
        assert [type(order) for order in orders(fresh)] == [DetachMedia, AttachMedia]
        await fresh.says("audio.1", MediaEnded(call_id="c1", reason="detached"))
        assert [(event.state, event.media_uuid) for event in fresh.told] == [("attached", "u2")]
        fresh.dies("audio.1")
        await fresh.calls.close_all()
        fresh.close()
        for end in (theirs, *ends):
            end.close()

    play(scene, density=1)


def test_a_call_of_a_program_that_knew_one_wire_only_goes_on() -> None:
    ours, theirs = socket.socketpair()
    old = HandedCall(
        call_id="c1", rate=8000, segment="s", bells=(), media_uuid="u1", awaited=False, media=ours.detach()
    )
    call = Call.adopted(old, None)
    assert call.owner == "call-control"
    assert call.media is call.last
    assert (call.last.uuid, call.last.wire) == ("u1", "audiosocket")
    assert call.media is not None
    assert call.media.connection is not None
    call.media.connection.close()
    theirs.close()
