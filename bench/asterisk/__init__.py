"""A stand-in for Asterisk 22, for tests, the demo and benches: ARI, dialplan, AudioSocket and RTP on loopback.

It does what a voice agent can see of Asterisk, and no more. Recordings of the real one hold it to that (`tests/bench/
asterisk`); README.md beside this file says what is matched, what is assumed and what is left out. It is stricter than
Asterisk in one way, on purpose: what Asterisk would ignore in a request, it refuses.
"""

from bench.asterisk.asterisk import Asterisk
from bench.asterisk.dialplan import (
    Answer,
    AudioSocket,
    Goto,
    GotoIf,
    Hangup,
    NoOp,
    Playback,
    Set,
    Stasis,
    Wait,
)
from bench.asterisk.faults import Cut, Delay, Faults, Plan, Reply
from bench.asterisk.lines import Dialplan, Label, Line
from bench.asterisk.media.clock import Lateness
from bench.asterisk.media.handset import Wire, WireLog
from bench.asterisk.media.weather import Weather
from bench.asterisk.people import Busy, Congestion, Dial, Progress, Queue, Ringing, VoiceMail
from bench.asterisk.phone import Endpoint, Phone, Where

__all__ = [
    "Answer",
    "Asterisk",
    "AudioSocket",
    "Busy",
    "Congestion",
    "Cut",
    "Delay",
    "Dial",
    "Dialplan",
    "Endpoint",
    "Faults",
    "Goto",
    "GotoIf",
    "Hangup",
    "Label",
    "Lateness",
    "Line",
    "NoOp",
    "Phone",
    "Plan",
    "Playback",
    "Progress",
    "Queue",
    "Reply",
    "Ringing",
    "Set",
    "Stasis",
    "VoiceMail",
    "Wait",
    "Weather",
    "Where",
    "Wire",
    "WireLog",
]
