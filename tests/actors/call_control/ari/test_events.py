"""Events are read whatever they hold: what fits counts, what is odd is counted and said once."""

import json
import logging

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.call_control.ari import AriEvent, Channel
from actors.call_control.ari.events import KNOWN, MOST_KINDS, EventReader


def read(**event: object) -> AriEvent | None:
    return EventReader("agent").read(json.dumps(event))


def test_what_each_type_holds_is_told() -> None:
    played = read(
        type="PlaybackFinished",
        playback={"id": "p", "state": "failed", "media_uri": "sound:x", "target_uri": "bridge:b", "language": "en"},
    )
    assert played is not None and played.playback is not None
    assert (played.playback.id, played.playback.state, played.playback.target_uri) == ("p", "failed", "bridge:b")
    dialled = read(type="Dial", dialstatus="BUSY", peer={"id": "person-1"}, dialstring="200")
    assert dialled is not None and dialled.peer == Channel(id="person-1") and dialled.dialstatus == "BUSY"
    recorded = read(type="RecordingFailed", recording={"name": "r", "cause": "no room", "format": "wav"})
    assert recorded is not None and recorded.recording is not None and recorded.recording.cause == "no room"
    replaced = read(type="StasisStart", args=["a"], channel={"id": "2"}, replace_channel={"id": "1"})
    assert replaced is not None and replaced.replace_channel == Channel(id="1") and replaced.args == ("a",)
    varied = read(type="ChannelVarset", variable="A", value="b")
    assert varied is not None and (varied.variable, varied.value, varied.channel) == ("A", "b", None)


@pytest.mark.parametrize(
    ("event", "odd"),
    [
        ({"type": "StasisEnd", "channel": {"id": "17.1"}, "cause_txt": ["a", "list"]}, "StasisEnd.cause_txt"),
        ({"type": "StasisEnd", "channel": {"id": "17.1", "caller": "Ann"}}, "StasisEnd.channel.caller"),
        ({"type": "StasisEnd", "channel": {"id": "17.1", "caller": {"name": 7}}}, "StasisEnd.channel.caller.name"),
        ({"type": "StasisEnd", "channel": {"id": "17.1"}, "args": "x", "cause": None}, "StasisEnd.args"),
    ],
)
def test_a_field_that_is_odd_does_not_cost_the_event(event: dict[str, object], odd: str) -> None:
    reader = EventReader("agent")
    found = reader.read(json.dumps(event))
    assert found is not None and found.channel is not None and found.channel.id == "17.1"
    assert reader.odd[odd] == 1


@pytest.mark.parametrize(
    ("event", "channel"), [({"channel": {"name": "no id"}}, None), ({"channel": [1]}, None), ({"channel": None}, None)]
)
def test_a_channel_without_an_id_is_none(event: dict[str, object], channel: None) -> None:
    found = read(type="StasisEnd", **event)
    assert found is not None and found.channel is channel


@pytest.mark.parametrize(
    "message",
    [
        "",
        "{",
        "[]",
        "null",
        '"StasisEnd"',
        "{}",
        '{"type": 1}',
        '{"type": "\\ud800"}',
        "[" * 100_000,
        '{"type": "StasisEnd", "application": "another", "channel": {"id": "17.1"}}',
        '{"type": "OfTomorrow", "channel": {"id": "17.1"}}',
    ],
    ids=lambda message: message[:30],
)
def test_what_is_no_event_of_ours_is_skipped_and_said_once(message: str, caplog: pytest.LogCaptureFixture) -> None:
    reader = EventReader("agent")
    with caplog.at_level(logging.WARNING):
        assert [reader.read(message) for _ in range(3)] == [None] * 3
    assert list(reader.odd.values()) == [3]
    assert len(caplog.records) == 1
    assert all(len(record.getMessage()) < 600 for record in caplog.records)


def test_odd_types_without_end_do_not_fill_the_memory_nor_the_log(caplog: pytest.LogCaptureFixture) -> None:
    reader = EventReader("agent")
    with caplog.at_level(logging.WARNING):
        for number in range(1000):
            reader.read(json.dumps({"type": f"Odd{number}" * 100}))
    assert sum(reader.odd.values()) == 1000
    assert len(reader.odd) <= MOST_KINDS + 1 and len(caplog.records) <= MOST_KINDS + 1


def test_control_characters_do_not_break_a_log_line(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        EventReader("agent").read('{"type": "X\\n2026 ERROR all is lost"}\n\x1b[31m')
    assert "\n" not in caplog.records[0].getMessage() and "\x1b" not in caplog.records[0].getMessage()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)
FIELDS = [field.name for field in msgspec.structs.fields(AriEvent)]


@given(st.dictionaries(st.sampled_from(FIELDS), JSON), st.sampled_from(sorted(KNOWN)))
def test_whatever_the_fields_hold_an_event_of_a_known_type_comes_out(fields: dict[str, object], kind: str) -> None:
    fields.pop("application", None)
    found = EventReader("agent").read(json.dumps({**fields, "type": kind}))
    assert found is not None and found.type == kind


@given(st.text() | JSON.map(json.dumps))
def test_whatever_comes_nothing_is_raised(message: str) -> None:
    EventReader("agent").read(message)
