"""What we believe, compared with what Asterisk and the supervisor have.

Done after a start, after every reconnect, and now and then: events can be lost.

Pure: three lists come in, verdicts go out. The lists were asked for one after the other while events went on, so only
what was known when the asking began is judged missing, and what ended meanwhile is not found again.

After a start the calls of a predecessor come in, too, as they were kept on disk: `resumption` says how they go on. A
call that the supervisor has open and of which nothing was kept is remade from what is there.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from actors.call_control.ari import Bridge, Channel
from actors.call_control.chronicle import LOST_ASTERISK, LOST_AWAY
from actors.call_control.commands import Command, Place
from actors.call_control.events import (
    BridgeGone,
    CallerAnswered,
    CallerLeft,
    Event,
    MediaLegArrived,
    MediaLegEnded,
    PersonArrived,
    PersonLeft,
)
from actors.call_control.files import is_voice_channel
from actors.call_control.kept import Kept, with_values
from actors.call_control.moves import GONE, THERE
from actors.call_control.resumption import as_made, resumed
from actors.call_control.sessions import (
    ARRIVE_NS,
    BRIDGE_PREFIX,
    CONSULT_PREFIX,
    DIRECT_PREFIX,
    OUTBOUND_PREFIX,
    MediaLeg,
    Part,
    Session,
    SessionStore,
    Stage,
    State,
    bridge_id,
    is_own_channel,
    media_channel_id,
)
from ipc.messages import OpenedCall

MAIN = "call-control"
"""The one for which calls were opened by a supervisor that does not say for whom."""
GONE_UNHEARD = "gone unheard"

ARRIVING = ("Ring", "Up")
"""States of a channel that a caller in Stasis can have."""


class Tell(msgspec.Struct, frozen=True):
    """A session missed this event."""

    call_id: str
    event: Event


class Adopt(msgspec.Struct, frozen=True):
    """A call that a predecessor of this process set up, and which lives."""

    session: Session
    missed: tuple[Event, ...] = ()
    """What it has to be told before anything else."""
    waiting: tuple[Command, ...] = ()
    """What is to be carried out again: nobody knows whether it was."""


class Bury(msgspec.Struct, frozen=True):
    """A call of a predecessor whose caller is gone, or which was never set up: what is left of it is to be removed."""

    session: Session


class Arrive(msgspec.Struct, frozen=True):
    """A caller in our application whom nobody serves."""

    channel: Channel


class RemoveChannel(msgspec.Struct, frozen=True):
    """A media leg of ours that belongs to no call."""

    channel_id: str


class DeleteBridge(msgspec.Struct, frozen=True):
    """A bridge of ours that belongs to no call."""

    bridge_id: str


Verdict = Tell | Adopt | Bury | Arrive | RemoveChannel | DeleteBridge


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What was there."""

    app_name: str
    prefix: str = ""
    """Before the ids of callers' channels, in the ids of their calls."""
    channels: tuple[Channel, ...]
    bridges: tuple[Bridge, ...]
    calls: tuple[OpenedCall, ...]
    """At the supervisor."""
    restarted: bool = False
    """Asterisk is not the one of the last look: what it had is gone, and nobody has hung up."""
    alone: bool = True
    """False while another program has the application: then nothing but our own sessions is judged."""

    def callers(self) -> dict[str, Channel]:
        """Those in our application, by call id."""
        others = (channel for channel in self.channels if not is_voice_channel(channel.id))
        inside = (channel for channel in others if channel.in_application(self.app_name))
        return {self.prefix + channel.id: channel for channel in inside if not is_own_channel(channel.id)}

    def rings(self, call_id: str) -> bool:
        """Whether the caller's channel is anywhere in Asterisk."""
        return any(self.prefix + channel.id == call_id for channel in self.channels)


def own(calls: Iterable[OpenedCall], control: str) -> tuple[OpenedCall, ...]:
    """The calls that belong to the call-control of this name."""
    return tuple(call for call in calls if (call.owner or MAIN) == control)


