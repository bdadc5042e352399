"""What came of a command: how its answer changes the session. Answers that fit nothing pending change nothing."""

import msgspec

from actors.call_control import consult
from actors.call_control.commands import (
    Answer,
    CloseRings,
    Command,
    ConnectMedia,
    Continue,
    CreateBridge,
    EndConversation,
    ExpectMedia,
    HangUpCaller,
    Join,
    Judge,
    OpenRings,
    Originate,
    OriginateCaller,
    OriginatePerson,
    PlaySound,
    Progress,
    ReadCall,
    RemoveBridge,
    RemoveMedia,
    RemovePerson,
    Reply,
    SetVariables,
    StartConversation,
    StartMusic,
    StopMusic,
)
from actors.call_control.events import Failed, Why
from actors.call_control.moves import (
    AUDIOSOCKETS,
    GONE,
    IN_VAIN_NS,
    LEAVE_TRIES,
    SECOND,
    THERE,
    Move,
    again,
    answer_departure,
    answer_outbound,
    caller_gone,
    changed_leg,
    depart,
    leave_pause_ns,
    leg_of,
    lose_media,
    next_transport,
    not_removed,
    pause_ns,
    setback,
)
from actors.call_control.rules import LEAVE_NS
from actors.call_control.sessions import Departure, MediaLeg, OutboundCall, Part, Remote, Stage, State, media_channel_id

MUSIC_PAUSE_NS = 10 * SECOND
"""Before music that could not be started is tried again: a caller waits well without."""


def performed(move: Move, command: Command) -> None:
    session = move.session
    match command:
        case StartConversation() if session.conversation.state is State.PENDING:
            move.set(conversation=THERE)
        case OriginateCaller():
            _dialled(move, THERE)
            answer_outbound(move, refusal="")
        case Answer() if session.answered.state is State.PENDING:
            move.set(answered=THERE)
            move.note("answered")
        case Progress() if session.progressed.state is State.PENDING:
            move.set(progressed=THERE)
        case CreateBridge(bridge_id=bridge_id) if consult.is_its_bridge(session, bridge_id):
            consult.bridge_made(move)
        case CreateBridge() if session.bridge.state is State.PENDING:
            move.set(bridge=THERE)
        case ConnectMedia(media_uuid=uuid):
            _connected(move, uuid, THERE)
        case Join(channel_id=channel_id):
            _joined(move, channel_id)
        case StartMusic() | StopMusic():
            _music_changed(move)
        case OriginatePerson():
            consult.rung(move)
        case SetVariables():
            _variables_set(move)
        case Continue() | HangUpCaller():
            _taken_on(move)
        case RemoveMedia(channel_id=channel_id):
            _leg_changed(move, channel_id, State.REMOVING, GONE)
        case RemovePerson():
            consult.removed(move)
        case RemoveBridge(bridge_id=bridge_id) if consult.is_its_bridge(session, bridge_id):
            consult.bridge_removed(move)
        case RemoveBridge() if session.bridge.state is State.REMOVING:
            move.set(bridge=GONE)
        case EndConversation() if session.conversation.state is State.REMOVING:
            move.set(conversation=GONE)
        case CloseRings() if session.rings.state is State.REMOVING:
            move.set(rings=GONE)


