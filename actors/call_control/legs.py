"""The state machine of one call's legs: caller, media leg, bridge, and what belongs to them elsewhere.

    ADMITTING --> CONNECTING <--> TALKING        a lost media leg or bridge leads back to CONNECTING, never to the end
        |  |        ^ |              | |
        |  +-> DIALLING              | +--> HANDED    an attended transfer was accepted (`consult`): the agent is out
        |             |              |        |
        +-------------+--------------+--------+--> LEAVING    hang-up, transfer, refusal, failure: the caller is sent on
        |             |              |        |       |
        +-------------+--------------+--------+-------+--> CLEARING --> OVER     the caller's leg has ended

A call that we make ourselves is DIALLING until somebody answers, who is its caller from then on.

A direct call (dialplan application AudioSocket) has no legs of ours: it goes ADMITTING, TALKING, CLEARING, OVER, and
the end of its media connection is the end of its caller.

    what happened (`events`) --> step --> what to do (`commands`), answered by further events

Pure: time comes in as a number (CLOCK_MONOTONIC ns), nothing waits, and any event may come in any state: what does not
fit changes nothing. Each thing made has a `Part` that says whether its making or removal is under way. So whatever
order the answers come in, all that was made is removed once, after the caller has gone and its making was answered.
"""

import msgspec

from actors.call_control import consult
from actors.call_control.commands import Command, Reply
from actors.call_control.events import (
    AnswerAsked,
    Begun,
    BridgeGone,
    CallerAnswered,
    CallerHeld,
    CallerLeft,
    CallRead,
    ConsultAsked,
    ConsultDecided,
    ConversationLost,
    DigitPressed,
    Event,
    Failed,
    HangUpAsked,
    HoldAsked,
    MediaAttached,
    MediaExpected,
    MediaLegArrived,
    MediaLegEnded,
    MediaLegMade,
    MediaLost,
    Performed,
    PersonArrived,
    PersonLeft,
    ResultSet,
    RingsOpened,
    SoundEnded,
    TransferAsked,
)
from actors.call_control.moves import (
    GONE,
    SECOND,
    THERE,
    Move,
    again,
    caller_gone,
    changed_leg,
    depart,
    give_up,
    leg_of,
    lose_media,
    pause_ns,
)
from actors.call_control.outcomes import bridge_gone, failed, leg_made, performed, sound_ended
from actors.call_control.rules import proceed, wake_ns
from actors.call_control.sessions import Departure, MediaLeg, Part, Session, Stage, State
from ipc.actions import CallHeld, KeyPressed

__all__ = ["step", "wake_ns"]

DOUBT_NS = SECOND
"""How long after the supervisor's word that the media connection is lost Asterisk may take to end the leg: normally
both say so within 2 ms, and the leg's end says which leg it was."""


ASKED = (TransferAsked, ConsultAsked, ConsultDecided, HoldAsked, AnswerAsked)
"""Somebody waits for an answer to these, also when the call is over."""


def step(session: Session, event: Event, now: int) -> tuple[Session, list[Command]]:
    """What is known after the event, and what is to be done. A session that is OVER stays so."""
    move = Move(session, now)
    if session.stage is not Stage.OVER or isinstance(event, ASKED):
        _take(move, event)
        proceed(move)
    return move.session, move.commands


def _take(move: Move, event: Event) -> None:
    match event:
        case Performed(command=command):
            performed(move, command)
        case Failed():
            failed(move, event)
        case CallRead() | RingsOpened() | MediaExpected() | MediaLegMade():
            _take_answer(move, event)
        case CallerLeft(cause=cause, hung_up=hung_up):
            caller_gone(move, cause, hung_up=hung_up)
        case MediaLegArrived(channel_id=channel_id):
            _leg_arrived(move, channel_id)
        case MediaLegEnded(channel_id=channel_id, cause=cause):
            _leg_ended(move, channel_id, cause)
        case BridgeGone(bridge_id=identifier) if consult.is_its_bridge(move.session, identifier):
            consult.bridge_gone(move)
        case BridgeGone():
            bridge_gone(move, "somebody deleted the bridge")
        case MediaAttached(moved=moved):
            _media_attached(move, moved)
        case MediaLost():
            _media_lost(move, event)
        case ConversationLost(reason=reason):
            _conversation_lost(move, reason)
        case CallerAnswered():
            _caller_answered(move)
        case PersonArrived(channel_id=channel_id):
            consult.arrived(move, channel_id)
        case PersonLeft(channel_id=channel_id, cause=cause):
            consult.left(move, channel_id, cause)
        case SoundEnded(playback_id=playback_id):
            sound_ended(move, playback_id)
        case CallerHeld(held=held):
            move.note("held by the caller" if held else "taken back by the caller")
            move.tell(CallHeld(call_id=move.session.call_id, held=held))
        case Begun() if move.session.stage not in (Stage.ADMITTING, Stage.CLEARING):
            move.note("adopted")
        case _:
            _take_wish(move, event)


