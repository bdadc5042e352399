"""A WebSocket to chan_websocket as one call's wire: real sockets and rings, virtual time, Asterisk's end by hand."""

import os
import re
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.audio.stream import STUCK_NS
from actors.audio.websocket import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT
from actors.audio.websocket_wire import LEAD, MOST_UNANSWERED, QUEUED, WebSocketWire
from config.media import Streaming
from ipc import rings as ring
from ipc.messages import AttachMedia
from ipc.mouth import MouthGauge, MouthReader
from ipc.rings import FRAME_NS, Rings
from tests.actors.audio.far_end import PATIENCE_S, FarEnd, numbered, numbers
from tests.actors.audio.line import over
from tests.actors.audio.listening import Ear
from tests.actors.audio.test_websocket import theirs, unmasked

NAME = f"ringmaster-test-{os.getpid()}-websocket"
EVERY_S = 1


@dataclass
class Sent:
    """What came to Asterisk, in order."""

    audio: list[int] = field(default_factory=list)
    """Which of the `numbered` frames; 0 for silence."""
    texts: list[str] = field(default_factory=list)
    pings: int = 0
    pongs: list[bytes] = field(default_factory=list)
    closed: bytes | None = None


class Line:
    def __init__(self, rate: int = 8000) -> None:
        ring.create(NAME, rate)
        self.rings = Rings(NAME)
        self.gauge = MouthGauge(self.rings)
        self.rate = rate
        self.far = FarEnd(rate)
        self.ear = Ear(rate)
        self.now = 1_000_000_000
        self.wire = self.attach()

    def attach(self) -> WebSocketWire:
        connection = self.far.ours.dup()
        connection.setblocking(False)
        attach = AttachMedia(call_id="c1", segment=NAME, wire="websocket")
        streaming = Streaming(keepalive_interval_ms=EVERY_S * 1000)
        return WebSocketWire(connection, attach, self.rate, streaming, self.ear, MouthReader(self.rings))

    def take_over(self) -> None:
        self.wire.socket.close()
        self.wire = self.attach()

    def close(self) -> None:
        self.wire.socket.close()
        self.far.close()
        self.rings.close()
        ring.unlink(NAME)

    # -- Asterisk's end

    def give(self, kind: int, payload: bytes) -> None:
        self.far.send(theirs(kind, payload))

    def told(self) -> Sent:
        """All that has come to Asterisk since the last look."""
        sent, stream = Sent(), b""
        self.far.socket.settimeout(0.0)
        while True:
            try:
                stream += self.far.socket.recv(1 << 20)
            except BlockingIOError:
                break
        self.far.socket.settimeout(PATIENCE_S)
        at = 0
        while at < len(stream):
            length, head = stream[at + 1] & 0x7F, 6
            if length == 126:
                length, head = struct.unpack_from(">H", stream, at + 2)[0], 8
            first, payload = unmasked(stream[at : at + head + length])
            self._note(sent, first & 0x0F, payload)
            at += head + length
        return sent

    def _note(self, sent: Sent, kind: int, payload: bytes) -> None:
        if kind == BINARY:
            size = self.rate // 50 * 2
            assert payload and len(payload) % size == 0, "Asterisk throws away what is no whole frame"
            sent.audio += numbers([payload[at : at + size] for at in range(0, len(payload), size)])
        elif kind == TEXT:
            assert len(payload) <= 128, "Asterisk ignores longer ones"
            sent.texts.append(payload.decode())
        elif kind == PING:
            sent.pings += 1
        elif kind == PONG:
            sent.pongs.append(payload)
        elif kind == CLOSE:
            sent.closed = payload

    # -- ours

    def pass_frames(self, *said: int, silent: int = 0) -> None:
        for number in said:
            self.wire.send(numbered(number, self.rate // 50), self.now)
            self.now += FRAME_NS
        for _ in range(silent):
            self.wire.send_silence(self.now)
            self.now += FRAME_NS


@pytest.fixture
def line() -> Iterator[Line]:
    line = Line()
    yield line
    line.close()


@pytest.fixture(params=[8000, 16000])
def any_line(request: pytest.FixtureRequest) -> Iterator[Line]:
    line = Line(request.param)
    yield line
    line.close()


# -- from the caller


def test_what_the_caller_says_is_heard_to_the_sample(any_line: Line) -> None:
    said = [numbered(number, any_line.rate // 50) for number in range(1, 20)]
    for pcm in said:
        any_line.give(BINARY, pcm)
        any_line.wire.receive(any_line.now)
    assert any_line.ear.pcm == b"".join(said)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.one_of(st.integers(1, 900), st.sampled_from(["read", "die"])), max_size=40))
def test_however_bytes_arrive_and_whoever_dies_nothing_is_lost(steps: list[int | str]) -> None:
    line = Line()
    try:
        said = [numbered(number) for number in range(1, 31)]
        rest = b"".join(theirs(BINARY, pcm) for pcm in said)
        for step in steps:
            if isinstance(step, int) and rest:
                line.far.send(rest[:step])
                rest = rest[step:]
            elif step == "read":
                line.wire.receive(line.now)
            elif step == "die":
                line.take_over()
        if rest:
            line.far.send(rest)
        line.wire.receive(line.now)
        assert line.ear.pcm == b"".join(said)
    finally:
        line.close()


def test_a_message_in_fragments_is_one_stream_also_where_they_end_in_the_middle_of_a_sample(line: Line) -> None:
    pcm = numbered(1)
    line.far.send(bytes((BINARY, 101)) + pcm[:101])
    line.far.send(bytes((CONTINUATION, 100)) + pcm[101:201])
    line.give(PING, b"between")
    line.far.send(bytes((0x80 | CONTINUATION, 119)) + pcm[201:])
    line.wire.receive(line.now)
    assert line.ear.pcm == pcm


def test_keys_are_heard_in_both_forms_of_control_and_what_is_no_key_is_not(line: Line) -> None:
    line.give(TEXT, b"DTMF_END digit:5 channel_id:1")
    line.give(TEXT, b'{"event":"DTMF_END","digit":"#","channel_id":"1"}')
    line.give(TEXT, b"DTMF_END digit:x channel_id:1")
    line.give(TEXT, b"DTMF_END")
    line.give(TEXT, b"\xff\xff{")
    line.wire.receive(line.now)
    assert line.ear.digits == "5#"


def test_asterisks_pings_are_answered_with_the_next_frame(line: Line) -> None:
    line.give(PING, b"are you there")
    line.wire.receive(line.now)
    line.pass_frames(1)
    assert line.told().pongs == [b"are you there"]


# -- to the caller


def test_every_20_ms_are_one_masked_message_behind_a_lead_of_silence(any_line: Line) -> None:
    any_line.pass_frames(*range(1, 11), silent=5)
    assert any_line.told().audio == [0] * LEAD + [*range(1, 11)] + [0] * 5


def test_what_was_said_before_an_interruption_is_flushed_out_of_asterisks_queue(line: Line) -> None:
    line.pass_frames(1, 2, 3)
    line.gauge.flush()
    line.pass_frames(silent=2)
    sent = line.told()
    assert sent.texts == ["FLUSH_MEDIA"]
    assert sent.audio == [0] * LEAD + [1, 2, 3] + [0] * LEAD + [0, 0], "and the lead is there again"


def test_a_reply_that_follows_a_silence_flushes_nothing(line: Line) -> None:
    line.pass_frames(1, 2, 3, silent=10)
    line.gauge.flush()
    line.pass_frames(4)
    assert "FLUSH_MEDIA" not in line.told().texts


def test_a_queue_that_has_grown_is_made_short_again_by_leaving_out_silence_and_never_a_word(line: Line) -> None:
    line.pass_frames(silent=1)
    line.told()
    line.give(TEXT, b"STATUS channel_id:1 queue_length:8 xon_level:800 xoff_level:900 queue_full:false")
    line.wire.receive(line.now)
    line.pass_frames(1, 2, silent=3)
    line.pass_frames(3, silent=20)
    assert line.told().audio == [1, 2, 3] + [0] * (23 - (8 - LEAD))
    assert line.wire.summary() == "WebSocket: 8 frames in Asterisk's queue at most"


def test_a_queue_that_is_as_short_as_it_should_be_is_left_alone(line: Line) -> None:
    line.give(TEXT, f"STATUS channel_id:1 queue_length:{QUEUED} queue_full:false".encode())
    line.wire.receive(line.now)
    line.pass_frames(silent=10)
    assert line.told().audio == [0] * (LEAD + 10)
    assert line.wire.summary() == ""


def test_a_queue_that_is_full_is_flushed(line: Line) -> None:
    line.give(TEXT, b"MEDIA_XOFF channel_id:1")
    line.wire.receive(line.now)
    line.pass_frames(silent=1)
    assert line.told().texts == ["FLUSH_MEDIA"]


def test_the_queue_is_asked_after_with_every_ping_in_the_form_that_asterisk_speaks(line: Line) -> None:
    line.pass_frames(silent=26)
    sent = line.told()
    assert (sent.pings, sent.texts) == (1, ["GET_STATUS"])
    line.give(PONG, b"")
    line.give(TEXT, b'{"event":"STATUS","queue_length":1}')
    line.wire.receive(line.now)
    line.pass_frames(silent=50 * EVERY_S)
    sent = line.told()
    assert (sent.pings, sent.texts) == (1, ['{"command":"GET_STATUS"}'])


def test_after_time_that_was_not_sent_asterisks_queue_gets_its_lead_again(line: Line) -> None:
    line.pass_frames(1)
    line.wire.skip(0)
    line.pass_frames(2)
    line.wire.skip(4)
    line.pass_frames(3)
    assert line.told().audio == [0] * LEAD + [1, 2] + [0] * LEAD + [3]


# -- the end


def test_the_callers_hang_up_is_an_end_and_says_its_code(line: Line) -> None:
    line.give(BINARY, numbered(1))
    line.give(CLOSE, struct.pack(">H", 1000))
    ended = over(lambda: line.wire.receive(line.now))
    assert (ended.reason, ended.detail) == ("closed by peer", "close 1000")
    assert line.ear.pcm == numbered(1)


def test_a_connection_that_is_gone_is_an_end(line: Line) -> None:
    line.far.socket.close()
    assert over(lambda: line.wire.receive(line.now)).reason == "closed by peer"


def test_detaching_closes_properly(line: Line) -> None:
    line.pass_frames(1)
    line.wire.terminate()
    assert line.told().closed == struct.pack(">H", 1000)


def test_an_asterisk_that_answers_no_pings_is_gone(line: Line) -> None:
    ended = over(lambda: line.pass_frames(silent=50 * EVERY_S * (MOST_UNANSWERED + 2)))
    assert (ended.reason, ended.detail) == ("unusable", "Asterisk has not answered 3 pings on the WebSocket")


def test_an_asterisk_that_answers_late_is_forgiven_every_time(line: Line) -> None:
    for _ in range(4):
        line.pass_frames(silent=50 * EVERY_S * (MOST_UNANSWERED - 1))
        line.give(PONG, b"")
        line.wire.receive(line.now)


@pytest.mark.parametrize(
    ("stream", "told"),
    [
        (b"HTTP/1.1 404 Not Found\r\n", "0x48"),
        (b"\x83\x00", "0x83"),
        (b"\x82\x7f" + bytes(8), "more than 65535 bytes"),
        (theirs(TEXT, bytes(5000)), "text of 5000 bytes"),
        (theirs(TEXT, b"MEDIA_START format:slin16 optimal_frame_size:640 ptime:20"), "640 bytes of slin16"),
    ],
)
def test_a_peer_that_is_no_asterisk_of_ours_is_unusable_and_it_is_told_why(
    line: Line, stream: bytes, told: str
) -> None:
    line.far.send(stream)
    ended = over(lambda: line.wire.receive(line.now))
    assert ended.reason == "unusable"
    assert re.search(told, ended.detail), ended.detail


def test_half_a_frame_and_then_nothing_is_unusable_after_two_seconds(line: Line) -> None:
    line.far.send(theirs(BINARY, numbered(1))[:100])
    line.wire.receive(line.now)
    ended = over(lambda: line.wire.receive(line.now + STUCK_NS + 1))
    assert (ended.reason, ended.detail) == ("unusable", "half a frame (100 bytes) and then nothing")


def test_a_peer_that_has_stopped_reading_is_unusable(line: Line) -> None:
    line.far.ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    line.wire._ping_every_ns = 1 << 62  # the pings would end it first

    def go_on() -> None:
        for _ in range(20_000):
            line.pass_frames(1)

    assert over(go_on).detail == "the peer has stopped reading"
