"""What is known of each call: one frozen `Session` a call, replaced as a whole at every step of `legs`.

All ids of ours follow from the caller's channel id and from UUIDs that we make; names of channels are never looked at.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import Literal

import msgspec

from actors.call_control.commands import Place
from config.media import Transport
from ipc import media_uuid
from ipc.messages import Wire

BRIDGE_PREFIX = "call-"
MEDIA_PREFIX = "media-"
DIRECT_PREFIX = "direct-"
PERSON_PREFIX = "person-"
CONSULT_PREFIX = "consult-"
OUTBOUND_PREFIX = "out-"

ARRIVE_NS = 8_000_000_000
"""Within which a media leg has come up: normally 2 ms; Asterisk itself tries to connect for 2 s."""

WIRES: dict[Transport, Wire] = {
    "audiosocket": "audiosocket",
    "audiosocket_external": "audiosocket",
    "websocket": "websocket",
    "rtp": "rtp",
}
"""What the supervisor has to expect of each transport."""


def bridge_id(call_id: str) -> str:
    return BRIDGE_PREFIX + call_id


def media_channel_id(uuid: str) -> str:
    return MEDIA_PREFIX + uuid


def direct_call_id(uuid: str) -> str:
    return DIRECT_PREFIX + uuid


def is_media_channel(channel_id: str) -> bool:
    """Whether the id is one that `media_channel_id` makes."""
    return channel_id.startswith(MEDIA_PREFIX) and media_uuid.is_ours(channel_id.removeprefix(MEDIA_PREFIX))


def is_person_channel(channel_id: str) -> bool:
    """Whether the id is that of a person whom we have called for an attended transfer."""
    return channel_id.startswith(PERSON_PREFIX) and media_uuid.is_ours(channel_id.removeprefix(PERSON_PREFIX))


def is_own_channel(channel_id: str) -> bool:
    """Whether the channel is a leg that we have made for some call: no caller."""
    return is_media_channel(channel_id) or is_person_channel(channel_id)


class Stage(StrEnum):
    """How far a call is. Only the end of the caller's leg leads to `CLEARING`."""

    ADMITTING = "admitting"
    """Supervisor and conversation are asked; the caller hears ringing."""
    DIALLING = "dialling"
    """We are calling, and nobody has answered yet."""
    CONNECTING = "connecting"
    """Admitted. Answering, bridge and media leg are under way, for the first time or again."""
    TALKING = "talking"
    """Caller and media leg are both in the bridge. A direct call: the conversation has begun."""
    HANDED = "handed"
    """An attended transfer was accepted: caller and person talk, the agent is out."""
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
    """One media channel. A call may wear out several, one after the other, of one transport or of several."""

    uuid: str
    transport: Transport = "audiosocket"
    host: str = ""
    """Of RTP: where Asterisk is to send its packets."""
    port: int = 0
    channel: Part = Part()
    connected: Part = Part()
    """The supervisor's connection to Asterisk's end, of the transports that need one (`CONNECTED`)."""
    remote: "Remote | None" = None
    """Asterisk's end, of these; None until the channel has been made."""
    in_stasis: bool = False
    joined: Part = Part()
    where: str = ""
    """The bridge that `joined` is about."""
    proved_ns: int = 0
    """When it was first bridged: the transport works."""
    ended: bool = False
    """Asterisk said that the channel is gone."""
    arrive_by_ns: int = 0
    """When StasisStart must have come; 0 before the leg is originated."""
    doubt_until_ns: int = 0
    """The supervisor lost the connection, Asterisk has not ended the channel yet. 0: no doubt."""

    @property
    def channel_id(self) -> str:
        return media_channel_id(self.uuid)


class Remote(msgspec.Struct, frozen=True):
    """Asterisk's end of a media leg that we have to connect to."""

    host: str
    port: int
    path: str = ""
    codec: str = ""


CONNECTED: tuple[Transport, ...] = ("websocket", "rtp")
"""Transports of which the supervisor is told where Asterisk's end is."""


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
    variables: dict[str, str] = msgspec.field(default_factory=dict)
    """Further channel variables for the dialplan that goes on."""
    sound: str = ""
    """What Asterisk plays to the caller first, for the agent has lost its voice; "" for nothing."""
    sounding: Part = Part()
    sound_by_ns: int = 0
    """When the caller goes on even if the sound has not ended."""
    variable: Part = Part()
    going: Part = Part()
    in_doubt: bool = False
    """A try to send them away was not answered: it may have been done."""
    gone_by_ns: int = 0


class Talk(StrEnum):
    """How far an attended transfer is."""

    RINGING = "ringing"
    """The person's telephone rings; the caller is with the agent."""
    ASKING = "asking"
    """The person has answered. They hear the agent, or will at once; the caller hears music."""
    JOINING = "joining"
    """Accepted: the person comes to the caller."""
    BACK = "back"
    """Nothing came of it: the agent comes back to the caller, the person is hung up."""


class Consult(msgspec.Struct, frozen=True, kw_only=True):
    """An attended transfer: a person is asked whether they take the caller."""

    destination: str
    uuid: str
    endpoint: str
    ring_s: int
    decide_s: int
    talk: Talk = Talk.RINGING
    request: int = 0
    """The request that waits for the next answer; 0 when none does."""
    channel: Part = Part()
    in_stasis: bool = False
    joined: Part = Part()
    where: str = ""
    """The bridge that `joined` is about."""
    ended: bool = False
    bridge: Part = Part()
    """In which the agent talks to the person."""
    told: bool = False
    """The conversation knows of the present `talk`."""
    decide_by_ns: int = 0
    """When the person must have answered, or decided. 0: not bounded."""
    reason: str = ""
    """Why nothing came of it."""

    @property
    def channel_id(self) -> str:
        return PERSON_PREFIX + self.uuid

    @property
    def bridge_id(self) -> str:
        return CONSULT_PREFIX + self.uuid


