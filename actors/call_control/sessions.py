"""What is known of each call: one frozen `Session` a call, replaced as a whole at every step of `legs`.

Nothing of this is kept on disk. All ids follow from the caller's channel id and the media UUID, which the supervisor
and Asterisk still hold when this process has died; `comparison` makes the sessions anew from what they say.
"""

from collections.abc import Iterator
from enum import StrEnum

import msgspec

from actors.call_control.commands import Place
from ipc import media_uuid

BRIDGE_PREFIX = "call-"
MEDIA_PREFIX = "media-"
DIRECT_PREFIX = "direct-"


def bridge_id(call_id: str) -> str:
    return BRIDGE_PREFIX + call_id


def media_channel_id(uuid: str) -> str:
    return MEDIA_PREFIX + uuid


def direct_call_id(uuid: str) -> str:
    return DIRECT_PREFIX + uuid


def is_media_channel(channel_id: str) -> bool:
    """Whether the id is one that `media_channel_id` makes. Names of channels are never looked at."""
    return channel_id.startswith(MEDIA_PREFIX) and media_uuid.is_ours(channel_id.removeprefix(MEDIA_PREFIX))


class Stage(StrEnum):
    """How far a call is. Only the end of the caller's leg leads to `CLEARING`."""

    ADMITTING = "admitting"
    """Supervisor and conversation are asked; the caller hears ringing."""
    CONNECTING = "connecting"
    """Admitted. Answering, bridge and media leg are under way, for the first time or again."""
    TALKING = "talking"
    """Caller and media leg are both in the bridge. A direct call: the conversation has begun."""
    LEAVING = "leaving"
    """The caller is being sent on in the dialplan or hung up."""
    CLEARING = "clearing"
    """The caller is gone; what was made for the call is being removed."""
    OVER = "over"
    """Nothing of the call is left."""


class State(StrEnum):
    """Of one thing that is made for a call, or done to it."""

    NONE = "none"
    PENDING = "pending"
    """Asked for; no answer yet."""
    THERE = "there"
    REMOVING = "removing"
    """Its removal is asked for; no answer yet."""
    GONE = "gone"


class Part(msgspec.Struct, frozen=True):
    state: State = State.NONE
    tries: int = 0
    """Failed tries to make, do or remove it."""
    due_ns: int = 0
    """Not to be tried again before."""


class MediaLeg(msgspec.Struct, frozen=True, kw_only=True):
    """One AudioSocket channel. A call may wear out several, one after the other."""

    uuid: str
    channel: Part = Part()
    in_stasis: bool = False
    joined: Part = Part()
    ended: bool = False
    """Asterisk said that the channel is gone."""
    arrive_by_ns: int = 0
    """When StasisStart must have come; 0 before the leg is originated."""
    doubt_until_ns: int = 0
    """The supervisor lost the connection, Asterisk has not ended the channel yet. 0: no doubt."""

    @property
    def channel_id(self) -> str:
        return media_channel_id(self.uuid)


class Departure(msgspec.Struct, frozen=True, kw_only=True):
    """How the caller is to leave."""

    hang_up: bool
    """False: go on in the dialplan."""
    cause: str
    status: str = ""
    """Value for `AGENT_STATUS`; "" leaves the variable alone."""
    place: Place | None = None
    destination: str = ""
    """Name of a transfer's destination, "" when this is no transfer."""
    request: int = 0
    """The transfer's request, to be answered; 0 when there is none."""
    variable: Part = Part()
    going: Part = Part()
    gone_by_ns: int = 0


class Session(msgspec.Struct, frozen=True, kw_only=True):
    call_id: str
    """Id of the caller's channel, or `direct-<uuid>`."""
    rate: int
    """Samples per second of the media leg."""
    arrived_ns: int
    caller_number: str = ""
    caller_name: str = ""
    direct: bool = False
    """Straight from the dialplan's AudioSocket(): no channel of ours, no bridge, no ARI."""
    direct_uuid: str = ""
    fallback: Place | None = None
    """Where the caller goes when we fail; None: on in the dialplan."""
    digits_in_media: bool = True
    """Whether Asterisk sends digits through the media leg, too."""

    stage: Stage = Stage.ADMITTING
    agent: str | None = None
    """None until `AI_AGENT` has been read."""
    reading: Part = Part()
    rings: Part = Part()
    segment: str = ""
    conversation: Part = Part()
    answered: Part = Part()
    bridge: Part = Part()
    joined: Part = Part()
    """The caller's leg in the bridge."""
    media: MediaLeg | None = None
    old_media: tuple[MediaLeg, ...] = ()
    """Legs that are not wanted any more and not yet gone."""
    expecting: Part = Part()
    """The announcement of the next media leg's UUID."""
    setbacks_ns: tuple[int, ...] = ()
    """When a leg was lost or could not be set up, as far as it still counts."""
    bridged_ns: int = 0
    """When both legs were in the bridge for the first time; 0 before."""
    offer: int = 0
    """The direct call's `OfferMedia`, to be answered; 0 when there is none."""
    departure: Departure | None = None
    cause: str = ""
    """Why the call ended."""

    @property
    def bridge_id(self) -> str:
        return bridge_id(self.call_id)

    @property
    def media_legs(self) -> tuple[MediaLeg, ...]:
        return self.old_media if self.media is None else (*self.old_media, self.media)


class SessionStore:
    """The sessions by call id, and the call of any channel or bridge."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}
        self._calls_of_media: dict[str, str] = {}

    def __iter__(self) -> Iterator[Session]:
        return iter(tuple(self._sessions.values()))

    def __len__(self) -> int:
        return len(self._sessions)

    def get(self, call_id: str) -> Session | None:
        return self._sessions.get(call_id)

    def of_channel(self, channel_id: str) -> Session | None:
        """The call whose caller's or media leg this is."""
        return self._sessions.get(self._calls_of_media.get(channel_id, channel_id))

    def of_bridge(self, identifier: str) -> Session | None:
        return self._sessions.get(identifier.removeprefix(BRIDGE_PREFIX))

    def put(self, session: Session) -> None:
        """Takes the place of what is stored under the same call id."""
        self._forget_media(session.call_id)
        self._sessions[session.call_id] = session
        for leg in session.media_legs:
            self._calls_of_media[leg.channel_id] = session.call_id

    def drop(self, call_id: str) -> None:
        self._forget_media(call_id)
        self._sessions.pop(call_id, None)

    def _forget_media(self, call_id: str) -> None:
        before = self._sessions.get(call_id)
        for leg in before.media_legs if before else ():
            self._calls_of_media.pop(leg.channel_id, None)
