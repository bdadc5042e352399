"""The real audio actor on its other wires: RTP and WebSocket across a kill, and what it says of files."""

import socket
from itertools import pairwise
from pathlib import Path

import yaml

from actors.audio import rtp, websocket
from config.load import SHIPPED
from ipc import descriptors
from ipc.messages import AttachMedia, FileHeard, FileReady, FilesDropped
from tests.actors.audio.far_end import PATIENCE_S, numbered
from tests.actors.audio.stage import Call, House
from tests.actors.audio.test_websocket import unmasked


def bound() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind(("127.0.0.1", 0))
    made.settimeout(PATIENCE_S)
    return made


def over_rtp(call: Call, asterisk: socket.socket) -> AttachMedia:
    host, port = asterisk.getsockname()
    return AttachMedia(call_id=call.id, segment=call.segment, wire="rtp", codec="slin", peer_host=host, peer_port=port)


def slin(number: int) -> bytes:
    return rtp.CODECS["slin"].encode(numbered(number))


def test_a_call_over_rtp_goes_on_after_a_kill_with_the_same_source_and_no_number_twice_or_missing(house: House) -> None:
    first, second, call = house.actor(), house.actor(), house.call()
    with bound() as asterisk, bound() as ours:

        def exchange(numbers: range) -> list[rtp.Packet]:
            """So many packets each way, ours as they come."""
            came = []
            for number in numbers:
                came.append(rtp.parse(memoryview(asterisk.recv(4096))))
                packet = rtp.pack(10, False, number, number * 160, 7, slin(number))
                asterisk.sendto(packet, ours.getsockname())
            return came

        first.attach(call, over_rtp(call, asterisk), ours)
        sent = exchange(range(1, 31))
        assert call.until_heard(30) == list(range(1, 31))
        first.kill()
        second.attach(call, over_rtp(call, asterisk), ours)
        sent += exchange(range(31, 61))
        call.until_heard(60)
    assert len({packet.source for packet in sent}) == 1
    steps = [(other.sequence - one.sequence) & 0xFFFF for one, other in pairwise(sent)]
    assert sum(step != 1 for step in steps) <= 1 and set(steps) <= {0, 1}, "only the one that went out as it died"
    assert all(
        (other.timestamp - one.timestamp) & 0xFFFFFFFF in (0, 160) or other.marker for one, other in pairwise(sent)
    )
    grid = call.gauge.grid
    assert grid is not None and grid.takeovers == 1


def test_a_call_over_a_websocket_goes_on_after_a_kill_in_the_middle_of_a_frame(house: House) -> None:
    first, second, call = house.actor(), house.actor(), house.call()
    how = AttachMedia(call_id=call.id, segment=call.segment, wire="websocket")
    asterisk = call.far.socket
    size = 2 + 2 + 4 + 320

    def theirs(number: int) -> bytes:
        return websocket.their_header(websocket.BINARY, 320) + numbered(number)

    def hear_one() -> None:
        """A whole frame of audio; fails on anything else, so also on half a frame."""
        frame = asterisk.recv(size, socket.MSG_WAITALL)
        assert unmasked(frame)[0] == 0x80 | websocket.BINARY and len(frame) == size

    first.attach(call, how)
    for number in range(1, 16):
        hear_one()
        asterisk.sendall(theirs(number))
    assert call.until_heard(15) == list(range(1, 16))
    asterisk.sendall(theirs(16)[:100])
    hear_one()
    first.kill()
    asterisk.sendall(theirs(16)[100:])
    second.attach(call, how)
    assert call.until_heard(16)[-1] == 16
    for _ in range(15):
        hear_one()


def test_a_leg_that_cannot_be_is_told_and_the_actor_takes_the_next_call(house: House) -> None:
    actor, call = house.actor(), house.call()
    open_before = len(list(Path(f"/proc/{actor.pid}/fd").iterdir()))
    with bound() as ours:
        impossible = AttachMedia(call_id=call.id, segment=call.segment, wire="rtp", codec="opus", peer_host="127.0.0.1")
        actor.attach(call, impossible, ours)
        ended = actor.told_end()
    assert ended.reason == "unusable" and "'opus'" in ended.detail
    assert len(list(Path(f"/proc/{actor.pid}/fd").iterdir())) == open_before
    following = house.call("c2")
    actor.attach(following)
    following.far.hear(3)


def test_speech_that_is_played_from_files_is_told_to_the_supervisor_and_counts_as_it_is_heard(
    house: House, tmp_path: Path
) -> None:
    settings = yaml.safe_load(SHIPPED.read_text())
    settings["agents"]["directory"] = str(SHIPPED.parent / "agents")
    settings["streaming"]["media_directory"] = str(tmp_path)
    config = tmp_path / "settings.yaml"
    config.write_text(yaml.safe_dump(settings))
    actor, call = house.actor(config), house.call()
    call.speak(*(numbered(number) for number in range(1, 26)))
    actor.attach(call, AttachMedia(call_id=call.id, segment=call.segment, playback="file"))
    ready = actor.told()
    assert isinstance(ready, FileReady) and (ready.call_id, ready.samples) == (call.id, 4000)
    assert (tmp_path / f"{ready.playback_id}.sln").read_bytes() == b"".join(numbered(number) for number in range(1, 26))
    assert call.gauge.played(0).samples == 0
    descriptors.send(actor.control, FileHeard(call_id=call.id, playback_id=ready.playback_id, state="playing"))
    while not call.gauge.played(0).samples:
        assert call.far.hear(1) == [bytes(320)], "the wire is silent meanwhile"
    call.gauge.flush()
    dropped = actor.told()
    assert isinstance(dropped, FilesDropped) and dropped.generation == 1
    assert call.gauge.played(0).samples < 4000
