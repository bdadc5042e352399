"""What we believe, compared with what Asterisk and the supervisor have.

Done after a start, after every reconnect, and now and then: events can be lost.

Pure: three lists come in, verdicts go out. The lists were asked for one after the other while events went on, so only
what was known when the asking began is judged missing, and what ended meanwhile is not found again.
"""

import msgspec

from actors.call_control.ari import Bridge, Channel
from actors.call_control.commands import Place
from actors.call_control.events import BridgeGone, CallerLeft, Event, MediaLegArrived, MediaLegEnded
from actors.call_control.moves import GONE, THERE
from actors.call_control.rules import ARRIVE_NS
from actors.call_control.sessions import (
    BRIDGE_PREFIX,
    DIRECT_PREFIX,
    MediaLeg,
    Part,
    Session,
    SessionStore,
    Stage,
    State,
    bridge_id,
    is_media_channel,
    media_channel_id,
)
from ipc.messages import OpenedCall

ARRIVING = ("Ring", "Up")
"""States of a channel that a caller in Stasis can have."""


class Tell(msgspec.Struct, frozen=True):
    """A session missed this event."""

    call_id: str
    event: Event


class Adopt(msgspec.Struct, frozen=True):
    """A call that a predecessor of this process set up, and which lives."""

    session: Session


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
    channels: tuple[Channel, ...]
    bridges: tuple[Bridge, ...]
    calls: tuple[OpenedCall, ...]
    """At the supervisor."""
    alone: bool = True
    """False while another program has the application: then nothing but our own sessions is judged."""

    def callers(self) -> dict[str, Channel]:
        inside = (channel for channel in self.channels if channel.in_application(self.app_name))
        return {channel.id: channel for channel in inside if not is_media_channel(channel.id)}


def compare(
    found: Found,
    before: dict[str, Session],
    store: SessionStore,
    ended: set[str],
    now: int,
    fallback: Place | None = None,
) -> list[Verdict]:
    """What is to be done about the differences.

    before: the sessions when the lists were asked for. store: those now. ended: callers' channels that ended meanwhile.
    fallback: where an adopted caller goes when we fail.
    """
    verdicts: list[Verdict] = []
    for session in before.values():
        current = store.get(session.call_id)
        # The dialplan may have brought the same channel back meanwhile: that is another call.
        if current is not None and current.arrived_ns == session.arrived_ns and not session.direct:
            verdicts += _missed(session, found)
    if not found.alone:
        return verdicts
    known = {*before, *(session.call_id for session in store)}
    callers = {call_id: channel for call_id, channel in found.callers().items() if call_id not in ended}
    bridges = {bridge.id: bridge for bridge in found.bridges}
    adopted: set[str] = set()
    for call in found.calls:
        if call.call_id in known:
            continue
        session = _remade(call, callers.get(call.call_id), found, bridges, now, fallback)
        if session.stage is Stage.CLEARING:
            verdicts.append(Bury(session))
        else:
            adopted.add(call.call_id)
            verdicts.append(Adopt(session))
    verdicts += [
        Arrive(channel)
        for call_id, channel in callers.items()
        if call_id not in known and call_id not in adopted and channel.state in ARRIVING
    ]
    return verdicts + _orphans(found, before, store, verdicts)


def _missed(session: Session, found: Found) -> list[Verdict]:
    """Ends and arrivals of legs that no event has told."""
    if session.stage in (Stage.CLEARING, Stage.OVER):
        return []
    if session.call_id not in found.callers():
        return [Tell(session.call_id, CallerLeft("gone while Asterisk could not be heard"))]
    verdicts: list[Verdict] = []
    there = {channel.id: channel for channel in found.channels}
    leg = session.media
    if leg is not None and leg.channel.state is State.THERE:
        if leg.channel_id not in there:
            verdicts.append(Tell(session.call_id, MediaLegEnded(leg.channel_id, "gone unheard")))
        elif not leg.in_stasis and there[leg.channel_id].in_application(found.app_name):
            verdicts.append(Tell(session.call_id, MediaLegArrived(leg.channel_id)))
    if session.bridge.state is State.THERE and all(bridge.id != session.bridge_id for bridge in found.bridges):
        verdicts.append(Tell(session.call_id, BridgeGone()))
    return verdicts


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
        joined=THERE if call.call_id in members else Part(),
        media=media if leg is not None and alive else None,
        old_media=(media,) if leg is not None and not alive else (),
        bridged_ns=now,
        cause="" if alive else "gone while call-control was away",
    )


def remade_direct(call: OpenedCall, now: int) -> Session:
    """A direct call that the supervisor has open. Whether its connection still lives shows in its next event."""
    return Session(
        call_id=call.call_id,
        rate=call.rate,
        arrived_ns=now,
        direct=True,
        direct_uuid=call.media_uuid,
        stage=Stage.TALKING,
        agent="",
        rings=THERE,
        segment=call.segment,
        conversation=THERE,
    )


def _orphans(found: Found, before: dict[str, Session], store: SessionStore, verdicts: list[Verdict]) -> list[Verdict]:
    sessions = [*before.values(), *store]
    sessions += [verdict.session for verdict in verdicts if isinstance(verdict, Adopt | Bury)]
    legs = {leg.channel_id for session in sessions for leg in session.media_legs}
    bridges = {session.bridge_id for session in sessions}
    lost_legs: list[Verdict] = [
        RemoveChannel(channel.id)
        for channel in found.channels
        if is_media_channel(channel.id) and channel.id not in legs and channel.in_application(found.app_name)
    ]
    lost_bridges: list[Verdict] = [
        DeleteBridge(bridge.id)
        for bridge in found.bridges
        if bridge.id.startswith(BRIDGE_PREFIX) and bridge.name == found.app_name and bridge.id not in bridges
    ]
    return lost_legs + lost_bridges
