"""What the state machine of a call (`legs`) wants done. `hands` does it and answers each with one event.

`Note`, `Reply` and `Abandon` are done at once and not answered.
"""

import msgspec


class Command(msgspec.Struct, frozen=True):
    """Base of all commands."""


class Place(msgspec.Struct, frozen=True):
    """A place in the dialplan."""

    context: str
    extension: str
    priority: int


# -- admission ---------------------------------------------------------------------------------------------------------


class ReadAgent(Command, frozen=True):
    """Which agent the dialplan asks for: channel variable `AI_AGENT`. Answer: `AgentRead`."""

    channel_id: str


class OpenRings(Command, frozen=True):
    """`OpenCall` at the supervisor: rings and an audio actor. Answer: `RingsOpened`."""

    call_id: str
    rate: int
    media_uuid: str
    """"" to have one made; a direct call's is that of its connection."""


class StartConversation(Command, frozen=True):
    call_id: str
    segment: str
    agent: str
    caller_number: str
    caller_name: str
    arrived_ns: int


# -- the legs ----------------------------------------------------------------------------------------------------------


class Answer(Command, frozen=True):
    channel_id: str


class CreateBridge(Command, frozen=True):
    bridge_id: str


class ExpectMedia(Command, frozen=True):
    """Announce a new media UUID to the supervisor. Answer: `MediaExpected`."""

    call_id: str


class Originate(Command, frozen=True):
    """The media leg: Asterisk dials our AudioSocket server."""

    call_id: str
    channel_id: str
    media_uuid: str
    rate: int


class Join(Command, frozen=True):
    """Add a channel to the bridge."""

    bridge_id: str
    channel_id: str


# -- the caller leaves -------------------------------------------------------------------------------------------------


class SetStatus(Command, frozen=True):
    """Channel variable `AGENT_STATUS`, for the dialplan that goes on."""

    channel_id: str
    status: str


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