def compare(
    found: Found,
    before: dict[str, Session],
    store: SessionStore,
    ended: set[str],
    now: int,
    fallback: Place | None = None,
    kept: Mapping[str, Kept] | None = None,
) -> list[Verdict]:
    """What is to be done about the differences.

    before: the sessions when the lists were asked for. store: those now. ended: callers' channels that ended meanwhile.
    fallback: where an adopted caller goes when we fail. kept: calls of a predecessor that are to go on.
    """
    stored = {call_id: call for call_id, call in (kept or {}).items() if not call.session.direct}
    verdicts: list[Verdict] = []
    for session in before.values():
        current = store.get(session.call_id)
        # The dialplan may have brought the same channel back meanwhile: that is another call.
        if current is not None and current.arrived_ns == session.arrived_ns and not session.direct:
            verdicts += [Tell(session.call_id, event) for event in missed(session, found)]
    callers = {call_id: channel for call_id, channel in found.callers().items() if call_id not in ended}
    open_calls = {call.call_id: call for call in found.calls}
    anew: set[str] = set()
    for call_id, last in stored.items():
        last = _known_by(last, callers.get(call_id))
        again = resumed(last, missed(as_made(last.session), found), call_id in open_calls, now)
        verdicts.append(Adopt(*again.parts))
        anew |= {call_id} if again.anew else set()
    if not found.alone:
        return verdicts
    known = {*before, *(session.call_id for session in store), *(kept or {})} - anew
    bridges = {bridge.id: bridge for bridge in found.bridges}
    adopted: set[str] = set()
    for call in found.calls:
        if call.call_id in known or call.call_id in anew:
            continue
        session = _remade(call, callers.get(call.call_id), found, bridges, now, fallback)
        if session.stage is Stage.CLEARING:
            verdicts.append(Bury(session))
        else:
            adopted.add(call.call_id)
            verdicts.append(Adopt(session))
    for call_id, channel in callers.items():
        if call_id in known or call_id in adopted or channel.state not in ARRIVING:
            continue
        ours = channel.id.startswith(OUTBOUND_PREFIX)  # whom we have called, and of whom nothing is known any more
        verdicts.append(RemoveChannel(channel.id) if ours else Arrive(channel))
    return verdicts + _orphans(found, before, store, verdicts)


def _known_by(kept: Kept, caller: Channel | None) -> Kept:
    """With number and name as Asterisk has them: they may be left out of what is kept (`history.redact`)."""
    session = kept.session
    if caller is None or session.outbound is not None:
        return kept
    values = {
        "caller_number": caller.caller.number or session.caller_number,
        "caller_name": caller.caller.name or session.caller_name,
    }
    return Kept(with_values(session, values), tuple(with_values(command, values) for command in kept.waiting))


def missed(session: Session, found: Found) -> Sequence[Event]:
    """Ends and arrivals of legs that no event has told."""
    if session.stage in (Stage.CLEARING, Stage.OVER) or session.direct:
        return ()
    outbound = session.outbound
    if outbound is not None and session.stage in (Stage.ADMITTING, Stage.DIALLING):
        if outbound.dialled.state is State.THERE and not found.rings(session.call_id):
            return (CallerLeft(f"not answered: {GONE_UNHEARD}"),)
        return (CallerAnswered(),) if session.call_id in found.callers() else ()
    if session.call_id not in found.callers():
        return (CallerLeft(LOST_ASTERISK if found.restarted else "gone while Asterisk could not be heard"),)
    bridges = {bridge.id for bridge in found.bridges}
    events = [*_missed_of_media(session, found), *_missed_of_person(session, found)]
    if session.bridge.state is State.THERE and session.bridge_id not in bridges:
        events.append(BridgeGone())
    consult = session.consult
    if consult is not None and consult.bridge.state is State.THERE and consult.bridge_id not in bridges:
        events.append(BridgeGone(consult.bridge_id))
    return events


def _missed_of_media(session: Session, found: Found) -> list[Event]:
    leg = session.media
    if leg is None or leg.channel.state is not State.THERE:
        return []
    channel = next((channel for channel in found.channels if channel.id == leg.channel_id), None)
    if channel is None:
        return [MediaLegEnded(leg.channel_id, GONE_UNHEARD)]
    arrived = not leg.in_stasis and channel.in_application(found.app_name)
    return [MediaLegArrived(leg.channel_id)] if arrived else []


def _missed_of_person(session: Session, found: Found) -> list[Event]:
    """Of an attended transfer."""
    consult = session.consult
    if consult is None or consult.ended or consult.channel.state is not State.THERE:
        return []
    channel = next((channel for channel in found.channels if channel.id == consult.channel_id), None)
    if channel is None:
        return [PersonLeft(consult.channel_id, GONE_UNHEARD)]
    arrived = not consult.in_stasis and channel.in_application(found.app_name)
    return [PersonArrived(consult.channel_id)] if arrived else []


