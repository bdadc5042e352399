"""The attended transfer: a person is rung while the caller stays with the agent, is told who is calling, and decides.

    RINGING --they answer--> ASKING --they accept--> JOINING --they are with the caller--> the call is HANDED
       |                        |                       |
       +--busy, no answer ------+--decline, hang up, ---+--hang up--> BACK --agent and caller are together--> forgotten
                                   no decision

While they are asked, the agent's media leg is with them in a bridge of their own, and the caller hears music. Whatever
happens to person, bridge or decision, the caller stays in their own bridge and the agent comes back to it: nothing in
here ends a call.
"""

import msgspec

from actors.call_control.commands import CreateBridge, Join, OriginatePerson, RemoveBridge, RemovePerson, Reply
from actors.call_control.events import ConsultAsked, ConsultDecided, Why
from actors.call_control.moves import (
    GONE,
    PENDING,
    SECOND,
    THERE,
    Move,
    again,
    depart,
    not_removed,
    retire_media,
    under_way,
)
from actors.call_control.sessions import Consult, Departure, Part, Session, Stage, State, Talk
from ipc.actions import ConsultChanged

RING_MARGIN_NS = 3 * SECOND
"""Asterisk ends the ringing itself; its word may be lost."""
DECIDE_MARGIN_NS = 10 * SECOND
"""The conversation keeps the time in which the person must decide. When it died meanwhile, this ends the asking."""
ASK_NS = 8 * SECOND
"""From the person's answer until the agent is with them: normally some 5 ms."""


def asked(move: Move, event: ConsultAsked) -> None:
    session = move.session
    if session.stage is not Stage.TALKING or session.direct:
        why = "comes straight from the dialplan" if session.direct else f"is {session.stage}"
        move.do(Reply(event.request, refusal=f"the call {why}: nobody can be asked to take it"))
        return
    if session.consult is not None:
        move.do(Reply(event.request, refusal=f"{session.consult.destination} is being asked already", busy=True))
        return
    consult = Consult(
        destination=event.destination,
        uuid=event.uuid,
        endpoint=event.endpoint,
        ring_s=event.ring_s,
        decide_s=event.decide_s,
        request=event.request,
        channel=PENDING,
        decide_by_ns=move.now + event.ring_s * SECOND + RING_MARGIN_NS,
    )
    move.set(consult=consult)
    move.note("person called", destination=event.destination)
    move.do(
        OriginatePerson(
            consult.channel_id,
            event.endpoint,
            session.call_id,
            event.ring_s,
            session.caller_number,
            session.caller_name,
        )
    )


def decided(move: Move, event: ConsultDecided) -> None:
    """Also the end of the ringing, when the agent gives it up."""
    consult = move.session.consult
    accepting = event.accepted and consult is not None and consult.talk is Talk.ASKING
    refusing = not event.accepted and consult is not None and consult.talk in (Talk.RINGING, Talk.ASKING)
    if consult is None or not (accepting or refusing):
        move.do(Reply(event.request, refusal="nobody is being asked to take the call"))
        return
    _answer(move)
    if accepting:
        _change(move, request=event.request, talk=Talk.JOINING, decide_by_ns=move.now + ASK_NS)
        move.note("person accepted", destination=consult.destination)
    else:
        _change(move, request=event.request)
        _back(move, event.reason or "declined")


def rung(move: Move) -> None:
    """Asterisk has taken the ringing on."""
    consult = move.session.consult
    if consult is not None and consult.channel.state is State.PENDING:
        _change(move, channel=THERE)
        if consult.talk in (Talk.RINGING, Talk.ASKING):
            _answer(move)


def not_rung(move: Move, why: Why, text: str) -> None:
    consult = move.session.consult
    if consult is None or consult.channel.state is not State.PENDING:
        return
    made = consult.in_stasis or why is Why.UNKNOWN
    _change(move, channel=THERE if made else GONE)
    if consult.talk is Talk.RINGING and not made:
        _answer(move, refusal=text)
        _change(move, talk=Talk.BACK, told=True, reason=text)
    elif consult.talk in (Talk.RINGING, Talk.ASKING):
        _answer(move)


def arrived(move: Move, channel_id: str) -> None:
    """The person has answered."""
    consult = move.session.consult
    if consult is None or consult.channel_id != channel_id:
        return
    _change(move, in_stasis=True)
    if consult.talk is Talk.RINGING:
        _change(move, talk=Talk.ASKING, told=False, decide_by_ns=move.now + ASK_NS)
        move.note("person answered", destination=consult.destination)


