"""The wire over a WebSocket: we are the client of Asterisk's chan_websocket. The supervisor has shaken hands already.

Asterisk cuts what we send into frames of 20 ms, keeps them in a queue, and plays one at each of its own ticks. We send
one at each of ours. So its queue holds one or two frames, and this wire sees to it that it stays so:

- a frame more at the beginning and after a flush (`LEAD`): a frame of ours that is late by less does not leave a hole
- with every ping the queue's length is asked for; where it has grown (two clocks, an Asterisk that was late), frames of
  silence are left out until it is short again
- what was said before an interruption and is still in that queue is flushed (FLUSH_MEDIA)

Since Asterisk 22.9 its side is dead silent while the queue is empty, so silence is sent as well. MARK_MEDIA is not
used: with so short a queue a mark would say nothing that the pacer's count does not.
"""

import logging
import socket

from actors.audio import websocket, websocket_control
from actors.audio.stream import Stream
from actors.audio.websocket import BINARY, CLOSE, CONTINUATION, NORMAL, PING, PONG, TEXT
from actors.audio.wire import GAP_AFTER_NS, Listener, MediaOver
from config.media import Streaming
from ipc.messages import AttachMedia
from ipc.mouth import MouthReader
from ipc.rings import FRAME_NS, frame_bytes

log = logging.getLogger(__name__)

LEAD = 1
"""Frames of silence sent ahead."""

QUEUED = 3
"""Frames in Asterisk's queue up to which nothing is done: the lead, the one that is due, and one that came early."""

FLUSHABLE_NS = 5 * FRAME_NS
"""How long after it was sent a frame may still be in a queue that is as short as it should be."""

FIRST_LOOK_NS = 500_000_000
"""When the queue is asked after for the first time: what is sent before Asterisk reads, and what a successor sends to
catch up, came to 8 frames with a real one."""

MOST_UNANSWERED = 3
"""Pings. A peer that answers none of so many is gone, whatever its kernel says."""

DIGITS = "0123456789*#ABCD"


