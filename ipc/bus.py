"""The control plane: commands, notes and events between actors over ZeroMQ.

Every actor binds one inbox (ROUTER) at `ipc://<run directory>/<name>.inbox`; its name is its address. A sender keeps
one DEALER per peer, whose identity is the sender's own name, so that every message says who sent it. Events leave
through a PUB socket at `<name>.events`.

    DEALER -> ROUTER   kind, id, deadline, body        kind: b"C" command, b"N" note
    ROUTER -> DEALER   id, body                        the reply, on the connection that asked
    PUB    -> SUB      tag, body

`id` and `deadline` are 8 bytes, little-endian; the deadline is in CLOCK_MONOTONIC ns. The receiver drops what arrives
after its deadline: a peer that was restarted must not act on what its predecessor was asked long ago.

A body that does not decode is an error that names the sender; it is refused and counted, never guessed at.
"""

import asyncio
import logging
import struct
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Self, TypeVar, Union, cast

import msgspec
import zmq
import zmq.asyncio

from ipc import actions, flight, messages, orders, sessions, thinking
from ipc.flight import Way
from ipc.messages import Message, Refusal

log = logging.getLogger(__name__)

NOTE_LIFETIME_S = 5.0
"""A note to an actor that is down waits this long for its successor."""

QUEUE_MESSAGES = 10_000
"""Per peer. Reached only when a peer has stopped reading for minutes; then `ask` and `tell` raise `NoAnswer`."""

_STAMP = struct.Struct("<QQ")
_ID = struct.Struct("<Q")

M = TypeVar("M", bound=Message)
Handler = Callable[[str, Any], Awaitable[Message | None]]
"""Gets the sender's name and the message. Returns the reply to a command; raises `Refused` to refuse it."""

_KINDS = tuple(
    {
        kind
        for module in (messages, actions, orders, sessions, thinking)
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, Message) and kind != Message
    }
)
_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(Union[_KINDS])  # noqa: UP007 (made at run time)


class Refused(Exception):
    """The peer refused the command, or a handler refuses one. The text is for the operator."""

    def __init__(self, reason: str, *, busy: bool = False) -> None:
        super().__init__(reason)
        self.busy = busy


class NoAnswer(Exception):
    """The peer did not answer before the deadline: it is down, stalled or overloaded."""


class BadMessage(ValueError):
    """A body that is none of our messages. The text names the sender, the message and the field."""


def encode(message: Message) -> bytes:
    return _encoder.encode(message)


def decode(body: bytes, sender: str) -> Message:
    """The message in `body`. Raises `BadMessage`."""
    try:
        return _decoder.decode(body)
    except msgspec.DecodeError as error:
        raise BadMessage(f"{sender} sent a wrong {_tag(body)}: {error}") from error


def _tag(body: bytes) -> str:
    """The name of the message that `body` claims to be, for an error's text."""
    try:
        claimed = msgspec.msgpack.decode(body)
    except msgspec.DecodeError:
        return "message"
    return str(claimed.get("type", "message")) if isinstance(claimed, dict) else "message"


class _Peer:
    """A connection to one peer's inbox, and the questions that wait for its answers."""

    def __init__(self, context: zmq.asyncio.Context, path: Path, name: str, own_name: str) -> None:
        self._name = name
        self._flight = flight.recorder()
        self.socket = context.socket(zmq.DEALER)
        self.socket.setsockopt(zmq.IDENTITY, own_name.encode())
        self.socket.setsockopt(zmq.LINGER, 200)
        self.socket.setsockopt(zmq.SNDHWM, QUEUE_MESSAGES)
        # ZeroMQ retries an absent ipc path every 100 ms by default: too slow for an actor that has just come back.
        self.socket.setsockopt(zmq.RECONNECT_IVL, 10)
        self.socket.setsockopt(zmq.RECONNECT_IVL_MAX, 200)
        self.socket.connect(f"ipc://{path}")
        self.waiting: dict[int, asyncio.Future[bytes]] = {}

    async def read_replies(self) -> None:
        while True:
            packed, body = await self.socket.recv_multipart()
            request = _ID.unpack(packed)[0]
            future = self.waiting.pop(request, None)
            # Its kind is not known before whoever asked decodes it.
            self._flight.message(Way.REPLY_IN, self._name, "" if future else "too late", len(body), request)
            if future is not None and not future.done():
                future.set_result(body)


