"""chan_websocket: a channel whose far end is a WebSocket. Source: recordings, protocol document, Asterisk's own source.

What the agent sends is cut into frames of 20 ms and waits in a queue, of which one frame is played every 20 ms; the
agent may be a second ahead or ten, and takes back what was not played with FLUSH_MEDIA. When the queue is empty
nothing is played, not even silence (since 22.9). What the call says goes to the agent as it comes.

    queue length   0 ... 799     800 ... 899          900 ... 999     from 1000 on
    agent is told  MEDIA_XON once, if it was full     MEDIA_XOFF      nothing: whole messages are thrown away
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from bench.asterisk.media.formats import FRAME_NS, Format, Frame
from bench.asterisk.media.frames import BINARY, CLOSE, PING, TEXT, Reader, Unacceptable, frame
from bench.asterisk.media.leg import Leg
from bench.asterisk.media.plane import Plane

QUEUE_MAX = 1000
XOFF_LEVEL = 900
XON_LEVEL = 800
LONGEST_COMMAND = 128
READ_AT_ONCE = 65_536
# Causes of Q.850, and the WebSocket close codes that Asterisk shows as `tech_cause`.
NORMAL, NETWORK_OUT_OF_ORDER = 16, 38
CLOSED, GOING_AWAY, UNSUPPORTED = 1000, 1001, 1003
# Commands that mean nothing while the agent only listens, direction "in".
SPEAKING = frozenset({"START_MEDIA_BUFFERING", "STOP_MEDIA_BUFFERING", "MARK_MEDIA", "PAUSE_MEDIA", "CONTINUE_MEDIA"})


class Hangup(NamedTuple):
    """Why the agent's side ended the channel: a cause of Q.850 for ChannelHangupRequest alone, and the close code."""

    cause: int
    code: int


LOST = Hangup(NETWORK_OUT_OF_ORDER, GOING_AWAY)


@dataclass(frozen=True, slots=True)
class Options:
    """Of the dial string.

    answers:   False with `n`: the agent sends ANSWER
    as_json:   `f(json)`: commands and events are JSON objects
    direction: `d(...)`, as the agent sees it: "both", "in" (it only hears) or "out" (it only speaks)
    """

    answers: bool = True
    as_json: bool = False
    direction: str = "both"


