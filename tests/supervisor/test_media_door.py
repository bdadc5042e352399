"""Who may come in: everything that can be wrong with a connection, and what it costs the others (nothing)."""

import asyncio
import os
import socket
import uuid
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from config.schema import AudioSocket
from ipc import media_uuid
from ipc.bus import NoAnswer, Refused
from supervisor.media_door import MediaDoor
from tests.supervisor.stage import DEADLINE_S, free_port

ASKED_FOR = media_uuid.make()
DIRECT = "40325ec2-5efd-4bd3-805f-53576e581d13"

SETTINGS = AudioSocket(port=1, uuid_timeout_ms=300, max_waiting=4)


def first_frame(name: str) -> bytes:
    return b"\x01\x00\x10" + uuid.UUID(name).bytes


class Hall:
    """The calls behind the door."""

    def __init__(self, *awaited: str) -> None:
        self.awaited = set(awaited)
        self.known: set[str] = set()
        self.delivered: dict[str, socket.socket] = {}
        self.came = asyncio.Event()

    def awaits(self, media_uuid: str) -> bool:
        return media_uuid in self.awaited

    def knows(self, media_uuid: str) -> bool:
        return media_uuid in self.awaited | self.known

    def deliver(self, media_uuid: str, connection: socket.socket) -> None:
        self.awaited.remove(media_uuid)
        self.known.add(media_uuid)
        self.delivered[media_uuid] = connection
        self.came.set()


Offer = Callable[[str], Awaitable[None]]


async def nobody_offers(name: str) -> None:
    raise AssertionError(f"{name} was offered to call-control")


class Entrance:
    def __init__(self, door: MediaDoor, hall: Hall) -> None:
        self.door = door
        self.hall = hall
        self._visitors: list[socket.socket] = []

    async def knock(self, *parts: bytes) -> socket.socket:
        """Connects and sends; the first part goes with the connection."""
        loop = asyncio.get_running_loop()
        visitor = socket.socket()
        self._visitors.append(visitor)
        visitor.setblocking(False)
        await loop.sock_connect(visitor, ("127.0.0.1", self.door.port))
        for part in parts:
            await loop.sock_sendall(visitor, part)
        return visitor

    async def read_to_end(self, visitor: socket.socket) -> bytes:
        """What the visitor gets until the connection ends. Raises `ConnectionResetError`."""
        received = b""
        while more := await asyncio.get_running_loop().sock_recv(visitor, 1000):
            received += more
        return received

    async def is_dropped(self, visitor: socket.socket) -> bool:
        try:
            return await self.read_to_end(visitor) == b""
        except ConnectionResetError:
            return True

    def leave(self) -> None:
        for one in [*self._visitors, *self.hall.delivered.values()]:
            one.close()


def play(
    scene: Callable[[Entrance], Awaitable[None]],
    *awaited: str,
    settings: AudioSocket = SETTINGS,
    offer: Callable[[Hall], Offer] = lambda _: nobody_offers,
) -> dict[str, int]:
    """Opens the door, plays the scene, and gives the counts of who was dropped."""

    async def run() -> dict[str, int]:
        hall = Hall(*awaited)
        door = MediaDoor(msgspec.structs.replace(settings, port=free_port()), hall, offer(hall))
        door.listen()
        entrance = Entrance(door, hall)
        async with asyncio.timeout(DEADLINE_S):
            serving = asyncio.create_task(door.serve())
            await scene(entrance)
            serving.cancel()
        entrance.leave()
        return dict(door.refused)

    return asyncio.run(run())


# -- who comes in


def test_a_connection_that_a_call_awaits_is_delivered_with_nothing_lost() -> None:
    async def scene(entrance: Entrance) -> None:
        await entrance.knock(first_frame(ASKED_FOR) + b"\x10\x00\x02ab")
        await entrance.hall.came.wait()
        connection = entrance.hall.delivered[ASKED_FOR]
        assert await asyncio.get_running_loop().sock_recv(connection, 100) == b"\x10\x00\x02ab"
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0

    assert play(scene, ASKED_FOR) == {}


def test_the_first_frame_may_come_byte_by_byte() -> None:
    async def scene(entrance: Entrance) -> None:
        await entrance.knock(*(bytes([byte]) for byte in first_frame(ASKED_FOR)))
        await entrance.hall.came.wait()

    assert play(scene, ASKED_FOR) == {}


