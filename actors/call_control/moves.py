"""The moves that change a call's course: shared by `legs` (what happened), `outcomes` (what came of a command) and
`rules` (what is to be done next). Everything here is arithmetic on a `Session`; nothing waits and nothing raises.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from actors.call_control.commands import Abandon, Command, Judge, Note, Reply, Tell
from actors.call_control.sessions import Departure, MediaLeg, Part, Session, Stage, State
from config.media import Transport
from ipc.messages import Message

SECOND = 1_000_000_000

SETBACKS = 3
"""A call survives so many lost legs, refused bridges and the like within `SETBACK_PERIOD_NS`; the next one sends the
caller on. A peer that fails faster than this will not get better while somebody listens to silence."""
SETBACK_PERIOD_NS = 60 * SECOND
SETBACK_PAUSE_NS = 250_000_000
"""Before the second try in a period, and as much again before each further one. The first is made at once: the caller
hears nothing until it has worked."""

STEADY_NS = 5 * SECOND
"""A media leg that lived for so long is made anew over the same transport when it is lost; one that did not, over the
next."""

AUDIOSOCKETS: tuple[Transport, ...] = ("audiosocket", "audiosocket_external")
"""Both come to the same port of ours."""
IN_VAIN_NS = SECOND
"""Asterisk is refused a connection to it at once, or not at all, and then gives up after 2 s (res_audiosocket.c)."""

REMOVE_TRIES = 3
REMOVE_PAUSE_NS = SECOND
LEAVE_TRIES = 8
"""Of a hang-up or a `continue` that Asterisk does not answer, with pauses from 1 s doubling up to 10 s: a minute."""


@dataclass
class Move:
    """One step of one call while it is being worked out: the session so far, and what is to be done."""

    session: Session
    now: int
    commands: list[Command] = field(default_factory=list)

    def set(self, **changes: Any) -> None:
        self.session = msgspec.structs.replace(self.session, **changes)

    def do(self, command: Command) -> None:
        self.commands.append(command)

    def note(self, what: str, **detail: str) -> None:
        """For the journal; only while there is a conversation that keeps one."""
        if self.session.conversation.state is State.THERE:
            self.do(Note(self.session.call_id, what, detail))

    def tell(self, message: Message) -> None:
        """For the conversation, while there is one."""
        if self.session.conversation.state is State.THERE:
            self.do(Tell(self.session.call_id, message))

    def due(self, part: Part) -> bool:
        """Whether it is the moment to make or do it."""
        return part.state is State.NONE and self.now >= part.due_ns


PENDING = Part(State.PENDING)
THERE = Part(State.THERE)
GONE = Part(State.GONE)


def again(part: Part, pause_ns: int, now: int) -> Part:
    """To be tried once more, not before the pause is over."""
    return Part(State.NONE, part.tries + 1, now + pause_ns)


def under_way(part: Part, state: State) -> Part:
    return Part(state, part.tries)


def leave_pause_ns(tries: int) -> int:
    return int(min(10, 2**tries)) * SECOND


def not_removed(move: Move, part: Part, what: str, text: str) -> Part:
    """What becomes of a part whose removal failed."""
    if part.tries + 1 >= REMOVE_TRIES:
        move.do(Abandon(what, text))
        return GONE
    return Part(State.THERE, part.tries + 1, move.now + REMOVE_PAUSE_NS)


def changed_leg(move: Move, leg: MediaLeg, **changes: Any) -> MediaLeg:
    """Changes the leg where it stands in the session, by its UUID."""
    new = msgspec.structs.replace(leg, **changes)
    session = move.session
    if session.media is not None and session.media.uuid == leg.uuid:
        move.set(media=new)
    else:
        move.set(old_media=tuple(new if old.uuid == leg.uuid else old for old in session.old_media))
    return new


def leg_of(session: Session, channel_id: str) -> MediaLeg | None:
    return next((leg for leg in session.media_legs if leg.channel_id == channel_id), None)


def bridged(session: Session) -> bool:
    """Whether caller and media leg hear each other."""
    media = session.media
    return session.joined.state is State.THERE and media is not None and media.joined.state is State.THERE


def retire_media(move: Move) -> None:
    """The current media leg is not wanted any more."""
    leg = move.session.media
    if leg is not None:
        move.set(media=None, old_media=(*move.session.old_media, leg))


def lose_media(move: Move, why: str, *, asked: bool = True, in_vain: bool = False) -> None:
    """The current media leg is of no use. While the caller is up this is a reason for a new one, never for the end.

    asked: False where Asterisk itself could not be reached, which says nothing of the transport. in_vain: Asterisk
    waited for a connection to our AudioSocket port, as it would for that of the other kind.
    """
    leg = move.session.media
    retire_media(move)
    if leg is not None:
        move.note("media lost", reason=why, transport=leg.transport)
        alike = [kind for kind in move.session.transports if in_vain and kind in AUDIOSOCKETS] or [leg.transport]
        if asked and not leg.proved_ns:
            for transport in alike:
                move.do(Judge(transport, worked=False))
        if asked and (not leg.proved_ns or move.now - leg.proved_ns < STEADY_NS):
            next_transport(move, alike)
    setback(move, why)


def next_transport(move: Move, alike: Sequence[Transport] = ()) -> None:
    """The next media leg takes another way; one of these only if there is no other."""
    transports, count = move.session.transports, len(move.session.transports)
    order = [(move.session.transport + step) % count for step in range(1, count + 1)]
    move.set(transport=min(order, key=lambda at: transports[at] in alike))


def setback(move: Move, why: str) -> None:
    """Counts what went wrong. Sends the caller on when it was once too often."""
    session = move.session
    if session.stage not in (Stage.CONNECTING, Stage.TALKING, Stage.HANDED):
        return
    recent = tuple(at for at in session.setbacks_ns if at > move.now - SETBACK_PERIOD_NS)
    if session.stage is Stage.TALKING:
        move.set(stage=Stage.CONNECTING)
    move.set(setbacks_ns=(*recent, move.now))
    if len(recent) >= SETBACKS:
        give_up(move, why)


def pause_ns(session: Session) -> int:
    """How long to wait, after the setback just counted, before the next try."""
    return max(0, len(session.setbacks_ns) - 1) * SETBACK_PAUSE_NS


def give_up(move: Move, why: str) -> None:
    """We cannot serve this caller: on in the dialplan, where somebody else may. Whom we have called ourselves has no
    place there, unless one is configured."""
    session = move.session
    move.note("given up", reason=why)
    nowhere = session.outbound is not None and session.fallback is None
    depart(
        move,
        Departure(hang_up=nowhere, cause=why, status="FAILED", place=session.fallback, sound=session.failure_sound),
    )


def depart(move: Move, departure: Departure) -> None:
    """The caller is to leave. A direct call has no leg of ours: closing its media connection is its departure."""
    session = move.session
    if session.stage in (Stage.CLEARING, Stage.OVER):
        return
    if session.outbound is not None and session.stage in (Stage.ADMITTING, Stage.DIALLING):
        # Nobody is there yet, and an unanswered channel of ours has no dialplan to go on in.
        departure = msgspec.structs.replace(departure, hang_up=True, sound="")
    move.set(departure=departure, stage=Stage.LEAVING)
    if session.outbound is not None and session.outbound.dialled.state is State.NONE:
        caller_gone(move, departure.cause)
    elif session.direct:
        answer_departure(move, refusal="")
        caller_gone(move, departure.cause)


def answer_departure(move: Move, refusal: str) -> None:
    """Answers the transfer's request, once."""
    departure = move.session.departure
    if departure is not None and departure.request:
        move.do(Reply(departure.request, refusal))
        move.set(departure=msgspec.structs.replace(departure, request=0))


