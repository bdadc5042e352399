"""What a conversation actor needs to go on with a call that its predecessor held: all from the call's journal."""

from collections.abc import Iterable
from dataclasses import dataclass

from actors.conversation.digits import told
from actors.conversation.history import History
from ipc.journal import (
    AgentSaid,
    CallEnded,
    CallerSaid,
    CallStarted,
    DigitsPressed,
    FalseBargeIn,
    NoiseIgnored,
    Record,
)

SETTLED = (CallStarted, CallerSaid, DigitsPressed, AgentSaid, NoiseIgnored, FalseBargeIn)
"""Records after which nothing is left to be understood of what the caller had said."""


@dataclass(frozen=True)
class Past:
    """A call up to now."""

    started: CallStarted
    history: History
    turn: int
    until_ns: int
    """What the caller said before is understood, or was talked over; what they said since is still in the ear."""


def past(records: Iterable[Record]) -> Past | None:
    """None when the journal has no beginning, or the call is over."""
    started: CallStarted | None = None
    history = History()
    turn = until_ns = 0
    for record in records:
        # A filler says that the caller has not been understood yet; notes and timings say nothing of it.
        if isinstance(record, SETTLED) and not (isinstance(record, AgentSaid) and record.kind == "filler"):
            until_ns = record.at_ns
        match record:
            case CallStarted():
                started = record
            case CallerSaid():
                # A later record of the same turn replaces the earlier one.
                history.ask(record.text)
                turn = record.turn
            case DigitsPressed():
                history.ask(told(record.digits))
                turn += 1
            case AgentSaid():
                history.answered(record.heard)
                turn = max(turn, record.turn)
            case CallEnded():
                return None
    return Past(started, history, turn, until_ns) if started else None