class Bus:
    """One actor's place on the bus. Use as an async context manager; `on` and `subscribe` may be called at any time.

    Handlers are started in the order in which messages arrived, each as a task: up to its first `await` a handler runs
    before the next message is looked at. A handler that raises anything but `Refused` ends the actor.
    """

    def __init__(self, run_dir: Path, name: str) -> None:
        self.run_dir = run_dir
        self.name = name
        self.bad_messages = 0
        self._context = zmq.asyncio.Context()
        self._peers: dict[str, _Peer] = {}
        self._handlers: dict[type[Message], Handler] = {}
        self._next_id = 0
        self._flight = flight.recorder()

    async def __aenter__(self) -> Self:
        self._tasks = asyncio.TaskGroup()
        await self._tasks.__aenter__()
        self._inbox = self._context.socket(zmq.ROUTER)
        # A restarted peer comes back under its old name while ZeroMQ may still hold the dead connection.
        self._inbox.setsockopt(zmq.ROUTER_HANDOVER, 1)
        self._inbox.setsockopt(zmq.LINGER, 200)
        self._inbox.setsockopt(zmq.RCVHWM, QUEUE_MESSAGES)
        self._inbox.bind(f"ipc://{self._path(self.name, 'inbox')}")
        self._events = self._context.socket(zmq.PUB)
        self._events.setsockopt(zmq.LINGER, 0)
        self._events.bind(f"ipc://{self._path(self.name, 'events')}")
        self._background = [self._tasks.create_task(self._read_inbox(), name="bus inbox")]
        self.spawn(self._flight.seconds(), "flight recorder")
        return self

    async def __aexit__(self, *error: Any) -> None:
        for task in self._background:
            task.cancel()
        try:
            await self._tasks.__aexit__(*error)
        finally:
            self._context.destroy()
            self._path(self.name, "inbox").unlink(missing_ok=True)
            self._path(self.name, "events").unlink(missing_ok=True)

    def _path(self, name: str, kind: str) -> Path:
        return self.run_dir / f"{name}.{kind}"

    def on(self, kind: type[M], handler: Callable[[str, M], Awaitable[Message | None]]) -> None:
        """`handler` gets every command or note of this kind that reaches the inbox."""
        self._handlers[kind] = handler

    def spawn(self, work: Awaitable[Any], name: str) -> asyncio.Task[Any]:
        """Runs `work` beside the handlers: if it raises, the actor ends. Cancelled when the bus closes."""

        async def run() -> Any:
            return await work

        # A coroutine as it is: one that is cancelled before it has begun is then closed, and not reported as forgotten.
        task = self._tasks.create_task(work if asyncio.iscoroutine(work) else run(), name=name)
        self._background.append(task)
        task.add_done_callback(self._background.remove)
        return task

    async def ask(self, peer: str, command: Message, *, within: float) -> Message:
        """Sends a command and waits up to `within` seconds for its reply. Raises `Refused` or `NoAnswer`."""
        connection = self._peer(peer)
        self._next_id += 1
        request = self._next_id
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        connection.waiting[request] = future
        try:
            async with asyncio.timeout(within):
                deadline = time.monotonic_ns() + int(within * 1e9)
                packed = encode(command)
                self._flight.message(Way.COMMAND_OUT, peer, type(command).__name__, len(packed), request)
                await connection.socket.send_multipart([b"C", _STAMP.pack(request, deadline), packed])
                body = await future
        except TimeoutError:
            raise NoAnswer(f"{peer} did not answer {type(command).__name__} within {within:g} s") from None
        finally:
            connection.waiting.pop(request, None)
        reply = decode(body, peer)
        if isinstance(reply, Refusal):
            raise Refused(reply.reason, busy=reply.busy)
        return reply

    async def expect(self, peer: str, command: Message, kind: type[M], *, within: float) -> M:
        """Like `ask`, for a command whose reply carries something. Another kind of reply raises `BadMessage`."""
        reply = await self.ask(peer, command, within=within)
        if not isinstance(reply, kind):
            raise BadMessage(f"{peer} answered {type(command).__name__} with {type(reply).__name__}")
        return reply

    def tell(self, peer: str, note: Message) -> None:
        """Sends a note. It arrives in order with others to the same peer, or not at all if the peer stays away."""
        deadline = time.monotonic_ns() + int(NOTE_LIFETIME_S * 1e9)
        body = encode(note)
        self._flight.message(Way.NOTE_OUT, peer, type(note).__name__, len(body))
        self._send_now(self._peer(peer).socket, [b"N", _STAMP.pack(0, deadline), body])

    def publish(self, event: Message) -> None:
        """Sends an event to whoever subscribed by now."""
        name, body = type(event).__name__, encode(event)
        self._flight.message(Way.EVENT_OUT, "", name, len(body))
        self._send_now(self._events, [name.encode(), body])

    @staticmethod
    def _send_now(socket: zmq.asyncio.Socket, parts: list[bytes]) -> None:
        # With NOBLOCK pyzmq sends before it returns; the future it gives is already decided.
        sent = cast("asyncio.Future[None]", socket.send_multipart(parts, flags=zmq.NOBLOCK))
        if sent.exception() is not None:
            log.warning("a peer has stopped reading its inbox: dropped a message")

    async def subscribe(
        self, publisher: str, kind: type[M], handler: Callable[[str, M], Awaitable[Message | None]]
    ) -> None:
        """`handler` gets every event of this kind that `publisher` sends from about now on."""
        socket = self._context.socket(zmq.SUB)
        socket.setsockopt(zmq.RECONNECT_IVL, 10)
        socket.setsockopt(zmq.RECONNECT_IVL_MAX, 200)
        socket.setsockopt(zmq.SUBSCRIBE, kind.__name__.encode())
        socket.connect(f"ipc://{self._path(publisher, 'events')}")
        self.spawn(self._read_events(socket, publisher, handler), f"events of {publisher}")

    async def _read_events(self, socket: zmq.asyncio.Socket, publisher: str, handler: Handler) -> None:
        while True:
            _, body = await socket.recv_multipart()
            message = self._decoded(body, publisher)
            if message is not None:
                self._flight.message(Way.EVENT_IN, publisher, type(message).__name__, len(body))
                self._tasks.create_task(self._run_note(handler, publisher, message))

    def _decoded(self, body: bytes, sender: str) -> Message | None:
        try:
            return decode(body, sender)
        except BadMessage as error:
            self.bad_messages += 1
            log.error("%s", error)
            return None

    def _peer(self, name: str) -> _Peer:
        peer = self._peers.get(name)
        if peer is None:
            peer = self._peers[name] = _Peer(self._context, self._path(name, "inbox"), name, self.name)
            self.spawn(peer.read_replies(), f"replies of {name}")
        return peer

    async def _read_inbox(self) -> None:
        while True:
            parts = await self._inbox.recv_multipart()
            sender = parts[0].decode(errors="replace")
            if len(parts) != 4 or len(parts[2]) != _STAMP.size:
                self.bad_messages += 1
                log.error("%s sent %d parts that are no message", sender, len(parts))
                continue
            request, deadline = _STAMP.unpack(parts[2])
            if time.monotonic_ns() > deadline:
                self._flight.message(Way.EXPIRED_IN, sender, "", len(parts[3]), request)
                continue
            self._dispatch(parts[0], sender, request if parts[1] == b"C" else None, parts[3])

    def _dispatch(self, identity: bytes, sender: str, request: int | None, body: bytes) -> None:
        message = self._decoded(body, sender)
        way = Way.NOTE_IN if request is None else Way.COMMAND_IN
        self._flight.message(way, sender, type(message).__name__ if message else "unreadable", len(body), request or 0)
        handler = None if message is None else self._handlers.get(type(message))
        if message is not None and handler is not None:
            if request is None:
                self._tasks.create_task(self._run_note(handler, sender, message))
            else:
                self._tasks.create_task(self._run_command(handler, identity, request, message))
            return
        why = "could not read the message" if message is None else f"does not take {type(message).__name__}"
        if request is not None:
            self._reply(identity, request, Refusal(reason=f"{self.name} {why}"))
        elif message is not None:
            log.error("%s sent %s, which %s does not take", sender, type(message).__name__, self.name)

    @staticmethod
    async def _run_note(handler: Handler, sender: str, message: Message) -> None:
        await handler(sender, message)

    async def _run_command(self, handler: Handler, identity: bytes, request: int, message: Message) -> None:
        try:
            reply = await handler(identity.decode(), message)
        except Refused as refused:
            reply = Refusal(reason=str(refused), busy=refused.busy)
        self._reply(identity, request, reply or messages.Done())

    def _reply(self, identity: bytes, request: int, reply: Message) -> None:
        body = encode(reply)
        self._flight.message(Way.REPLY_OUT, identity.decode(errors="replace"), type(reply).__name__, len(body), request)
        self._send_now(self._inbox, [identity, _ID.pack(request), body])