def answer_outbound(move: Move, refusal: str, *, busy: bool = False) -> None:
    """Answers the request for an outbound call, once."""
    outbound = move.session.outbound
    if outbound is not None and outbound.request:
        move.do(Reply(outbound.request, refusal, busy))
        move.set(outbound=msgspec.structs.replace(outbound, request=0))


def caller_gone(move: Move, cause: str, *, hung_up: bool = False) -> None:
    """The one way to the end of a call. hung_up: their channel has ended, and not only left us."""
    session = move.session
    if session.stage in (Stage.CLEARING, Stage.OVER):
        return
    departure = session.departure
    if departure is not None:
        # Replies and events come on different connections: the caller's end may overtake the answer to the `continue`
        # that caused it.
        taken_on = departure.going.state is State.THERE
        in_doubt = departure.going.state is not State.NONE or departure.in_doubt
        our_doing = taken_on or (in_doubt and (departure.hang_up or not hung_up))
        answer_departure(move, refusal="" if our_doing else "the caller hung up first")
        cause = departure.cause if our_doing or session.direct else cause
    if session.offer:
        move.do(Reply(session.offer, refusal=cause, busy=True))
        move.set(offer=0)
    answer_outbound(move, refusal=cause)
    retire_media(move)
    move.set(stage=Stage.CLEARING, cause=cause)
