"""How we go to Asterisk's HTTP server: nothing behind its yes is lost, and all else is told with its reason."""

import asyncio
import socket
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from config.media import Streaming
from config.schema import Asterisk, Settings
from ipc.bus import Refused
from supervisor.websocket_door import LARGEST_HEAD, WebSocketDoor
from tests.supervisor.stage import DEADLINE_S
from tests.supervisor.web import AUDIO, Answer, Guest, Web, frame, let_in, web

SETTINGS = Settings(more_asterisks={"branch": Asterisk(scheme="https")})

OWNER = "call-control"


def play(
    scene: Callable[[WebSocketDoor, Web], Awaitable[None]], answer: Answer = let_in, within_ms: int = 5000
) -> dict[str, int]:
    """Gives the counts of what did not come about."""

    async def run() -> dict[str, int]:
        streaming = Streaming(connection_timeout_ms=within_ms)
        door = WebSocketDoor(msgspec.structs.replace(SETTINGS, streaming=streaming))
        async with asyncio.timeout(DEADLINE_S), web(answer) as server:
            await scene(door, server)
        return dict(door.refused)

    return asyncio.run(run())


# -- who comes in


def test_the_request_is_that_of_a_websocket_client_for_media() -> None:
    async def scene(door: WebSocketDoor, server: Web) -> None:
        connection = await door.connect(OWNER, "127.0.0.1", server.port, "/media/abc%20d")
        guest = await server.guests.get()
        assert guest.request.startswith("GET /media/abc%20d HTTP/1.1\r\n")
        fields = guest.fields
        assert fields["host"] == f"127.0.0.1:{server.port}"
        assert (fields["upgrade"], fields["connection"], fields["sec-websocket-version"]) == (
            "websocket",
            "Upgrade",
            "13",
        )
        assert fields["sec-websocket-protocol"] == "media"
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16).startswith(b"reno")
        assert not connection.getblocking()
        connection.close()

    assert play(scene) == {}


def test_what_follows_the_yes_stays_in_the_connection() -> None:
    async def scene(door: WebSocketDoor, server: Web) -> None:
        connection = await door.connect(OWNER, "127.0.0.1", server.port, "/media/abc")
        await server.guests.get()
        received = connection.recv(4096, socket.MSG_PEEK)
        assert received.startswith(frame(1, b"")[:1])
        assert received.endswith(frame(2, AUDIO))
        connection.close()

    assert play(scene) == {}


def test_the_yes_may_come_byte_by_byte() -> None:
    async def slowly(guest: Guest) -> None:
        for byte in guest.yes() + b"rest":
            guest.writer.write(bytes([byte]))
            await guest.writer.drain()
            await asyncio.sleep(0)

    async def scene(door: WebSocketDoor, server: Web) -> None:
        connection = await door.connect(OWNER, "127.0.0.1", server.port, "/media/abc")
        assert connection.getpeername()[1] == server.port
        await server.guests.get()
        assert await asyncio.get_running_loop().sock_recv(connection, 100) in (b"r", b"re", b"res", b"rest")
        connection.close()

    assert play(scene, slowly) == {}


def test_a_name_is_looked_up() -> None:
    async def scene(door: WebSocketDoor, server: Web) -> None:
        (await door.connect(OWNER, "localhost", server.port, "/media/abc")).close()

    assert play(scene) == {}


# -- who does not

