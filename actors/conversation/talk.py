"""Whom the agent talks to: the caller, a person who is asked to take the call, or nobody yet. Pure, like its parts.

    waiting   an outbound call that nobody has answered        -> detecting   it is answered
    detecting who was it (`pickup`)                            -> caller      the agent speaks
    caller    (`course`)                                       -> ringing     an attended transfer is begun
    ringing   the same, while a person's telephone rings       -> person      they have answered
                                                               -> caller      they have not, or the caller wants no more
    person    the caller hears music (`consulting`)            -> joined      they take the call: the agent is done
                                                               -> caller      they do not

Each event goes to the one machine that it concerns, and that one's actions are given back.
"""

from dataclasses import dataclass
from typing import Literal

from actors.conversation import events as ev
from actors.conversation.consulting import Consulting
from actors.conversation.course import Course
from actors.conversation.details import Details
from actors.conversation.events import Action, Event
from actors.conversation.pickup import Pickup
from config.agent import Agent
from config.keeping import Outbound
from config.schema import Turns as Rules
from ipc import journal

CANCEL_KEYS = ("0", "*")
"""While it rings, they mean that the caller wants it no more."""

OVERDUE_S = 25
"""Beyond the time for which it rings: call-control ends that itself, and its word may have been lost with a
predecessor. Longer than a command to call-control is tried for."""

_OF_NO_COURSE = frozenset({ev.ConsultBegun, ev.ConsultChanged, ev.ConsultRefused, ev.Answered, ev.CallOver})

Mode = Literal["waiting", "detecting", "caller", "ringing", "person", "joined"]


@dataclass(frozen=True)
class Setting:
    """What a call's talk goes by."""

    rules: Rules
    start_frames: int
    agent: Agent
    details: Details
    outbound: Outbound | None = None
    """Of a call that we make and that nobody has answered yet."""