def failed(move: Move, failure: Failed) -> None:
    command, why, text = failure.command, failure.why, failure.text
    match command:
        case ReadCall() if move.session.agent is None:
            move.set(agent="")
        case OpenRings() | StartConversation():
            _not_admitted(move, failure)
        case OriginateCaller():
            _not_dialled(move, why, text)
        case ExpectMedia() | CreateBridge() | Answer() | Progress() | Join():
            _not_connected(move, failure)
        case Originate(channel_id=channel_id):
            _not_originated(move, channel_id, why, text)
        case ConnectMedia(media_uuid=uuid):
            _connected(move, uuid, GONE)
            if move.session.media is not None and move.session.media.uuid == uuid:
                lose_media(move, text)
                move.set(expecting=again(Part(), pause_ns(move.session), move.now))
        case StartMusic() | StopMusic():
            _music_not_changed(move, why)
        case OriginatePerson():
            consult.not_rung(move, why, text)
        case PlaySound(playback_id=playback_id):
            sound_ended(move, playback_id)
        case SetVariables() if why is Why.GONE:
            caller_gone(move, text)
        case SetVariables():
            _variables_set(move)
        case Continue() | HangUpCaller():
            _not_taken_on(move, why, text)
        case RemoveMedia() | RemovePerson() | RemoveBridge() | EndConversation() | CloseRings():
            if why is Why.GONE:
                performed(move, command)
            else:
                _not_removed(move, command, text)


def leg_made(move: Move, channel_id: str, remote: Remote | None) -> None:
    """The media leg's channel exists."""
    leg = leg_of(move.session, channel_id)
    if leg is not None and leg.channel.state is State.PENDING:
        changed_leg(move, leg, channel=THERE, remote=remote)


def sound_ended(move: Move, playback_id: str) -> None:
    departure = move.session.departure
    if departure is not None and departure.sounding.state is State.PENDING:
        move.set(departure=msgspec.structs.replace(departure, sounding=GONE))


def _connected(move: Move, uuid: str, part: Part) -> None:
    leg = leg_of(move.session, media_channel_id(uuid))
    if leg is not None and leg.connected.state is State.PENDING:
        changed_leg(move, leg, connected=part)


def _dialled(move: Move, part: Part) -> OutboundCall | None:
    outbound = move.session.outbound
    if outbound is not None and outbound.dialled.state is State.PENDING:
        outbound = msgspec.structs.replace(outbound, dialled=part)
        move.set(outbound=outbound)
    return outbound


def _not_dialled(move: Move, why: Why, text: str) -> None:
    """A call whose dialling was not answered may ring yet: its end will be told, or found missing."""
    _dialled(move, THERE if why is Why.UNKNOWN else GONE)
    answer_outbound(move, refusal=text)
    if why is not Why.UNKNOWN and move.session.stage is Stage.DIALLING:
        caller_gone(move, f"could not be called: {text}")


def _music_changed(move: Move) -> None:
    music = move.session.music
    if music.state is State.PENDING:
        move.set(music=THERE)
    elif music.state is State.REMOVING:
        move.set(music=Part())