def test_a_call_from_the_dialplan_comes_in_once_call_control_has_opened_it() -> None:
    def offer(hall: Hall) -> Offer:
        async def open_call(name: str) -> None:
            hall.awaited.add(name)

        return open_call

    async def scene(entrance: Entrance) -> None:
        await entrance.knock(first_frame(DIRECT))
        await entrance.hall.came.wait()
        assert DIRECT in entrance.hall.delivered

    assert play(scene, offer=offer) == {}


# -- who does not

WRONG: dict[str, tuple[bytes, dict[str, int]]] = {
    "garbage": (b"GET / HTTP/1.1\r\n\r\n", {"no UUID": 1}),
    "another kind first": (b"\x10\x01\x40" + bytes(320), {"no UUID": 1}),
    "a UUID of the wrong length": (b"\x01\x00\x24" + DIRECT.encode(), {"no UUID": 1}),
    "half a frame": (first_frame(ASKED_FOR)[:10], {"half a frame": 1}),
    "half a header": (b"\x01", {"half a frame": 1}),
    "nothing": (b"", {"silent": 1}),
    "one of ours whose call is gone": (first_frame(media_uuid.make()), {"late": 1}),
}


@pytest.mark.parametrize(("sent", "refused"), WRONG.values(), ids=WRONG.keys())
def test_a_connection_is_dropped_and_counted_by_its_reason(sent: bytes, refused: dict[str, int]) -> None:
    async def scene(entrance: Entrance) -> None:
        assert await entrance.is_dropped(await entrance.knock(sent))
        # The next one is served as if nothing had been.
        await entrance.knock(first_frame(ASKED_FOR))
        await entrance.hall.came.wait()

    assert play(scene, ASKED_FOR) == refused


def test_a_connection_that_is_closed_again_is_counted() -> None:
    async def scene(entrance: Entrance) -> None:
        (await entrance.knock(b"\x01\x00")).close()
        while not entrance.door.refused:
            await asyncio.sleep(0)

    assert play(scene) == {"closed early": 1}


def test_a_scanner_is_counted_and_the_log_told_once_of_each_kind(caplog: pytest.LogCaptureFixture) -> None:
    async def scene(entrance: Entrance) -> None:
        for _ in range(5):
            assert await entrance.is_dropped(await entrance.knock(b"GET / HTTP/1.1\r\n\r\n"))
            assert await entrance.is_dropped(await entrance.knock(first_frame(media_uuid.make())))

    assert play(scene) == {"no UUID": 5, "late": 5}
    assert sum("dropped" in line for line in caplog.messages) == 2


def test_a_second_connection_with_the_same_uuid_is_dropped() -> None:
    async def scene(entrance: Entrance) -> None:
        await entrance.knock(first_frame(DIRECT))
        await entrance.hall.came.wait()
        assert await entrance.is_dropped(await entrance.knock(first_frame(DIRECT)))

    assert play(scene, DIRECT) == {"taken": 1}


def test_without_direct_calls_nobody_comes_in_unasked() -> None:
    async def scene(entrance: Entrance) -> None:
        assert await entrance.is_dropped(await entrance.knock(first_frame(DIRECT)))

    settings = AudioSocket(port=1, direct_calls=False)
    assert play(scene, settings=settings) == {"unknown UUID": 1}


@pytest.mark.parametrize(("answer", "reason"), [(Refused("full"), "refused"), (NoAnswer("down"), "no answer")])
def test_a_caller_who_cannot_be_served_goes_on_in_the_dialplan(answer: Exception, reason: str) -> None:
    """That needs the terminate frame and an orderly end: on a reset, Asterisk hangs the caller up."""

    def offer(hall: Hall) -> Offer:
        async def refuse(name: str) -> None:
            raise answer

        return refuse

    async def scene(entrance: Entrance) -> None:
        visitor = await entrance.knock(first_frame(DIRECT), b"\x10\x01\x40" + bytes(320))
        assert await entrance.read_to_end(visitor) == b"\x00\x00\x00"
        visitor.close()

    assert play(scene, offer=offer) == {reason: 1}


def test_call_control_that_says_yes_and_opens_nothing_is_a_refusal() -> None:
    def offer(hall: Hall) -> Offer:
        async def agree(name: str) -> None:
            return

        return agree

    async def scene(entrance: Entrance) -> None:
        assert await entrance.read_to_end(await entrance.knock(first_frame(DIRECT))) == b"\x00\x00\x00"

    assert play(scene, offer=offer) == {"refused": 1}


