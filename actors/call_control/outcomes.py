"""What came of a command: how its answer changes the session. Answers that fit nothing pending change nothing."""

import msgspec

from actors.call_control.commands import (
    Answer,
    CloseRings,
    Command,
    Continue,
    CreateBridge,
    EndConversation,
    ExpectMedia,
    HangUpCaller,
    Join,
    OpenRings,
    Originate,
    ReadAgent,
    RemoveBridge,
    RemoveMedia,
    Reply,
    SetStatus,
    StartConversation,
)
from actors.call_control.events import Failed, Why
from actors.call_control.moves import (
    GONE,
    LEAVE_TRIES,
    THERE,
    Move,
    again,
    answer_departure,
    caller_gone,
    changed_leg,
    depart,
    leave_pause_ns,
    leg_of,
    lose_media,
    not_removed,
    pause_ns,
    setback,
)
from actors.call_control.rules import LEAVE_NS
from actors.call_control.sessions import Departure, MediaLeg, Part, Stage, State


def performed(move: Move, command: Command) -> None:
    session = move.session
    match command:
        case StartConversation() if session.conversation.state is State.PENDING:
            move.set(conversation=THERE)
        case Answer() if session.answered.state is State.PENDING:
            move.set(answered=THERE)
            move.note("answered")
        case CreateBridge() if session.bridge.state is State.PENDING:
            move.set(bridge=THERE)
        case Originate(channel_id=channel_id):
            _leg_changed(move, channel_id, State.PENDING, THERE)
        case Join(channel_id=channel_id):
            _joined(move, channel_id)
        case SetStatus():
            _status_set(move)
        case Continue() | HangUpCaller():
            _taken_on(move)
        case RemoveMedia(channel_id=channel_id):
            _leg_changed(move, channel_id, State.REMOVING, GONE)
        case RemoveBridge() if session.bridge.state is State.REMOVING:
            move.set(bridge=GONE)
        case EndConversation() if session.conversation.state is State.REMOVING:
            move.set(conversation=GONE)
        case CloseRings() if session.rings.state is State.REMOVING:
            move.set(rings=GONE)


def failed(move: Move, failure: Failed) -> None:
    command, why, text = failure.command, failure.why, failure.text
    match command:
        case ReadAgent() if move.session.agent is None:
            move.set(agent="")
        case OpenRings() | StartConversation():
            _not_admitted(move, failure)
        case ExpectMedia() | CreateBridge() | Answer() | Join():
            _not_connected(move, failure)
        case Originate(channel_id=channel_id):
            _not_originated(move, channel_id, why, text)
        case SetStatus() if why is Why.GONE:
            caller_gone(move, text)
        case SetStatus():
            _status_set(move)
        case Continue() | HangUpCaller():
            _not_taken_on(move, why, text)
        case RemoveMedia() | RemoveBridge() | EndConversation() | CloseRings():
            if why is Why.GONE:
                performed(move, command)
            else:
                _not_removed(move, command, text)


def _leg_changed(move: Move, channel_id: str, expected: State, channel: Part) -> None:
    leg = leg_of(move.session, channel_id)
    if leg is not None and leg.channel.state is expected:
        changed_leg(move, leg, channel=channel)


def _joined(move: Move, channel_id: str) -> None:
    leg = leg_of(move.session, channel_id)
    if leg is not None and leg.joined.state is State.PENDING:
        changed_leg(move, leg, joined=THERE)
    elif channel_id == move.session.call_id and move.session.joined.state is State.PENDING:
        move.set(joined=THERE)


def _status_set(move: Move) -> None:
    """Also when it could not be set: a caller without the variable is better off than one who stays with us."""
    departure = move.session.departure
    if departure is not None and departure.variable.state is State.PENDING:
        move.set(departure=msgspec.structs.replace(departure, variable=THERE))


def _taken_on(move: Move) -> None:
    departure = move.session.departure
    if departure is None or departure.going.state is not State.PENDING:
        return
    move.set(departure=msgspec.structs.replace(departure, going=THERE, gone_by_ns=move.now + LEAVE_NS))
    answer_departure(move, refusal="")
    if departure.destination:
        move.note("transferred", destination=departure.destination)


def _not_taken_on(move: Move, why: Why, text: str) -> None:
    departure = move.session.departure
    if departure is None or departure.going.state is not State.PENDING:
        return
    if why is Why.GONE:
        if departure.going.tries == 0:  # else an earlier try, whose answer never came, has worked
            move.set(departure=msgspec.structs.replace(departure, going=Part()))
        caller_gone(move, text)
        return
    going = again(departure.going, leave_pause_ns(departure.going.tries), move.now)
    move.set(departure=msgspec.structs.replace(departure, going=going))
    if departure.hang_up:
        if going.tries >= LEAVE_TRIES:
            caller_gone(move, f"could not be hung up: {text}")
    elif why is Why.REFUSED or going.tries >= LEAVE_TRIES:
        answer_departure(move, refusal=text)
        if departure.destination:  # a transfer that fails is no reason to end the call: the agent goes on
            move.note("transfer failed", destination=departure.destination, reason=text)
            move.set(departure=None, stage=Stage.CONNECTING)
        else:
            depart(move, Departure(hang_up=True, cause=departure.cause))


