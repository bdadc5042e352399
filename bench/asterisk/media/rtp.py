"""UnicastRTP: the RTP side of `POST /channels/externalMedia` with encapsulation rtp.

Source: the external-media document. What an agent may get wrong is kept exactly: payload types above 34 are dropped
without a word, linear sound is big-endian, and a source other than `external_host` has to prove itself.
"""

from __future__ import annotations

import contextlib
import ipaddress
import random
import socket
import struct
import time

from bench.asterisk.media.formats import FORMATS, Format, Frame, silence, swapped
from bench.asterisk.media.leg import Leg
from bench.asterisk.media.plane import Plane
from bench.asterisk.media.weather import Line, Weather

HEADER = struct.Struct("!BBHII")
VERSION = 2
LEARNING_NS = 5_000_000_000
PROBATION_PACKETS = 4
PROBATION_NS = 22_000_000
# Real time may differ from the timestamps by this much before a jump and a marker announce a new stretch of sound.
DRIFT_UNITS = 640
# Accepted from the agent although nothing was negotiated. 10 and 11 are both 8 kHz mono here. G.722 (9), GSM (3) and
# G.729 (18) are accepted by Asterisk too; the stand-in has no codec for them and hears silence (assumption).
ACCEPTED = {0: FORMATS["ulaw"], 8: FORMATS["alaw"], 10: FORMATS["slin"], 11: FORMATS["slin"]}
WITHOUT_CODEC = frozenset({3, 9, 18})

Address = tuple[str, int]


def open_port(towards: Address) -> socket.socket:
    """A UDP socket on an even port of the address from which `towards` is reached. OSError if there is no way.

    The stand-in stays on this machine: ValueError if that address is not a loopback one.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(towards)
        local = probe.getsockname()[0]
    if not ipaddress.ip_address(local).is_loopback:
        raise ValueError(f"RTP towards {towards[0]} would leave this machine")
    while True:
        candidate = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        candidate.bind((local, 0))
        if candidate.getsockname()[1] % 2 == 0:
            candidate.setblocking(False)
            return candidate
        candidate.close()


class StrictSource:
    """Whose packets are believed."""

    def __init__(self, expected: Address) -> None:
        self._expected = expected
        self._began_ns = time.monotonic_ns()
        self._known: Address | None = None
        self._candidate: Address | None = None
        self._run: list[tuple[int, int]] = []

    def believes(self, source: Address, sequence: int, now_ns: int) -> bool:
        if self._known is not None and now_ns - self._began_ns > LEARNING_NS:
            return source == self._known
        if source == self._expected:
            self._known = source
            return True
        if source == self._known:
            return True
        if source != self._candidate or not self._run or sequence != (self._run[-1][0] + 1) & 0xFFFF:
            self._candidate, self._run = source, []
        self._run.append((sequence, now_ns))
        if len(self._run) < PROBATION_PACKETS or now_ns - self._run[-PROBATION_PACKETS][1] < PROBATION_NS:
            return False
        self._known = source
        return True


def unpack(packet: bytes) -> tuple[int, int, bytes] | None:
    """Payload type, sequence number and payload of an RTP packet; None if it is none."""
    if len(packet) < HEADER.size:
        return None
    first, second, sequence, _, _ = HEADER.unpack_from(packet)
    if first >> 6 != VERSION:
        return None
    start = HEADER.size + 4 * (first & 0x0F)
    if first & 0x10:
        if len(packet) < start + 4:
            return None
        start += 4 + 4 * int.from_bytes(packet[start + 2 : start + 4], "big")
    end = len(packet) - (packet[-1] if first & 0x20 else 0)
    if start > end:
        return None
    return second & 0x7F, sequence, packet[start:end]


class RtpLeg(Leg):
    """The leg of a UnicastRTP channel. Counts what it dropped, for tests that want to know why nothing was heard."""

    def __init__(self, plane: Plane, form: Format, peer: Address, weather: Weather | None = None) -> None:
        super().__init__(form)
        self.outgoing: Line | None = None
        self.incoming: Line | None = None
        if weather is not None:
            self.outgoing = Line(plane.clock, weather, "to the agent", self._out)
            self.incoming = Line(plane.clock, weather, "from the agent", self._taken)
        self.socket = open_port(peer)
        self.deadline_ns: int | None = None
        self.dropped_payload_types: dict[int, int] = {}
        self.dropped_sources = 0
        self._plane = plane
        self._peer = peer
        self._strict = StrictSource(peer)
        self._sequence = random.getrandbits(16)
        self._timestamp = random.getrandbits(31)
        self._ssrc = random.getrandbits(32)
        self._sent_ns: int | None = None
        self._uncut = b""
        plane.poller.add(self)

    @property
    def local(self) -> Address:
        host, port = self.socket.getsockname()
        return host, port

    def put(self, pcm: bytes) -> None:
        if not self.form.linear:
            # G.711 goes out as long as it came.
            self._send(self.form.encode(pcm), len(pcm) // 2)
            return
        self._uncut += pcm
        cut = len(silence(self.rate))
        while len(self._uncut) >= cut:
            piece, self._uncut = self._uncut[:cut], self._uncut[cut:]
            self._send(swapped(piece), cut // 2)

    def _send(self, payload: bytes, samples: int) -> None:
        now_ns = time.monotonic_ns()
        marker = 0
        if self._sent_ns is not None:
            late = (now_ns - self._sent_ns) * self.rate // 1_000_000_000 - samples
            if abs(late) >= DRIFT_UNITS:
                self._timestamp = (self._timestamp + max(0, late)) & 0xFFFFFFFF
                marker = 0x80
        header = HEADER.pack(VERSION << 6, marker | self.form.payload_type, self._sequence, self._timestamp, self._ssrc)
        self._sequence = (self._sequence + 1) & 0xFFFF
        self._timestamp = (self._timestamp + samples) & 0xFFFFFFFF
        self._sent_ns = now_ns
        if self.outgoing is not None:
            self.outgoing.send(header + payload)
        else:
            self._out(header + payload)

    def _out(self, packet: bytes) -> None:
        # Nobody there (yet, or any more): as on a real network, the packet is lost.
        with contextlib.suppress(OSError):
            self.socket.sendto(packet, self._peer)

    def readable(self) -> None:
        try:
            packet, source = self.socket.recvfrom(65536)
        except OSError:
            return
        parts = unpack(packet)
        if parts is None:
            return
        if not self._strict.believes(source, parts[1], time.monotonic_ns()):
            self.dropped_sources += 1
        elif self.incoming is not None:
            self.incoming.send(packet)
        else:
            self._taken(packet)

    def _taken(self, packet: bytes) -> None:
        """A packet of the agent has come through the line."""
        parts = unpack(packet)
        if parts is None:
            return
        payload_type, _, payload = parts
        form = ACCEPTED.get(payload_type)
        if form is None:
            if payload_type not in WITHOUT_CODEC:
                self.dropped_payload_types[payload_type] = self.dropped_payload_types.get(payload_type, 0) + 1
            return
        pcm = swapped(payload[: len(payload) & ~1]) if form.linear else form.decode(payload)
        self.deliver(Frame(pcm, form.rate))

    def expired(self) -> None:
        """RTP knows no deadline."""

    def close(self) -> None:
        super().close()
        for line in (self.outgoing, self.incoming):
            if line is not None:
                line.close()
        self._plane.poller.remove(self)
        self.socket.close()
