"""The state machine of one call's legs: caller, media leg, bridge, and what belongs to them elsewhere.

    ADMITTING --> CONNECTING <--> TALKING        a lost media leg or bridge leads back to CONNECTING, never to the end
        |             |              |
        +-------------+--------------+--> LEAVING     hang-up, transfer, refusal, failure: the caller is sent away
        |             |              |       |
        +-------------+--------------+-------+--> CLEARING --> OVER     the caller's leg has ended

A direct call (dialplan application AudioSocket) has no legs of ours: it goes ADMITTING, TALKING, CLEARING, OVER, and
the end of its media connection is the end of its caller.

    what happened (`events`) --> step --> what to do (`commands`), answered by further events

Pure: time comes in as a number (CLOCK_MONOTONIC ns), nothing waits, and any event may come in any state: what does not
fit changes nothing. Each thing made has a `Part` that says whether its making or removal is under way. So whatever
order the answers come in, all that was made is removed once, after the caller has gone and its making was answered.
"""

from actors.call_control.commands import Command, Reply
from actors.call_control.events import (
    AgentRead,
    Begun,
    BridgeGone,
    CallerLeft,
    ConversationLost,
    DigitPressed,
    Event,
    Failed,
    HangUpAsked,
    MediaAttached,
    MediaExpected,
    MediaLegArrived,
    MediaLegEnded,
    MediaLost,
    Performed,
    RingsOpened,
    TransferAsked,
)
from actors.call_control.moves import (
    GONE,
    SECOND,
    THERE,
    Move,
    again,
    bridged,
    caller_gone,
    changed_leg,
    depart,
    give_up,
    leg_of,
    lose_media,
    pause_ns,
)
from actors.call_control.outcomes import bridge_gone, failed, performed
from actors.call_control.rules import proceed, wake_ns
from actors.call_control.sessions import Departure, MediaLeg, Part, Session, Stage, State

__all__ = ["step", "wake_ns"]

DOUBT_NS = SECOND
"""How long after the supervisor's word that the media connection is lost Asterisk may take to end the leg: normally
both say so within 2 ms, and the leg's end says which leg it was."""


def step(session: Session, event: Event, now: int) -> tuple[Session, list[Command]]:
    """What is known after the event, and what is to be done. A session that is OVER stays so."""
    move = Move(session, now)
    if session.stage is not Stage.OVER or isinstance(event, TransferAsked):  # which has to be answered
        _take(move, event)
        proceed(move)
    return move.session, move.commands


def _take(move: Move, event: Event) -> None:
    match event:
        case Performed(command=command):
            performed(move, command)
        case Failed():
            failed(move, event)
        case AgentRead() | RingsOpened() | MediaExpected():
            _take_answer(move, event)
        case CallerLeft(cause=cause):
            caller_gone(move, cause)
        case MediaLegArrived(channel_id=channel_id):
            _leg_arrived(move, channel_id)
        case MediaLegEnded(channel_id=channel_id, cause=cause):
            _leg_ended(move, channel_id, cause)
        case BridgeGone():
            bridge_gone(move, "somebody deleted the bridge")
        case MediaAttached(moved=moved):
            _media_attached(move, moved)
        case MediaLost(reason=reason):
            _media_lost(move, reason)
        case ConversationLost(reason=reason):
            _conversation_lost(move, reason)
        case DigitPressed(digit=digit):
            _digit_pressed(move, digit)
        case HangUpAsked(reason=reason):
            _hang_up_asked(move, reason)
        case TransferAsked():
            _transfer_asked(move, event)
        case Begun() if move.session.stage is Stage.CONNECTING:
            move.note("adopted")


def _take_answer(move: Move, answer: AgentRead | RingsOpened | MediaExpected) -> None:
    session = move.session
    match answer:
        case AgentRead(agent=agent) if session.agent is None:
            move.set(agent=agent)
        case RingsOpened(segment=segment, media_uuid=uuid) if session.rings.state is State.PENDING:
            move.set(rings=THERE, segment=segment)
            if session.offer:
                move.do(Reply(session.offer))
                move.set(offer=0)
            if not session.direct and session.stage is Stage.ADMITTING:
                move.set(media=MediaLeg(uuid=uuid))
        case MediaExpected(media_uuid=uuid) if session.expecting.state is State.PENDING:
            move.set(expecting=Part())
            if session.stage is Stage.CONNECTING and session.media is None:
                move.set(media=MediaLeg(uuid=uuid))


def _leg_arrived(move: Move, channel_id: str) -> None:
    leg = leg_of(move.session, channel_id)
    if leg is not None and leg.channel.state in (State.PENDING, State.THERE):
        changed_leg(move, leg, in_stasis=True)


def _leg_ended(move: Move, channel_id: str, cause: str) -> None:
    leg = leg_of(move.session, channel_id)
    if leg is None or leg.channel.state is State.NONE:
        return
    changed_leg(move, leg, ended=True)
    if move.session.media is not None and move.session.media.uuid == leg.uuid:
        lose_media(move, cause)
        move.set(expecting=again(Part(), pause_ns(move.session), move.now))


def _media_attached(move: Move, moved: bool) -> None:
    if move.session.media is not None:
        changed_leg(move, move.session.media, doubt_until_ns=0)
    move.note("media moved" if moved else "media attached")


def _media_lost(move: Move, reason: str) -> None:
    """The supervisor does not say which leg it was: it may mean the last one, while its successor is coming up. So the
    current leg is only doubted, until Asterisk ends it or the supervisor attaches it."""
    if move.session.direct:
        caller_gone(move, f"media connection ended: {reason}")
    elif move.session.media is not None and move.session.media.channel.state is not State.NONE:
        changed_leg(move, move.session.media, doubt_until_ns=move.now + DOUBT_NS)


def _conversation_lost(move: Move, reason: str) -> None:
    if move.session.conversation.state is not State.THERE:
        return
    move.set(conversation=GONE)
    if move.session.stage in (Stage.CONNECTING, Stage.TALKING):
        give_up(move, reason)


def _digit_pressed(move: Move, digit: str) -> None:
    """Digits come through the media leg, in order with the caller's words. ARI's are used only where that leg cannot
    carry them: before both legs are bridged, and with an Asterisk too old to send them (`version`)."""
    if not bridged(move.session) or not move.session.digits_in_media:
        move.note("digit", digit=digit)


def _hang_up_asked(move: Move, reason: str) -> None:
    if move.session.stage in (Stage.ADMITTING, Stage.CONNECTING, Stage.TALKING):
        move.note("hang-up asked", reason=reason)
        depart(move, Departure(hang_up=True, cause=f"hung up by the agent: {reason}"))


def _transfer_asked(move: Move, asked: TransferAsked) -> None:
    if move.session.stage not in (Stage.CONNECTING, Stage.TALKING):
        move.do(Reply(asked.request, refusal=f"the call is {move.session.stage}: there is nobody to transfer"))
        return
    move.note("transfer asked", destination=asked.destination)
    depart(
        move,
        Departure(
            hang_up=False,
            cause=f"transferred to {asked.destination}",
            status=asked.status,
            place=asked.place,
            destination=asked.destination,
            request=asked.request,
        ),
    )
