"""RTP as one call's wire, on real sockets: what is believed, what Asterisk gets, and what hostile packets get."""

import logging
import os
import socket
import struct
from collections.abc import Iterator
from itertools import pairwise

import pytest

from actors.audio import rtp
from actors.audio.rtp import LARGEST_PACKET
from actors.audio.rtp_wire import MOST_AT_ONCE, RtpWire
from actors.audio.wire import GAP_AFTER_NS, MediaOver
from config.media import ExternalMedia
from ipc.messages import AttachMedia
from tests.actors.audio.far_end import PATIENCE_S, ramp
from tests.actors.audio.listening import Ear

MS = 1_000_000
FRAME = 20 * MS
SILENT_ULAW = b"\xff" * 160


def bound(host: str = "127.0.0.1") -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((host, 0))
    made.settimeout(PATIENCE_S)
    return made


class Call:
    """Asterisk's socket and ours, and the wire on it."""

    def __init__(self, codec: str = "ulaw", rate: int = 8000, *, locked: bool = True, host: str = "127.0.0.1") -> None:
        self.asterisk, self.ours = bound(host), bound()
        self.ours.setblocking(False)
        self.settings = ExternalMedia(lock_remote_endpoint=locked)
        self.codec, self.rate = codec, rate
        self.ear = Ear(rate)
        self.wire = self.attach()
        self.sequence = 0

    def attach(self, sent: int = 0, skipped: int = 0) -> RtpWire:
        host, port = self.asterisk.getsockname()
        attach = AttachMedia(
            call_id="c1", segment="segment", wire="rtp", codec=self.codec, peer_host=host, peer_port=port
        )
        return RtpWire(self.ours, attach, self.rate, self.settings, self.ear, sent, skipped)

    def close(self) -> None:
        self.asterisk.close()
        self.ours.close()

    def give(self, datagram: bytes, sender: socket.socket | None = None) -> None:
        (sender or self.asterisk).sendto(datagram, self.ours.getsockname())

    def say(self, payload: bytes, kind: int = 0, *, stamp: int | None = None, source: int = 7) -> None:
        units = len(payload) if kind in (0, 8) else len(payload) // 2
        self.give(
            rtp.pack(kind, False, self.sequence, self.sequence * units if stamp is None else stamp, source, payload)
        )
        self.sequence += 1

    def heard(self, now_ns: int = 0) -> bytes:
        self.wire.receive(now_ns)
        pcm, self.ear.pcm = self.ear.pcm, b""
        return pcm

    def takes(self, count: int) -> list[rtp.Packet]:
        """What Asterisk gets."""
        return [rtp.parse(memoryview(self.asterisk.recv(4096))) for _ in range(count)]


@pytest.fixture
def call() -> Iterator[Call]:
    call = Call()
    yield call
    call.close()


# -- from the caller


