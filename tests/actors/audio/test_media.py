"""One call on a real connection and real rings, in virtual time: `Line` moves the clock, Asterisk is a `FarEnd`.

Frames are numbered, so that a test that fails shows which of them the caller, or the ear, has heard; 0 is silence.
"""

import os
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.audio.media import EAGER_FRAMES, GAP_AFTER_NS, STUCK_NS, Media, MediaOver
from actors.audio.pacer import BEAT_NS, LAG_NS
from actors.audio.vad import SILENCE_DBFS
from config.schema import Audio, Settings
from ipc import rings as ring
from ipc.ear import EarReader, Frame
from ipc.mouth import Grid, MouthGauge, MouthWriter
from ipc.rings import BELLS, FRAME_NS, MOUTH_SLOTS, Bell, Rings
from tests.actors.audio.far_end import FarEnd, frame, numbered, numbers, ramp

NAME = f"ringmaster-test-{os.getpid()}-media"
SETTINGS = Settings(audio=Audio(catch_up_frames=5))


class Line:
    """A call: the far end, the rings, and the audio actor's `Media`, which may die and be followed by another."""

    def __init__(self, rate: int = 8000, *, receive_buffer: int = 0) -> None:
        ring.create(NAME, rate)
        self.rings = Rings(NAME)
        self.bells = [Bell(descriptor) for descriptor in ring.make_bells()]
        self.far = FarEnd(rate, receive_buffer=receive_buffer)
        self.writer = MouthWriter(self.rings)
        self.gauge = MouthGauge(self.rings)
        self.ear = EarReader(self.rings, 0)
        self.media = self.attach()
        self.now = self.media.due_ns

        for bell in range(len(BELLS)):
            self.rings.listen(bell)

    def attach(self) -> Media:
        bells = [Bell(os.dup(bell.descriptor)) for bell in self.bells]
        return Media(self.far.ours.dup(), NAME, bells, SETTINGS)

    def take_over(self) -> None:
        """The audio actor dies, and another one goes on with the same socket and rings."""
        self.media.close()
        self.media = self.attach()

    def close(self) -> None:
        self.media.close()
        self.far.close()
        for bell in self.bells:
            bell.close()
        self.rings.close()
        ring.unlink(NAME)

    def pass_frames(self, count: int) -> None:
        """So many times 20 ms, in which the audio actor does its work on time."""
        for _ in range(count):
            self.now = self.media.due_ns
            self.media.tick(self.now)
            self.media.receive(self.now)

    def speak(self, *frames: bytes, generation: int = 0, end: bool = True) -> None:
        for number, pcm in enumerate(frames, start=1):
            assert self.writer.write(pcm, generation, self.now, end=end and number == len(frames))

    def heard(self) -> list[Frame]:
        """What is new in the ear."""
        return list(iter(self.ear.read, None))

    @property
    def grid(self) -> Grid:
        grid = self.gauge.grid
        assert grid is not None
        return grid


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


@pytest.fixture
def narrow() -> Iterator[Line]:
    """The kernel holds little of what the far end has not read."""
    line = Line(receive_buffer=2048)
    yield line
    line.close()


def over(act: Callable[[], object]) -> MediaOver:
    with pytest.raises(MediaOver) as raised:
        act()
    return raised.value


def pcm_of(frames: list[Frame]) -> bytes:
    return b"".join(frame.pcm for frame in frames)


def rung(bell: Bell) -> int:
    """How often the bell was rung since the last look."""
    try:
        return os.eventfd_read(bell.descriptor)
    except BlockingIOError:
        return 0


# -- to the caller


def test_asterisk_hears_silence_from_the_first_20_ms_to_the_last(any_line: Line) -> None:
    any_line.pass_frames(1)
    assert any_line.far.hear(1) == [bytes(any_line.far.payload)]
    any_line.pass_frames(200)
    assert any_line.far.hear_rest() == [bytes(any_line.far.payload)] * 200
    assert any_line.grid.sent == 201 and any_line.grid.voiced == 0


def test_before_a_frame_is_due_nothing_is_sent(line: Line) -> None:
    line.media.tick(line.now - 1)
    assert line.far.hears_nothing()
    line.media.tick(line.now)
    line.media.tick(line.now)
    assert line.far.hear_rest() == [bytes(320)]