SAYS: dict[str, tuple[bytes, str, str]] = {
    "unknown id": (
        b"HTTP/1.1 404 Not found\r\nContent-type: text/html\r\n\r\n<html>",
        "websocket: unknown id",
        "Asterisk says 404 Not found: its channel is gone, or its module chan_websocket is not loaded",
    ),
    "taken": (b"HTTP/1.1 409 Conflict\r\n\r\n", "websocket: taken", "Asterisk says 409 Conflict: its channel has a"),
    "password": (b"HTTP/1.1 401 Unauthorized\r\n\r\n", "websocket: refused", "401 Unauthorized: something in front"),
    "starting": (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", "websocket: refused", "Asterisk is starting or stopping"),
    "another": (b"HTTP/1.1 418 \x1b[31mTea\r\n\r\n", "websocket: refused", r"418 \?\[31mTea: see Asterisk's log"),
    "no status": (b"HTTP/1.1 \r\n\r\n", "websocket: refused", "see Asterisk's log"),
    "a page": (b"HTTP/1.1 200 OK\r\n\r\n", "websocket: refused", "Asterisk says 200 OK"),
    "another protocol": (b"SSH-2.0-OpenSSH_9.2\r\n", "websocket: no WebSocket", "which is no HTTP"),
    "garbage": (bytes(range(256)), "websocket: no WebSocket", "which is no HTTP"),
    "endless": (b"HTTP/1.1 101 " + b"x" * 3 * LARGEST_HEAD, "websocket: no WebSocket", "more than 4096 bytes"),
    "no key": (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        "websocket: no WebSocket",
        "sec-websocket-accept is nothing",
    ),
}


@pytest.mark.parametrize(("said", "reason", "text"), SAYS.values(), ids=SAYS.keys())
def test_everything_but_a_yes_is_a_refusal_with_its_reason(said: bytes, reason: str, text: str) -> None:
    async def answer(guest: Guest) -> None:
        guest.writer.write(said)

    async def scene(door: WebSocketDoor, server: Web) -> None:
        with pytest.raises(Refused, match=text):
            await door.connect(OWNER, "127.0.0.1", server.port, "/media/abc")
        await hear_the_end(await server.guests.get())

    assert play(scene, answer) == {reason: 1}


WRONG_YES = {
    "another upgrade": {"Upgrade": "h2c"},
    "no upgrade": {"Upgrade": ""},
    "no connection": {"Connection": "close"},
    "another's key": {"Sec_WebSocket_Accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="},
    "another protocol": {"Sec_WebSocket_Protocol": "ari"},
    "an extension": {"Sec_WebSocket_Extensions": "permessage-deflate"},
}


@pytest.mark.parametrize("changes", WRONG_YES.values(), ids=WRONG_YES.keys())
def test_a_yes_to_somebody_else_is_none(changes: dict[str, str]) -> None:
    async def answer(guest: Guest) -> None:
        guest.writer.write(guest.yes(**changes))

    async def scene(door: WebSocketDoor, server: Web) -> None:
        with pytest.raises(Refused, match="not that of a WebSocket server"):
            await door.connect(OWNER, "127.0.0.1", server.port, "/media/abc")
        await hear_the_end(await server.guests.get())

    assert play(scene, answer) == {"websocket: no WebSocket": 1}


async def hear_the_end(guest: Guest) -> None:
    """We have closed our side: with a reset, where there was more to read."""
    try:
        assert await guest.reader.read() == b""
    except ConnectionResetError:
        return


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 101 Switching Prot"], ids=["nothing", "half an answer"])
def test_who_does_not_answer_in_time_is_given_up(said: bytes) -> None:
    async def answer(guest: Guest) -> None:
        guest.writer.write(said)

    async def scene(door: WebSocketDoor, server: Web) -> None:
        with pytest.raises(Refused, match=r"no whole answer within 0\.5 s \(`streaming\.connection_timeout_ms`\)"):
            await door.connect(OWNER, "127.0.0.1", server.port, "/media/abc")
        await hear_the_end(await server.guests.get())

    assert play(scene, answer, within_ms=500) == {"websocket: no answer": 1}


def test_who_closes_in_the_middle_of_the_answer_is_told_so() -> None:
    async def answer(guest: Guest) -> None:
        guest.writer.write(b"HTTP/1.1 101")
        guest.writer.close()

    async def scene(door: WebSocketDoor, server: Web) -> None:
        with pytest.raises(Refused, match="closed the connection after 12 bytes"):
            await door.connect(OWNER, "127.0.0.1", server.port, "/media/abc")

    assert play(scene, answer) == {"websocket: no WebSocket": 1}


def test_where_nobody_listens_the_system_says_so() -> None:
    async def scene(door: WebSocketDoor, server: Web) -> None:
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            with pytest.raises(Refused, match="refused"):
                await door.connect(OWNER, "127.0.0.1", nobody.getsockname()[1], "/media/abc")
        with pytest.raises(Refused, match=r"no WebSocket to no-such-host\.invalid"):
            await door.connect(OWNER, "no-such-host.invalid", 8088, "/media/abc")
        with pytest.raises(Refused, match="is no name of a host"):
            await door.connect(OWNER, f"{'x' * 70}.example", 8088, "/media/abc")

    assert play(scene) == {"websocket: no connection": 3}


@pytest.mark.parametrize("path", ["", "media/abc", "/media/a b", "/media/abc HTTP/1.1\r\nHost: x", "/media/\x7f", "/ä"])
def test_a_path_that_would_write_another_request_is_refused(path: str) -> None:
    async def scene(door: WebSocketDoor, server: Web) -> None:
        with pytest.raises(Refused, match="is no path"):
            await door.connect(OWNER, "127.0.0.1", server.port, path)
        assert server.guests.empty()

    assert play(scene) == {"websocket: wrong path": 1}


def test_with_https_another_transport_is_asked_for_and_only_of_that_asterisk() -> None:
    async def scene(door: WebSocketDoor, server: Web) -> None:
        with pytest.raises(Refused, match="TLS cannot be given to an audio actor; use another transport"):
            await door.connect("call-control.branch", "127.0.0.1", server.port, "/media/abc")
        (await door.connect("call-control", "127.0.0.1", server.port, "/media/abc")).close()

    assert play(scene) == {"websocket: https": 1}


def test_who_is_cancelled_in_the_middle_leaves_nothing_behind() -> None:
    async def nothing(guest: Guest) -> None:
        return

    async def scene(door: WebSocketDoor, server: Web) -> None:
        going = asyncio.create_task(door.connect(OWNER, "127.0.0.1", server.port, "/media/abc"))
        guest = await server.guests.get()
        going.cancel()
        await asyncio.wait([going])
        assert going.cancelled()
        await hear_the_end(guest)

    assert play(scene, nothing) == {}