def left(move: Move, channel_id: str, cause: str) -> None:
    """The person's leg is gone."""
    consult = move.session.consult
    if consult is None or consult.channel_id != channel_id:
        return
    _change(move, ended=True, joined=Part())
    if move.session.stage is Stage.HANDED:
        depart(move, Departure(hang_up=False, cause=f"transferred to {consult.destination}", status="TRANSFERRED"))
    elif consult.talk is not Talk.BACK:
        _back(move, cause)


def bridge_gone(move: Move) -> None:
    """Somebody has deleted the bridge in which the person is asked."""
    consult = move.session.consult
    if consult is not None and consult.bridge.state is State.THERE:
        there = consult.joined.state is State.THERE and consult.where == consult.bridge_id
        _change(move, bridge=Part(), joined=Part() if there else consult.joined)


def proceed(move: Move) -> None:
    """What is to be done next while the call goes on."""
    consult = move.session.consult
    if consult is None:
        return
    if consult.decide_by_ns and move.now >= consult.decide_by_ns and consult.talk is not Talk.BACK:
        late = {Talk.RINGING: "no answer", Talk.ASKING: "no decision in time", Talk.JOINING: "could not be joined"}
        _back(move, late[consult.talk])
    match _talk(move):
        case Talk.ASKING:
            _ask(move)
        case Talk.JOINING:
            _join(move)
    if _talk(move) is Talk.BACK:
        _come_back(move)


def _talk(move: Move) -> Talk | None:
    return move.session.consult.talk if move.session.consult is not None else None


def dissolve(move: Move) -> None:
    """The caller leaves, or has left: what there is of a transfer is taken apart."""
    consult = move.session.consult
    if consult is None:
        return
    if consult.request:
        _answer(move, refusal="the caller has left")
    _change(move, talk=Talk.BACK, told=True, decide_by_ns=0)
    _remove(move)


def wanted(session: Session) -> bool:
    """Whether the caller has to wait with music."""
    consult = session.consult
    return consult is not None and consult.talk in (Talk.ASKING, Talk.JOINING) and session.stage is not Stage.HANDED


def parts(session: Session) -> list[Part]:
    """Those that may have to be tried again."""
    consult = session.consult
    return [] if consult is None else [consult.channel, consult.joined, consult.bridge]


def bridge_of(session: Session, bridge_id: str) -> Part:
    """The bridge of this id: the call's own, or the one in which a person is asked."""
    consult = session.consult
    return consult.bridge if consult is not None and bridge_id == consult.bridge_id else session.bridge


# -- steps -------------------------------------------------------------------------------------------------------------


def _ask(move: Move) -> None:
    consult, media = move.session.consult, move.session.media
    if consult is None:
        return
    if move.due(consult.bridge):
        consult = _change(move, bridge=under_way(consult.bridge, State.PENDING))
        move.do(CreateBridge(consult.bridge_id))
    _put(move, consult.bridge_id)
    consult = move.session.consult
    together = (
        consult is not None
        and consult.joined.state is State.THERE
        and media is not None
        and media.joined.state is State.THERE
        and media.where == consult.bridge_id
    )
    if consult is not None and together and not consult.told:
        move.tell(ConsultChanged(call_id=move.session.call_id, state="asking"))
        _change(move, told=True, decide_by_ns=move.now + consult.decide_s * SECOND + DECIDE_MARGIN_NS)


def _join(move: Move) -> None:
    """The person to the caller; then the agent is done."""
    session = move.session
    _put(move, session.bridge_id)
    consult = move.session.consult
    if consult is None or consult.joined.state is not State.THERE or consult.where != session.bridge_id:
        return
    if session.joined.state is not State.THERE:
        return
    _answer(move)
    _change(move, decide_by_ns=0)
    move.note("transferred", destination=consult.destination)
    move.tell(ConsultChanged(call_id=session.call_id, state="joined"))
    retire_media(move)
    move.set(stage=Stage.HANDED, held=False)


def keep_together(move: Move) -> None:
    """HANDED: the person stays with the caller also when their bridge had to be made again."""
    _put(move, move.session.bridge_id)
    _remove_bridge(move)


def _put(move: Move, bridge_id: str) -> None:
    """The person's leg into a bridge."""
    consult = move.session.consult
    if consult is None or not consult.in_stasis or consult.ended:
        return
    if bridge_of(move.session, bridge_id).state is not State.THERE:
        return
    elsewhere = consult.joined.state is State.THERE and consult.where != bridge_id
    if move.due(consult.joined) or elsewhere:
        _change(move, joined=under_way(consult.joined, State.PENDING), where=bridge_id)
        move.do(Join(bridge_id, consult.channel_id))


def _back(move: Move, reason: str) -> None:
    _change(move, talk=Talk.BACK, told=False, reason=reason, decide_by_ns=0)
    move.note("transfer failed", reason=reason)


