"""What the call history says of a call, made from its session and from what happens to it. Pure.

session  --> facts     one row of the history: who called, what answered, how it ended
session  --> channels  the legs that it has in Asterisk
event    --> words     one line of its time line
"""

import re
from collections.abc import Collection

import msgspec

from actors.call_control.events import CallRead, DigitPressed, Event, Failed, Performed
from actors.call_control.sessions import MediaLeg, Part, Session, Stage, State
from ipc.history import plain

SHOWN = 3
"""Digits of a number that remain of it, with `redact: numbers`."""

LOST_AWAY = "ended while call-control was away"
LOST_BOOT = "the machine was restarted"
LOST_HOUSE = "everything was restarted"
LOST_ASTERISK = "Asterisk was restarted"
LOST = (LOST_AWAY, LOST_BOOT, LOST_HOUSE, LOST_ASTERISK)
"""Causes of calls whose end nobody saw."""

LONGEST_NAME, LONGEST_TEXT = 200, 500
"""Characters of a name or number, and of a cause or an error, that are kept."""

_KINDS = {"media": "media", "old_media": "media", "consult": "person"}
"""What the legs in these fields of a session are called; others are called as their field."""

_SAID_ELSEWHERE = {"arrived_ns", "at_ns", "request", "channel_id", "command"}
"""Fields of events of which the time line says nothing."""


class Redaction:
    """Which parts of a call are never written (`history.redact`)."""

    def __init__(self, redact: Collection[str]) -> None:
        self.numbers, self.names = "numbers" in redact, "names" in redact
        self.digits, self.texts = "digits" in redact, "texts" in redact

    def number(self, number: str) -> str:
        return f"…{number[-SHOWN:]}" if self.numbers and number else plain(number, LONGEST_NAME)

    def name(self, name: str) -> str:
        return "…" if self.names and name else plain(name, LONGEST_NAME)

    def keys(self, digits: str) -> str:
        return "…" if self.digits and digits else plain(digits, LONGEST_NAME)

    def text(self, text: str) -> str:
        return "…" if self.texts and text else plain(text)

    def argument(self, text: str) -> str:
        """Of a tool: what the caller has said or pressed may be in it."""
        text = self.text(text)
        return re.sub(r"\d+", "…", text) if self.digits or self.numbers else text


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """The columns of the table `calls` that a session tells."""

    direction: str
    caller_number: str
    caller_name: str
    agent: str
    provider: str
    answered: bool
    outcome: str
    cause: str


def facts(session: Session, redaction: Redaction) -> Facts:
    outbound = session.outbound is not None
    came_to = ""
    if session.stage in (Stage.CLEARING, Stage.OVER):
        came_to = outcome(session)
    elif session.stage is Stage.HANDED:
        came_to = "transferred"  # and stays so when the caller, who talks to a person now, hangs up
    return Facts(
        direction="out" if outbound else "direct" if session.direct else "in",
        caller_number=redaction.number(session.caller_number),
        caller_name=redaction.name(session.caller_name),
        agent=plain(session.agent or "", LONGEST_NAME),
        provider=plain(session.provider, LONGEST_NAME),
        answered=answered(session),
        outcome=came_to,
        cause=plain(session.cause, LONGEST_TEXT),
    )


def answered(session: Session) -> bool:
    """A direct call was answered by the dialplan."""
    return session.answered.state is State.THERE or session.direct


def outcome(session: Session) -> str:
    """One of `ipc.past_calls.OUTCOMES`, of a session whose caller is gone."""
    departure = session.departure
    if session.cause in LOST:
        return "lost"
    # The caller may have hung up while they were being sent away: then the cause is their own.
    if departure is not None and departure.cause == session.cause:
        if departure.status in ("BUSY", "FAILED"):
            return departure.status.lower()
        if departure.destination or departure.status == "TRANSFERRED":
            return "transferred"
        if departure.hang_up:
            return "agent hung up" if answered(session) or session.early else "failed"
        return "sent on"
    if not answered(session):
        return "no answer" if session.outbound is not None else "abandoned"
    return "caller hung up"


class Leg(msgspec.Struct, frozen=True):
    kind: str
    transport: str


def channels(session: Session) -> dict[str, Leg]:
    """The channels in Asterisk that the session has, by id: the caller's, and those of any part of it that has one."""
    found: dict[str, Leg] = {}
    if not session.direct and session.stage not in (Stage.CLEARING, Stage.OVER):
        found[session.call_id] = Leg("caller", "")
    for name in session.__struct_fields__:
        value = getattr(session, name)
        for part in value if isinstance(value, tuple) else (value,):
            channel = getattr(part, "channel", None)
            if isinstance(channel, Part) and channel.state is not State.NONE and channel.state is not State.GONE:
                transport = part.transport if isinstance(part, MediaLeg) else ""
                found[part.channel_id] = Leg(_KINDS.get(name, name), transport)
    return found


def words(event: Event, redaction: Redaction) -> tuple[str, str]:
    """An event as the time line tells it: its name and its detail."""
    match event:
        case Performed(command=command):
            return type(command).__name__, ""
        case Failed(command=command, why=why, text=text):
            return f"{type(command).__name__} failed", plain(f"{why}: {text}", LONGEST_TEXT)
        case DigitPressed(digit=digit):
            return "DigitPressed", redaction.keys(digit)
        case CallRead():
            # The variables that the dialplan set are for the agent, and may say anything of the caller.
            return "CallRead", plain(f"agent {event.agent or 'by default'}; {', '.join(event.transports)}")
    name, detail = type(event).__name__, []
    for field in event.__struct_fields__:
        value = getattr(event, field)
        if field not in _SAID_ELSEWHERE and isinstance(value, str | bool) and value:
            detail.append(field.replace("_", " ") if value is True else f"{field.replace('_', ' ')} {value}")
    return name, plain("; ".join(detail), LONGEST_TEXT)