@pytest.mark.parametrize(
    ("codec", "rate", "kind"), [("ulaw", 8000, 0), ("alaw", 8000, 8), ("slin", 8000, 10), ("slin16", 16000, 118)]
)
def test_what_the_caller_says_is_heard_in_every_format_that_works_both_ways(codec: str, rate: int, kind: int) -> None:
    call = Call(codec, rate)
    said = struct.pack(f"<{rate // 50}h", *range(2000, 2000 + rate // 50))
    encoded = call.wire._codec.encode(said) if rate == 8000 else struct.pack(">320h", *range(2000, 2320))
    call.say(encoded, kind)
    heard = struct.unpack(f"<{rate // 50}h", call.heard())
    assert all(abs(one - other) < 70 for one, other in zip(heard, range(2000, 2000 + rate // 50), strict=True))
    call.close()


@pytest.mark.parametrize("ms", [10, 20, 30, 40, 60])
def test_packets_of_any_usual_length_are_one_stream(ms: int) -> None:
    call = Call("slin")
    whole = ramp(9600)
    step = ms * 16
    for at in range(0, len(whole), step):
        call.say(call.wire._codec.encode(whole[at : at + step]), 10)
    assert b"".join(call.heard() for _ in range(20)) == whole
    call.close()


def test_a_lost_packet_is_made_up_and_time_is_kept(call: Call) -> None:
    for number in range(50):
        if number != 20:
            call.sequence = number
            call.say(bytes([100 + number % 5] * 160))
        call.wire.receive(number * FRAME)
    assert len(call.ear.pcm) == 50 * 320
    assert call.wire.concealed == 160
    assert any(call.ear.pcm[20 * 320 : 21 * 320]), "there is sound in the hole"


def test_an_outage_costs_no_more_time_in_the_ear_than_was_not_heard_as_silence(call: Call) -> None:
    for number in (0, 1, 2, 62, 63):
        call.sequence = number
        call.say(bytes(160))
        call.wire.receive(number * FRAME)
    call.wire.receive(70 * FRAME)
    made_up = len(call.ear.pcm) // 320 - 5
    assert made_up == call.wire.gap_after_ns // FRAME, "after that the call itself writes silence"


def test_a_jitter_buffer_puts_off_the_moment_from_which_the_caller_counts_as_silent(call: Call) -> None:
    assert call.wire.gap_after_ns == GAP_AFTER_NS + 60 * MS


def test_a_new_ssrc_is_followed_from_its_first_packet(call: Call) -> None:
    for _ in range(3):
        call.say(bytes(160))
    call.sequence = 40_000
    for _ in range(3):
        call.say(bytes(160), source=8)
    assert len(call.heard()) == 6 * 320
    assert "1 restarts" in call.wire.summary()


def test_keys_in_packets_of_their_own_are_heard_once(call: Call) -> None:
    for end in (0, 0, 0x80, 0x80):
        call.give(rtp.pack(101, False, 1, 800, 7, struct.pack(">BBH", 5, end, 800)))
    call.wire.receive(0)
    assert call.ear.digits == "5"
    call.give(rtp.pack(101, False, 5, 8000, 7, struct.pack(">BBH", 6, 0, 800)))
    call.wire.receive(FRAME)
    assert call.ear.digits == "5"
    call.wire.receive(20 * FRAME)
    assert call.ear.digits == "56"


# -- who is believed


def test_packets_from_anywhere_but_asterisks_own_port_are_dropped_and_told_once_with_the_remedy(
    call: Call, caplog: pytest.LogCaptureFixture
) -> None:
    with bound() as stranger, caplog.at_level(logging.WARNING):
        for _ in range(5):
            call.give(rtp.pack(0, False, 0, 0, 7, bytes(160)), stranger)
        assert call.heard() == b""
    assert call.wire.dropped == {"another source": 5}
    (told,) = caplog.messages
    assert "call c1" in told and "external_media.lock_remote_endpoint" in told


def test_another_port_of_asterisks_host_is_believed_where_the_settings_say_so_and_another_host_is_not() -> None:
    call = Call(locked=False)
    with bound() as other_port, bound("127.0.0.2") as other_host:
        call.give(rtp.pack(0, False, 0, 0, 7, bytes(160)), other_port)
        call.give(rtp.pack(0, False, 1, 160, 7, bytes(160)), other_host)
        assert len(call.heard()) == 320
        call.wire.send_silence(0)
        assert call.takes(1)[0].payload == SILENT_ULAW, "what we send goes where Asterisk said, and only there"
        other_port.setblocking(False)
        with pytest.raises(BlockingIOError):
            other_port.recv(1)
    assert call.wire.dropped == {"another source": 1}
    call.close()


@pytest.mark.parametrize(
    ("datagram", "reason"),
    [
        (b"", "too short"),
        (b"\x80\x00", "too short"),
        (b"\x00" + bytes(171), "wrong version"),
        (b"\x9f" + bytes(11), "header longer than the packet"),
        (rtp.pack(8, False, 0, 0, 7, bytes(160)), "wrong payload type"),
        (rtp.pack(118, False, 0, 0, 7, bytes(640)), "wrong payload type"),
        (rtp.pack(13, False, 0, 0, 7, b"\x40"), "wrong payload type"),
        (rtp.pack(0, False, 0, 0, 7, b""), "no whole samples"),
        (rtp.pack(0, False, 0, 0, 7, bytes(481)), "too large"),
        (rtp.pack(0, False, 0, 0, 7, bytes(LARGEST_PACKET)), "too large"),
        (os.urandom(60_000), "too large"),
    ],
)
def test_hostile_packets_are_dropped_by_reason_and_the_call_goes_on(call: Call, datagram: bytes, reason: str) -> None:
    call.say(bytes(160))
    call.give(datagram)
    call.say(bytes(160))
    assert len(call.heard()) == 640
    assert call.wire.dropped == {reason: 1}
    assert f"1 dropped: {reason}" in call.wire.summary()


def test_a_flood_does_not_hold_up_the_clock_and_the_caller_is_heard_behind_it(call: Call) -> None:
    with bound() as stranger:
        for _ in range(MOST_AT_ONCE + 10):
            call.give(b"flood", stranger)
    call.say(bytes(160))
    assert call.heard() == b"" and call.wire.dropped.total() == MOST_AT_ONCE
    assert len(call.heard()) == 320


# -- to the caller


def test_asterisk_gets_20_ms_each_numbered_and_stamped_without_a_gap(call: Call) -> None:
    for number in range(30):
        if number % 3:
            call.wire.send(ramp(160), number * FRAME)
        else:
            call.wire.send_silence(number * FRAME)
    packets = call.takes(30)
    assert all(len(packet.payload) == 160 and packet.payload_type == 0 for packet in packets)
    assert len({packet.source for packet in packets}) == 1
    for one, other in pairwise(packets):
        assert (other.sequence - one.sequence) & 0xFFFF == 1
        assert (other.timestamp - one.timestamp) & 0xFFFFFFFF == 160
    assert [packet.marker for packet in packets] == [True] + [False] * 29
    assert packets[0].payload == SILENT_ULAW


def test_a_call_at_16000_hz_is_answered_at_8000_hz_under_a_number_that_asterisk_takes() -> None:
    call = Call("slin16", 16000)
    for number in range(3):
        call.wire.send(struct.pack("<320h", *[1000] * 320), number)
    call.wire.send_silence(3)
    call.wire.send_silence(4)
    packets = call.takes(5)
    assert {(packet.payload_type, len(packet.payload)) for packet in packets} == {(11, 320)}
    assert abs(struct.unpack_from(">h", packets[2].payload, 100)[0] - 1000) <= 10
    assert any(packets[3].payload), "the filter's tail"
    assert packets[4].payload == bytes(320)
    call.close()


def test_a_successor_goes_on_with_the_same_source_number_and_time(call: Call) -> None:
    for number in range(10):
        call.wire.send_silence(number)
    before = call.takes(10)[-1]
    call.wire = call.attach(sent=10, skipped=3)
    call.wire.send_silence(0)
    (after,) = call.takes(1)
    assert after.source == before.source
    assert (after.sequence - before.sequence) & 0xFFFF == 1
    assert (after.timestamp - before.timestamp) & 0xFFFFFFFF == 4 * 160
    assert after.marker


def test_time_that_was_not_sent_passes_for_asterisk_too(call: Call) -> None:
    call.wire.send_silence(0)
    call.wire.skip(0)
    call.wire.send_silence(0)
    call.wire.skip(5)
    call.wire.send_silence(0)
    first, second, third = call.takes(3)
    assert ((second.timestamp - first.timestamp) & 0xFFFFFFFF, second.marker) == (160, False)
    assert ((third.timestamp - second.timestamp) & 0xFFFFFFFF, third.marker) == (960, True)
    assert (third.sequence - second.sequence) & 0xFFFF == 1


def test_an_asterisk_whose_port_is_gone_ends_nothing(call: Call) -> None:
    call.asterisk.close()
    for number in range(20):
        call.wire.send_silence(number)
        call.wire.receive(number)
    call.wire.terminate()


@pytest.mark.parametrize(
    ("codec", "rate", "host"), [("g722", 8000, "127.0.0.1"), ("slin16", 8000, "127.0.0.1"), ("ulaw", 8000, "")]
)
def test_a_leg_that_cannot_be_is_unusable_from_the_beginning(codec: str, rate: int, host: str) -> None:
    with bound() as ours, pytest.raises(MediaOver, match="no RTP leg of") as raised:
        attach = AttachMedia(call_id="c1", segment="s", wire="rtp", codec=codec, peer_host=host, peer_port=5000)
        RtpWire(ours, attach, rate, ExternalMedia(), Ear(), 0, 0)
    assert raised.value.reason == "unusable"
