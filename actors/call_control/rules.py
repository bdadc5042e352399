"""What is to be done next for a call, given all that is known of it: one rule set a stage.

A rule that has nothing to do changes nothing, so they may be asked after every event.
"""

import msgspec

from actors.call_control.commands import (
    Answer,
    CloseRings,
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
    SetStatus,
    StartConversation,
)
from actors.call_control.moves import (
    PENDING,
    SECOND,
    Move,
    bridged,
    caller_gone,
    changed_leg,
    lose_media,
    retire_media,
    under_way,
)
from actors.call_control.sessions import MediaLeg, Part, Session, Stage, State

ARRIVE_NS = 8 * SECOND
"""From the originate to the media leg's StasisStart: normally 2 ms; Asterisk itself tries to connect for 2 s."""
LEAVE_NS = 5 * SECOND
"""From the answer to a hang-up or `continue` to the caller's StasisEnd: normally 1 ms."""


def proceed(move: Move) -> None:
    """Applies the rules of the stage, and of those that it leads to."""
    stage = None
    while stage is not move.session.stage:
        stage = move.session.stage
        match stage:
            case Stage.ADMITTING:
                _admit(move)
            case Stage.CONNECTING | Stage.TALKING:
                _connect(move)
            case Stage.LEAVING:
                _leave(move)
            case Stage.CLEARING:
                _clear(move)


def wake_ns(session: Session, now: int) -> int | None:
    """When `TimePassed` is due; None when only other events move the call.

    What was due up to `now` and is still undone waits for an answer, not for time.
    """
    moments: list[int] = [part.due_ns for part in _parts(session) if part.state in (State.NONE, State.THERE)]
    if session.media is not None:
        moments += [session.media.doubt_until_ns]
        moments += [] if session.media.in_stasis else [session.media.arrive_by_ns]
    if session.departure is not None and session.departure.going.state is State.THERE:
        moments.append(session.departure.gone_by_ns)
    return min((moment for moment in moments if moment > now), default=None)


def _parts(session: Session) -> list[Part]:
    parts = [session.rings, session.conversation, session.bridge]
    if session.stage in (Stage.CONNECTING, Stage.TALKING):
        parts += [session.answered, session.joined]
        parts += [session.expecting] if session.media is None else [session.media.joined]
    if session.stage is Stage.LEAVING and session.departure is not None:
        parts.append(session.departure.going)
    return parts + [leg.channel for leg in session.old_media]


def _admit(move: Move) -> None:
    session = move.session
    if session.agent is None and session.reading.state is State.NONE:
        move.set(reading=PENDING)
        move.do(ReadAgent(session.call_id))
    if session.rings.state is State.NONE:
        move.set(rings=PENDING)
        move.do(OpenRings(session.call_id, session.rate, session.direct_uuid))
    if session.rings.state is State.THERE and session.agent is not None and session.conversation.state is State.NONE:
        move.set(conversation=PENDING)
        move.do(
            StartConversation(
                call_id=session.call_id,
                segment=session.segment,
                agent=session.agent,
                caller_number=session.caller_number,
                caller_name=session.caller_name,
                arrived_ns=session.arrived_ns,
            )
        )
    if session.conversation.state is State.THERE:
        move.set(stage=Stage.TALKING if session.direct else Stage.CONNECTING)
        move.note("admitted", agent=session.agent or "")


def _connect(move: Move) -> None:
    session = move.session
    if session.direct:
        return
    if move.due(session.answered):
        move.set(answered=under_way(session.answered, State.PENDING))
        move.do(Answer(session.call_id))
    if move.due(session.bridge):
        move.set(bridge=under_way(session.bridge, State.PENDING))
        move.do(CreateBridge(session.bridge_id))
    _connect_media(move)
    _remove_old_media(move)
    session = move.session
    if session.stage is Stage.LEAVING or session.bridge.state is not State.THERE:
        return
    # An unanswered channel must not be bridged; the answer and the join are queued to the same channel, in that order.
    if session.answered.state is State.THERE and move.due(session.joined):
        move.set(joined=under_way(session.joined, State.PENDING))
        move.do(Join(session.bridge_id, session.call_id))
    leg = session.media
    if leg is not None and leg.in_stasis and move.due(leg.joined):
        changed_leg(move, leg, joined=under_way(leg.joined, State.PENDING))
        move.do(Join(session.bridge_id, leg.channel_id))
    if session.stage is Stage.CONNECTING and bridged(session):
        move.note("media restored" if session.bridged_ns else "bridged")
        move.set(stage=Stage.TALKING, bridged_ns=session.bridged_ns or move.now)


