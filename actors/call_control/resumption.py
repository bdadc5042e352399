"""How a call goes on whose call-control has died: exactly from what was kept on disk (`kept`). Pure.

What is not known is whether the commands were carried out that nobody has answered. Nearly all can be repeated, for
what they make has an id that we chose, or is already as it should be; those are asked again. The others (`NOT_TWICE`)
would do harm: for them the machine is told what it is told of any answer that never came.

Events were lost meanwhile: `comparison` finds out which.
"""

from collections.abc import Sequence

import msgspec

from actors.call_control.chronicle import LOST_AWAY, LOST_HOUSE
from actors.call_control.commands import (
    Command,
    ConnectMedia,
    Continue,
    HangUpCaller,
    Originate,
    OriginateCaller,
    OriginatePerson,
    PlaySound,
)
from actors.call_control.events import (
    CallerLeft,
    Event,
    Failed,
    MediaLegArrived,
    MediaLegEnded,
    PersonLeft,
    Why,
)
from actors.call_control.kept import AT_ONCE, Kept
from actors.call_control.legs import step
from actors.call_control.moves import THERE
from actors.call_control.sessions import CONNECTED, Session, Stage, State

LEAVING = (Continue, HangUpCaller)
"""If they were carried out, the caller has gone by our doing: repeated they find nobody, and the cause is lost."""
NOT_TWICE = (Originate, OriginatePerson, OriginateCaller, ConnectMedia, PlaySound, *LEAVING)
"""A second channel under the same id is refused, as if the first were not there; a second sound is heard."""

DIED = "call-control died before the answer came"


class Resumption(msgspec.Struct, frozen=True):
    session: Session
    missed: tuple[Event, ...] = ()
    """What it has to be told before anything else."""
    waiting: tuple[Command, ...] = ()
    """What is to be carried out again."""
    anew: bool = False
    """This call has ended, and its caller, if still there, is to be served from the start."""

    @property
    def parts(self) -> tuple[Session, tuple[Event, ...], tuple[Command, ...]]:
        return self.session, self.missed, self.waiting


def resumed(kept: Kept, missed: Sequence[Event], at_supervisor: bool, now: int) -> Resumption:
    """How the call goes on.

    missed: what the comparison found. at_supervisor: the supervisor has the call open.
    """
    session = kept.session
    again = tuple(command for command in kept.waiting if not isinstance(command, NOT_TWICE))
    unknown = [Failed(command, Why.UNKNOWN, DIED) for command in kept.waiting if isinstance(command, NOT_TWICE)]
    if session.stage in (Stage.CLEARING, Stage.OVER):
        return Resumption(session, tuple(unknown), again)
    if session.rings.state is State.THERE and not at_supervisor and not session.direct:
        # The supervisor has ended meanwhile, and with it all that the caller could have talked to.
        return _ended(session, unknown, again, now)
    gone = _gone(session, missed, at_supervisor)
    if gone is not None:
        leaving = [failure for failure in unknown if isinstance(failure.command, LEAVING)]
        others = [failure for failure in unknown if failure not in leaving]
        return Resumption(session, (*leaving, gone, *others), again)
    return Resumption(session, (*_arrivals(session, missed), *unknown, *_ends(session, missed)), again)


def as_made(session: Session) -> Session:
    """As if all legs had been made whose making was under way: then a comparison says of each whether it is there."""
    media, consult, outbound = session.media, session.consult, session.outbound
    if media is not None and media.channel.state is State.PENDING:
        media = msgspec.structs.replace(media, channel=THERE)
    if consult is not None and consult.channel.state is State.PENDING:
        consult = msgspec.structs.replace(consult, channel=THERE)
    if outbound is not None and outbound.dialled.state is State.PENDING:
        outbound = msgspec.structs.replace(outbound, dialled=THERE)
    return msgspec.structs.replace(session, media=media, consult=consult, outbound=outbound)


def _gone(session: Session, missed: Sequence[Event], at_supervisor: bool) -> CallerLeft | None:
    """The end of the caller, where there is nobody (any more)."""
    outbound = session.outbound
    if outbound is not None and outbound.dialled.state is State.NONE and session.stage is Stage.ADMITTING:
        return CallerLeft(LOST_AWAY)  # whoever asked for the call was told that there is none
    if session.direct:
        # Nobody can answer the offer of its connection any more, and the supervisor has closed that.
        return None if at_supervisor and not session.offer else CallerLeft(LOST_AWAY)
    return CallerLeft(LOST_AWAY) if any(isinstance(event, CallerLeft) for event in missed) else None


def _ended(session: Session, unknown: Sequence[Event], again: Sequence[Command], now: int) -> Resumption:
    session, commands = step(session, CallerLeft(LOST_HOUSE), now)
    again = (*again, *(command for command in commands if not isinstance(command, AT_ONCE)))
    return Resumption(session, tuple(unknown), again, anew=True)


def _arrivals(session: Session, missed: Sequence[Event]) -> list[Event]:
    """Legs that were found in Stasis: with these the answer to their making is of no more interest. Of a leg that we
    have to connect to it is: it held the address."""
    found = [event for event in missed if not isinstance(event, MediaLegEnded | PersonLeft)]
    media = session.media
    unusable = media is not None and media.transport in CONNECTED and media.remote is None
    return [event for event in found if not (unusable and isinstance(event, MediaLegArrived))]


def _ends(session: Session, missed: Sequence[Event]) -> list[Event]:
    return [event for event in missed if isinstance(event, MediaLegEnded | PersonLeft)]