def _remade(
    call: OpenedCall,
    caller: Channel | None,
    found: Found,
    bridges: dict[str, Bridge],
    now: int,
    fallback: Place | None,
) -> Session:
    """The session of a call that the supervisor has open, made anew.

    The bridge is made after the conversation has begun: with it, and a caller who is up, the call was set up and goes
    on. Without it nobody knows how far it had come; it is buried, and the caller, if still there, arrives anew.
    """
    if call.call_id.startswith(DIRECT_PREFIX):
        return remade_direct(call, now)
    bridge = bridges.get(bridge_id(call.call_id))
    channel_id = media_channel_id(call.media_uuid)
    leg = next((channel for channel in found.channels if channel.id == channel_id), None)
    members = bridge.channels if bridge else ()
    alive = caller is not None and caller.state == "Up" and bridge is not None
    media = MediaLeg(
        uuid=call.media_uuid,
        channel=THERE,
        in_stasis=leg is not None and leg.in_application(found.app_name),
        joined=THERE if channel_id in members else Part(),
        where=bridge.id if bridge and channel_id in members else "",
        arrive_by_ns=now + ARRIVE_NS,
    )
    return Session(
        call_id=call.call_id,
        rate=call.rate,
        arrived_ns=now,
        caller_number=caller.caller.number if caller else "",
        caller_name=caller.caller.name if caller else "",
        fallback=fallback,
        stage=Stage.CONNECTING if alive else Stage.CLEARING,
        agent="",
        rings=THERE,
        segment=call.segment,
        conversation=THERE,
        answered=THERE if alive else Part(),
        bridge=THERE if bridge else GONE,
        joined=THERE if call.call_id.removeprefix(found.prefix) in members else Part(),
        media=media if leg is not None and alive else None,
        old_media=(media,) if leg is not None and not alive else (),
        bridged_ns=now,
        cause="" if alive else LOST_AWAY,
    )


def direct_calls(kept: Mapping[str, Kept], calls: Iterable[OpenedCall], store: SessionStore, now: int) -> list[Adopt]:
    """The direct calls that go on after a start: Asterisk's interface knows nothing of them.

    kept: calls of a predecessor. calls: those that the supervisor has open. store: those that are known already. A call
    whose media connection is gone has no caller any more.
    """
    listed = {call.call_id: call for call in calls if call.call_id.startswith(DIRECT_PREFIX)}
    alive = {call_id for call_id, call in listed.items() if call.connected}
    stored = {call_id: call for call_id, call in kept.items() if call.session.direct}
    again = [
        Adopt(*resumed(call, (), call_id in alive, now).parts)
        for call_id, call in stored.items()
        if store.get(call_id) is None
    ]
    remade = [
        Adopt(remade_direct(call, now))
        for call_id, call in listed.items()
        if call_id not in stored and store.get(call_id) is None
    ]
    return [*again, *remade]


def remade_direct(call: OpenedCall, now: int) -> Session:
    """A direct call that the supervisor has open, of which nothing was kept."""
    alive = call.connected
    return Session(
        call_id=call.call_id,
        rate=call.rate,
        arrived_ns=now,
        direct=True,
        direct_uuid=call.media_uuid,
        stage=Stage.TALKING if alive else Stage.CLEARING,
        agent="",
        rings=THERE,
        segment=call.segment,
        conversation=THERE,
        cause="" if alive else LOST_AWAY,
    )


def _orphans(found: Found, before: dict[str, Session], store: SessionStore, verdicts: list[Verdict]) -> list[Verdict]:
    sessions = [*before.values(), *store]
    sessions += [verdict.session for verdict in verdicts if isinstance(verdict, Adopt | Bury)]
    legs = {leg.channel_id for session in sessions for leg in session.media_legs}
    bridges = {session.bridge_id for session in sessions}
    consults = [session.consult for session in sessions if session.consult is not None]
    legs |= {consult.channel_id for consult in consults}
    bridges |= {consult.bridge_id for consult in consults}
    lost_legs: list[Verdict] = [
        RemoveChannel(channel.id)
        for channel in found.channels
        if is_own_channel(channel.id) and channel.id not in legs and channel.in_application(found.app_name)
    ]
    lost_bridges: list[Verdict] = [
        DeleteBridge(bridge.id)
        for bridge in found.bridges
        if bridge.id.startswith((BRIDGE_PREFIX, CONSULT_PREFIX))
        and bridge.name == found.app_name
        and bridge.id not in bridges
    ]
    return lost_legs + lost_bridges