class OutboundCall(msgspec.Struct, frozen=True, kw_only=True):
    """Whom we call, and how."""

    number: str
    endpoint: str
    caller_id: str = ""
    ring_s: int = 45
    request: int = 0
    """The `PlaceCall`, to be answered; 0 when it has been."""
    dialled: Part = Part()
    variables: dict[str, str] = msgspec.field(default_factory=dict)


class Session(msgspec.Struct, frozen=True, kw_only=True):
    call_id: str
    """Id of the caller's channel (of a further Asterisk: with its name before it), or `direct-<uuid>`."""
    rate: int
    """Samples per second of the media leg."""
    arrived_ns: int
    caller_number: str = ""
    caller_name: str = ""
    direct: bool = False
    """Straight from the dialplan's AudioSocket(): no channel of ours, no bridge, no ARI."""
    direct_uuid: str = ""
    outbound: OutboundCall | None = None
    """None for a call that came in."""
    fallback: Place | None = None
    """Where the caller goes when we fail; None: on in the dialplan."""
    failure_sound: str = ""
    """What Asterisk plays to the caller before that."""
    sound_ns: int = 8_000_000_000
    """For how long, at most."""
    arrive_ns: int = ARRIVE_NS
    """From the originate to the media leg's StasisStart."""
    digits_in_media: bool = True
    """Whether Asterisk sends digits through the media leg, too."""

    stage: Stage = Stage.ADMITTING
    agent: str | None = None
    """None until the channel's variables have been read."""
    provider: str = ""
    variables: dict[str, str] = msgspec.field(default_factory=dict)
    """What the dialplan said, for the agent."""
    early: bool = False
    """The caller is not to be answered until the agent says so: they hear it as early media."""
    playback: Literal["stream", "file"] = "stream"
    transports: tuple[Transport, ...] = ("audiosocket",)
    """In the order in which they are tried."""
    transport: int = 0
    """Which of them is in use, or is tried next."""
    reading: Part = Part()
    rings: Part = Part()
    segment: str = ""
    conversation: Part = Part()
    answered: Part = Part()
    progressed: Part = Part()
    """Early media: the caller's telephone was told that sound comes before the answer."""
    bridge: Part = Part()
    joined: Part = Part()
    """The caller's leg in the bridge."""
    music: Part = Part()
    """Music that the caller hears instead of the agent."""
    held: bool = False
    """The agent has asked for music."""
    media: MediaLeg | None = None
    old_media: tuple[MediaLeg, ...] = ()
    """Legs that are not wanted any more and not yet gone."""
    expecting: Part = Part()
    """The announcement of the next media leg's UUID."""
    consult: Consult | None = None
    setbacks_ns: tuple[int, ...] = ()
    """When a leg was lost or could not be set up, as far as it still counts."""
    bridged_ns: int = 0
    """When both legs were in the bridge for the first time; 0 before."""
    results: dict[str, str] = msgspec.field(default_factory=dict)
    """Channel variables that the dialplan gets when the caller leaves us."""
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

    @property
    def agents_bridge(self) -> str:
        """Where the media leg belongs: with the caller, or with the person who is being asked."""
        asking = self.consult is not None and self.consult.talk in (Talk.ASKING, Talk.JOINING)
        return self.consult.bridge_id if self.consult is not None and asking else self.bridge_id

    @property
    def next_transport(self) -> Transport:
        return self.transports[self.transport % len(self.transports)]


class SessionStore:
    """The sessions by call id, and the call of any channel or bridge."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}
        self._calls_of_parts: dict[str, str] = {}
        """By the ids of media legs, persons' legs and the bridges where they are asked."""

    def __iter__(self) -> Iterator[Session]:
        return iter(tuple(self._sessions.values()))

    def __len__(self) -> int:
        return len(self._sessions)

    def get(self, call_id: str) -> Session | None:
        return self._sessions.get(call_id)

    def of_channel(self, channel_id: str) -> Session | None:
        """The call whose caller's, media or person's leg this is."""
        return self._sessions.get(self._calls_of_parts.get(channel_id, channel_id))

    def of_bridge(self, identifier: str) -> Session | None:
        call_id = self._calls_of_parts.get(identifier, identifier.removeprefix(BRIDGE_PREFIX))
        return self._sessions.get(call_id)

    def put(self, session: Session) -> None:
        """Takes the place of what is stored under the same call id."""
        self._forget_parts(session.call_id)
        self._sessions[session.call_id] = session
        for part in _parts(session):
            self._calls_of_parts[part] = session.call_id

    def drop(self, call_id: str) -> None:
        self._forget_parts(call_id)
        self._sessions.pop(call_id, None)

    def _forget_parts(self, call_id: str) -> None:
        before = self._sessions.get(call_id)
        for part in _parts(before) if before else ():
            self._calls_of_parts.pop(part, None)


def _parts(session: Session) -> list[str]:
    parts = [leg.channel_id for leg in session.media_legs]
    if session.consult is not None:
        parts += [session.consult.channel_id, session.consult.bridge_id]
    return parts
