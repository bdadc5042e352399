"""What chan_websocket says beside the audio, in both of its forms."""

import pytest

from actors.audio import websocket_control
from actors.audio.websocket_control import Event

START = (
    b"MEDIA_START connection_id:ca812b15 channel:WebSocket/INCOMING/0x7fe8 channel_id:1692.4 format:slin"
    b" optimal_frame_size:320 ptime:20"
)


@pytest.mark.parametrize(
    ("text", "name", "values", "json"),
    [
        (b"DTMF_END digit:5 channel_id:1692.4", "DTMF_END", {"digit": "5", "channel_id": "1692.4"}, False),
        (b"DTMF_END digit:: channel_id:1", "DTMF_END", {"digit": ":", "channel_id": "1"}, False),
        (b'{"event":"DTMF_END","channel_id":"1","digit":"#"}', "DTMF_END", {"digit": "#", "channel_id": "1"}, True),
        (b"MEDIA_XOFF channel_id:1", "MEDIA_XOFF", {"channel_id": "1"}, False),
        (
            b'{"event":"STATUS","queue_length":3,"queue_full":false}',
            "STATUS",
            {"queue_length": "3", "queue_full": "False"},
            True,
        ),
        (b"", "", {}, False),
        (b'{"event":', "", {}, True),
        (b"[1]", "[1]", {}, False),
        (b'{"event": 5, "channel_variables": {}}', "5", {}, True),
        (b"\xff\xfe", "��", {}, False),
    ],
)
def test_an_event_is_a_name_and_values_in_either_form(
    text: bytes, name: str, values: dict[str, str], json: bool
) -> None:
    assert websocket_control.read(text) == Event(name, values, json)


def test_a_real_asterisks_first_word_says_the_size_of_its_frames() -> None:
    event = websocket_control.read(START)
    assert (event.name, event.number("optimal_frame_size"), event.values["format"]) == ("MEDIA_START", 320, "slin")


@pytest.mark.parametrize("value", ["", "x", "-1", "1e3", "9" * 30, "²"])
def test_what_is_no_number_is_none(value: str) -> None:
    assert Event("STATUS", {"queue_length": value}, False).number("queue_length") is None


def test_a_command_is_said_in_the_form_that_is_wanted() -> None:
    assert websocket_control.command("FLUSH_MEDIA", json=False) == b"FLUSH_MEDIA"
    assert websocket_control.command("FLUSH_MEDIA", json=True) == b'{"command":"FLUSH_MEDIA"}'
