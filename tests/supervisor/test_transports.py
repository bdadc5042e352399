"""Calls whose audio comes over RTP or over a WebSocket, with real processes: what dies,
what is started anew, what is left.

What stands for Asterisk here is a UDP socket, and an HTTP server of the tests.
"""

import asyncio
import contextlib
import os
import signal
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from config.load import Config
from ipc import media_uuid
from ipc.bus import NoAnswer, Refused
from ipc.messages import (
    CallList,
    CallOpened,
    CloseCall,
    ConnectMedia,
    Done,
    ExpectMedia,
    ListCalls,
    MediaAwaited,
    OpenCall,
    Wire,
)
from ipc.orders import RestartHouse
from tests.supervisor.stage import configuration, free_port, free_udp_ports
from tests.supervisor.system import System, Visit
from tests.supervisor.test_restart import restart
from tests.supervisor.test_system import close, open_call
from tests.supervisor.web import AUDIO, Guest, Web, frame, web

ULAW_SILENCE = b"\xff" * 160


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with System(transports(tmp_path_factory.mktemp("transports"))) as system:
        yield system


def transports(folder: Path, **sections: dict[str, object]) -> Config:
    first = free_udp_ports(20)
    usual: dict[str, dict[str, object]] = {
        "external_media": {"port_range": f"{first}-{first + 19}"},
        "streaming": {"connection_timeout_ms": 1000},
    }
    return configuration(folder, **(usual | sections))


class RtpEnd:
    """Asterisk's end of an RTP leg: speaks and listens on a port of its own."""

    def __init__(self, host: str, port: int) -> None:
        self.far = (host, port)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.bind(("127.0.0.1", 0))
        self.spoken = 0
        self.sequences: list[int] = []

    @property
    def port(self) -> int:
        return int(self.socket.getsockname()[1])

    def say(self, packets: int) -> None:
        for _ in range(packets):
            head = struct.pack("!BBHII", 0x80, 0, self.spoken & 0xFFFF, self.spoken * 160, 7)
            self.socket.sendto(head + ULAW_SILENCE, self.far)
            self.spoken += 1

    async def hear(self, packets: int) -> None:
        """So many packets, from nowhere but the port that was named."""
        for _ in range(packets):
            packet, sender = await asyncio.get_running_loop().sock_recvfrom(self.socket, 2000)
            assert sender == self.far
            assert (packet[0], packet[1] & 0x7F, len(packet)) == (0x80, 0, 12 + 160)
            self.sequences.append(struct.unpack_from("!H", packet, 2)[0])


async def open_rtp(visitor: Visit, call_id: str) -> tuple[CallOpened, RtpEnd, ConnectMedia]:
    await visitor.warm()
    uuid = media_uuid.make()
    command = OpenCall(call_id=call_id, rate=8000, media_uuid=uuid, wire="rtp")
    opened = await visitor.ask(command, CallOpened)
    end = RtpEnd(opened.host, opened.port)
    end.say(3)  # before anybody has said where it comes from
    connect = ConnectMedia(call_id=call_id, media_uuid=uuid, host="127.0.0.1", port=end.port, codec="ulaw")
    await visitor.ask(connect, Done)
    await visitor.media(call_id, "attached")
    await end.hear(3)
    return opened, end, connect


