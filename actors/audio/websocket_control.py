"""What is said beside the audio on a connection to Asterisk's chan_websocket: its events, our commands. Pure.

Both are TEXT messages of at most 128 bytes in one of two forms, which `control_message_format` of its
`chan_websocket.conf` or the leg's option `f()` chooses; we answer in the form that we hear:

    DTMF_END digit:5 channel_id:1692.4                             plain text: a word, then name:value
    {"event": "DTMF_END", "channel_id": "1692.4", "digit": "5"}    JSON
"""

from typing import Any

import msgspec

LARGEST_EVENT = 4096
"""Bytes. An event in JSON may carry the channel's variables."""


class Event(msgspec.Struct, frozen=True):
    name: str
    """MEDIA_START, DTMF_END, MEDIA_XOFF, MEDIA_XON, STATUS, ERROR and others; "" if it could not be read."""
    values: dict[str, str]
    json: bool

    def number(self, name: str) -> int | None:
        """A value that is a number; None if it is not there, or is none."""
        value = self.values.get(name, "")
        return int(value) if value.isascii() and value.isdigit() and len(value) < 10 else None


def read(message: bytes) -> Event:
    """Never fails: of what cannot be read the name is ""."""
    text = message.decode("utf-8", errors="replace")
    if text.startswith("{"):
        return _read_json(message)
    name, _, rest = text.partition(" ")
    pairs = (word.partition(":") for word in rest.split())
    return Event(name, {key: value for key, _, value in pairs}, json=False)


def _read_json(message: bytes) -> Event:
    try:
        fields: dict[str, Any] = msgspec.json.decode(message, type=dict[str, Any])
    except msgspec.DecodeError:
        return Event("", {}, json=True)
    values = {key: str(value) for key, value in fields.items() if isinstance(value, str | int)}
    return Event(values.pop("event", ""), values, json=True)


def command(name: str, *, json: bool) -> bytes:
    """The text of a command without arguments, such as FLUSH_MEDIA."""
    return msgspec.json.encode({"command": name}) if json else name.encode()
