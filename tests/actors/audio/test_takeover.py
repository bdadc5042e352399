"""An audio actor dies, another one goes on with the same socket and the same rings."""

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.audio.wire import GAP_AFTER_NS
from ipc.rings import FRAME_NS
from tests.actors.audio.far_end import frame, numbered, numbers
from tests.actors.audio.line import Line


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


def test_a_successor_keeps_the_clock_that_it_finds(line: Line) -> None:
    line.pass_frames(3)
    due = line.media.due_ns
    line.take_over()
    assert line.media.due_ns == due and not line.media.eager