def _not_admitted(move: Move, failure: Failed) -> None:
    """The caller is sent on with BUSY. What may have been done in spite of the failure counts as there."""
    session = move.session
    part = THERE if failure.why is Why.UNKNOWN else GONE
    if isinstance(failure.command, OpenRings) and session.rings.state is State.PENDING:
        move.set(rings=part)
    elif isinstance(failure.command, StartConversation) and session.conversation.state is State.PENDING:
        move.set(conversation=part)
    else:
        return
    if session.offer:
        move.do(Reply(session.offer, refusal=failure.text, busy=failure.busy))
        move.set(offer=0)
    if session.stage is Stage.ADMITTING:
        depart(move, Departure(hang_up=False, cause=f"not admitted: {failure.text}", status="BUSY"))


def _not_connected(move: Move, failure: Failed) -> None:
    session, why, text = move.session, failure.why, failure.text
    match failure.command:
        case ExpectMedia() if session.expecting.state is State.PENDING:
            setback(move, text)
            move.set(expecting=again(Part(), pause_ns(move.session), move.now))
        case CreateBridge() if session.bridge.state is State.PENDING:
            if why is Why.UNKNOWN:
                move.set(bridge=THERE)  # if it is not, the first join will say so
            else:
                setback(move, text)
                move.set(bridge=again(Part(), pause_ns(move.session), move.now))
        case Answer() if session.answered.state is State.PENDING:
            if why is Why.GONE:
                move.set(answered=GONE)
                caller_gone(move, text)
            else:
                setback(move, text)
                move.set(answered=again(Part(), pause_ns(move.session), move.now))
        case Join(channel_id=channel_id):
            leg = leg_of(session, channel_id)
            if leg is not None and leg.joined.state is State.PENDING:
                _media_not_joined(move, leg, why, text)
            elif channel_id == session.call_id and session.joined.state is State.PENDING:
                _caller_not_joined(move, why, text)


def _media_not_joined(move: Move, leg: MediaLeg, why: Why, text: str) -> None:
    leg = changed_leg(move, leg, joined=Part())
    if move.session.media is not leg:
        return
    if why is Why.NO_BRIDGE:
        bridge_gone(move, text)
    elif why is Why.GONE:
        lose_media(move, text)
    else:
        setback(move, text)
        changed_leg(move, leg, joined=again(Part(), pause_ns(move.session), move.now))


def _caller_not_joined(move: Move, why: Why, text: str) -> None:
    move.set(joined=Part())
    if why is Why.NO_BRIDGE:
        bridge_gone(move, text)
    elif why is Why.GONE:
        caller_gone(move, text)
    else:
        setback(move, text)
        move.set(joined=again(Part(), pause_ns(move.session), move.now))


def bridge_gone(move: Move, why: str) -> None:
    """The bridge that was there is there no more: nobody is in it. A caller who was leaving may yet come back to us."""
    session = move.session
    if session.bridge.state is not State.THERE:
        return
    move.set(bridge=Part(), joined=_out(session.joined))
    if session.media is not None:
        changed_leg(move, session.media, joined=_out(session.media.joined))
    setback(move, why)
    if move.session.stage is Stage.CONNECTING:
        move.set(bridge=again(Part(), pause_ns(move.session), move.now))


def _out(joined: Part) -> Part:
    """A join that is still on its way will fail and say so."""
    return joined if joined.state is State.PENDING else Part()


def _not_originated(move: Move, channel_id: str, why: Why, text: str) -> None:
    leg = leg_of(move.session, channel_id)
    if leg is None or leg.channel.state is not State.PENDING:
        return
    made = leg.in_stasis or why is Why.UNKNOWN
    changed_leg(move, leg, channel=THERE if made else GONE)
    current = move.session.media
    if current is not None and current.uuid == leg.uuid and not leg.in_stasis:
        lose_media(move, text)
        move.set(expecting=again(Part(), pause_ns(move.session), move.now))


def _not_removed(move: Move, command: Command, text: str) -> None:
    session = move.session
    match command:
        case RemoveMedia(channel_id=channel_id):
            leg = leg_of(session, channel_id)
            if leg is not None and leg.channel.state is State.REMOVING:
                part = not_removed(move, leg.channel, f"media leg {channel_id}", text)
                changed_leg(move, leg, channel=part)
        case RemoveBridge() if session.bridge.state is State.REMOVING:
            move.set(bridge=not_removed(move, session.bridge, f"bridge {session.bridge_id}", text))
        case EndConversation() if session.conversation.state is State.REMOVING:
            what = f"the conversation of {session.call_id}"
            move.set(conversation=not_removed(move, session.conversation, what, text))
        case CloseRings() if session.rings.state is State.REMOVING:
            move.set(rings=not_removed(move, session.rings, f"the rings of {session.call_id}", text))
