"""What can happen to a call: the inputs of the state machine in `legs`. Every one is allowed at any moment."""

from enum import StrEnum

import msgspec

from actors.call_control.commands import Command, Place


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


class AgentRead(Event, frozen=True):
    agent: str
    """"" when the dialplan names none."""


class RingsOpened(Event, frozen=True):
    segment: str
    media_uuid: str


class MediaExpected(Event, frozen=True):
    media_uuid: str


# -- from Asterisk -----------------------------------------------------------------------------------------------------


class CallerLeft(Event, frozen=True):
    """The caller's channel is out of our hands: hung up, or somewhere else in the dialplan."""

    cause: str


class MediaLegArrived(Event, frozen=True):
    """StasisStart of a media leg: it may be bridged from now on."""

    channel_id: str


class MediaLegEnded(Event, frozen=True):
    channel_id: str
    cause: str


class BridgeGone(Event, frozen=True):
    """Somebody else has deleted our bridge."""


class DigitPressed(Event, frozen=True):
    digit: str


# -- from the supervisor -----------------------------------------------------------------------------------------------


class MediaAttached(Event, frozen=True):
    moved: bool
    """True when a new audio actor took over the same connection."""


class MediaLost(Event, frozen=True):
    reason: str


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
