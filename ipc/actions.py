"""What an agent has done to a call besides hanging up and sending it on (`ipc.messages`), and what it is told of it.

Commands of the conversation to the call-control that holds the call, and that call-control's notes back.
"""

from typing import Literal

from msgspec import field

from ipc.messages import Message

# -- to call-control --------------------------------------------------------------------------------------------------


class Consult(Message, frozen=True):
    """Begin an attended transfer: ring the destination while the caller stays with the agent. Answer: `Done` once it
    rings; then `ConsultChanged` as notes to the conversation."""

    call_id: str
    destination: str


class DecideConsult(Message, frozen=True):
    """The person to whom the agent now talks has accepted the caller, or has declined. Answer: `Done` once it is done:
    caller and person talk, or the person is gone and the agent is back with the caller."""

    call_id: str
    accepted: bool
    reason: str = ""


class CancelConsult(Message, frozen=True):
    """The caller wants no transfer any more, or the agent gives up. Answer: `Done`, as that of `DecideConsult`."""

    call_id: str


class HoldCaller(Message, frozen=True):
    """Let the caller hear music instead of the agent, or take them back. Answer: `Done`."""

    call_id: str
    on: bool


class SendDigits(Message, frozen=True):
    """Press keys towards the caller's channel (an outbound call's menu). Answer: `Done`."""

    call_id: str
    digits: str


class RecordCall(Message, frozen=True):
    """Asterisk's own recording of the call's bridge. Answer: `Done`."""

    call_id: str
    on: bool


class AskExtension(Message, frozen=True):
    """Whether somebody can be reached at a destination. Answer: `ExtensionState`."""

    call_id: str
    destination: str


class ExtensionState(Message, frozen=True):
    state: str
    """As Asterisk calls it: NOT_INUSE, INUSE, BUSY, RINGING, RINGINUSE, ONHOLD, UNAVAILABLE, INVALID, UNKNOWN."""
    reachable: bool
    """False where it would ring nowhere, or is in use."""


class SetResult(Message, frozen=True):
    """Channel variables for the dialplan, set when the caller leaves us: `AGENT_OUTCOME` and others. Later values of
    the same name count. Answer: `Done`."""

    call_id: str
    variables: dict[str, str]


class AnswerCall(Message, frozen=True):
    """The caller hears the agent as early media: answer them now. Answer: `Done`, also when they are answered."""

    call_id: str


class PlaceCall(Message, frozen=True):
    """Call somebody. Answer: `CallPlaced` once Asterisk dials."""

    number: str
    agent: str = ""
    provider: str = ""
    profile: str = ""
    variables: dict[str, str] = field(default_factory=dict)
    """Set on the channel that is called."""


class CallPlaced(Message, frozen=True):
    call_id: str


# -- from the conversation to the supervisor ---------------------------------------------------------------------------


class CallRefused(Message, frozen=True):
    """Note to the supervisor: a caller was not taken, for a reason that it does not see. It counts them all."""

    reason: str
    """In a few words, always the same: a key of `calls_refused`."""


# -- to conversation --------------------------------------------------------------------------------------------------


class CallAnswered(Message, frozen=True):
    """Note: an outbound call has been answered, and its media is up: whoever it is can be heard from now on."""

    call_id: str


class KeyPressed(Message, frozen=True):
    """Note: whoever hears the agent has pressed a key, on a line that does not carry keys beside the audio (RTP, or an
    Asterisk too old). Where it does, they come through the ear, in order with the words."""

    call_id: str
    digit: str


class CallHeld(Message, frozen=True):
    """Note: the caller has put us on hold with their telephone, or is back."""

    call_id: str
    held: bool


class ConsultChanged(Message, frozen=True):
    """Note: how an attended transfer goes.

    `asking`: the person has answered and hears the agent now, the caller hears music: tell them who and why, and send
    `DecideConsult`. `joined`: caller and person talk, the agent is out. `ended`: nothing came of it, the agent is back
    with the caller (`reason` says why: busy, no answer, declined, cancelled, the person hung up ...).
    """

    call_id: str
    state: Literal["asking", "joined", "ended"]
    reason: str = ""
