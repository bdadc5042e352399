"""What the state machine of a call (`legs`) wants done. `hands` does it and answers each with one event.

`Note`, `Reply`, `Tell`, `Judge` and `Abandon` are done at once and not answered.
"""

from typing import Literal

import msgspec

from config.media import Transport
from ipc.messages import Message


class Command(msgspec.Struct, frozen=True, tag=True):
    """Base of all commands. The tag is for those that are kept on disk until they are answered (`store`)."""


class Place(msgspec.Struct, frozen=True):
    """A place in the dialplan."""

    context: str
    extension: str
    priority: int


# -- admission ---------------------------------------------------------------------------------------------------------


class ReadCall(Command, frozen=True):
    """What the dialplan asks for (`AI_AGENT` and others), and what the caller's codec is. Answer: `CallRead`."""

    channel_id: str


class OpenRings(Command, frozen=True):
    """`OpenCall` at the supervisor: rings and an audio actor. Answer: `RingsOpened`."""

    call_id: str
    rate: int
    media_uuid: str
    """"" to have one made; a direct call's is that of its connection."""
    transport: Transport = "audiosocket"
    playback: Literal["stream", "file"] = "stream"


class StartConversation(Command, frozen=True):
    call_id: str
    segment: str
    agent: str
    caller_number: str
    caller_name: str
    arrived_ns: int
    provider: str = ""
    outbound: bool = False
    variables: dict[str, str] = msgspec.field(default_factory=dict)


class OriginateCaller(Command, frozen=True):
    """An outbound call: Asterisk dials whom we want to talk to. They are the caller of this call from then on."""

    channel_id: str
    endpoint: str
    caller_id: str
    ring_s: int
    variables: dict[str, str]


# -- the legs ----------------------------------------------------------------------------------------------------------


class Answer(Command, frozen=True):
    channel_id: str


class Progress(Command, frozen=True):
    """Tell the caller's telephone that sound comes before the answer (SIP 183)."""

    channel_id: str


class CreateBridge(Command, frozen=True):
    bridge_id: str


class ExpectMedia(Command, frozen=True):
    """Announce a new media UUID to the supervisor. Answer: `MediaExpected`."""

    call_id: str
    transport: Transport = "audiosocket"


class Originate(Command, frozen=True):
    """The media leg. Answer: `MediaLegMade`."""

    call_id: str
    channel_id: str
    media_uuid: str
    rate: int
    transport: Transport = "audiosocket"
    host: str = ""
    """Of RTP: where Asterisk is to send its packets."""
    port: int = 0


class ConnectMedia(Command, frozen=True):
    """Tell the supervisor where Asterisk's end of the media leg is."""

    call_id: str
    media_uuid: str
    host: str
    port: int
    path: str
    codec: str


class Join(Command, frozen=True):
    """Add a channel to the bridge; it leaves the one in which it was."""

    bridge_id: str
    channel_id: str


class StartMusic(Command, frozen=True):
    channel_id: str


class StopMusic(Command, frozen=True):
    channel_id: str


class OriginatePerson(Command, frozen=True):
    """An attended transfer: ring somebody."""

    channel_id: str
    endpoint: str
    call_id: str
    ring_s: int
    caller_number: str
    caller_name: str


# -- the caller leaves -------------------------------------------------------------------------------------------------


class PlaySound(Command, frozen=True):
    """The caller hears it; its end is the event `SoundEnded`."""

    channel_id: str
    bridge_id: str
    """The bridge in which the caller is; "" when they are in none."""
    media: str
    playback_id: str


class SetVariables(Command, frozen=True):
    """Channel variables, for the dialplan that goes on."""

    channel_id: str
    variables: dict[str, str]


class Continue(Command, frozen=True):
    """Back to the dialplan: to `place`, or to the priority after `Stasis()`."""

    channel_id: str
    place: Place | None


class HangUpCaller(Command, frozen=True):
    channel_id: str


# -- what was made is removed ------------------------------------------------------------------------------------------


class RemoveMedia(Command, frozen=True):
    """Hang up a media leg."""

    channel_id: str


class RemovePerson(Command, frozen=True):
    """Hang up the leg of a person who was called."""

    channel_id: str


class RemoveBridge(Command, frozen=True):
    bridge_id: str


class EndConversation(Command, frozen=True):
    call_id: str
    cause: str


class CloseRings(Command, frozen=True):
    """`CloseCall` at the supervisor: audio actor, media connection and rings."""

    call_id: str


# -- done at once, not answered ----------------------------------------------------------------------------------------


class Note(Command, frozen=True):
    """`CallNote` to the conversation, for the call's journal."""

    call_id: str
    what: str
    detail: dict[str, str]


class Tell(Command, frozen=True):
    """A note to the conversation that changes what it does."""

    call_id: str
    message: Message


class Judge(Command, frozen=True):
    """A transport has worked, or has failed, for this call: the next calls may want to know."""

    transport: Transport
    worked: bool


class Reply(Command, frozen=True):
    """The answer to a request that came over the bus."""

    request: int
    refusal: str = ""
    """"" for `Done`."""
    busy: bool = False


class Abandon(Command, frozen=True):
    """Something could not be removed in all tries; the next comparison with Asterisk finds it again."""

    what: str
    text: str