def test_every_frame_is_whole_323_bytes_at_8_khz_and_643_at_16(any_line: Line) -> None:
    payload = any_line.far.payload
    any_line.speak(*(numbered(number, payload // 2) for number in range(1, 100)))
    sizes = []
    for _ in range(120):
        any_line.pass_frames(1)
        sizes.append(len(any_line.far.socket.recv(65_536)))  # all that one tick has sent
    assert set(sizes) == {3 + payload}


def test_what_is_in_the_mouth_goes_on_the_wire_in_order_and_to_the_sample(line: Line) -> None:
    line.speak(*(numbered(number) for number in range(1, 51)))
    line.pass_frames(60)
    assert numbers(line.far.hear(60)) == [*range(1, 51)] + [0] * 10


def test_a_short_last_slot_is_filled_up_with_silence_and_counted_as_it_is(line: Line) -> None:
    line.speak(numbered(1), numbered(2, 30))
    line.pass_frames(3)
    assert line.far.hear(3)[1] == numbered(2, 30) + bytes(260)
    assert line.gauge.played(0).samples == 190


def test_the_caller_has_heard_what_is_on_the_wire_and_it_is_known_since_when(line: Line) -> None:
    line.pass_frames(4)
    line.speak(*(numbered(number) for number in range(1, 11)))
    line.pass_frames(7)
    first = line.now - 6 * FRAME_NS
    assert line.gauge.played(0) == (7 * 160, first, line.now)
    assert line.grid.voiced == 7


def test_a_flush_silences_the_agent_from_the_next_frame_on(line: Line) -> None:
    line.speak(*(numbered(number) for number in range(1, 51)))
    line.pass_frames(10)
    fresh = line.gauge.flush()
    line.pass_frames(3)
    line.speak(numbered(99), generation=fresh)
    line.pass_frames(2)
    assert numbers(line.far.hear(15)) == [*range(1, 11), 0, 0, 0, 99, 0]
    assert line.gauge.played(0).samples == 1600 and line.gauge.played(fresh).samples == 160
    assert line.grid.underruns == 0, "who is interrupted has not run dry"


def test_an_empty_mouth_in_the_middle_of_a_clause_is_counted_as_an_underrun(line: Line) -> None:
    line.speak(numbered(1), numbered(2), end=False)
    line.pass_frames(5)
    line.speak(numbered(3))
    line.pass_frames(5)
    assert numbers(line.far.hear(10)) == [1, 2, 0, 0, 0, 3, 0, 0, 0, 0]
    assert line.grid.underruns == 3


def test_a_synthesiser_that_waits_for_room_is_woken_by_every_frame(line: Line) -> None:
    line.speak(*(numbered(1) for _ in range(MOUTH_SLOTS)))
    space = line.bells[-1]
    line.pass_frames(1)
    assert rung(space) == 1 and line.writer.space == 1


def test_a_synthesiser_that_waits_for_room_is_woken_by_a_flush(line: Line) -> None:
    line.speak(*(numbered(1) for _ in range(MOUTH_SLOTS)))
    line.gauge.flush()
    line.pass_frames(1)
    assert numbers(line.far.hear(1)) == [0]
    assert line.writer.space == MOUTH_SLOTS
    assert rung(line.bells[-1]) == 1, "it waits for ever, and the agent is dumb for the rest of the call"


def test_in_silence_nobody_is_woken_to_write(line: Line) -> None:
    line.pass_frames(10)
    assert rung(line.bells[-1]) == 0


def test_a_late_actor_sends_at_once_what_is_due_and_is_on_time_again(line: Line) -> None:
    line.speak(*(numbered(number) for number in range(1, 11)))
    due = line.now
    line.media.tick(due + 3 * FRAME_NS + 1000)
    assert numbers(line.far.hear(4)) == [1, 2, 3, 4]
    assert line.media.due_ns == due + 4 * FRAME_NS
    line.pass_frames(1)
    assert numbers(line.far.hear(1)) == [5]
    assert (line.grid.sent, line.grid.skipped) == (5, 0)
    assert line.gauge.lateness_ms(1.0)[0] == pytest.approx(60, rel=0.13)


def test_an_actor_that_was_away_too_long_leaves_time_out_but_none_of_the_words(line: Line) -> None:
    line.speak(*(numbered(number) for number in range(1, 11)))
    line.media.tick(line.now + 20 * FRAME_NS)
    line.pass_frames(4)
    assert numbers(line.far.hear_rest()) == [*range(1, 11)]
    assert (line.grid.sent, line.grid.skipped) == (10, 15)
    assert line.grid.due_ns == line.media.due_ns


def test_how_late_frames_went_out_can_be_read_while_the_call_lasts(line: Line) -> None:
    for late_ms in (0, 0, 0, 1, 5):
        line.media.tick(line.media.due_ns + late_ms * 1_000_000)
    p50, most = line.gauge.lateness_ms(0.5, 1.0)
    assert p50 <= 0.001 and most == pytest.approx(5, rel=0.13)


def test_a_corrupt_slot_is_not_heard_and_is_counted_across_actors(line: Line) -> None:
    line.speak(*(numbered(number) for number in range(1, 7)))
    for slot in (1, 3):
        line.rings.buf[line.rings.mouth_at + slot * line.rings.stride + 100] ^= 0xFF
    line.pass_frames(2)
    line.take_over()
    line.pass_frames(2)
    assert numbers(line.far.hear(4)) == [1, 3, 5, 6]
    assert line.grid.corrupt == 2


# -- from the caller


def test_what_the_caller_says_is_in_the_ear_to_the_sample(any_line: Line) -> None:
    samples = any_line.far.payload // 2
    said = [numbered(number, samples) for number in range(1, 40)]
    for pcm in said:
        any_line.far.say(pcm)
        any_line.pass_frames(1)
    heard = any_line.heard()
    assert [frame.pcm for frame in heard] == said
    assert [frame.number for frame in heard] == list(range(39))
    assert heard[-1].captured_ns == any_line.now
    assert any_line.grid.received == 38, "as of the last tick"


def test_every_listeners_bell_is_rung_for_every_frame_and_the_synthesisers_is_not(line: Line) -> None:
    line.far.say(numbered(1), numbered(2))
    line.pass_frames(1)
    assert [rung(bell) for bell in line.bells] == [2, 2, 2, 0]


def test_a_bell_that_nobody_listens_for_is_not_rung(line: Line) -> None:
    line.rings.words[72 // 8] = 0
    line.rings.listen(BELLS.index("ear.conversation"))
    line.speak(numbered(1))
    line.far.say(numbered(1))
    line.pass_frames(1)
    assert [rung(bell) for bell in line.bells] == [0, 1, 0, 0]


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


def test_digits_are_in_the_ear_in_order_with_the_sound_that_followed_them(line: Line) -> None:
    line.far.say(numbered(1))
    line.far.press("4")
    line.far.say(numbered(2), numbered(3))
    line.far.press("#")
    line.far.say(numbered(4))
    line.pass_frames(1)
    assert [frame.digit for frame in line.heard()] == ["", "4", "", "#"]


def test_digits_that_came_all_at_once_are_all_there(line: Line) -> None:
    line.far.press("1234")
    line.far.say(*(numbered(number) for number in range(1, 6)))
    line.pass_frames(1)
    assert "".join(frame.digit for frame in line.heard()) == "1234"


def test_a_digit_without_sound_around_it_comes_with_the_silence_that_stands_in(line: Line) -> None:
    line.far.press("19")
    line.pass_frames(10)
    heard = line.heard()
    assert "".join(frame.digit for frame in heard) == "19"
    assert all(frame.gap for frame in heard)


def test_a_caller_whose_phone_sends_nothing_is_silent_and_time_goes_on_in_the_ear(line: Line) -> None:
    line.far.say(numbered(1))
    line.pass_frames(1)
    line.pass_frames(3 + 50)
    gaps = line.heard()[1:]
    assert len(gaps) == 50
    assert all(frame.gap and not frame.speech and frame.level == SILENCE_DBFS for frame in gaps)
    assert pcm_of(gaps) == bytes(320 * 50)
    line.far.say(numbered(2))
    line.pass_frames(1)
    assert [frame.gap for frame in line.heard()] == [False]


def test_jitter_of_the_network_is_no_gap(line: Line) -> None:
    for number in range(1, 31):
        line.pass_frames(1)
        if number % 3 == 0:
            line.far.say(numbered(number - 2), numbered(number - 1), numbered(number))
            line.media.receive(line.now)
    assert numbers([frame.pcm for frame in line.heard()]) == list(range(1, 31))


def test_an_actor_that_was_away_itself_finds_no_gap_in_what_the_caller_said_meanwhile(line: Line) -> None:
    line.far.say(numbered(1))
    line.pass_frames(1)
    line.far.say(*(numbered(number) for number in range(2, 17)))
    line.media.tick(line.now + 15 * FRAME_NS)  # as the actor's loop does: the clock goes before the reading
    line.media.receive(line.now + 15 * FRAME_NS)
    assert numbers([frame.pcm for frame in line.heard()]) == list(range(1, 17))


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
    line.media.connection = Congested(fileno=line.media.connection.detach())
    line.media.connection.room = list(room)


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


# -- an audio actor dies, another one goes on


def test_a_successor_goes_on_in_the_middle_of_a_sentence_on_the_same_grid(line: Line) -> None:
    line.speak(*(numbered(number) for number in range(1, 21)))
    line.pass_frames(7)
    due = line.media.due_ns
    line.take_over()
    assert line.media.due_ns == due
    line.pass_frames(14)
    assert numbers(line.far.hear(21)) == [*range(1, 21), 0]
    assert line.gauge.played(0).samples == 20 * 160
    assert (line.grid.sent, line.grid.voiced, line.grid.takeovers) == (21, 20, 1)


def test_a_successor_that_comes_late_gives_up_time_but_none_of_the_words(line: Line) -> None:
    line.speak(*(numbered(number) for number in range(1, 21)))
    line.pass_frames(7)
    line.take_over()
    line.media.tick(line.media.due_ns + 15 * FRAME_NS)
    line.pass_frames(7)
    assert numbers(line.far.hear(20)) == [*range(1, 21)]
    assert line.grid.skipped == 10


def test_half_a_frame_in_the_socket_is_completed_for_the_successor(line: Line) -> None:
    stream = b"".join(frame(0x10, numbered(number)) for number in range(1, 4))
    line.far.send(stream[:500])
    line.media.receive(line.now)
    line.take_over()
    line.far.send(stream[500:])
    line.media.receive(line.now)
    assert numbers([frame.pcm for frame in line.heard()]) == [1, 2, 3]


def test_a_call_that_nobody_served_yet_is_not_taken_over(line: Line) -> None:
    line.take_over()
    line.pass_frames(1)
    assert line.grid.takeovers == 0


def test_a_successor_makes_no_gap_out_of_the_time_in_which_there_was_nobody(line: Line) -> None:
    line.far.say(numbered(1))
    line.pass_frames(1)
    line.take_over()
    line.far.say(*(numbered(number) for number in range(2, 17)))
    line.media.tick(line.media.due_ns + 15 * FRAME_NS)
    line.media.receive(line.now + 15 * FRAME_NS)
    assert numbers([frame.pcm for frame in line.heard()]) == list(range(1, 17))


STEPS = st.lists(st.one_of(st.integers(1, 1000), st.sampled_from(["read", "tick", "die"])), max_size=60)


@settings(max_examples=40, deadline=None)
@given(STEPS)
def test_however_bytes_arrive_and_whoever_dies_nothing_is_lost_either_way(steps: list[int | str]) -> None:
    line = Line()
    try:
        said = b"".join(frame(0x10, numbered(number)) for number in range(1, 101))
        line.speak(*(numbered(number) for number in range(1, 101)))
        rest = said
        ticks = 0
        for step in steps:
            if isinstance(step, int):
                if rest:
                    line.far.send(rest[:step])
                rest = rest[step:]
            elif step == "read":
                line.media.receive(line.now)
            elif step == "die":
                line.take_over()
            else:
                line.media.tick(line.media.due_ns)
                ticks += 1
        if rest:
            line.far.send(rest)
        line.media.receive(line.now)
        heard = [frame.pcm for frame in line.heard() if not frame.gap]
        assert numbers(heard) == list(range(1, 101))
        assert numbers(line.far.hear_rest()) == list(range(1, ticks + 1))
    finally:
        line.close()


def test_a_peer_that_is_silent_since_before_the_takeover_is_still_silent(line: Line) -> None:
    line.pass_frames(10)
    assert len(line.heard()) == 10 - GAP_AFTER_NS // FRAME_NS - 1
    line.take_over()
    line.pass_frames(10)
    assert len(line.heard()) == 10


def test_a_call_is_read_at_once_until_its_clock_lies_just_behind_the_callers_frames(line: Line) -> None:
    phase = 7_000_000
    for number in range(EAGER_FRAMES):
        assert line.media.eager
        line.far.say(numbered(number + 1))
        line.media.receive(line.now + phase)
        line.pass_frames(1)
    assert not line.media.eager
    assert LAG_NS <= (line.media.due_ns - line.now - phase) % FRAME_NS < LAG_NS + BEAT_NS
    assert line.grid.sent == EAGER_FRAMES and line.grid.received == EAGER_FRAMES


def test_a_successor_keeps_the_clock_that_it_finds(line: Line) -> None:
    line.pass_frames(3)
    due = line.media.due_ns
    line.take_over()
    assert line.media.due_ns == due and not line.media.eager
