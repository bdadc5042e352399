"""What a conversation actor needs to go on with a call that its predecessor held: all from the call's journal."""

from collections.abc import Iterable
from dataclasses import dataclass

from actors.conversation.events import HistoryLine
from ipc.journal import AgentSaid, CallEnded, CallerSaid, CallStarted, Record


@dataclass(frozen=True)
class Past:
    """A call up to now."""

    started: CallStarted
    history: tuple[HistoryLine, ...]
    turn: int
    unanswered: str | None
    """What the caller said last, if no answer to it was heard."""


def past(records: Iterable[Record]) -> Past | None:
    """None when the journal has no beginning, or the call is over."""
    started: CallStarted | None = None
    lines: list[HistoryLine] = []
    turn = 0
    pending: CallerSaid | None = None
    for record in records:
        match record:
            case CallStarted():
                started = record
            case CallerSaid():
                # A later record of the same turn replaces the earlier one.
                pending, turn = record, record.turn
            case AgentSaid() if record.heard:
                # What interrupts a reply is written before the reply's own end: the reply still comes first.
                if pending is not None and record.turn >= pending.turn:
                    lines.append(HistoryLine("caller", pending.text))
                    pending = None
                lines.append(HistoryLine("agent", record.heard))
            case CallEnded():
                return None
    if started is None:
        return None
    return Past(started, tuple(lines), turn, pending.text if pending else None)