def _take_wish(move: Move, event: Event) -> None:
    """What the conversation wants done, and what the caller presses."""
    match event:
        case DigitPressed():
            _digit_pressed(move, event)
        case HangUpAsked(reason=reason):
            _hang_up_asked(move, reason)
        case TransferAsked():
            _transfer_asked(move, event)
        case ConsultAsked():
            consult.asked(move, event)
        case ConsultDecided():
            consult.decided(move, event)
        case HoldAsked(on=on, request=request):
            refusal = "" if move.session.stage is Stage.TALKING else f"the call is {move.session.stage}"
            if not refusal:
                move.set(held=on)
            move.do(Reply(request, refusal))
        case AnswerAsked(request=request):
            move.set(early=False)
            move.do(Reply(request))
        case ResultSet(variables=variables):
            move.set(results={**move.session.results, **variables})


def _take_answer(move: Move, answer: CallRead | RingsOpened | MediaExpected | MediaLegMade) -> None:
    session = move.session
    match answer:
        case CallRead() if session.agent is None:
            move.set(
                agent=answer.agent,
                provider=answer.provider,
                rate=answer.rate,
                transports=answer.transports,
                playback=answer.playback,
                early=answer.early,
                variables={**session.variables, **answer.variables},
            )
        case RingsOpened(segment=segment, media_uuid=uuid) if session.rings.state is State.PENDING:
            move.set(rings=THERE, segment=segment)
            if session.offer:
                move.do(Reply(session.offer))
                move.set(offer=0)
            if not session.direct and session.stage is Stage.ADMITTING:
                leg = MediaLeg(uuid=uuid, transport=session.next_transport, host=answer.host, port=answer.port)
                move.set(media=leg)
        case MediaExpected(media_uuid=uuid) if session.expecting.state is State.PENDING:
            move.set(expecting=Part())
            if session.stage in (Stage.CONNECTING, Stage.TALKING) and session.media is None:
                leg = MediaLeg(uuid=uuid, transport=answer.transport, host=answer.host, port=answer.port)
                move.set(media=leg)
        case MediaLegMade(channel_id=channel_id, remote=remote):
            leg_made(move, channel_id, remote)


def _caller_answered(move: Move) -> None:
    """Whom we called has answered: from now on this is a call like any other."""
    outbound = move.session.outbound
    if outbound is None or move.session.stage is not Stage.DIALLING:
        return
    dialled = msgspec.structs.replace(outbound, dialled=THERE)
    move.set(outbound=dialled, answered=THERE, stage=Stage.CONNECTING)
    move.note("answered")


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


def _media_lost(move: Move, lost: MediaLost) -> None:
    """Asterisk normally ends the leg in the same moment. It may mean a leg that has a successor already: so the current
    one is only doubted, until Asterisk ends it or the supervisor attaches it."""
    session = move.session
    leg = session.media
    if session.direct:
        caller_gone(move, f"media connection ended: {lost.reason}")
    elif leg is not None and leg.channel.state is not State.NONE and lost.media_uuid in ("", leg.uuid):
        changed_leg(move, leg, doubt_until_ns=move.now + DOUBT_NS)


def _conversation_lost(move: Move, reason: str) -> None:
    if move.session.conversation.state is not State.THERE:
        return
    move.set(conversation=GONE)
    if move.session.stage in (Stage.DIALLING, Stage.CONNECTING, Stage.TALKING):
        give_up(move, reason)


def _digit_pressed(move: Move, pressed: DigitPressed) -> None:
    """Digits come through the media leg, in order with the words of whoever is with it. ARI's are used only where that
    leg cannot carry them: before it is bridged, over RTP, and with an Asterisk too old to send them."""
    session = move.session
    leg, consulted = session.media, session.consult
    with_person = consulted is not None and session.agents_bridge == consulted.bridge_id
    if with_person != bool(pressed.channel_id):
        return  # whoever has pressed it does not hear the agent now
    inside = leg is not None and leg.joined.state is State.THERE and leg.where == session.agents_bridge
    carried = inside and leg is not None and leg.transport != "rtp" and session.digits_in_media
    if not carried:
        move.tell(KeyPressed(call_id=session.call_id, digit=pressed.digit))


def _hang_up_asked(move: Move, reason: str) -> None:
    if move.session.stage in (Stage.ADMITTING, Stage.DIALLING, Stage.CONNECTING, Stage.TALKING):
        move.note("hang-up asked", reason=reason)
        depart(move, Departure(hang_up=True, cause=f"hung up by the agent: {reason}", status="DONE"))


def _transfer_asked(move: Move, asked: TransferAsked) -> None:
    if move.session.stage not in (Stage.CONNECTING, Stage.TALKING):
        move.do(Reply(asked.request, refusal=f"the call is {move.session.stage}: there is nobody to transfer"))
        return
    move.note("transfer asked", destination=asked.destination)
    nowhere = asked.status == "FAILED" and asked.place is None
    depart(
        move,
        Departure(
            hang_up=False,
            cause="the agent could not go on" if nowhere else f"transferred to {asked.destination}",
            status=asked.status,
            place=asked.place,
            destination=asked.destination,
            request=asked.request,
            variables=asked.variables,
            sound=asked.sound,
        ),
    )
