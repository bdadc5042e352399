"""What stands for Asterisk's HTTP server where calls come over a WebSocket: it lets whoever asks in, or does something
else, and keeps the connections."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from supervisor.websocket_door import ACCEPT_SALT

Answer = Callable[["Guest"], Awaitable[None]]

AUDIO = bytes(320)


class Guest:
    """One connection to the server, and the head of its request."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: str) -> None:
        self.reader = reader
        self.writer = writer
        self.request = request

    @property
    def fields(self) -> dict[str, str]:
        lines = self.request.split("\r\n")[1:]
        return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}

    @property
    def accept(self) -> str:
        key = self.fields["sec-websocket-key"].encode()
        return base64.b64encode(hashlib.sha1(key + ACCEPT_SALT).digest()).decode()

    def yes(self, **changes: str) -> bytes:
        """The head that Asterisk sends. `changes` are fields, "" takes one out."""
        fields = {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Accept": self.accept,
            "Sec-WebSocket-Protocol": "media",
        } | {name.replace("_", "-"): value for name, value in changes.items()}
        lines = [f"{name}: {value}" for name, value in fields.items() if value]
        return "\r\n".join(["HTTP/1.1 101 Switching Protocols", *lines, "", ""]).encode()

    async def hear_frame(self) -> tuple[int, bytes]:
        """Opcode and payload of the next frame, which is masked, as those of clients are (RFC 6455, 5.1)."""
        first, second = await self.reader.readexactly(2)
        assert second & 0x80, "a client masks its frames"
        length = second & 0x7F
        if length == 126:
            length = int.from_bytes(await self.reader.readexactly(2))
        mask = await self.reader.readexactly(4)
        payload = await self.reader.readexactly(length)
        return first & 0x0F, bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))

    async def hear(self, frames: int) -> None:
        """So many frames of audio, whatever else comes between them."""
        while frames:
            opcode, payload = await self.hear_frame()
            if opcode == 2:
                assert len(payload) == len(AUDIO), len(payload)
                frames -= 1


def frame(opcode: int, payload: bytes) -> bytes:
    """As a server sends it: whole, without a mask."""
    length = bytes([len(payload)]) if len(payload) < 126 else b"\x7e" + len(payload).to_bytes(2)
    return bytes([0x80 | opcode]) + length + payload


class Web:
    def __init__(self) -> None:
        self.guests: asyncio.Queue[Guest] = asyncio.Queue()
        self.port = 0


async def let_in(guest: Guest) -> None:
    """As Asterisk does: the yes, and what it has to say in the same breath."""
    start = b"MEDIA_START connection_id:x channel:WebSocket/INCOMING/x format:slin optimal_frame_size:320 ptime:20"
    guest.writer.write(guest.yes() + frame(1, start) + frame(2, AUDIO))


@asynccontextmanager
async def web(answer: Answer = let_in) -> AsyncIterator[Web]:
    """Listens on a port of its own; whoever has sent a whole request is answered, and then a guest."""
    server = Web()
    writers = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        try:
            request = (await reader.readuntil(b"\r\n\r\n")).decode()
        except asyncio.IncompleteReadError:
            return
        guest = Guest(reader, writer, request.removesuffix("\r\n\r\n"))
        await answer(guest)
        server.guests.put_nowait(guest)

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        for writer in writers:
            writer.close()
