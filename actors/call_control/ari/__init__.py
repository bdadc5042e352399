"""Asterisk's REST interface (ARI), as far as calls need it: one method a request, typed replies, typed errors.

    errors      what can go wrong
    objects     what Asterisk tells of channels, bridges, playbacks ...
    events      its events, whatever they hold
    transport   HTTP: deadlines, what is sent twice, TLS, the password
    channels, bridges, system: the requests

Sources: rest-api/api-docs/*.json and res/ari/*.c of Asterisk 22; recordings of a 22.11.0-rc1.
"""

from actors.call_control.ari.channels import MEDIA_VARIABLES
from actors.call_control.ari.errors import (
    AriError,
    Broken,
    Conflict,
    Forbidden,
    Invalid,
    NoReply,
    NotFound,
    Starting,
    Unreachable,
    Untrusted,
    WrongPassword,
)
from actors.call_control.ari.events import AriEvent
from actors.call_control.ari.objects import Application, Bridge, CallerId, Channel, Dialplan, Info, Playback, Recording
from actors.call_control.ari.system import SystemRequests
from actors.call_control.ari.transport import HEARTBEAT_S


class Ari(SystemRequests):
    """One user of one Asterisk. Use as an async context manager."""


__all__ = [
    "HEARTBEAT_S",
    "MEDIA_VARIABLES",
    "Application",
    "Ari",
    "AriError",
    "AriEvent",
    "Bridge",
    "Broken",
    "CallerId",
    "Channel",
    "Conflict",
    "Dialplan",
    "Forbidden",
    "Info",
    "Invalid",
    "NoReply",
    "NotFound",
    "Playback",
    "Recording",
    "Starting",
    "Unreachable",
    "Untrusted",
    "WrongPassword",
]
