"""What is to be done next for a call, given all that is known of it: one rule set a stage.

A rule that has nothing to do changes nothing, so they may be asked after every event.
"""

import msgspec

from actors.call_control import consult
from actors.call_control.commands import (
    Answer,
    CloseRings,
    ConnectMedia,
    Continue,
    CreateBridge,
    EndConversation,
    ExpectMedia,
    HangUpCaller,
    Join,
    OpenRings,
    Originate,
    OriginateCaller,
    PlaySound,
    Progress,
    ReadCall,
    RemoveBridge,
    RemoveMedia,
    SetVariables,
    StartConversation,
    StartMusic,
    StopMusic,
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
from actors.call_control.sessions import Departure, MediaLeg, Part, Session, Stage, State
from ipc.actions import CallAnswered

LEAVE_NS = 5 * SECOND
"""From the answer to a hang-up or `continue` to the caller's StasisEnd: normally 1 ms."""


SOUND_PREFIX = "sorry-"
"""Of the id of the playback by which a caller hears why they are sent on."""

STATUS, OUTCOME = "AGENT_STATUS", "AGENT_OUTCOME"
"""Channel variables that tell the dialplan how the call with the agent ended."""


def proceed(move: Move) -> None:
    """Applies the rules of the stage, and of those that it leads to."""
    stage = None
    while stage is not move.session.stage:
        stage = move.session.stage
        match stage:
            case Stage.ADMITTING:
                _admit(move)
            case Stage.DIALLING:
                _dial(move)
            case Stage.CONNECTING | Stage.TALKING:
                _connect(move)
            case Stage.HANDED:
                _stay_out(move)
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
    if session.consult is not None:
        moments.append(session.consult.decide_by_ns)
    if session.departure is not None and session.departure.sounding.state is State.PENDING:
        moments.append(session.departure.sound_by_ns)
    if session.departure is not None and session.departure.going.state is State.THERE:
        moments.append(session.departure.gone_by_ns)
    return min((moment for moment in moments if moment > now), default=None)


def _parts(session: Session) -> list[Part]:
    parts = [session.rings, session.conversation, session.bridge, session.music, *consult.parts(session)]
    if session.stage in (Stage.CONNECTING, Stage.TALKING, Stage.HANDED):
        parts += [session.answered, session.progressed, session.joined]
    if session.stage in (Stage.CONNECTING, Stage.TALKING):
        media = session.media
        parts += [session.expecting] if media is None else [media.joined, media.connected]
    if session.stage is Stage.LEAVING and session.departure is not None:
        parts.append(session.departure.going)
    return parts + [leg.channel for leg in session.old_media]


def _admit(move: Move) -> None:
    session = move.session
    if session.agent is None and session.reading.state is State.NONE:
        move.set(reading=PENDING)
        move.do(ReadCall(session.call_id))
    if session.agent is None:
        return
    if session.rings.state is State.NONE:
        move.set(rings=PENDING)
        move.do(OpenRings(session.call_id, session.rate, session.direct_uuid, session.next_transport, session.playback))
    if session.rings.state is State.THERE and session.conversation.state is State.NONE:
        move.set(conversation=PENDING)
        move.do(
            StartConversation(
                call_id=session.call_id,
                segment=session.segment,
                agent=session.agent,
                caller_number=session.caller_number,
                caller_name=session.caller_name,
                arrived_ns=session.arrived_ns,
                provider=session.provider,
                outbound=session.outbound is not None,
                variables=session.variables,
            )
        )
    if session.conversation.state is State.THERE:
        stage = Stage.DIALLING if session.outbound else Stage.TALKING if session.direct else Stage.CONNECTING
        move.set(stage=stage)
        move.note("admitted", agent=session.agent or "")


def _dial(move: Move) -> None:
    """An outbound call: the media leg comes up only when somebody has answered."""
    outbound = move.session.outbound
    if outbound is not None and outbound.dialled.state is State.NONE:
        move.set(outbound=msgspec.structs.replace(outbound, dialled=PENDING))
        move.do(
            OriginateCaller(
                move.session.call_id, outbound.endpoint, outbound.caller_id, outbound.ring_s, outbound.variables
            )
        )


def _connect(move: Move) -> None:
    session = move.session
    if session.direct:
        return
    if session.early and move.due(session.progressed):
        move.set(progressed=PENDING)
        move.do(Progress(session.call_id))
    if not session.early and move.due(session.answered):
        move.set(answered=under_way(session.answered, State.PENDING))
        move.do(Answer(session.call_id))
    _keep_bridge(move)
    _connect_media(move)
    _remove_old_media(move)
    if move.session.stage is Stage.LEAVING:
        return
    _keep_caller_in(move)
    _keep_media_in(move)
    consult.proceed(move)
    _keep_music(move)
    session = move.session
    if session.stage is Stage.CONNECTING and session.media is not None and bridged(session):
        move.note("media restored" if session.bridged_ns else "bridged", transport=session.media.transport)
        if session.outbound is not None and not session.bridged_ns:
            move.tell(CallAnswered(call_id=session.call_id))
        move.set(stage=Stage.TALKING, bridged_ns=session.bridged_ns or move.now)


def _stay_out(move: Move) -> None:
    """Caller and person talk. Their bridge is kept; what the agent needed is given back."""
    _keep_bridge(move)
    _keep_caller_in(move)
    _remove_old_media(move)
    consult.keep_together(move)
    _keep_music(move)
    _release(move, f"transferred to {move.session.consult.destination}" if move.session.consult else "transferred")


def _keep_bridge(move: Move) -> None:
    session = move.session
    if move.due(session.bridge):
        move.set(bridge=under_way(session.bridge, State.PENDING))
        move.do(CreateBridge(session.bridge_id))


def _keep_caller_in(move: Move) -> None:
    """An unanswered channel must not be bridged, unless it hears early media; the answer and the join are queued to the
    same channel, in that order."""
    session = move.session
    ready = State.THERE in (session.answered.state, session.progressed.state)
    if ready and session.bridge.state is State.THERE and move.due(session.joined):
        move.set(joined=under_way(session.joined, State.PENDING))
        move.do(Join(session.bridge_id, session.call_id))


def _keep_media_in(move: Move) -> None:
    """The media leg where it belongs: with the caller, or with whom the agent talks to for them."""
    session, leg = move.session, move.session.media
    home = session.agents_bridge
    if leg is None or not leg.in_stasis or consult.bridge_of(session, home).state is not State.THERE:
        return
    elsewhere = leg.joined.state is State.THERE and leg.where != home
    if elsewhere or move.due(leg.joined):
        changed_leg(move, leg, joined=under_way(leg.joined, State.PENDING), where=home)
        move.do(Join(home, leg.channel_id))


def _keep_music(move: Move) -> None:
    session = move.session
    wanted = session.held or consult.wanted(session)
    if wanted and move.due(session.music) and session.joined.state is State.THERE:
        move.set(music=under_way(session.music, State.PENDING))
        move.do(StartMusic(session.call_id))
    elif not wanted:
        _stop_music(move)


def _stop_music(move: Move) -> None:
    if move.session.music.state is State.THERE and move.now >= move.session.music.due_ns:
        move.set(music=under_way(move.session.music, State.REMOVING))
        move.do(StopMusic(move.session.call_id))


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
        move.do(ExpectMedia(session.call_id, session.next_transport))
    if leg is not None and leg.channel.state is State.NONE:
        leg = changed_leg(move, leg, channel=PENDING, arrive_by_ns=move.now + session.arrive_ns)
        move.do(Originate(session.call_id, leg.channel_id, leg.uuid, session.rate, leg.transport, leg.host, leg.port))
    if leg is not None and leg.remote is not None and move.due(leg.connected):
        leg = changed_leg(move, leg, connected=under_way(leg.connected, State.PENDING))
        remote = leg.remote
        assert remote is not None
        move.do(ConnectMedia(session.call_id, leg.uuid, remote.host, remote.port, remote.path, remote.codec))


def _leave(move: Move) -> None:
    departure = move.session.departure
    if departure is None:
        return
    if departure.going.state is State.THERE and move.now >= departure.gone_by_ns:
        caller_gone(move, departure.cause)
        return
    consult.dissolve(move)
    if not departure.hang_up or departure.sound:
        retire_media(move)
    _remove_old_media(move)
    _stop_music(move)
    session = move.session
    music = session.music.state in (State.PENDING, State.THERE, State.REMOVING)
    if any(leg.channel.tries == 0 for leg in session.old_media) or _caller_busy(session) or music:
        return
    if _sounds(move, departure):
        return
    departure = move.session.departure or departure
    variables = {**session.results, **departure.variables}
    if departure.status:
        variables[STATUS] = departure.status
    if departure.status == "FAILED":
        variables.setdefault(OUTCOME, "failed")  # the conversation may have died before it could say so
    if variables and departure.variable.state is State.NONE:
        _depart(move, variable=PENDING)
        move.do(SetVariables(session.call_id, variables))
    elif departure.variable.state is not State.PENDING and move.due(departure.going):
        _depart(move, going=under_way(departure.going, State.PENDING))
        hang_up = HangUpCaller(session.call_id)
        move.do(hang_up if departure.hang_up else Continue(session.call_id, departure.place))


def _sounds(move: Move, departure: Departure) -> bool:
    """Whether the caller still listens to what Asterisk plays before they go on. Nobody who was not answered does."""
    session = move.session
    if departure.sounding.state is State.PENDING and move.now < departure.sound_by_ns:
        return True
    if not departure.sound or departure.sounding.state is not State.NONE or session.answered.state is not State.THERE:
        return False
    inside = session.joined.state is State.THERE and session.bridge.state is State.THERE
    _depart(move, sounding=PENDING, sound_by_ns=move.now + session.sound_ns)
    playback_id = sound_id(session)
    bridge = session.bridge_id if inside else ""
    move.do(PlaySound(session.call_id, bridge, departure.sound, playback_id))
    return True


def sound_id(session: Session) -> str:
    """Id of the playback by which a caller hears why they are sent on: there is one in a call."""
    return SOUND_PREFIX + session.call_id


def _depart(move: Move, **changes: object) -> None:
    departure = move.session.departure
    assert departure is not None
    move.set(departure=msgspec.structs.replace(departure, **changes))


def _caller_busy(session: Session) -> bool:
    """Whether Asterisk still works on the caller's channel for us: what overtakes it would leave it half done."""
    return State.PENDING in (session.answered.state, session.joined.state)


def _clear(move: Move) -> None:
    """Conversation first, so that no engine works on rings that are gone; legs and bridge at the same time."""
    consult.dissolve(move)
    _remove_old_media(move)
    _release(move, move.session.cause)
    session = move.session
    if _removable(move, session.bridge):
        move.set(bridge=under_way(session.bridge, State.REMOVING))
        move.do(RemoveBridge(session.bridge_id))
    session = move.session
    left = [part.state for part in (session.conversation, session.bridge, session.rings)]
    if not session.old_media and session.consult is None and all(state in (State.NONE, State.GONE) for state in left):
        move.set(stage=Stage.OVER)


def _release(move: Move, cause: str) -> None:
    """Conversation and rings. An actor that does not answer gets one chance: the rings are needed for the next call."""
    session = move.session
    if _removable(move, session.conversation):
        move.set(conversation=under_way(session.conversation, State.REMOVING))
        move.do(EndConversation(session.call_id, cause))
    session = move.session
    ended = session.conversation.state in (State.NONE, State.GONE) or session.conversation.tries > 0
    if ended and _removable(move, session.rings):
        move.set(rings=under_way(session.rings, State.REMOVING))
        move.do(CloseRings(session.call_id))


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