class Talk:
    """One call."""

    def __init__(self, setting: Setting, course: Course) -> None:
        self._setting = setting
        self.course = course
        self.mode: Mode = "waiting" if setting.outbound else "caller"
        self._pickup: Pickup | None = None
        self._answered_ns = 0
        self._consult: ev.ConsultBegun | None = None
        self._person: Consulting | None = None
        self._overdue_ns = 0
        self._decided = ""
        """Why nothing comes of the transfer, where that was decided on this side."""

    def take_over(self, consult: ev.ConsultBegun, now_ns: int, *, asking: bool) -> list[Action]:
        """Goes on with an attended transfer of a predecessor's; who is being asked is asked from the start."""
        self._consult = consult
        self.mode = "ringing"
        self._overdue_ns = now_ns + (consult.ring_s + OVERDUE_S) * 1_000_000_000
        self.course.waiting = self._setting.agent.consult.waiting
        return self._ask_person(now_ns) if asking else []

    def handle(self, event: Event, now_ns: int) -> list[Action]:
        """What to do about the event, in order."""
        if self.mode == "caller" and type(event) not in _OF_NO_COURSE:  # 50 times a second
            return self.course.handle(event, now_ns)
        match event:
            case ev.ConsultBegun():
                return self._ring(event, now_ns) if self.mode == "caller" else []
            case ev.ConsultChanged(state, reason):
                return self._changed(state, reason, now_ns)
            case ev.ConsultRefused(reason):
                return self._end_consult(now_ns, "", reason)
            case ev.CallOver():
                spoken = self._person.close(now_ns) if self._person else []
                return spoken + self.course.handle(event, now_ns)
        match self.mode:
            case "waiting" | "detecting":
                return self._detect(event, now_ns)
            case "person":
                return self._to_person(event, now_ns)
            case "joined":
                return []
            case "ringing":
                return self._while_ringing(event, now_ns)
        # An answer that is known already, as a successor may be told it.
        return [] if isinstance(event, ev.Answered) else self.course.handle(event, now_ns)

    def wake_at(self) -> int | None:
        """When `Clock` is to be handled at the latest, if nothing else happens before."""
        if self.mode == "caller":
            return self.course.wake_at()
        if self.mode == "detecting" and self._pickup:
            return self._pickup.due_ns
        if self.mode == "person" and self._person:
            return self._person.wake_at() or self._overdue_ns
        if self.mode in ("waiting", "joined"):
            return None
        due = self.course.wake_at()
        return min(due, self._overdue_ns) if due is not None and self._overdue_ns else due or self._overdue_ns or None

    @property
    def watched(self) -> tuple[int, ...]:
        """Generations of which `WirePlayed` is wanted."""
        return self._person.watched if self.mode == "person" and self._person else self.course.watched

    # -- an outbound call

    def _detect(self, event: Event, now_ns: int) -> list[Action]:
        outbound = self._setting.outbound
        assert outbound is not None
        if isinstance(event, ev.Answered):
            if self._pickup is None:
                self.mode, self._pickup, self._answered_ns = "detecting", Pickup(outbound, now_ns), now_ns
        elif isinstance(event, ev.CannotGoOn):
            self.mode = "caller"
            return self.course.handle(event, now_ns)
        if self._pickup is None:
            return []
        self._pickup.handle(event, now_ns)
        by = self._pickup.by
        if by is None:
            return []
        self.mode = "caller"
        after_ms = (now_ns - self._answered_ns) // 1_000_000
        known: list[Action] = [
            ev.Result({"answered_by": by}),
            ev.Write(journal.CallAnswered(at_ns=now_ns, by=by, after_ms=after_ms)),
        ]
        if by != "person" and outbound.undetected == "hang_up":
            return [*known, ev.EndCall(f"no person has answered ({by})", f"no_person_{by}")]
        return known + self.course.handle(ev.Started(), now_ns)

    # -- an attended transfer

    def _ring(self, begun: ev.ConsultBegun, now_ns: int) -> list[Action]:
        consult = self._setting.agent.consult
        self._consult, self._decided = begun, ""
        self.mode = "ringing"
        self._overdue_ns = now_ns + (begun.ring_s + OVERDUE_S) * 1_000_000_000
        self.course.waiting = consult.waiting
        known: list[Action] = [self._consulted("ringing", begun.reason, now_ns)]
        if not consult.trying:
            return known
        return known + self.course.handle(ev.Tell(self._filled(consult.trying)), now_ns)

    def _while_ringing(self, event: Event, now_ns: int) -> list[Action]:
        if isinstance(event, ev.Answered):
            return []
        if isinstance(event, ev.DigitPressed) and event.digit in CANCEL_KEYS:
            return self._cancel(now_ns)
        if now_ns >= self._overdue_ns:
            gave_up = self._cancel(now_ns)
            return gave_up + self._end_consult(now_ns, self._setting.agent.consult.no_answer, "no word of it")
        actions: list[Action] = []
        for action in self.course.handle(event, now_ns):
            cancels = isinstance(action, ev.RunTool) and action.name == "cancel_transfer"
            actions += self._cancel(now_ns) if cancels else [action]
        return actions

    def _cancel(self, now_ns: int) -> list[Action]:
        if self._decided:
            return []
        self._decided = "cancelled"
        return [ev.CancelConsult()]

    def _changed(self, state: str, reason: str, now_ns: int) -> list[Action]:
        if self._consult is None or self.mode not in ("ringing", "person"):
            return []
        if state == "ended":
            return self._end_consult(now_ns, self._news_of(reason), self._decided or reason)
        if state == "joined":
            self.mode = "joined"
            spoken = self._person.close(now_ns) if self._person else []
            return [*spoken, self._consulted("joined", "", now_ns)]
        return self._ask_person(now_ns) if self.mode == "ringing" else []

    def _ask_person(self, now_ns: int) -> list[Action]:
        assert self._consult is not None
        setting, consult = self._setting, self._consult
        away = self.course.leave_caller(now_ns)
        self.mode = "person"
        self._overdue_ns = now_ns + (consult.decide_s + OVERDUE_S) * 1_000_000_000
        self._person = Consulting(
            setting.rules, setting.start_frames, setting.agent.consult, consult, self.course.numbers, self._filled
        )
        asked: list[Action] = [*away, self._consulted("asking", "", now_ns), ev.Attend("person")]
        return asked + self._person.begin(now_ns)

    def _to_person(self, event: Event, now_ns: int) -> list[Action]:
        assert self._person is not None
        if isinstance(event, ev.CannotGoOn):
            # Nobody can ask them any more: the caller is taken back, and sent on.
            failed = self._end_consult(now_ns, "", "the agent could not go on")
            return [ev.CancelConsult(), *failed, *self.course.handle(event, now_ns)]
        if now_ns >= self._overdue_ns:
            return self._end_consult(now_ns, self._setting.agent.consult.failed, "no word of it")
        older = isinstance(event, ev.Transcript | ev.PartialText) and event.utterance < self._person.first_utterance
        if older or isinstance(event, ev.Tell | ev.ToolFailed):
            return self.course.handle(event, now_ns)
        actions = self._person.handle(event, now_ns)
        for action in actions:
            if isinstance(action, ev.DecideConsult) and not action.accepted:
                self._decided = action.reason
        return actions

    def _end_consult(self, now_ns: int, news: str = "", why: str = "") -> list[Action]:
        """The agent is with the caller again, or still, and has this to tell them."""
        over: list[Action] = []
        if self._consult is not None and why:
            over.append(self._consulted("ended", why, now_ns))
        self.course.waiting = ()
        text = self._filled(news)
        if self._person is not None:
            over += [*self._person.close(now_ns), ev.Attend("caller")]
            self.course.numbers = self._person.numbers
            self._person = None
            self.mode = "caller"
            over += self.course.join_caller(text, now_ns)
        elif text:
            self.mode = "caller"
            over += self.course.handle(ev.Tell(text, instead=True), now_ns)
        self.mode = "caller"
        self._consult, self._overdue_ns = None, 0
        return over

    def _news_of(self, reason: str) -> str:
        """What the caller is told of it. Asterisk's own words (its cause texts) are among the reasons."""
        texts = self._setting.agent.consult
        said = (self._decided or reason).lower()
        if "cancel" in said:
            return texts.cancelled
        if "busy" in said:
            return texts.busy
        if any(word in said for word in ("no answer", "no user", "no decision", "timeout")):
            return texts.no_answer
        if any(word in said for word in ("declin", "reject")):
            return texts.declined
        if "normal" in said or "hung up" in said:  # they have hung up
            return texts.declined if self._person else texts.no_answer
        if "no cause" in said and self._person:  # the same: Asterisk gives none for a Local channel
            return texts.declined
        return texts.failed

    def _consulted(self, state: str, reason: str, now_ns: int) -> Action:
        destination = self._consult.destination if self._consult else ""
        return ev.Write(journal.Consulted(at_ns=now_ns, destination=destination, state=state, reason=reason))

    def _filled(self, text: str) -> str:
        consult = self._consult
        more = {"destination": consult.title, "reason": consult.reason} if consult else None
        return self._setting.details.fill(text, more)
