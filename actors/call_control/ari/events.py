"""Asterisk's events, whatever they hold.

An event that is not as ARI's documents have it costs as little as possible: what is of another type than it should be
is taken as missing, and the rest counts. What is odd is counted by kind, and logged once for each.
"""

import logging
from collections import Counter
from typing import Any, get_args

import msgspec

from actors.call_control.ari.objects import Bridge, Channel, Playback, Recording

log = logging.getLogger(__name__)

MOST_KINDS = 100
"""Of odd things that are told apart: hostile type names must not fill the memory."""
LONGEST_QUOTED = 200
"""Characters of a message in a log line."""


class AriEvent(msgspec.Struct, frozen=True):
    """One message of the events WebSocket; the fields that this type of event lacks are empty."""

    type: str
    application: str = ""
    args: tuple[str, ...] = ()
    """Of StasisStart: what the dialplan, or our originate, gave."""
    channel: Channel | None = None
    replace_channel: Channel | None = None
    """Of StasisStart: the channel whose place this one takes (an attended transfer by a telephone)."""
    bridge: Bridge | None = None
    digit: str = ""
    duration_ms: int = 0
    """Of a digit: how long it was pressed."""
    cause: int = 0
    """Q.850, of the end of a channel."""
    cause_txt: str = ""
    tech_cause: int = 0
    """The channel driver's own: a SIP status."""
    playback: Playback | None = None
    recording: Recording | None = None
    peer: Channel | None = None
    """Of Dial: the channel that is called."""
    dialstatus: str = ""
    """Of Dial: "" at first, then RINGING, PROGRESS, ANSWER or BUSY, CONGESTION, NOANSWER, CHANUNAVAIL, CANCEL ..."""
    variable: str = ""
    value: str = ""
    """Of ChannelVarset."""
    musicclass: str = ""
    """Of ChannelHold."""
    destination: str = ""
    """Of ApplicationMoveFailed."""
    params: tuple[str, ...] = ()
    """Of MissingParams."""


KNOWN = frozenset(
    {
        "ApplicationMoveFailed",
        "ApplicationRegistered",
        "ApplicationReplaced",
        "ApplicationUnregistered",
        "BridgeAttendedTransfer",
        "BridgeBlindTransfer",
        "BridgeCreated",
        "BridgeDestroyed",
        "BridgeMerged",
        "BridgeVideoSourceChanged",
        "CallBroadcast",
        "CallClaimed",
        "ChannelCallerId",
        "ChannelConnectedLine",
        "ChannelCreated",
        "ChannelDestroyed",
        "ChannelDialplan",
        "ChannelDtmfReceived",
        "ChannelEnteredBridge",
        "ChannelHangupRequest",
        "ChannelHold",
        "ChannelLeftBridge",
        "ChannelStateChange",
        "ChannelTalkingFinished",
        "ChannelTalkingStarted",
        "ChannelToneDetected",
        "ChannelTransfer",
        "ChannelUnhold",
        "ChannelUserevent",
        "ChannelVarset",
        "ContactStatusChange",
        "DeviceStateChanged",
        "Dial",
        "EndpointStateChange",
        "MissingParams",
        "PeerStatusChange",
        "PlaybackContinuing",
        "PlaybackFinished",
        "PlaybackStarted",
        "RESTResponse",
        "RecordingFailed",
        "RecordingFinished",
        "RecordingStarted",
        "StasisEnd",
        "StasisStart",
        "TextMessageReceived",
    }
)
"""Types of events that Asterisk 22 documents."""


class EventReader:
    """Reads messages, and remembers what was odd about them."""

    def __init__(self, app_name: str) -> None:
        self.odd: Counter[str] = Counter()
        """How many there were of each kind of odd thing."""
        self._app_name = app_name
        self._decoder = msgspec.json.Decoder(AriEvent)

    def read(self, message: str) -> AriEvent | None:
        """The event in a message; None when it holds none, or one that is not for our application."""
        try:
            event = self._decoder.decode(message)
        except (msgspec.DecodeError, RecursionError):
            mended = self._mended(message)
            if mended is None:
                return None
            event = mended
        if event.type not in KNOWN:
            self.note(
                f"type {event.type[:40]}",
                "Asterisk sends events of a type that is not known here; they are left aside",
                message,
            )
            return None
        if event.application and event.application != self._app_name:
            self.note(
                f"application {event.application[:40]}",
                "an event is for another application than ours; it is left aside",
                message,
            )
            return None
        if event.type == "MissingParams":
            log.error("Asterisk lacks parameters in what we sent over the events connection: %s", event.params)
        return event

    def note(self, kind: str, meaning: str, message: str) -> None:
        """Counts something odd, and says it the first time."""
        if kind not in self.odd and len(self.odd) >= MOST_KINDS:
            kind = "others"
        self.odd[kind] += 1
        if self.odd[kind] == 1:
            log.warning("%s (%s; said once): %r", meaning, kind, message[:LONGEST_QUOTED])

    def _mended(self, message: str) -> AriEvent | None:
        try:
            raw = msgspec.json.decode(message)
        except (msgspec.DecodeError, RecursionError):
            self.note("no JSON", "Asterisk sent a message that cannot be read; it is skipped", message)
            return None
        if not isinstance(raw, dict) or not isinstance(raw.get("type"), str):
            self.note("no type", "Asterisk sent a message that is no event; it is skipped", message)
            return None
        event, wrong = _whatever_fits(raw, AriEvent)
        for name in wrong:
            self.note(
                f"{raw['type'][:40]}.{name}",
                "a field of an event is not what ARI's documents say; it is taken as missing",
                message,
            )
        return event if isinstance(event, AriEvent) else None


def _whatever_fits(raw: dict[str, Any], kind: type[msgspec.Struct]) -> tuple[msgspec.Struct | None, list[str]]:
    """The struct from those fields that are of the right type, and the names of the others. None when one is missing
    that has to be there."""
    values: dict[str, object] = {}
    wrong: list[str] = []
    for field in msgspec.structs.fields(kind):
        if field.name not in raw:
            continue
        try:
            values[field.name] = msgspec.convert(raw[field.name], field.type)
        except msgspec.ValidationError:
            inner = _struct_of(field.type)
            value, below = None, [""]
            if inner is not None and isinstance(raw[field.name], dict):
                value, below = _whatever_fits(raw[field.name], inner)
            wrong += [f"{field.name}.{name}".rstrip(".") for name in below]
            if value is not None:
                values[field.name] = value
    if any(field.required and field.name not in values for field in msgspec.structs.fields(kind)):
        return None, wrong
    return kind(**values), wrong


def _struct_of(annotation: Any) -> type[msgspec.Struct] | None:
    for each in (annotation, *get_args(annotation)):
        if isinstance(each, type) and issubclass(each, msgspec.Struct):
            return each
    return None