class WebSocketLeg(Leg):
    """Everything under the plane's lock.

    answered: called when the agent has connected, or has sent ANSWER
    hung_up:  called once when the agent's side is the reason for the end
    since:    what this release has: "marks", "no silence"
    """

    def __init__(self, plane: Plane, form: Format, connection: str, options: Options, since: frozenset[str]) -> None:
        super().__init__(form)
        self.connection = connection
        self.options = options
        self.channel_name = self.channel_id = ""
        self.variables: Callable[[], dict[str, str]] = dict
        self.answered: Callable[[], None] = lambda: None
        self.hung_up: Callable[[Hangup], None] = lambda hangup: None
        self.link: Link | None = None
        self.frame_bytes = len(form.encode(bytes(2 * form.rate // 50)))
        self.thrown_away = 0
        self.played = 0
        self._since = since
        self._plane = plane
        self._direction = options.direction
        self._queue: deque[bytes | str] = deque()
        self._length = 0
        self._full = False
        self._paused = False
        self._buffering = False
        self._report_drained = False
        self._leftover = b""
        self._closing_code = CLOSED
        self._ticker = plane.clock.every_frame(self._tick, FRAME_NS)

    # -- the agent's connection --------------------------------------------------------------------------------------

    def connected(self, sock: socket.socket) -> None:
        """The agent is there, its handshake is over; the socket is ours now."""
        self.link = Link(self._plane, sock, self)
        self._event("MEDIA_START", **self._start_fields())
        if self.link is not None and self.options.answers:
            self.answered()

    def _start_fields(self) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "connection_id": self.connection,
            "channel": self.channel_name,
            "channel_id": self.channel_id,
            "format": self.form.name,
            "optimal_frame_size": self.frame_bytes,
            "ptime": 20,
        }
        if self.options.as_json:
            fields["channel_variables"] = self.variables()
        return fields

    def drop(self) -> bool:
        """The connection breaks: a reset, no close frame."""
        if self.link is None:
            return False
        self.link.reset()
        self.lost(LOST)
        return True

    def lost(self, hangup: Hangup) -> None:
        """The agent has gone, or has done what ends the channel."""
        self._closing_code = hangup.code
        self.hung_up(hangup)

    # -- from the call to the agent ----------------------------------------------------------------------------------

    def put(self, pcm: bytes) -> None:
        if self.link is not None and self._direction != "out":
            self.link.send(frame(BINARY, self.form.encode(pcm)))

    def digit(self, digit: str, seconds: float) -> None:
        if self.options.as_json:
            self._event("DTMF_END", channel_id=self.channel_id, digit=digit)
        else:
            self._text(f"DTMF_END digit:{digit} channel_id:{self.channel_id}")

    # -- from the agent to the call ----------------------------------------------------------------------------------

    def heard(self, opcode: int, payload: bytes) -> None:
        if opcode == BINARY:
            if self._direction != "in":
                self._take(payload)
        elif opcode == TEXT and 0 < len(payload) <= LONGEST_COMMAND:
            self._command(payload.decode("utf-8", "replace").strip())

    def _take(self, payload: bytes) -> None:
        if self._length >= QUEUE_MAX:
            self.thrown_away += 1
            return
        if self._buffering:
            payload = self._leftover + payload
        self._leftover = b""
        size = self.frame_bytes
        whole = len(payload) // size * size
        for at in range(0, whole, size):
            self._enqueue(payload[at : at + size])
        if self._buffering:
            self._leftover = payload[whole:]

    def _enqueue(self, piece: bytes) -> None:
        self._queue.append(piece)
        self._length += 1
        if not self._full and self._length >= XOFF_LEVEL:
            self._full = True
            self._plain_event("MEDIA_XOFF")

    def _tick(self, due_ns: int) -> None:
        if self._direction == "in":
            return
        piece = self._next()
        if piece is None and self._leftover:
            piece, self._leftover = self._leftover, b""
        if piece is not None:
            self.played += 1
            self.deliver(Frame(self.form.decode(piece), self.rate))
        elif "no silence" not in self._since:
            self.deliver(Frame(bytes(2 * self.rate // 50), self.rate))

    def _next(self) -> bytes | None:
        """The next frame to be played. Marks are passed on the way and cost no time."""
        if self._paused:
            return None
        if self._full and self._length < XON_LEVEL:
            self._full = False
            self._plain_event("MEDIA_XON")
        if not self._queue and self._report_drained:
            self._report_drained = False
            self._plain_event("QUEUE_DRAINED")
        while self._queue:
            item = self._queue.popleft()
            if isinstance(item, bytes):
                self._length -= 1
                return item
            self._text(item)
        return None

    # -- commands and events ------------------------------------------------------------------------------------------

    def _command(self, text: str) -> None:
        given: dict[str, Any] = {}
        name, space, data = text.partition(" ")
        if self.options.as_json:
            try:
                given = json.loads(text)
            except ValueError:
                self._error("Unable to parse JSON command")
                return
            name, data = str(given.get("command", "")), str(given.get("correlation_id", ""))
        if name in SPEAKING and self._direction == "in":
            self._error(f"{name} not supported while media direction is 'in'")
            return
        obey = self._commands().get(name)
        if obey is not None:
            obey(data if space or data else None)
        elif name == "SET_MEDIA_DIRECTION":
            self._set_direction(given)

    def _commands(self) -> dict[str, Callable[[str | None], None]]:
        """What is not among these is written to Asterisk's log and otherwise ignored."""
        known: dict[str, Callable[[str | None], None]] = {
            "ANSWER": lambda data: self.answered(),
            "HANGUP": lambda data: self.lost(Hangup(NORMAL, CLOSED)),
            "START_MEDIA_BUFFERING": self._start_buffering,
            "STOP_MEDIA_BUFFERING": self._stop_buffering,
            "FLUSH_MEDIA": self._flush,
            "REPORT_QUEUE_DRAINED": self._drained_wanted,
            "GET_STATUS": self._status,
            "PAUSE_MEDIA": lambda data: self._pause(True),
            "CONTINUE_MEDIA": lambda data: self._pause(False),
        }
        if "marks" in self._since:
            known["MARK_MEDIA"] = lambda data: self._queue.append(self._numbered("MEDIA_MARK_PROCESSED", data))
        return known

    def _start_buffering(self, data: str | None) -> None:
        self._buffering = True

    def _stop_buffering(self, data: str | None) -> None:
        self._buffering = False
        if self._leftover:
            leftover, self._leftover = self._leftover, b""
            self._enqueue(leftover)
        self._queue.append(self._numbered("MEDIA_BUFFERING_COMPLETED", data))

    def _flush(self, data: str | None) -> None:
        """Marks go with the frames, unannounced; a pause stays."""
        self._queue.clear()
        self._length = 0
        self._buffering = False
        self._leftover = b""

    def _drained_wanted(self, data: str | None) -> None:
        self._report_drained = True

    def _pause(self, paused: bool) -> None:
        self._paused = paused

    def _set_direction(self, given: dict[str, Any]) -> None:
        direction = given.get("direction")
        if not self.options.as_json:
            self._error("SET_MEDIA_DIRECTION only supports JSON format.\n")
        elif direction is None:
            self._error("SET_MEDIA_DIRECTION requires a 'direction' parameter.\n")
        elif direction not in ("both", "in", "out"):
            self._error(f"'{direction}' is not a valid direction for SET_MEDIA_DIRECTION.\n")
        else:
            self._direction = direction

    def _status(self, data: str | None) -> None:
        flags = {"queue_full": self._full, "bulk_media": self._buffering, "media_paused": self._paused}
        levels = {"queue_length": self._length, "xon_level": XON_LEVEL, "xoff_level": XOFF_LEVEL}
        self._event("STATUS", channel_id=self.channel_id, **levels, **flags)

    def _error(self, text: str) -> None:
        self._event("ERROR", channel_id=self.channel_id, error_text=text)

    def _plain_event(self, name: str) -> None:
        """An event that says nothing but its name, and in JSON the channel."""
        if self.options.as_json:
            self._event(name, channel_id=self.channel_id)
        else:
            self._text(name)

    def _numbered(self, name: str, given: str | None) -> str:
        """The text of an event that repeats the id of its command."""
        if self.options.as_json:
            return compact({"event": name, "channel_id": self.channel_id, "correlation_id": given or ""})
        return name if given is None else f"{name} {given}"

    def _event(self, name: str, **fields: Any) -> None:
        if self.options.as_json:
            self._text(compact({"event": name, **fields}))
            return
        shown = {key: str(value).lower() if isinstance(value, bool) else value for key, value in fields.items()}
        self._text(" ".join((name, *(f"{key}:{value}" for key, value in shown.items()))))

    def _text(self, text: str) -> None:
        if self.link is not None:
            self.link.send(frame(TEXT, text.encode()))

    def close(self) -> None:
        """The channel has ended: a close frame, then the connection."""
        super().close()
        self._ticker.stop()
        link, self.link = self.link, None
        if link is not None:
            link.close(self._closing_code)


def compact(fields: dict[str, Any]) -> str:
    return json.dumps(fields, separators=(",", ":"))


class Link:
    """One open connection to the agent, read by the poller."""

    def __init__(self, plane: Plane, sock: socket.socket, leg: WebSocketLeg) -> None:
        self.socket = sock
        self.deadline_ns: int | None = None
        self.open = True
        self._reading = True
        self._plane = plane
        self._leg = leg
        self._reader = Reader()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        plane.poller.add(self)

    def send(self, data: bytes) -> None:
        """An agent that does not read loses the channel (assumption: Asterisk waits 100 ms for room first)."""
        if not self.open:
            return
        try:
            sent = self.socket.send(data)
        except OSError:
            sent = 0
        if sent < len(data):
            self._leg.lost(LOST)

    def readable(self) -> None:
        try:
            data = self.socket.recv(READ_AT_ONCE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._stop_reading()
            self._leg.lost(LOST)
            return
        try:
            for opcode, payload in self._reader.feed(data):
                self._message(opcode, payload)
                if not self.open:
                    return
        except Unacceptable as refusal:
            self.close(refusal.code)
            code = UNSUPPORTED if refusal.code == UNSUPPORTED else GOING_AWAY
            self._leg.lost(Hangup(NETWORK_OUT_OF_ORDER, code))

    def _message(self, opcode: int, payload: bytes) -> None:
        if opcode == PING:
            self.send(frame(0xA, payload))
        elif opcode == CLOSE:
            # The close frame is answered by the one that ends the channel.
            self._stop_reading()
            self._leg.lost(Hangup(NORMAL, GOING_AWAY))
        else:
            self._leg.heard(opcode, payload)

    def expired(self) -> None:
        """A WebSocket knows no deadline."""

    def reset(self) -> None:
        """The connection breaks with a reset."""
        with contextlib.suppress(OSError):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._shut()

    def close(self, code: int) -> None:
        if self.open:
            with contextlib.suppress(OSError):
                self.socket.send(frame(CLOSE, code.to_bytes(2, "big")))
        self._shut()

    def _stop_reading(self) -> None:
        if self._reading:
            self._reading = False
            self._plane.poller.remove(self)

    def _shut(self) -> None:
        if self.open:
            self._stop_reading()
            self.open = False
            self.socket.close()