def bound(port: int) -> bool:
    """Whether anybody holds that UDP port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


async def kill_who_serves(visitor: Visit, call_id: str) -> None:
    """Returns when another audio actor has taken over."""
    await visitor.warm()
    (name,) = [call.audio_actor for call in (await listed(visitor)).calls if call.call_id == call_id]
    os.kill((await visitor.actor(name)).pid, signal.SIGKILL)
    event = await visitor.media(call_id, "moved")
    assert event.reason == f"{name} died"


async def listed(visitor: Visit) -> CallList:
    return await visitor.ask(ListCalls(), CallList)


# -- RTP


def test_a_call_over_rtp_outlives_its_audio_actor_and_leaves_its_port(house: System) -> None:
    async def scene(visitor: Visit) -> None:
        opened, end, connect = await open_rtp(visitor, "c1")
        await visitor.ask(connect, Done)  # call-control was started anew, and asks again
        assert (await listed(visitor)).calls[0].owner == "test"
        await kill_who_serves(visitor, "c1")
        end.say(20)
        await end.hear(20)
        steps = {(after - before) & 0xFFFF for before, after in zip(end.sequences, end.sequences[1:], strict=False)}
        assert steps <= {1, 2}, "the successor goes on where the other was: at most one packet was cut"
        assert bound(opened.port)
        await close(visitor, "c1")
        assert not bound(opened.port)
        end.socket.close()

    house.play(scene)


def test_a_port_that_was_just_used_rests(house: System) -> None:
    async def scene(visitor: Visit) -> None:
        ports = []
        for number in range(3):
            opened, end, _ = await open_rtp(visitor, f"c{number}")
            ports.append(opened.port)
            await close(visitor, f"c{number}")
            end.socket.close()
        assert len(set(ports)) == 3
        assert all(port % 2 == 0 for port in ports)

    house.play(scene)


# -- WebSocket


async def open_websocket(visitor: Visit, server: Web, call_id: str) -> Guest:
    await visitor.warm()
    uuid = media_uuid.make()
    await visitor.ask(OpenCall(call_id=call_id, rate=8000, media_uuid=uuid, wire="websocket"), CallOpened)
    await visitor.ask(to(server, call_id, uuid), Done)
    await visitor.media(call_id, "attached")
    return await server.guests.get()


def to(server: Web, call_id: str, uuid: str) -> ConnectMedia:
    return ConnectMedia(call_id=call_id, media_uuid=uuid, host="127.0.0.1", port=server.port, path="/media/abc")


def test_a_call_over_a_websocket_outlives_its_audio_actor_and_leaves_nothing_half_open(house: System) -> None:
    async def scene(visitor: Visit) -> None:
        async with web() as server:
            guest = await open_websocket(visitor, server, "c1")
            guest.writer.write(frame(2, AUDIO) * 20)
            await guest.hear(20)
            await kill_who_serves(visitor, "c1")
            guest.writer.write(frame(2, AUDIO) * 20)
            await guest.hear(20)
            closing = asyncio.create_task(close(visitor, "c1"))
            with contextlib.suppress(asyncio.IncompleteReadError):
                while True:
                    await guest.hear_frame()
            assert guest.reader.at_eof(), "an orderly end"
            guest.writer.close()
            await closing

    house.play(scene)


def test_what_answers_wrongly_is_told_and_the_call_may_take_another_wire(house: System) -> None:
    async def nothing(guest: Guest) -> None:
        return

    async def garbage(guest: Guest) -> None:
        guest.writer.write(bytes(range(256)))

    async def half(guest: Guest) -> None:
        guest.writer.write(b"HTTP/1.1 101 Switching Pro")

    async def scene(visitor: Visit) -> None:
        _, peer = await open_call(visitor, "c1")
        for answer, why in ((nothing, "no whole answer"), (garbage, "no HTTP"), (half, "no whole answer")):
            async with web(answer) as server:
                uuid = media_uuid.make()
                await visitor.ask(ExpectMedia(call_id="c1", media_uuid=uuid, wire="websocket"), MediaAwaited)
                with pytest.raises(Refused, match=why):
                    await visitor.ask(to(server, "c1", uuid), Done)
        refused = (await visitor.status()).media_refused
        assert (refused["websocket: no answer"], refused["websocket: no WebSocket"]) == (2, 1)
        await peer.hear(20)  # it has carried the call all the time
        await close(visitor, "c1")

    house.play(scene)


def test_a_call_that_ends_in_the_middle_of_the_handshake_leaves_nothing(house: System) -> None:
    async def nothing(guest: Guest) -> None:
        return

    async def scene(visitor: Visit) -> None:
        async with web(nothing) as server:
            await visitor.warm()
            uuid = media_uuid.make()
            await visitor.ask(OpenCall(call_id="c1", rate=8000, media_uuid=uuid, wire="websocket"), CallOpened)
            dialing = asyncio.create_task(visitor.ask(to(server, "c1", uuid), Done))
            guest = await server.guests.get()
            await close(visitor, "c1")
            with pytest.raises(Refused, match="no more"):
                await dialing
            assert await guest.reader.read() == b""

    house.play(scene)


# -- from one to the other


def test_a_call_goes_from_wire_to_wire_with_the_same_audio_actor(house: System) -> None:
    async def scene(visitor: Visit) -> None:
        opened, peer = await open_call(visitor, "c1")
        async with web() as server:
            wires: tuple[Wire, ...] = ("rtp", "websocket", "rtp", "audiosocket")
            for wire in wires:
                uuid = media_uuid.make()
                awaited = await visitor.ask(ExpectMedia(call_id="c1", media_uuid=uuid, wire=wire), MediaAwaited)
                async with arriving(visitor, server, wire, uuid, awaited):
                    event = await visitor.media("c1", "attached")
                    assert event.media_uuid == uuid
                (call,) = (await listed(visitor)).calls
                assert (call.wire, call.audio_actor) == (wire, opened.audio_actor)
        await peer.hear_the_end()
        await close(visitor, "c1")

    house.play(scene)


@asynccontextmanager
async def arriving(visitor: Visit, server: Web, wire: Wire, uuid: str, awaited: MediaAwaited) -> AsyncIterator[None]:
    """The connection is made; when it is attached, the agent is heard over it."""
    if wire == "audiosocket":
        peer = await visitor.connect(uuid)
        yield
        await peer.hear(20)
    elif wire == "rtp":
        end = RtpEnd(awaited.host, awaited.port)
        connect = ConnectMedia(call_id="c1", media_uuid=uuid, host="127.0.0.1", port=end.port, codec="ulaw")
        await visitor.ask(connect, Done)
        yield
        await end.hear(20)
        end.socket.close()
    else:
        await visitor.ask(to(server, "c1", uuid), Done)
        yield
        await (await server.guests.get()).hear(20)


# -- a new program


def test_calls_of_every_wire_go_on_through_a_restart(tmp_path: Path) -> None:
    audio: dict[str, object] = {"warm": 2, "max_calls": 8, "priority": 0}
    with System(transports(tmp_path, audio=audio)) as system:

        async def scene(visitor: Visit) -> None:
            async with web() as server:
                opened, end, connect = await open_rtp(visitor, "by-rtp")
                guest = await open_websocket(visitor, server, "by-websocket")
                _, peer = await open_call(visitor, "by-audiosocket")
                await visitor.warm()
                uuid = media_uuid.make()
                command = OpenCall(call_id="awaited", rate=8000, media_uuid=uuid, wire="rtp")
                awaited = await visitor.ask(command, CallOpened)
                early = RtpEnd(awaited.host, awaited.port)
                early.say(3)
                before = await listed(visitor)
                await restart(visitor)
                assert await listed(visitor) == before
                await end.hear(20)
                await guest.hear(20)
                await peer.hear(20)
                # The port that waits for Asterisk's end is the same, and what came early is still in it.
                assert await visitor.ask(command, CallOpened) == awaited
                connecting = ConnectMedia(
                    call_id="awaited", media_uuid=uuid, host="127.0.0.1", port=early.port, codec="ulaw"
                )
                await visitor.ask(connecting, Done)
                await early.hear(20)
                # The new program gives them to other audio actors like the old one.
                await visitor.ask(connect, Done)
                await kill_who_serves(visitor, "by-rtp")
                await kill_who_serves(visitor, "by-websocket")
                await end.hear(20)
                await guest.hear(20)
                for call_id in ("by-rtp", "awaited", "by-audiosocket"):
                    await visitor.ask(CloseCall(call_id=call_id), Done)
                assert not bound(opened.port)
                assert not bound(awaited.port)
                end.socket.close()
                early.socket.close()

        system.play(scene)
        assert system.stop() == 0
        assert system.segments() == []


def test_a_handshake_that_hangs_does_not_hold_up_a_restart(tmp_path: Path) -> None:
    async def nothing(guest: Guest) -> None:
        return

    streaming: dict[str, object] = {"connection_timeout_ms": 60_000}
    with System(transports(tmp_path, streaming=streaming)) as system:

        async def scene(visitor: Visit) -> None:
            async with web(nothing) as server:
                uuid = media_uuid.make()
                await visitor.warm()
                await visitor.ask(OpenCall(call_id="c1", rate=8000, media_uuid=uuid, wire="websocket"), CallOpened)
                dialing = asyncio.create_task(visitor.ask(to(server, "c1", uuid), Done))
                guest = await server.guests.get()
                await visitor.ask(RestartHouse(), Done)
                assert await guest.reader.read() == b""
                with pytest.raises((Refused, NoAnswer)):
                    await dialing
            system.wait_for("READY=1")  # of the successor; `ready` may have been said before it
            async with web() as server:
                await visitor.ask(to(server, "c1", uuid), Done)
                await (await server.guests.get()).hear(20)
                await close(visitor, "c1")

        system.play(scene)


# -- who may connect


def test_an_audiosocket_from_an_address_that_is_not_allowed_is_closed_and_counted(tmp_path: Path) -> None:
    door: dict[str, object] = {"port": free_port(), "allowed_hosts": ["192.0.2.0/24"]}
    with System(configuration(tmp_path, audiosocket=door)) as system:

        async def scene(visitor: Visit) -> None:
            for _ in range(5):
                peer = await visitor.connect(media_uuid.make())
                with contextlib.suppress(ConnectionResetError):
                    assert await peer.reader.read() == b""
            assert (await visitor.status()).media_refused == {"not allowed": 5}

        system.play(scene)
        told = [line for line in system.log().splitlines() if "audiosocket.allowed_hosts" in line]
        assert len(told) == 1
        assert "media connections from 127.0.0.1 are closed" in told[0]
