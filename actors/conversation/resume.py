"""What a conversation actor needs to go on with a call that its predecessor held: all from the call's journal."""

from collections.abc import Iterable
from dataclasses import dataclass

from msgspec import structs

from actors.conversation.digits import told
from actors.conversation.history import History
from actors.conversation.tools import FAILED
from ipc.journal import (
    AgentSaid,
    AgentSaying,
    CallAnswered,
    CallEnded,
    CallerAway,
    CallerSaid,
    CallStarted,
    Consulted,
    DigitsPressed,
    FalseBargeIn,
    NoiseIgnored,
    ProviderLost,
    Record,
    ToolRun,
)

SETTLED = (CallStarted, CallerSaid, DigitsPressed, AgentSaying, AgentSaid, NoiseIgnored, FalseBargeIn)
"""Records after which nothing is left to be understood of what the caller had said."""


@dataclass(frozen=True)
class Past:
    """A call up to now."""

    started: CallStarted
    history: History
    turn: int
    until_ns: int
    """What the caller said before is understood, or was talked over; what they said since is still in the ear."""
    away: bool = False
    """The caller has put us on hold."""
    on_hold: bool = False
    """The agent has put the caller on hold."""
    answered: bool = False
    """Of an outbound call: it is known who has answered it."""
    consult: Consulted | None = None
    """The attended transfer that is under way."""
    reason: str = ""
    """Why the caller is to be put through."""
    saying: AgentSaying | None = None
    """What is in the mouth, and is being heard or has been."""


def past(records: Iterable[Record]) -> Past | None:
    """None when the journal has no beginning, or the call is over."""
    started: CallStarted | None = None
    history = History()
    turn = until_ns = 0
    away = on_hold = answered = False
    consult: Consulted | None = None
    reason = ""
    saying: AgentSaying | None = None
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
            case AgentSaying():
                saying = record
                turn = max(turn, record.turn)
            case AgentSaid():
                saying = None
                history.answered(record.heard)
                turn = max(turn, record.turn)
            case ToolRun() if record.outcome.startswith(FAILED):
                history.failed(f"failed: {record.name}: {record.outcome.removeprefix(FAILED)}")
            case ToolRun(name="hold" | "resume", outcome="done"):
                on_hold = record.name == "hold"
            case CallerAway():
                away = record.away
            case CallAnswered():
                answered = True
            case Consulted():
                consult = record if record.state in ("ringing", "asking") else None
                reason = record.reason if record.state == "ringing" else reason
            case ProviderLost() if started is not None:
                started = structs.replace(started, provider="", pipeline=record.pipeline, engines=record.engines)
            case CallEnded():
                return None
    if started is None:
        return None
    return Past(
        started,
        history,
        turn,
        until_ns,
        away=away,
        on_hold=on_hold,
        answered=answered,
        consult=consult,
        reason=reason,
        saying=saying,
    )
