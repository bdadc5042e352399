"""AudioSocket as one call's wire: however bytes come and go, frames are whole; and how a connection ends."""

import re
import socket
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.audio.stream import STUCK_NS
from ipc.rings import FRAME_NS
from tests.actors.audio.far_end import FarEnd, frame, numbered, numbers, ramp
from tests.actors.audio.line import Line, over, pcm_of

# -- from the caller


@pytest.mark.parametrize("samples", [80, 160, 240, 320, 480, 37, 8000])
def test_frames_of_any_length_are_cut_anew_into_20_ms(line: Line, samples: int) -> None:
    whole = ramp(9600)
    line.far.say(*(whole[at : at + samples * 2] for at in range(0, len(whole), samples * 2)))
    for _ in range(40):  # Unix and TCP may hand over less than all at once
        line.media.receive(line.now)
    heard = line.heard()
    assert {len(frame.pcm) for frame in heard} == {320}
    assert pcm_of(heard) == whole


def test_a_frame_that_dribbles_in_byte_by_byte_is_one_frame(line: Line) -> None:
    for byte in frame(0x10, ramp(160)):
        assert line.heard() == []
        line.far.send(bytes([byte]))
        line.media.receive(line.now)
    assert pcm_of(line.heard()) == ramp(160)


def test_half_a_frame_in_the_socket_is_completed_for_the_successor(line: Line) -> None:
    stream = b"".join(frame(0x10, numbered(number)) for number in range(1, 4))
    line.far.send(stream[:500])
    line.media.receive(line.now)
    line.take_over()
    line.far.send(stream[500:])
    line.media.receive(line.now)
    assert numbers([frame.pcm for frame in line.heard()]) == [1, 2, 3]


# -- the end


def test_the_callers_hang_up_is_an_end_and_no_error(line: Line) -> None:
    line.pass_frames(1)
    line.far.hear(1)
    line.far.socket.close()
    ended = over(lambda: line.pass_frames(1000))
    assert ended.reason == "closed by peer"


def test_what_was_said_before_the_hang_up_is_still_heard(line: Line) -> None:
    line.far.say(numbered(1), numbered(2))
    line.far.socket.close()
    line.media.receive(line.now)
    assert numbers([frame.pcm for frame in line.heard()]) == [1, 2]
    assert over(lambda: line.media.receive(line.now)).reason == "closed by peer"


def test_a_reset_is_a_hang_up_too(line: Line) -> None:
    line.pass_frames(3)
    line.far.socket.close()  # with frames of ours unread, the kernel sends a reset
    assert over(lambda: line.pass_frames(1000)).reason == "closed by peer"


def test_a_terminate_frame_ends_the_call_after_what_came_before_it(line: Line) -> None:
    line.far.send(frame(0x10, numbered(1)) + frame(0x00, b""))
    assert over(lambda: line.media.receive(line.now)).detail == "terminate frame"
    assert numbers([frame.pcm for frame in line.heard()]) == [1]


def test_an_error_that_the_peer_reports_ends_the_call_and_is_told(line: Line) -> None:
    line.far.send(frame(0xFF, b"\x01"))
    ended = over(lambda: line.media.receive(line.now))
    assert (ended.reason, ended.detail) == ("closed by peer", "error 01 reported by the peer")


@pytest.mark.parametrize(
    ("bytes_sent", "told"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + bytes(20_000), "unknown kind 0x47"),
        (frame(0x01, bytes(16)), "unknown kind 0x01"),
        (frame(0x12, bytes(640)), r"audio at 16000 Hz on a call of 8000 Hz: dial with c\(slin\)"),
        (frame(0x10, b""), "audio frame of 0 bytes"),
        (frame(0x10, bytes(3)), "audio frame of 3 bytes"),
        (frame(0x03, b"x"), "DTMF frame with 'x'"),
    ],
)
def test_a_peer_that_is_no_asterisk_of_ours_is_unusable_and_it_is_told_why(
    line: Line, bytes_sent: bytes, told: str
) -> None:
    line.far.send(bytes_sent)
    ended = over(lambda: line.media.receive(line.now))
    assert ended.reason == "unusable"
    assert re.search(told, ended.detail), ended.detail


