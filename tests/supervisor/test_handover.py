"""What one program leaves to the next: that it arrives as it was, and that versions bear with each other."""

import os

import msgspec
import pytest

from supervisor import handover
from supervisor.handover import HandedActor, HandedCall, HandedLine, HandOver
from supervisor.instance import CannotRun

STATE = HandOver(
    lock=3,
    listener=4,
    death=5,
    life=6,
    bell=7,
    board="board",
    actors=(HandedActor(name="audio.1", pid=99, pidfd=8, control=9, slot=2, flight="flight-1"),),
    calls=(
        HandedCall(
            call_id="c1",
            rate=8000,
            segment="call-1",
            bells=(10, 11, 12, 13),
            media_uuid="u",
            awaited=False,
            media=14,
            actor="audio.1",
            served=HandedLine(uuid="u", wire="rtp", codec="alaw", peer_host="10.0.0.9", peer_port=20000),
            attached=True,
        ),
        HandedCall(
            call_id="branch~c2",
            owner="call-control.branch",
            rate=8000,
            segment="call-2",
            bells=(15,),
            playback="file",
            media_uuid="v",
            wire="rtp",
            awaited=True,
            waiting=16,
        ),
    ),
    last_actor=7,
    draining=True,
    calls_refused={"full": 3},
)


def memory(text: bytes) -> int:
    descriptor = os.memfd_create("test")
    os.write(descriptor, text)
    return descriptor


def test_it_arrives_as_it_was_left() -> None:
    descriptor = handover.write(STATE)
    assert handover.read(descriptor) == STATE
    assert handover.read(descriptor) == STATE, "a rehearsal does not use it up"
    os.close(descriptor)


def test_every_descriptor_and_every_segment_goes_along() -> None:
    assert sorted(STATE.descriptors()) == list(range(3, 17))
    assert STATE.segments() == {"board", "call-1", "call-2", "flight-1"}


def test_a_field_of_a_later_version_is_left_out_and_one_of_an_earlier_version_has_its_default() -> None:
    fields = msgspec.to_builtins(STATE)
    fields["moonlight"] = fields["calls"][0]["moonlight"] = 1
    fields["version"] = handover.VERSION + 1
    del fields["draining"], fields["calls"][1]["opened_ns"]
    descriptor = memory(msgspec.json.encode(fields))
    state = handover.read(descriptor)
    os.close(descriptor)
    assert not state.draining
    assert state.calls == STATE.calls


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            b'{"version": 9, "program": "3.1", "lock": 3}',
            r"Ringmaster 3\.1 \(hand-over of version 9\); this is .*\(version",
        ),
        (b"\x80\x04pickle", "left something else than a hand-over; this is"),
    ],
    ids=["a version too far", "nonsense"],
)
def test_where_it_cannot_be_bridged_both_versions_are_named(text: bytes, said: str) -> None:
    descriptor = memory(text)
    with pytest.raises(CannotRun, match=said):
        handover.read(descriptor)
    os.close(descriptor)


def test_what_was_received_goes_no_further() -> None:
    held = [os.eventfd(0) for _ in range(5)]
    for descriptor in held:
        os.set_inheritable(descriptor, True)
    lock, listener, death, life, bell = held
    state = HandOver(lock=lock, listener=listener, death=death, life=life, bell=bell, board="board")
    environment = {handover.VARIABLE: str(handover.write(state)), "HOME": "/"}
    assert handover.received(environment) == state
    assert environment == {"HOME": "/"}
    assert not any(os.get_inheritable(descriptor) for descriptor in held)
    assert handover.received(environment) is None
    for descriptor in held:
        os.close(descriptor)
