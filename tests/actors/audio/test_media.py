"""One call's clock, mouth and ear, over AudioSocket and in virtual time."""

import pytest

from actors.audio.media import EAGER_FRAMES
from actors.audio.pacer import BEAT_NS, LAG_NS
from actors.vad import SILENCE_DBFS
from ipc.rings import BELLS, FRAME_NS, MOUTH_SLOTS
from ipc.tap import TapReader
from tests.actors.audio.far_end import numbered, numbers
from tests.actors.audio.line import Line, pcm_of, rung

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


def test_who_records_is_given_exactly_what_went_on_the_wire(any_line: Line) -> None:
    tap = TapReader(any_line.rings, 0)
    any_line.far.say(numbered(1, any_line.far.payload // 2))
    any_line.pass_frames(1)  # from now on it is known that somebody listens
    any_line.far.hear(1)
    any_line.speak(numbered(1, any_line.far.payload // 2), numbered(2, 30))
    any_line.pass_frames(5)
    sent = any_line.far.hear(5)
    recorded = [frame.pcm for frame in iter(tap.read, None)]
    assert recorded[-5:] == sent and any(sent[1])


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


def test_a_last_frame_that_was_not_whole_is_completed_when_the_caller_falls_silent(line: Line) -> None:
    line.far.say(numbered(1)[:200])
    line.pass_frames(5)
    assert pcm_of(line.heard()[:1]) == numbered(1)[:200] + bytes(120)
    line.far.say(numbered(2))
    line.pass_frames(1)
    assert numbers([line.heard()[-1].pcm]) == [2], "and what comes next begins a frame of its own"


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
