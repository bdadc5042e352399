"""Descriptors between processes (SCM_RIGHTS): to and from an audio actor, and a call's bells for whoever asks.

Both ways use SOCK_SEQPACKET sockets of the machine: one packet is one message with its descriptors, and the death of
either side is an end of file.

- The supervisor and each audio actor hold the two ends of a pair. Over it go `AttachMedia` (with the media socket and
  the call's bells, in that order), `DetachMedia` and `MediaEnded`; of calls that are played from files also
  `FileReady`, `FilesDropped` and `FileHeard`, which the supervisor passes on to and from the call's call-control.
- `<run dir>/descriptors.sock`: whoever sends a call's id gets that call's bells.

ZeroMQ is not used here, because audio actors import this. Measured on a process forked from a warm parent, with
a ROUTER and a DEALER: 3 threads instead of 1, and 2.9 MB of private memory instead of 1.0 MB.
"""

import asyncio
import contextlib
import logging
import os
import socket
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from ipc import flight
from ipc.flight import Way
from ipc.messages import AttachMedia, DetachMedia, FileHeard, FileReady, FilesDropped, MediaEnded
from ipc.rings import BELLS, Bell

log = logging.getLogger(__name__)

LARGEST_PACKET = 64 * 1024
MOST_DESCRIPTORS = 1 + len(BELLS)
SOCKET_NAME = "descriptors.sock"

WAITING_CLIENTS = 128
"""Clients of the store whose connection has not been accepted yet; the next one gets `BlockingIOError`."""

ACCEPT_PAUSE_S = 0.2
"""When the process may open no more files, accepting would fail again and again at once."""

CLIENT_S = 2.0
"""A client of the store sends its question with the connection; one that has not by now is cut off."""

MediaMessage = AttachMedia | DetachMedia | MediaEnded | FileReady | FilesDropped | FileHeard

_INT = struct.Struct("i")
_decoder: msgspec.msgpack.Decoder[MediaMessage] = msgspec.msgpack.Decoder(MediaMessage)
_encoder = msgspec.msgpack.Encoder()


def pair() -> tuple[socket.socket, socket.socket]:
    """The two ends of a control socket; blocking, closed on exec."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def send(control: socket.socket, message: MediaMessage, descriptors: Sequence[int] = ()) -> None:
    """Sends one message. Raises `BrokenPipeError` or `ConnectionResetError` when the other side is gone."""
    packet = _encoder.encode(message)
    flight.recorder().message(Way.NOTE_OUT, message.call_id, type(message).__name__, len(packet))
    socket.send_fds(control, [packet], list(descriptors))


def receive(control: socket.socket) -> tuple[MediaMessage, list[int]] | None:
    """One message and its descriptors, which now belong to the caller; None when the other side is gone.

    Raises `ValueError` for a packet that is no such message, and `BlockingIOError` on an empty non-blocking socket.
    """
    packet, descriptors = receive_packet(control)
    if not packet:
        return None
    try:
        message: MediaMessage = _decoder.decode(packet)
    except msgspec.DecodeError as error:
        _close(descriptors)
        raise ValueError(f"a wrong message came over a control socket: {error}") from error
    flight.recorder().message(Way.NOTE_IN, message.call_id, type(message).__name__, len(packet))
    return message, descriptors


def receive_packet(control: socket.socket) -> tuple[bytes, list[int]]:
    """A packet of any kind and its descriptors, closed on exec; b"" when the other side is gone.

    Raises `BlockingIOError` on an empty non-blocking socket. (`socket.recv_fds` would leave the descriptors open on
    exec: up to Python 3.13 it forgets the flags that it is given.)
    """
    room = socket.CMSG_SPACE(MOST_DESCRIPTORS * _INT.size)
    try:
        packet, extras, flags, _ = control.recvmsg(LARGEST_PACKET, room, socket.MSG_CMSG_CLOEXEC)
    except ConnectionResetError:
        # The other side died before it had read all that we sent.
        return b"", []
    descriptors = [
        number
        for level, kind, data in extras
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
        for (number,) in _INT.iter_unpack(data[: len(data) - len(data) % _INT.size])
    ]
    if flags & socket.MSG_CTRUNC:
        _close(descriptors)
        raise OSError("descriptors were lost on their way: this process may open no more files (`ulimit -n`)")
    return packet, descriptors


def _close(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


@dataclass(frozen=True)
class CallDescriptors:
    """The bells of one call, as this process's own descriptors."""

    ear_stt: Bell
    ear_conversation: Bell
    ear_tap: Bell
    mouth_space: Bell

    def close(self, *, but: Bell | None = None) -> None:
        """Closes all bells, or all but the one that is wanted here."""
        for bell in (self.ear_stt, self.ear_conversation, self.ear_tap, self.mouth_space):
            if bell is not but:
                bell.close()


async def fetch(run_dir: Path, call_id: str, *, within: float = 2.0) -> CallDescriptors:
    """The bells of an open call. Raises `LookupError`, `ConnectionError` without a supervisor, or `TimeoutError`."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
        client.setblocking(False)
        try:
            client.connect(str(run_dir / SOCKET_NAME))
        except (FileNotFoundError, BlockingIOError) as error:
            raise ConnectionError(f"no supervisor hands out descriptors in {run_dir}: {error}") from error
        client.send(call_id.encode())
        readable = asyncio.Event()
        loop.add_reader(client, readable.set)
        try:
            async with asyncio.timeout(within):
                await readable.wait()
            _, descriptors = receive_packet(client)
        finally:
            loop.remove_reader(client)
    if len(descriptors) != len(BELLS):
        _close(descriptors)
        raise LookupError(f"there is no open call {call_id}")
    return CallDescriptors(*(Bell(descriptor) for descriptor in descriptors))


class DescriptorStore:
    """The supervisor's side of `fetch`."""

    def __init__(self, run_dir: Path, lookup: Callable[[str], Sequence[int] | None]) -> None:
        """`lookup` gives an open call's bells in the order of `BELLS`; they stay the caller's."""
        self._path = run_dir / SOCKET_NAME
        self._lookup = lookup

    async def serve(self) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        self._path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as door:
            door.setblocking(False)
            door.bind(str(self._path))
            door.listen(WAITING_CLIENTS)
            try:
                async with asyncio.TaskGroup() as clients:
                    while True:
                        try:
                            client, _ = await loop.sock_accept(door)
                        except OSError as error:
                            log.error("cannot hand out descriptors: %s", error)
                            await asyncio.sleep(ACCEPT_PAUSE_S)
                            continue
                        clients.create_task(self._answer(client))
            finally:
                self._path.unlink(missing_ok=True)

    async def _answer(self, client: socket.socket) -> None:
        # A client that is gone, or says nothing, is not our concern.
        with client, contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(CLIENT_S):
                call_id = await asyncio.get_running_loop().sock_recv(client, LARGEST_PACKET)
            bells = self._lookup(call_id.decode(errors="replace"))
            socket.send_fds(client, [b"unknown" if bells is None else b"here"], list(bells or ()))
