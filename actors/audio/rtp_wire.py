"""The wire over RTP: one UDP port of ours, and one of Asterisk's ExternalMedia (UnicastRTP) that alone is believed.

A datagram is taken from the kernel before it is in the ear, unlike the bytes of a stream: whoever is killed loses what
the jitter buffer holds (usually nothing), and what comes until the successor is there waits in the socket. Sequence
numbers, time stamps and SSRC go on, for they follow from the pacer's counters and from the segment's name.

Asterisk locks our address 5 s after the leg's beginning: only this socket may ever send.
"""

import logging
import socket
import zlib
from collections import Counter

from actors.audio import rtp
from actors.audio.concealment import Concealer
from actors.audio.halving import Halving
from actors.audio.jitter import Hole, JitterBuffer
from actors.audio.rtp import CODECS, LARGEST_PACKET, TELEPHONE_EVENT, NotRtp
from actors.audio.telephone_event import KeyPresses
from actors.audio.wire import GAP_AFTER_NS, Listener, MediaOver
from config.media import ExternalMedia
from ipc.messages import AttachMedia
from ipc.rings import FRAME_MS

log = logging.getLogger(__name__)

MOST_AT_ONCE = 64
"""Packets read in one tick: more than a second of them. Whoever floods the port does not hold up the clock."""

OUR_RATE = 8000
"""Samples per second of what we send: Asterisk takes no more over RTP."""
OUR_SAMPLES = OUR_RATE * FRAME_MS // 1000

REMEDIES = {
    "another source": "packets are taken only from where Asterisk says that it sends from. If this is Asterisk behind"
    " NAT or in a container, give it the host's network; for another port of the same host there is"
    " external_media.lock_remote_endpoint",
    "wrong payload type": "the leg's format and external_media.codec must be the same",
    "too large": f"packets of at most {rtp.LONGEST_MS} ms are taken: set a ptime of 20 on the caller's endpoint",
    "no whole samples": "the leg's format and external_media.codec must be the same",
    "not sent": "the network or its queue does not take our packets",
}
"""What to do about packets that are dropped for this reason; for other reasons the sender is no RTP peer at all."""


