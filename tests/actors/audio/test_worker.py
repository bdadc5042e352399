"""The real audio actor, a process of its own on the real clock, between a supervisor's socket and Asterisk's end."""

import os
import signal
import time

from ipc import descriptors
from ipc.lifeline import ORPHANED
from ipc.messages import DetachMedia, MediaEnded
from ipc.progress import State
from tests.actors.audio.far_end import PATIENCE_S, frame, numbered, numbers
from tests.actors.audio.stage import House


def test_a_warm_actor_is_ready_and_shows_progress_without_a_call(house: House) -> None:
    actor = house.actor()
    assert house.board.state(actor.slot) is State.READY
    enough = house.board.progress(actor.slot) + 2
    deadline = time.monotonic() + PATIENCE_S
    while house.board.progress(actor.slot) < enough:
        assert time.monotonic() < deadline, "its supervisor would take it to be stalled, and kill it"
        os.sched_yield()
    assert house.board.calls(actor.slot) == 0


def test_an_attached_call_hears_silence_and_then_the_agent_and_is_heard(house: House) -> None:
    actor, call = house.actor(), house.call()
    actor.attach(call)
    assert call.far.hear(3) == [bytes(320)] * 3
    call.speak(*(numbered(number) for number in range(1, 11)))
    heard: list[int] = []
    for number in range(1, 21):
        heard += numbers(call.far.hear(1))
        call.far.stream(numbered(number))
    assert [number for number in heard if number] == list(range(1, 11))
    assert call.until_heard(20) == list(range(1, 21))
    assert house.board.calls(actor.slot) == 1
    assert call.gauge.played(0).samples == 1600


def test_an_actor_is_killed_in_the_middle_of_a_word_and_another_one_goes_on(house: House) -> None:
    first, call = house.actor(), house.call()
    successor = house.actor()
    call.speak(*(numbered(number) for number in range(1, 81)))
    first.attach(call)
    heard: list[int] = []
    for number in range(1, 31):
        heard += numbers(call.far.hear(1))
        call.far.stream(numbered(number))
    call.far.socket.sendall(frame(0x10, numbered(31))[:200])
    first.kill()
    call.far.socket.sendall(frame(0x10, numbered(31))[200:])
    call.far.stream(*(numbered(number) for number in range(32, 41)))
    successor.attach(call)
    for number in range(41, 81):
        heard += numbers(call.far.hear(1))
        call.far.stream(numbered(number))
    while heard[-1] != 80:
        heard += numbers(call.far.hear(1))
    lost = set(range(1, 81)) - set(heard)
    assert heard == sorted(set(heard)), f"the caller heard {heard}"
    assert len(lost) <= 1, f"only what was on its way when the actor died may be lost, and not {lost}"
    said = call.until_heard(80)
    assert set(said) == set(range(1, 81)), f"of what the caller said, the ear has {said}"
    grid = call.gauge.grid
    assert grid is not None and grid.takeovers == 1


def test_an_actor_can_be_taken_over_from_again_and_again(house: House) -> None:
    call = house.call()
    for _ in range(4):
        actor = house.actor()
        actor.attach(call)
        call.far.hear(5)  # fails on anything but whole frames
        actor.kill()
        house.board.give_back(actor.slot)
    grid = call.gauge.grid
    assert grid is not None and grid.takeovers == 3
    call.far.hear_rest()


def test_detaching_ends_the_connection_with_a_terminate_frame_and_is_confirmed(house: House) -> None:
    actor, call = house.actor(), house.call()
    actor.attach(call)
    call.far.hear(1)
    descriptors.send(actor.control, DetachMedia(call_id="c1"))
    assert actor.told_end() == MediaEnded(call_id="c1", reason="detached")
    call.far.ours.close()
    rest = b""
    while more := call.far.socket.recv(65_536):
        rest += more
    assert rest.endswith(b"\0\0\0") and len(rest) % 323 == 3
    assert house.board.calls(actor.slot) == 0


def test_the_callers_hang_up_is_told_unasked_and_the_actor_takes_the_next_call(house: House) -> None:
    actor, call = house.actor(), house.call()
    actor.attach(call)
    call.far.hear(1)
    call.far.socket.close()
    assert actor.told_end().reason == "closed by peer"
    following = house.call("c2")
    actor.attach(following)
    assert following.far.hear(3) == [bytes(320)] * 3


def test_a_peer_that_is_no_asterisk_is_told_with_what_it_sent(house: House) -> None:
    actor, call = house.actor(), house.call()
    actor.attach(call)
    call.far.socket.sendall(b"GET / HTTP/1.1\r\n" + bytes(20_000))
    ended = actor.told_end()
    assert ended.reason == "unusable" and "unknown kind 0x47" in ended.detail


def test_an_actor_can_serve_two_calls_and_the_end_of_one_is_not_that_of_the_other(house: House) -> None:
    actor, one, two = house.actor(), house.call("c1"), house.call("c2")
    one.speak(*(numbered(number) for number in range(1, 21)))
    two.speak(*(numbered(100 + number) for number in range(1, 21)))
    actor.attach(one)
    actor.attach(two)
    assert numbers(one.far.hear(20)) == [*range(1, 21)]
    one.far.socket.close()
    ended = actor.told_end()
    assert (ended.call_id, ended.reason) == ("c1", "closed by peer")
    heard = numbers(two.far.hear(30))
    assert [number for number in heard if number] == [*range(101, 121)]


def test_detaching_a_call_that_is_gone_is_no_error(house: House) -> None:
    actor, call = house.actor(), house.call()
    descriptors.send(actor.control, DetachMedia(call_id="c0"))
    actor.attach(call)
    call.far.hear(2)


def test_when_the_supervisor_lets_go_of_its_end_the_actor_ends_and_closes_the_connection(house: House) -> None:
    actor, call = house.actor(), house.call()
    actor.attach(call)
    call.far.hear(1)
    actor.control.close()
    assert actor.ended() == 0
    call.far.hear_rest()


def test_an_actor_does_not_outlive_its_supervisor(house: House) -> None:
    actor, call = house.actor(), house.call()
    actor.attach(call)
    call.far.hear(1)
    os.close(house.death.pop())
    assert actor.ended() in (ORPHANED, -signal.SIGKILL)
