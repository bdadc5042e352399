"""The stand-in says what a real Asterisk 22 said, word for word, in all recordings.

What cannot be compared, and why, is in EXCLUDED, the whole list. Beyond it, and beyond the values that differ between
two runs of the real one too (`normal.py`), every event, reply, field, state, cause and status code is compared, in
order, for each connection by itself.
"""

from __future__ import annotations

import asyncio
import difflib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.bench.asterisk.normal import Normal
from tests.bench.asterisk.recording import FOLDER, Line, Recording, load
from tests.bench.asterisk.replay import Replay

RECORDINGS = sorted(FOLDER.glob("*.jsonl"))

EXCLUDED = {
    "any: place of BridgeDestroyed behind its last ChannelLeftBridge": (
        "in Asterisk the request that destroys the bridge and the last channel's own thread race; the recordings have "
        "it before, between and behind StasisEnd, STASISSTATUS and ChannelDestroyed of that channel"
    ),
    "any: order of the first ringing of a called phone and its ChannelStateChange": (
        "two threads of Asterisk's race; the recordings have both orders, and so both states in the Dial event"
    ),
    "any: order of several ChannelLeftBridge of a bridge that is destroyed": "as above: each is its channel's thread",
    "GET /channels and GET /applications: order of channels and ids": "Asterisk lists them from hash tables",
    "any: order between the replies, the events and the media connection": (
        "they travel on different connections and raced in the recordings too; each is compared by itself"
    ),
    "any: audiosocket.timing, and frames of audiosocket.closed_by_peer": (
        "statistics of ten recorded seconds; a replay lasts a fraction of one"
    ),
    "any: payload of sound beyond its kind and length": "the recorded caller played noise",
    "external-media-rtp*: sequence number, timestamp and SSRC of the first packet": "random in Asterisk",
    "external-media-rtp*: note of 396 packets": "as above: a replay is shorter",
    "any: close code of the events WebSocket": "the recording client's own doing",
    "GET /asterisk/modules/*: description": "words for a person",
    "any: duration of a finished recording": "as above: a replay is shorter; the field is compared, its value is not",
}


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_the_stand_in_says_what_asterisk_said(path: Path) -> None:
    recording = load(path)
    replay = Replay(recording)
    asyncio.run(replay.run())
    theirs, ours = Normal({"127.0.0.1:8090": "<media>", "127.0.0.1:18080": "<rtp>"}), Normal(our_names(replay))

    compare("replies", *(normal_replies(replay, theirs, ours)))
    compare("events", *normal_events(recording, replay, theirs, ours))
    compare("media connection", recorded_media(recording), replayed_media(replay))
    compare("media over WebSocket", recorded_websocket(recording, theirs), replayed_websocket(replay, ours))
    compare("rtp", recorded_rtp(recording), replayed_rtp(replay))


def test_there_are_recordings_and_the_replay_covers_all_they_did() -> None:
    assert len(RECORDINGS) == 34
    for path in RECORDINGS:
        recording = load(path)
        done = [step.line for step in recording.steps]
        assert all(line in done for line in recording.of_kind("rest"))
        assert all(line in done for line in recording.of_kind("audiosocket.tx"))


def our_names(replay: Replay) -> dict[str, str]:
    theirs = {"127.0.0.1:8090": "<media>", "127.0.0.1:18080": "<rtp>"}
    return {ours: theirs[address] for address, ours in replay.addresses().items()}


# -- events and replies ---------------------------------------------------------------------------------------------


def normal_replies(replay: Replay, theirs: Normal, ours: Normal) -> tuple[list[str], list[str]]:
    """One line per reply. GET /channels is compared without its order."""
    expected, found = [], []
    for line, status, body in replay.replies:
        request = f"{line['method']} {line['path'].split('/')[1]}"
        answers = []
        for side, code, answer in ((theirs, line["status"], line["response"]), (ours, status, body)):
            key = "UNICASTRTP_LOCAL_PORT" if line["params"].get("variable") == "UNICASTRTP_LOCAL_PORT" else ""
            answer = {"value": side.value(answer["value"], key)} if key else side.value(answer)
            if isinstance(answer, list):
                answer = sorted(answer, key=lambda item: json.dumps(item, sort_keys=True))
            answers.append(f"{request} -> {code} {json.dumps(answer, sort_keys=True)}")
        expected.append(answers[0])
        found.append(answers[1])
    return expected, found


def normal_events(recording: Recording, replay: Replay, theirs: Normal, ours: Normal) -> tuple[list[str], list[str]]:
    """One line per event; ours per connection, in the order in which the connections were made."""
    expected = [theirs.value(event) for event in recording.events]
    found = [ours.value(event) for event in replay.events]
    return printed(expected), printed(found)


def printed(events: list[Line]) -> list[str]:
    return [json.dumps(event, sort_keys=True) for event in without_races(with_destruction_in_place(events))]


def without_races(events: list[Line]) -> list[Line]:
    """Ringing: the state first, then the Dial event, which shows it. Who leaves a bridge together: by name, at once."""
    ordered: list[Line] = []
    for event in events:
        before = ordered[-1] if ordered else {}
        if ringing(event) and before.get("dialstatus") == "RINGING":
            ordered[-1] = {**before, "peer": event["channel"]}
            ordered.insert(-1, event)
        elif leaving(event) and leaving(before) == leaving(event):
            pair = sorted((before, event), key=lambda left: str(left["channel"]["name"]))
            ordered[-1:] = [{**left, "bridge": {**left["bridge"], "channels": "<leaving>"}} for left in pair]
        else:
            ordered.append(event)
    return ordered