class RtpWire:
    def __init__(
        self,
        connection: socket.socket,
        attach: AttachMedia,
        rate: int,
        settings: ExternalMedia,
        listener: Listener,
        sent: int,
        skipped: int,
    ) -> None:
        """`sent` and `skipped`: frames of this call so far, by whoever held it before."""
        codec = CODECS.get(attach.codec)
        if codec is None or codec.rate != rate or not attach.peer_host:
            raise MediaOver(
                "unusable", f"no RTP leg of {attach.codec!r} from {attach.peer_host!r} for a call of {rate} Hz"
            )
        self.socket = connection
        self.gap_after_ns = GAP_AFTER_NS + settings.jitter_buffer_ms * 1_000_000
        self._call_id = attach.call_id
        self._peer = (attach.peer_host, attach.peer_port)
        self._locked = settings.lock_remote_endpoint
        self._codec = codec
        self._listener = listener
        self._buffer = memoryview(bytearray(LARGEST_PACKET + 1))
        self._jitter = JitterBuffer(codec.rate, settings.jitter_buffer_ms)
        self._concealer = Concealer(rate)
        self._keys = KeyPresses()
        self._their_source: int | None = None
        self._largest = codec.rate * rtp.LONGEST_MS // 1000 * codec.sample_bytes
        self.dropped: Counter[str] = Counter()
        """Packets that were not believed or not understood, by reason."""
        self.concealed = 0
        """Lost samples in whose place something was made up."""
        # A successor computes the same.
        self._our_source = zlib.crc32(attach.segment.encode())
        self._sequence = (self._our_source >> 16) + sent
        self._timestamp = (self._our_source & 0xFFFF) + (sent + skipped) * OUR_SAMPLES
        self._marker = True
        self._halving = Halving() if rate != OUR_RATE else None
        self._tail = False
        self._silence = bytes(rate * FRAME_MS // 1000 * 2)
        self._our_silence = bytes(OUR_SAMPLES * 2)
        self._encoded_silence = codec.encode(self._our_silence)

    # -- from the caller

    def receive(self, now_ns: int) -> None:
        for _ in range(MOST_AT_ONCE):
            try:
                size, sender = self.socket.recvfrom_into(self._buffer)
            except BlockingIOError:
                break
            except OSError as error:
                # A UDP socket tells of one packet's fate; the next may have a better one.
                self._drop("network error", str(error))
                break
            if self._believed(sender):
                self._take(size, now_ns)
        for piece in self._jitter.take(now_ns):
            if isinstance(piece, Hole):
                self._conceal(piece.units, now_ns)
            else:
                self._listener.hear_any(self._concealer.heard(self._codec.decode(piece)), now_ns)
        for digit in self._keys.overdue(now_ns):
            self._listener.press(digit)

    def _believed(self, sender: tuple[str, int]) -> bool:
        if sender[:2] == self._peer or (not self._locked and sender[0] == self._peer[0]):
            return True
        self._drop("another source", f"from {sender[0]}:{sender[1]} instead of {self._peer[0]}:{self._peer[1]}")
        return False

    def _take(self, size: int, now_ns: int) -> None:
        if size > LARGEST_PACKET:
            self._drop("too large", f"more than {LARGEST_PACKET} bytes")
            return
        try:
            packet = rtp.parse(self._buffer[:size])
        except NotRtp as error:
            self._drop(str(error), f"{size} bytes")
            return
        payload = packet.payload
        if packet.payload_type == TELEPHONE_EVENT:
            for digit in self._keys.take(packet.timestamp, payload, now_ns):
                self._listener.press(digit)
        elif packet.payload_type not in self._codec.theirs:
            self._drop("wrong payload type", str(packet.payload_type))
        elif not payload or len(payload) % self._codec.sample_bytes:
            self._drop("no whole samples", f"{len(payload)} bytes")
        elif len(payload) > self._largest:
            self._drop("too large", f"{len(payload)} bytes of sound")
        else:
            if packet.source != self._their_source:
                self._follow(packet.source)
            units = len(payload) // self._codec.sample_bytes
            self._jitter.put(packet.sequence, packet.timestamp, units, payload, now_ns)

    def _follow(self, source: int) -> None:
        """The peer has begun another stream, as Asterisk may when the caller's own stream changes."""
        if self._their_source is not None:
            self._jitter.restart()
        self._their_source = source

    def _conceal(self, units: int, now_ns: int) -> None:
        """Time that was lost passes in the ear, too. Of a long loss most has passed already: the caller was silent."""
        units = min(units, self.gap_after_ns * self._codec.rate // 1_000_000_000)
        self.concealed += units
        self._listener.hear_any(self._concealer.made_up(units), now_ns)

    def _drop(self, reason: str, detail: str) -> None:
        self.dropped[reason] += 1
        if self.dropped[reason] == 1:
            remedy = REMEDIES.get(reason)
            log.warning(
                "call %s: RTP packet dropped: %s (%s)%s; said once for this call",
                *(self._call_id, reason, detail, f": {remedy}" if remedy else ""),
            )

    # -- to the caller

    def send(self, pcm: bytes, now_ns: int) -> None:
        if self._halving:
            pcm = self._halving.halve(pcm)
            self._tail = pcm != self._our_silence
        self._send(self._codec.encode(pcm))

    def send_silence(self, now_ns: int) -> None:
        if self._tail:
            self.send(self._silence, now_ns)  # the filter still holds the end of what was said
        else:
            self._send(self._encoded_silence)

    def _send(self, payload: bytes) -> None:
        packet = rtp.pack(self._codec.ours, self._marker, self._sequence, self._timestamp, self._our_source, payload)
        # Counted also where the kernel does not take it: a successor knows only how often we came by here.
        self._sequence += 1
        self._timestamp += OUR_SAMPLES
        self._marker = False
        try:
            self.socket.sendto(packet, self._peer)
        except OSError as error:
            self._drop("not sent", str(error))

    def skip(self, frames: int) -> None:
        if frames:
            self._timestamp += frames * OUR_SAMPLES
            self._marker = True

    # -- the end

    def terminate(self) -> None:
        """RTP has no word for it: call-control ends the leg in Asterisk."""

    def summary(self) -> str:
        report = self._jitter.report
        wrong = {
            "lost": report.lost - report.late,
            "late": report.late,
            "duplicate": report.duplicate,
            "reordered": report.reordered,
            "restarts": report.restarts,
            "ms concealed": self.concealed * 1000 // self._codec.rate,
            **{f"dropped: {reason}": count for reason, count in self.dropped.items()},
        }
        told = ", ".join(f"{count} {what}" for what, count in wrong.items() if count)
        return told and f"RTP: {report.released} packets heard; {told}"