def test_half_a_frame_and_then_nothing_is_unusable_after_two_seconds(line: Line) -> None:
    line.far.send(frame(0x10, numbered(1))[:100])
    line.media.receive(line.now)
    line.media.receive(line.now + STUCK_NS)
    ended = over(lambda: line.media.receive(line.now + STUCK_NS + 1))
    assert (ended.reason, ended.detail) == ("unusable", "half a frame (100 bytes) and then nothing")


def test_half_a_frame_that_is_completed_in_time_is_forgiven_every_time(line: Line) -> None:
    whole = frame(0x10, numbered(1))
    for _ in range(5):
        line.far.send(whole[:100])
        line.media.receive(line.now)
        line.now += STUCK_NS - 1
        line.far.send(whole[100:])
        line.media.receive(line.now)
    assert numbers([frame.pcm for frame in line.heard()]) == [1] * 5


@pytest.mark.parametrize("talks", [False, True])
def test_a_peer_that_has_stopped_reading_is_unusable_also_if_it_goes_on_talking(narrow: Line, talks: bool) -> None:
    narrow.far.ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)

    def go_on() -> None:
        for _ in range(20_000):  # the kernel's buffers fill up first
            if talks:
                narrow.far.say(numbered(1))
            narrow.pass_frames(1)

    ended = over(go_on)
    assert (ended.reason, ended.detail) == ("unusable", "the peer has stopped reading")


class Congested(socket.socket):
    """Takes only so many bytes at a time: what each `send` takes is in `room`; when that is empty, everything."""

    room: list[int]

    def send(self, data: bytes, *flags: int) -> int:  # type: ignore[override]
        if not self.room:
            return super().send(data)
        taken = min(self.room.pop(0), len(data))
        if not taken:
            raise BlockingIOError
        return super().send(data[:taken])


def congest(line: Line, *room: int) -> None:
    congested = Congested(fileno=line.media.connection.detach())
    congested.room = list(room)
    line.media.connection = line.media.wire.socket = congested


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([0, 1, 2, 3, 100, 322, 323, 324, 646]), max_size=40))
def test_however_little_the_kernel_takes_asterisk_gets_whole_frames_in_order(room: list[int]) -> None:
    line = Line()
    try:
        congest(line, *room)
        line.speak(*(numbered(number) for number in range(1, 61)))
        line.pass_frames(60)
        heard = numbers(line.far.hear_rest())
        assert heard == sorted(heard) and len(set(heard)) == len(heard)
        assert len(heard) >= 60 - len(room) and heard[-1] == 60
    finally:
        line.close()


def test_a_frame_that_did_not_begin_in_its_time_is_dropped_and_one_that_did_is_completed(line: Line) -> None:
    congest(line, 323, 100, 0, 0, 323)
    line.speak(*(numbered(number) for number in range(1, 9)))
    line.pass_frames(8)
    assert numbers(line.far.hear_rest()) == [1, 2, 5, 6, 7, 8]


def test_a_peer_that_reads_again_is_forgiven_every_time(line: Line) -> None:
    almost = STUCK_NS // FRAME_NS
    for _ in range(3):
        congest(line, *[0] * almost)
        line.pass_frames(almost + 1)
    assert line.far.hear_rest() == [bytes(320)] * 3


def test_detaching_ends_the_stream_with_a_terminate_frame(line: Line) -> None:
    line.pass_frames(2)
    line.media.terminate()
    line.media.close()
    line.far.ours.close()
    assert line.far.socket.recv(2 * 323 + 4, socket.MSG_WAITALL) == frame(0x10, bytes(320)) * 2 + b"\0\0\0"
    line.far = FarEnd()
    line.media = line.attach()


def test_in_the_middle_of_a_frame_there_is_no_place_for_a_terminate_frame(line: Line) -> None:
    congest(line, 323, 100)
    line.pass_frames(2)
    line.media.terminate()
    line.far.ours.shutdown(socket.SHUT_WR)
    assert line.far.socket.recv(1000, socket.MSG_WAITALL) == (frame(0x10, bytes(320)) * 2)[:423]


def test_detaching_from_a_peer_that_is_gone_is_no_error(line: Line) -> None:
    line.far.socket.close()
    line.media.terminate()
    line.media.terminate()


def test_closing_leaks_no_descriptor(line: Line) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        line.take_over()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
