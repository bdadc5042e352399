"""What can happen to a call: the inputs of the state machine in `legs`. Every one is allowed at any moment."""

from enum import StrEnum
from typing import Literal

import msgspec

from actors.call_control.commands import Command, Place
from actors.call_control.sessions import Remote
from config.media import Transport


class Event(msgspec.Struct, frozen=True):
    """Base of all events."""


class Begun(Event, frozen=True):
    """The session is new, or has just been adopted from a predecessor."""


class TimePassed(Event, frozen=True):
    """A moment that `legs.wake_ns` named has come."""


# -- answers to commands -----------------------------------------------------------------------------------------------


class Why(StrEnum):
    """Why a command failed, as far as it decides what to do next."""

    GONE = "gone"
    """What it was about is not there (any more): the channel has left, the bridge does not exist."""
    NO_BRIDGE = "no bridge"
    """Only of `Join`: the channel may be fine, the bridge is not there."""
    REFUSED = "refused"
    """It was not done, and would not be if asked again."""
    UNREACHABLE = "unreachable"
    """It was not done: nobody could be asked."""
    UNKNOWN = "unknown"
    """It may have been done: no answer came in time."""


class Performed(Event, frozen=True):
    """The command was carried out, and its answer holds nothing more."""

    command: Command


class Failed(Event, frozen=True):
    command: Command
    why: Why
    text: str
    busy: bool = False


class CallRead(Event, frozen=True):
    """What the dialplan asks for, and what follows from it."""

    agent: str = ""
    """"" when the dialplan names none."""
    provider: str = ""
    rate: int = 8000
    transports: tuple[Transport, ...] = ("audiosocket",)
    playback: Literal["stream", "file"] = "stream"
    early: bool = False
    variables: dict[str, str] = msgspec.field(default_factory=dict)


class RingsOpened(Event, frozen=True):
    segment: str
    media_uuid: str
    host: str = ""
    """Of RTP: where Asterisk is to send its packets."""
    port: int = 0


class MediaExpected(Event, frozen=True):
    media_uuid: str
    transport: Transport = "audiosocket"
    host: str = ""
    port: int = 0


class MediaLegMade(Event, frozen=True):
    """The media leg's channel exists."""

    channel_id: str
    remote: Remote | None = None
    """Asterisk's end, of the transports that we have to connect to."""


# -- from Asterisk -----------------------------------------------------------------------------------------------------


class CallerLeft(Event, frozen=True):
    """The caller's channel is out of our hands: hung up, or somewhere else in the dialplan."""

    cause: str
    hung_up: bool = False
    """True when it is known to have ended."""


class MediaLegArrived(Event, frozen=True):
    """StasisStart of a media leg: it may be bridged from now on."""

    channel_id: str


class MediaLegEnded(Event, frozen=True):
    channel_id: str
    cause: str


class BridgeGone(Event, frozen=True):
    """Somebody else has deleted a bridge of ours."""

    bridge_id: str = ""
    """"" for the call's own; else that of an attended transfer."""


class CallerAnswered(Event, frozen=True):
    """StasisStart of an outbound call: whom we called has answered."""


class PersonArrived(Event, frozen=True):
    """StasisStart of a person's leg: they have answered."""

    channel_id: str


class PersonLeft(Event, frozen=True):
    """The person's leg is gone: hung up, busy, not answered."""

    channel_id: str
    cause: str


class CallerHeld(Event, frozen=True):
    """The caller has put us on hold with their telephone, or is back."""

    held: bool


class SoundEnded(Event, frozen=True):
    """What Asterisk played to the caller has ended, or could not be played."""

    playback_id: str


class DigitPressed(Event, frozen=True):
    digit: str
    channel_id: str = ""
    """Of the person who is asked to take the call; "" for the caller."""


# -- from the supervisor -----------------------------------------------------------------------------------------------


class MediaAttached(Event, frozen=True):
    moved: bool
    """True when a new audio actor took over the same connection."""


class MediaLost(Event, frozen=True):
    reason: str
    media_uuid: str = ""
    """Of which leg; "" from a supervisor that does not say."""


class ConversationLost(Event, frozen=True):
    """The conversation actor of the call will not come back."""

    reason: str


# -- from the conversation ---------------------------------------------------------------------------------------------


class HangUpAsked(Event, frozen=True):
    reason: str


class TransferAsked(Event, frozen=True):
    destination: str
    place: Place | None
    request: int
    """Number of the bus request that waits for `Reply`."""
    status: str = ""
    """Value for `AGENT_STATUS`; "" leaves the variable alone."""
    variables: dict[str, str] = msgspec.field(default_factory=dict)
    """Further channel variables for the dialplan that goes on."""
    sound: str = ""
    """What Asterisk plays to the caller first; "" where the agent has said why."""


class ConsultAsked(Event, frozen=True):
    """An attended transfer is to begin."""

    destination: str
    endpoint: str
    uuid: str
    """For the person's leg; made by whoever asks, so that this stays a function of its inputs."""
    ring_s: int
    decide_s: int
    request: int


class ConsultDecided(Event, frozen=True):
    """The person takes the caller, or does not; or the agent gives it up."""

    accepted: bool
    reason: str
    request: int


class HoldAsked(Event, frozen=True):
    on: bool
    request: int


class AnswerAsked(Event, frozen=True):
    """The caller hears early media, and is to be answered now."""

    request: int


class ResultSet(Event, frozen=True):
    """Channel variables for the dialplan, set when the caller leaves us."""

    variables: dict[str, str]