class WebSocketWire(Stream):
    gap_after_ns = GAP_AFTER_NS

    def __init__(
        self,
        connection: socket.socket,
        attach: AttachMedia,
        rate: int,
        settings: Streaming,
        listener: Listener,
        mouth: MouthReader,
    ) -> None:
        super().__init__(connection, websocket.LARGEST_FRAME)
        self._call_id = attach.call_id
        self._listener = listener
        self._mouth = mouth
        self._payload = frame_bytes(rate)
        self._their_header = websocket.their_header(BINARY, self._payload)
        self._size = len(self._their_header) + self._payload
        self._silence = bytes(self._payload)
        self._generation = mouth.audible
        self._voiced_ns = 0
        """When a frame of this generation was last sent."""
        self._lead = LEAD
        self._surplus = 0
        """Frames of silence to be left out."""
        self._json = False
        self._commands = b""
        """Control frames that go out before the next frame of audio."""
        self._message_kind = BINARY
        """Of which kind the message is whose fragments come."""
        self._text = b""
        self._odd = b""
        self._ping_every_ns = settings.keepalive_interval_ms * 1_000_000
        self._ping_ns = 0
        self._unanswered = 0
        self.longest_queue = 0
        """Frames in Asterisk's queue, the most that it has told."""
        self.errors = 0
        """Times that Asterisk complained of a command."""

    # -- from the caller

    def receive(self, now_ns: int) -> None:
        count = self._arrived()
        if count < 0:
            return
        buffer = self._buffer
        header = len(self._their_header)
        if count == self._size and buffer[:header] == self._their_header:
            self._listener.hear(bytes(buffer[header:count]), now_ns)
            self.socket.recv_into(buffer, count)
            self._half_since = 0
        elif count == 0:
            raise MediaOver("closed by peer")
        else:
            used = 0
            try:
                for frame in websocket.frames(buffer[:count]):
                    self._take(frame, now_ns)
                    used += frame.size
            except websocket.Unusable as error:
                raise MediaOver("unusable", str(error)) from error
            self._used(used, count, now_ns)

    def _take(self, frame: websocket.Frame, now_ns: int) -> None:
        kind, payload = frame.kind, frame.payload
        if kind == CLOSE:
            code = f"close {int.from_bytes(payload[:2], 'big')}" if len(payload) >= 2 else "close"
            raise MediaOver("closed by peer", code)
        if kind == PING:
            self._commands += websocket.pack(PONG, payload)
        elif kind == PONG:
            self._unanswered = 0
        else:
            if kind != CONTINUATION:
                self._message_kind, self._text, self._odd = kind, b"", b""
            if self._message_kind == BINARY:
                self._take_audio(payload, now_ns)
            else:
                self._take_text(payload, frame.final)

    def _take_audio(self, payload: bytes, now_ns: int) -> None:
        # A fragment may end in the middle of a sample.
        payload = self._odd + payload
        whole = len(payload) & ~1
        self._odd = payload[whole:]
        self._listener.hear_any(payload[:whole], now_ns)

    def _take_text(self, payload: bytes, final: bool) -> None:
        text, self._text = self._text + payload, b""
        if len(text) > websocket_control.LARGEST_EVENT:
            raise MediaOver("unusable", f"WebSocket text of {len(text)} bytes, which is no event of chan_websocket")
        if final:
            self._obey(websocket_control.read(text))
        else:
            self._text = text

    def _obey(self, event: websocket_control.Event) -> None:
        self._json = event.json
        if event.name == "DTMF_END":
            digit = event.values.get("digit", "").upper()
            if len(digit) == 1 and digit in DIGITS:
                self._listener.press(digit)
        elif event.name == "MEDIA_START":
            self._check_format(event)
        elif event.name == "STATUS":
            self._note_queue(event.number("queue_length") or 0)
        elif event.name == "MEDIA_XOFF":
            # 900 frames, 18 s, are in a queue that should hold two: nobody wants to hear them any more.
            log.warning("call %s: Asterisk's media queue is full: flushed", self._call_id)
            self._flush()
        elif event.name == "ERROR":
            self.errors += 1

    def _check_format(self, event: websocket_control.Event) -> None:
        size = event.number("optimal_frame_size")
        if size is not None and size != self._payload:
            raise MediaOver(
                "unusable",
                f"Asterisk's frames are {size} bytes of {event.values.get('format', 'unknown')}, and this call's are"
                f" {self._payload} bytes of signed linear: the leg's format and the call's rate must be the same",
            )

    def _note_queue(self, frames: int) -> None:
        self.longest_queue = max(self.longest_queue, frames)
        self._surplus = frames - LEAD if frames > QUEUED else 0

    # -- to the caller

    def send(self, pcm: bytes, now_ns: int) -> None:
        self._follow_generation(now_ns)
        self._voiced_ns = now_ns
        self._send_with_commands(pcm, now_ns)

    def send_silence(self, now_ns: int) -> None:
        self._follow_generation(now_ns)
        if self._surplus:
            self._surplus -= 1
            return
        self._send_with_commands(self._silence, now_ns)

    def _send_with_commands(self, pcm: bytes, now_ns: int) -> None:
        if now_ns >= self._ping_ns:
            self._ping(now_ns)
        message = websocket.pack(BINARY, pcm)
        if self._lead:
            message = websocket.pack(BINARY, bytes(self._lead * self._payload)) + message
            self._lead = 0
        if self._commands:
            message = self._commands + message
            self._commands = b""
        super().send(message, now_ns)

    def _follow_generation(self, now_ns: int) -> None:
        """The first frame after an interruption takes what is on its way with it."""
        generation = self._mouth.audible
        if generation != self._generation:
            self._generation = generation
            if now_ns - self._voiced_ns < FLUSHABLE_NS:
                self._flush()

    def _flush(self) -> None:
        self._command("FLUSH_MEDIA")
        self._lead, self._surplus, self._voiced_ns = LEAD, 0, 0

    def _ping(self, now_ns: int) -> None:
        if self._unanswered >= MOST_UNANSWERED:
            raise MediaOver("unusable", f"Asterisk has not answered {MOST_UNANSWERED} pings on the WebSocket")
        if not self._ping_ns:
            self._ping_ns = now_ns + FIRST_LOOK_NS
            return
        self._unanswered += 1
        self._commands += websocket.pack(PING, b"")
        self._command("GET_STATUS")
        self._ping_ns = now_ns + self._ping_every_ns

    def _command(self, name: str) -> None:
        self._commands += websocket.pack(TEXT, websocket_control.command(name, json=self._json))

    def skip(self, frames: int) -> None:
        """Asterisk's queue has run dry meanwhile, and needs its lead again."""
        if frames:
            self._lead = LEAD

    # -- the end

    def terminate(self) -> None:
        self._send_last(websocket.pack(CLOSE, NORMAL.to_bytes(2, "big")))

    def summary(self) -> str:
        wrong = {f"{self.longest_queue} frames in Asterisk's queue at most": self.longest_queue > QUEUED}
        wrong[f"{self.errors} errors told by Asterisk"] = self.errors > 0
        told = ", ".join(what for what, is_wrong in wrong.items() if is_wrong)
        return told and f"WebSocket: {told}"