def _come_back(move: Move) -> None:
    """The agent to the caller: the rules of the media leg see to that. The conversation is told when it is there."""
    session = move.session
    media, consult = session.media, session.consult
    home = media is None or (media.joined.state is State.THERE and media.where == session.bridge_id)
    if consult is not None and home and not consult.told:
        _answer(move)
        move.tell(ConsultChanged(call_id=session.call_id, state="ended", reason=consult.reason))
        _change(move, told=True)
    _remove(move)


def _remove(move: Move) -> None:
    consult = move.session.consult
    if consult is None:
        return
    if consult.channel.state is State.THERE and consult.ended:
        consult = _change(move, channel=GONE)
    if consult.channel.state is State.THERE and move.now >= consult.channel.due_ns:
        consult = _change(move, channel=under_way(consult.channel, State.REMOVING))
        move.do(RemovePerson(consult.channel_id))
    _remove_bridge(move)
    consult = move.session.consult
    gone = (State.NONE, State.GONE)
    if consult is not None and consult.told and consult.channel.state in gone and consult.bridge.state in gone:
        move.set(consult=None)


def _remove_bridge(move: Move) -> None:
    """Not while the media leg is in it, or may be, for its way to the caller was refused and is tried again: who is
    thrown out of a bridge is nowhere."""
    consult, media = move.session.consult, move.session.media
    if consult is None or consult.bridge.state is not State.THERE or move.now < consult.bridge.due_ns:
        return
    if media is not None and media.where and not move.session.cause:
        home = media.joined.state is State.THERE and media.where != consult.bridge_id
        if not home:
            return
    _change(move, bridge=under_way(consult.bridge, State.REMOVING))
    move.do(RemoveBridge(consult.bridge_id))


# -- answers to commands -----------------------------------------------------------------------------------------------


def bridge_made(move: Move) -> None:
    consult = move.session.consult
    if consult is not None and consult.bridge.state is State.PENDING:
        _change(move, bridge=THERE)


def bridge_not_made(move: Move, why: Why, text: str) -> None:
    consult = move.session.consult
    if consult is None or consult.bridge.state is not State.PENDING:
        return
    _change(move, bridge=THERE if why is Why.UNKNOWN else GONE)
    if why is not Why.UNKNOWN and consult.talk is not Talk.BACK:
        _back(move, text)


def joined(move: Move) -> None:
    consult = move.session.consult
    if consult is not None and consult.joined.state is State.PENDING:
        _change(move, joined=THERE)


def not_joined(move: Move, why: Why, text: str) -> None:
    consult = move.session.consult
    if consult is None or consult.joined.state is not State.PENDING:
        return
    if why is Why.NO_BRIDGE:
        _change(move, joined=Part())
        if consult.where == consult.bridge_id:
            bridge_gone(move)
    elif why is Why.GONE or consult.joined.tries:
        _change(move, joined=Part())
        if move.session.stage is Stage.HANDED:
            left(move, consult.channel_id, text)
        elif consult.talk is not Talk.BACK:
            _back(move, text)
    else:
        _change(move, joined=again(consult.joined, SECOND, move.now))


def removed(move: Move) -> None:
    """The person's leg."""
    consult = move.session.consult
    if consult is not None and consult.channel.state is State.REMOVING:
        _change(move, channel=GONE)


def not_removed_person(move: Move, text: str) -> None:
    consult = move.session.consult
    if consult is not None and consult.channel.state is State.REMOVING:
        _change(move, channel=not_removed(move, consult.channel, f"the leg {consult.channel_id}", text))


def bridge_removed(move: Move) -> None:
    consult = move.session.consult
    if consult is not None and consult.bridge.state is State.REMOVING:
        _change(move, bridge=GONE)


def bridge_not_removed(move: Move, text: str) -> None:
    consult = move.session.consult
    if consult is not None and consult.bridge.state is State.REMOVING:
        _change(move, bridge=not_removed(move, consult.bridge, f"bridge {consult.bridge_id}", text))


def is_its_bridge(session: Session, bridge_id: str) -> bool:
    return session.consult is not None and session.consult.bridge_id == bridge_id


def is_its_channel(session: Session, channel_id: str) -> bool:
    return session.consult is not None and session.consult.channel_id == channel_id


def _change(move: Move, **changes: object) -> Consult:
    consult = move.session.consult
    assert consult is not None
    new = msgspec.structs.replace(consult, **changes)
    move.set(consult=new)
    return new


def _answer(move: Move, refusal: str = "") -> None:
    """Answers the request that waits, once."""
    consult = move.session.consult
    if consult is not None and consult.request:
        move.do(Reply(consult.request, refusal))
        _change(move, request=0)