def leaving(event: Line) -> str:
    """The bridge that a channel has left in this event, "" if it is another event."""
    return str(event["bridge"]["id"]) if event.get("type") == "ChannelLeftBridge" else ""


def ringing(event: Line) -> bool:
    return event["type"] == "ChannelStateChange" and bool(event["channel"]["state"] == "Ringing")


def with_destruction_in_place(events: list[Line]) -> list[Line]:
    """BridgeDestroyed directly behind the last ChannelLeftBridge of its bridge."""
    ordered = [event for event in events if event["type"] != "BridgeDestroyed"]
    for destroyed in (event for event in events if event["type"] == "BridgeDestroyed"):
        left = [
            place
            for place, event in enumerate(ordered)
            if event["type"] == "ChannelLeftBridge" and event["bridge"]["id"] == destroyed["bridge"]["id"]
        ]
        ordered.insert(left[-1] + 1 if left else len(ordered), destroyed)
    return ordered


# -- media ----------------------------------------------------------------------------------------------------------


def recorded_media(recording: Recording) -> list[str]:
    seen = ["accepted"] * len(recording.of_kind("audiosocket.accept"))
    for line in recording.of_kind("audiosocket.rx"):
        kind = int(line["frame_kind"], 16)
        seen.append(f"{kind:#x} {line['length']} {line['payload'] if kind < 0x10 else '<sound>'}")
    seen += [f"closed: {line['error']}" for line in recording.of_kind("audiosocket.closed_by_peer")]
    return seen


def replayed_media(replay: Replay) -> list[str]:
    """The first three frames of sound, and everything that is not sound: that is what the recorder wrote down."""
    seen = ["accepted"] * replay.media.accepted
    sound = 0
    for kind, payload in replay.media.messages:
        if kind < 0x10:
            seen.append(f"{kind:#x} {len(payload)} {payload.hex()}")
        elif (sound := sound + 1) <= 3:
            seen.append(f"{kind:#x} {len(payload)} <sound>")
    if replay.media.ending and replay.recording.of_kind("audiosocket.closed_by_peer"):
        seen.append(f"closed: {replay.media.ending}")
    return seen


def recorded_websocket(recording: Recording, names: Normal) -> list[str]:
    """What came to the agent: events word for word, the first three frames by their length, how it ended."""
    seen = [f"refused: {line['status']}" for line in recording.of_kind("media.refused")]
    for line in recording.of_kind("media.rx"):
        seen.append(names.value(line["text"]) if line["opcode"] == "text" else f"<sound of {line['length']} bytes>")
    texts = [text for text in seen if not text.startswith("<sound")]
    sounds = [text for text in seen if text.startswith("<sound")]
    ends = [f"closed: {line['code']}" for line in recording.of_kind("media.closed")]
    return [*texts, *sounds, *ends]


def replayed_websocket(replay: Replay, names: Normal) -> list[str]:
    seen = [f"refused: {status}" for status in replay.refused]
    seen += [names.value(text) for websocket in replay.websockets for text in websocket.texts]
    for websocket in replay.websockets:
        seen += [f"<sound of {len(sound)} bytes>" for sound in websocket.sounds[:3]]
    for line, websocket in zip(replay.recording.of_kind("media.closed"), replay.websockets, strict=True):
        # The recorder noted no code where it was the one who closed.
        seen.append(f"closed: {None if line['code'] is None else websocket.code}")
    return seen


def recorded_rtp(recording: Recording) -> list[str]:
    lines = recording.of_kind("rtp.rx")
    return rtp_texts([(bytes.fromhex(line["header"]), line["length"]) for line in lines])


def replayed_rtp(replay: Replay) -> list[str]:
    return rtp_texts([(packet[:12], len(packet)) for packet in replay.packets[:4]])


def rtp_texts(packets: list[tuple[bytes, int]]) -> list[str]:
    """Version, marker, payload type and length; sequence number, timestamp and SSRC relative to the packet before."""
    texts = []
    before: tuple[int, int, bytes] | None = None
    for header, length in packets:
        sequence, timestamp, source = number(header[2:4]), number(header[4:8]), header[8:12]
        steps = "first"
        if before is not None:
            steps = f"+{sequence - before[0]} +{timestamp - before[1]} same source: {source == before[2]}"
        before = (sequence, timestamp, source)
        texts.append(f"{header[0]:#x} {header[1]:#x} {length} {steps}")
    return texts


def number(data: bytes) -> int:
    return int.from_bytes(data, "big")


def compare(what: str, expected: list[str], found: list[str]) -> None:
    if expected != found:
        difference = difflib.unified_diff(expected, found, "Asterisk", "stand-in", lineterm="", n=2)
        pytest.fail(f"{what} differ:\n" + "\n".join(difference), pytrace=False)


def test_a_normal_form_keeps_apart_what_is_different() -> None:
    normal = Normal({})
    events: list[Any] = [{"id": "1795348093.0"}, {"id": "1795348093.1"}, {"id": "1795348093.0"}]
    assert [normal.value(event)["id"] for event in events] == ["<channel 0>", "<channel 1>", "<channel 0>"]