def test_who_is_not_allowed_is_closed_at_once_and_takes_nobodys_place() -> None:
    async def scene(entrance: Entrance) -> None:
        for _ in range(3 * SETTINGS.max_waiting):
            assert await entrance.is_dropped(await entrance.knock(first_frame(ASKED_FOR)))
        assert not entrance.hall.delivered

    settings = msgspec.structs.replace(SETTINGS, allowed_hosts=("192.0.2.0/24",))
    assert play(scene, ASKED_FOR, settings=settings) == {"not allowed": 3 * SETTINGS.max_waiting}


def test_who_is_allowed_comes_in_also_where_addresses_are_written_in_the_other_way() -> None:
    async def scene(entrance: Entrance) -> None:
        await entrance.knock(first_frame(ASKED_FOR))
        await entrance.hall.came.wait()

    settings = msgspec.structs.replace(SETTINGS, allowed_hosts=("::ffff:127.0.0.0/120",))
    assert play(scene, ASKED_FOR, settings=settings) == {}


# -- many


def test_a_thousand_silent_connections_do_not_keep_a_call_out() -> None:
    async def scene(entrance: Entrance) -> None:
        silent = [await entrance.knock() for _ in range(1000)]
        await entrance.knock(first_frame(ASKED_FOR))
        await entrance.hall.came.wait()
        assert all([await entrance.is_dropped(visitor) for visitor in silent])

    # On a machine that is busy the knocking alone takes longer than the others' patience.
    refused = play(scene, ASKED_FOR, settings=msgspec.structs.replace(SETTINGS, uuid_timeout_ms=3000))
    assert sum(refused.values()) == 1000
    assert refused["too many waiting"] >= 1000 - SETTINGS.max_waiting


def test_more_direct_calls_than_call_control_can_look_at_go_on_in_the_dialplan() -> None:
    held = asyncio.Event()

    def offer(hall: Hall) -> Offer:
        async def think(name: str) -> None:
            await held.wait()
            hall.awaited.add(name)

        return think

    async def scene(entrance: Entrance) -> None:
        for _ in range(SETTINGS.max_waiting):
            await entrance.knock(first_frame(str(uuid.uuid4())))
        while entrance.door.offers < SETTINGS.max_waiting:
            await asyncio.sleep(0)
        one_more = await entrance.knock(first_frame(DIRECT))
        assert await entrance.read_to_end(one_more) == b"\x00\x00\x00"
        one_more.close()
        # A call that was asked for does not wait behind them.
        entrance.hall.awaited.add(ASKED_FOR)
        await entrance.knock(first_frame(ASKED_FOR))
        await entrance.hall.came.wait()
        held.set()

    assert play(scene, offer=offer) == {"too many waiting": 1}


# -- from one program to the next


def test_whoever_comes_to_a_door_at_rest_is_let_in_by_the_next_one() -> None:
    async def scene(entrance: Entrance) -> None:
        silent = await entrance.knock()
        await entrance.door.rest(0.01)
        assert await entrance.is_dropped(silent), "it was inside, and had no name"
        await entrance.knock(first_frame(ASKED_FOR))
        successor = MediaDoor(msgspec.structs.replace(SETTINGS, port=entrance.door.port), entrance.hall, nobody_offers)
        successor.listen(os.dup(entrance.door.listener_fd))
        assert not entrance.hall.delivered
        serving = asyncio.create_task(successor.serve())
        await entrance.hall.came.wait()
        assert set(entrance.hall.delivered) == {ASKED_FOR}
        serving.cancel()
        await asyncio.wait([serving])

    play(scene, ASKED_FOR)


@pytest.mark.parametrize("free", [True, False], ids=["it can be had", "it is taken"])
def test_a_new_address_takes_the_place_of_the_one_that_was_handed_over_if_it_can_be_had(free: bool) -> None:
    async def scene(entrance: Entrance) -> None:
        old = entrance.door
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            wanted = other.getsockname()[1]
            if free:
                other.close()
            else:
                other.listen()
            new = MediaDoor(msgspec.structs.replace(SETTINGS, port=wanted), entrance.hall, nobody_offers)
            new.listen(os.dup(old.listener_fd))
            assert new.port == (wanted if free else old.port)
        serving = asyncio.create_task(new.serve())
        await asyncio.sleep(0)
        serving.cancel()
        await asyncio.wait([serving])

    play(scene)