def _connect_media(move: Move) -> None:
    leg = move.session.media
    if leg is not None and not leg.in_stasis and leg.arrive_by_ns and move.now >= leg.arrive_by_ns:
        lose_media(move, "the media leg did not come up in time")
    elif leg is not None and leg.doubt_until_ns and move.now >= leg.doubt_until_ns:
        lose_media(move, "the media connection was lost")
    session = move.session
    if session.stage is Stage.LEAVING:  # that was once too often
        return
    leg = session.media
    if leg is None and move.due(session.expecting):
        move.set(expecting=under_way(session.expecting, State.PENDING))
        move.do(ExpectMedia(session.call_id))
    if leg is not None and leg.channel.state is State.NONE:
        changed_leg(move, leg, channel=PENDING, arrive_by_ns=move.now + ARRIVE_NS)
        move.do(Originate(session.call_id, leg.channel_id, leg.uuid, session.rate))


def _leave(move: Move) -> None:
    session = move.session
    departure = session.departure
    if departure is None:
        return
    if departure.going.state is State.THERE and move.now >= departure.gone_by_ns:
        caller_gone(move, departure.cause)
        return
    if departure.hang_up:
        if move.due(departure.going):
            going = under_way(departure.going, State.PENDING)
            move.set(departure=msgspec.structs.replace(departure, going=going))
            move.do(HangUpCaller(session.call_id))
        return
    retire_media(move)
    _remove_old_media(move)
    session = move.session
    if any(leg.channel.tries == 0 for leg in session.old_media) or _caller_busy(session):
        return
    if departure.status and departure.variable.state is State.NONE:
        move.set(departure=msgspec.structs.replace(departure, variable=PENDING))
        move.do(SetStatus(session.call_id, departure.status))
    elif departure.variable.state is not State.PENDING and move.due(departure.going):
        going = under_way(departure.going, State.PENDING)
        move.set(departure=msgspec.structs.replace(departure, going=going))
        move.do(Continue(session.call_id, departure.place))


def _caller_busy(session: Session) -> bool:
    """Whether Asterisk still works on the caller's channel for us: what overtakes it would leave it half done."""
    return State.PENDING in (session.answered.state, session.joined.state)


def _clear(move: Move) -> None:
    """Conversation first, so that no engine works on rings that are gone; legs and bridge at the same time."""
    _remove_old_media(move)
    session = move.session
    if _removable(move, session.conversation):
        move.set(conversation=under_way(session.conversation, State.REMOVING))
        move.do(EndConversation(session.call_id, session.cause))
    if _removable(move, session.bridge):
        move.set(bridge=under_way(session.bridge, State.REMOVING))
        move.do(RemoveBridge(session.bridge_id))
    session = move.session
    # An actor that does not answer gets one chance: the rings are needed for the next call.
    ended = session.conversation.state in (State.NONE, State.GONE) or session.conversation.tries > 0
    if ended and _removable(move, session.rings):
        move.set(rings=under_way(session.rings, State.REMOVING))
        move.do(CloseRings(session.call_id))
    session = move.session
    left = [part.state for part in (session.conversation, session.bridge, session.rings)]
    if not session.old_media and all(state in (State.NONE, State.GONE) for state in left):
        move.set(stage=Stage.OVER)


def _removable(move: Move, part: Part) -> bool:
    return part.state is State.THERE and move.now >= part.due_ns


def _remove_old_media(move: Move) -> None:
    kept: list[MediaLeg] = []
    for leg in move.session.old_media:
        if leg.channel.state in (State.NONE, State.GONE) or (leg.ended and leg.channel.state is State.THERE):
            continue
        if _removable(move, leg.channel):
            move.do(RemoveMedia(leg.channel_id))
            leg = msgspec.structs.replace(leg, channel=under_way(leg.channel, State.REMOVING))
        kept.append(leg)
    move.set(old_media=tuple(kept))
