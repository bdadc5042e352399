"""A call's clock and its ear over RTP: real sockets and rings, virtual time."""

import os
import socket
from collections.abc import Iterator

import pytest

from actors.audio import rtp
from actors.audio.media import Media
from actors.audio.wire import GAP_AFTER_NS
from config.schema import Audio, Settings
from ipc import rings as ring
from ipc.ear import EarReader, Frame
from ipc.messages import AttachMedia
from ipc.mouth import MouthGauge, MouthWriter
from ipc.rings import FRAME_NS, Bell, Rings
from tests.actors.audio.far_end import PATIENCE_S, numbered, numbers

NAME = f"ringmaster-test-{os.getpid()}-rtp"
SETTINGS = Settings(audio=Audio(catch_up_frames=5))
JITTER_FRAMES = SETTINGS.external_media.jitter_buffer_ms // 20


class Line:
    """The call, and Asterisk's socket."""

    def __init__(self) -> None:
        ring.create(NAME, 8000)
        self.rings = Rings(NAME)
        self.asterisk, ours = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        for end in (self.asterisk, ours):
            end.bind(("127.0.0.1", 0))
        self.asterisk.settimeout(PATIENCE_S)
        self.address = ours.getsockname()
        host, port = self.asterisk.getsockname()
        attach = AttachMedia(call_id="c1", segment=NAME, wire="rtp", codec="slin", peer_host=host, peer_port=port)
        self.media = Media(ours, attach, [Bell(descriptor) for descriptor in ring.make_bells()], SETTINGS)
        self.writer = MouthWriter(self.rings)
        self.gauge = MouthGauge(self.rings)
        self.ear = EarReader(self.rings, 0)

    def close(self) -> None:
        self.media.close()
        self.asterisk.close()
        self.rings.close()
        ring.unlink(NAME)

    def say(self, *packets: int) -> None:
        for number in packets:
            payload = rtp.CODECS["slin"].encode(numbered(number))
            self.asterisk.sendto(rtp.pack(10, False, number, number * 160, 7, payload), self.address)

    def pass_frames(self, count: int) -> None:
        for _ in range(count):
            self.media.tick(self.media.due_ns)

    def heard(self) -> list[Frame]:
        return list(iter(self.ear.read, None))

    def takes(self, count: int) -> list[rtp.Packet]:
        return [rtp.parse(memoryview(self.asterisk.recv(4096))) for _ in range(count)]


@pytest.fixture
def line() -> Iterator[Line]:
    line = Line()
    yield line
    line.close()


def test_each_tick_sends_20_ms_and_reads_what_has_come(line: Line) -> None:
    assert line.writer.write(numbered(5), 0, 0, end=True)
    for number in range(1, 11):
        line.say(number)
        line.pass_frames(1)
    assert numbers([frame.pcm for frame in line.heard()]) == list(range(1, 11))
    sent = line.takes(10)
    assert rtp.CODECS["slin"].decode(sent[0].payload) == numbered(5)
    assert all(packet.payload == bytes(320) for packet in sent[1:])
    assert line.gauge.played(0).samples == 160


def test_a_caller_counts_as_silent_only_when_no_jitter_can_explain_it(line: Line) -> None:
    line.say(1)
    line.pass_frames(1)
    line.pass_frames(GAP_AFTER_NS // FRAME_NS + JITTER_FRAMES)
    assert [frame.gap for frame in line.heard()] == [False]
    line.pass_frames(10)
    assert [frame.gap for frame in line.heard()] == [True] * 10
    line.say(2)
    line.pass_frames(1)
    assert [frame.gap for frame in line.heard()] == [False]


def test_a_hole_is_filled_with_what_is_no_gap(line: Line) -> None:
    for number in range(1, 21):
        if number != 15:
            line.say(number)
        line.pass_frames(1)
    line.pass_frames(2)
    heard = line.heard()
    assert len(heard) == 20 and not any(frame.gap for frame in heard)


def test_an_actor_that_was_away_sends_what_it_may_and_stamps_the_rest_as_passed(line: Line) -> None:
    line.pass_frames(1)
    line.media.tick(line.media.due_ns + 10 * FRAME_NS)
    line.pass_frames(1)
    sent = line.takes(1 + 6 + 1)
    assert [(packet.sequence - sent[0].sequence) & 0xFFFF for packet in sent] == list(range(8))
    assert (sent[-1].timestamp - sent[-2].timestamp) & 0xFFFFFFFF == 6 * 160
    assert [packet.marker for packet in sent] == [True] + [False] * 6 + [True]