def _music_not_changed(move: Move, why: Why) -> None:
    """What may have been started is stopped; a caller who cannot be freed of it in three tries is not waited for."""
    music = move.session.music
    if music.state is State.PENDING:
        later = again(Part(), MUSIC_PAUSE_NS, move.now)
        move.set(music=THERE if why is Why.UNKNOWN else later)
    elif music.state is State.REMOVING:
        stuck = why is Why.GONE or music.tries >= 2
        move.set(music=Part() if stuck else Part(State.THERE, music.tries + 1, move.now + SECOND // 4))


def _leg_changed(move: Move, channel_id: str, expected: State, channel: Part) -> None:
    leg = leg_of(move.session, channel_id)
    if leg is not None and leg.channel.state is expected:
        changed_leg(move, leg, channel=channel)


def _joined(move: Move, channel_id: str) -> None:
    leg = leg_of(move.session, channel_id)
    if consult.is_its_channel(move.session, channel_id):
        consult.joined(move)
    elif leg is not None and leg.joined.state is State.PENDING:
        if not leg.proved_ns:
            move.do(Judge(leg.transport, worked=True))
        changed_leg(move, leg, joined=THERE, proved_ns=leg.proved_ns or move.now)
    elif channel_id == move.session.call_id and move.session.joined.state is State.PENDING:
        move.set(joined=THERE)


def _variables_set(move: Move) -> None:
    """Also when they could not be set: a caller without them is better off than one who stays with us."""
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
        if not departure.in_doubt:  # else an earlier try, whose answer never came, has worked
            move.set(departure=msgspec.structs.replace(departure, going=Part()))
        caller_gone(move, text)
        return
    going = again(departure.going, leave_pause_ns(departure.going.tries), move.now)
    departure = msgspec.structs.replace(departure, going=going, in_doubt=departure.in_doubt or why is Why.UNKNOWN)
    move.set(departure=departure)
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
    answer_outbound(move, refusal=failure.text, busy=failure.busy)
    if session.stage is Stage.ADMITTING:
        depart(move, Departure(hang_up=False, cause=f"not admitted: {failure.text}", status="BUSY"))


def _not_connected(move: Move, failure: Failed) -> None:
    session, why, text = move.session, failure.why, failure.text
    match failure.command:
        case ExpectMedia() if session.expecting.state is State.PENDING:
            if why is Why.REFUSED:  # no port is free, say: over another transport there may be
                next_transport(move)
            setback(move, text)
            move.set(expecting=again(Part(), pause_ns(move.session), move.now))
        case CreateBridge(bridge_id=bridge_id) if consult.is_its_bridge(session, bridge_id):
            consult.bridge_not_made(move, why, text)
        case Progress() if session.progressed.state is State.PENDING:
            move.set(progressed=GONE if why is Why.GONE else THERE)  # sound without it is heard by many telephones
            if why is Why.GONE:
                caller_gone(move, text)
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
            if consult.is_its_channel(session, channel_id):
                consult.not_joined(move, why, text)
            elif leg is not None and leg.joined.state is State.PENDING:
                _media_not_joined(move, leg, why, text)
            elif channel_id == session.call_id and session.joined.state is State.PENDING:
                _caller_not_joined(move, why, text)


def _media_not_joined(move: Move, leg: MediaLeg, why: Why, text: str) -> None:
    leg = changed_leg(move, leg, joined=Part())
    if move.session.media is not leg:
        return
    if why is Why.NO_BRIDGE and consult.is_its_bridge(move.session, leg.where):
        consult.bridge_gone(move)
    elif why is Why.NO_BRIDGE:
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
    if session.media is not None and session.media.where == session.bridge_id:
        changed_leg(move, session.media, joined=_out(session.media.joined))
    if session.consult is not None and session.consult.where == session.bridge_id:
        move.set(consult=msgspec.structs.replace(session.consult, joined=_out(session.consult.joined)))
    setback(move, why)
    if move.session.stage in (Stage.CONNECTING, Stage.HANDED):
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
        took_ns = move.now - (leg.arrive_by_ns - move.session.arrive_ns)
        in_vain = leg.transport in AUDIOSOCKETS and why is Why.REFUSED and took_ns > IN_VAIN_NS
        lose_media(move, text, asked=why is not Why.UNREACHABLE, in_vain=in_vain)
        move.set(expecting=again(Part(), pause_ns(move.session), move.now))


def _not_removed(move: Move, command: Command, text: str) -> None:
    session = move.session
    match command:
        case RemoveMedia(channel_id=channel_id):
            leg = leg_of(session, channel_id)
            if leg is not None and leg.channel.state is State.REMOVING:
                part = not_removed(move, leg.channel, f"media leg {channel_id}", text)
                changed_leg(move, leg, channel=part)
        case RemovePerson():
            consult.not_removed_person(move, text)
        case RemoveBridge(bridge_id=bridge_id) if consult.is_its_bridge(session, bridge_id):
            consult.bridge_not_removed(move, text)
        case RemoveBridge() if session.bridge.state is State.REMOVING:
            move.set(bridge=not_removed(move, session.bridge, f"bridge {session.bridge_id}", text))
        case EndConversation() if session.conversation.state is State.REMOVING:
            what = f"the conversation of {session.call_id}"
            move.set(conversation=not_removed(move, session.conversation, what, text))
        case CloseRings() if session.rings.state is State.REMOVING:
            move.set(rings=not_removed(move, session.rings, f"the rings of {session.call_id}", text))
