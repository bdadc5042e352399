"""Where a scripted conversation stands, and what comes next. Pure: the caller's lines go in, replies come out.

A `Dialogue` lives for as long as it takes to answer one prompt: it hears every line of the call from the first one on,
and so ends where any other `Dialogue` would that hears the same lines.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from actors.llm.matching import Fit, Heard, Phrase, Spotter, Weights
from config.agent import Agent
from config.phrases import parse_phrases, parse_slot
from config.script import Escalation, Form, Intent, Script, Tool

_OPEN_QUESTION = 0.05
"""What is added to the fit of an answer to the question that is open: "cancel" then means the form."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the agent says, and does when it has said it."""

    text: str
    tool: Tool | None = None
    result: Mapping[str, str] = field(default_factory=dict)
    """Values for the dialplan."""


class Play:
    """An agent's script, made ready to be played: immutable, shared by all calls. The agent must have a script."""

    def __init__(self, agent: Agent, script: Script) -> None:
        self.agent = agent
        self.script = script
        self._weights = Weights(script.words)
        self.spotter = Spotter({name: parse_slot(text) for name, text in script.slots.items()})
        self.yes = self._phrases(script.yes)
        self.no = self._phrases(script.no)
        self.intents = {name: self._phrases(intent.heard) for name, intent in script.intents.items()}
        self.forms = {name: self._phrases(form.heard) for name, form in script.forms.items()}
        self.answers = {name: self._phrases(form.answers) for name, form in script.forms.items()}
        self.cancels = {name: self._phrases(form.cancel) for name, form in script.forms.items()}

    def _phrases(self, text: str) -> tuple[Phrase, ...]:
        return tuple(Phrase(expression, self._weights) for expression in parse_phrases(text))


def best_fit(phrases: Sequence[Phrase], heard: Heard) -> Fit | None:
    """The best fit of any of the phrases; of equal ones the one that fills more slots, then the first."""
    fits = [fit for phrase in phrases if (fit := phrase.fit(heard)) is not None]
    return max(fits, key=lambda fit: (fit.score, len(fit.slots)), default=None)


@dataclass
class Dialogue:
    """One conversation."""

    play: Play
    form: str = ""
    """Name of the form that is open, "" for none."""
    filled: dict[str, str] = field(default_factory=dict)
    """The form's slots so far."""
    offer: Escalation | None = None
    """The way out whose question is open."""
    misses: int = 0
    """Lines in a row that were not understood."""
    said: Counter[str] = field(default_factory=Counter)
    """How often each set of variants has been used, so that the next one comes next."""
    last: str = ""
    """What was said last, for a caller who asks to hear it again."""

    def hear(self, text: str) -> Reply:
        """The reply to what the caller said; "" is speech that was not understood."""
        heard = self.play.spotter.heard(text)
        action = self._understand(heard) if heard.words else None
        if action is None:
            reply = self._not_understood()
        else:
            self.misses = 0
            reply = action()
        self.last = reply.text
        return reply

    def tool_failed(self) -> Reply:
        """The reply to the news that a tool has failed."""
        return Reply(self._next("tool failed", self.play.script.tool_failed))

    def _understand(self, heard: Heard) -> Callable[[], Reply] | None:
        """What the best fit among everything that may be said now leads to; None where nothing fits."""
        best: tuple[float, Callable[[], Reply] | None] = (0.0, None)

        def consider(phrases: Sequence[Phrase], action: Callable[[Fit], Reply], bonus: float = 0.0) -> None:
            nonlocal best
            fit = best_fit(phrases, heard)
            if fit is not None and fit.score + bonus > best[0]:
                best = (fit.score + bonus, partial(action, fit))

        play = self.play
        if self.offer is not None:
            consider(play.yes, partial(self._accept, self.offer), _OPEN_QUESTION)
            consider(play.no, partial(self._decline, self.offer), _OPEN_QUESTION)
        elif self.form and self._missing() == "":
            consider(play.yes, self._complete, _OPEN_QUESTION)
            consider(play.no, self._reject, _OPEN_QUESTION)
        if self.form:
            consider(play.answers[self.form], self._fill, _OPEN_QUESTION)
            consider(play.cancels[self.form], self._cancel, _OPEN_QUESTION)
        for name, intent in play.script.intents.items():
            if intent.during in ("", self.form):
                consider(play.intents[name], partial(self._intend, name, intent))
        for name in play.script.forms:
            consider(play.forms[name], partial(self._open, name))
        return best[1]

    def _intend(self, name: str, intent: Intent, fit: Fit) -> Reply:
        self.offer = None
        text = self._next(f"intent {name}", intent.reply, fit.slots)
        if intent.repeat:
            return Reply(_joined(text, self.last or self.play.agent.greeting))
        if intent.tool is not None:
            self._close()
            return Reply(text, _filled_tool(intent.tool, fit.slots), _filled(intent.result, fit.slots))
        return Reply(_joined(text, self._question()), result=_filled(intent.result, fit.slots))

    def _open(self, name: str, fit: Fit) -> Reply:
        if name != self.form:
            self._close()
            self.form = name
        return self._fill(fit)

    def _fill(self, fit: Fit) -> Reply:
        self.offer = None
        self.filled |= {name: value for name, value in fit.slots.items() if name in self._open_form().ask}
        return Reply(self._question())

    def _complete(self, _: Fit) -> Reply:
        form, filled = self._open_form(), dict(self.filled)
        text = self._next(f"done {self.form}", form.done, filled)
        self._close()
        return Reply(text, _filled_tool(form.tool, filled) if form.tool else None, _filled(form.result, filled))

    def _reject(self, _: Fit) -> Reply:
        self.filled.clear()
        form = self._open_form()
        # From here on every question is asked again, even one that the caller had answered before it was asked.
        self.said.update({self._asked(slot): 1 for slot in form.ask if not self.said[self._asked(slot)]})
        text = self._next(f"reject {self.form}", form.reject)
        return Reply(_joined(text, self._question()))

    def _cancel(self, _: Fit) -> Reply:
        text = self._next(f"cancel {self.form}", self._open_form().cancelled)
        self._close()
        return Reply(text)

    def _accept(self, offer: Escalation, _: Fit) -> Reply:
        self._close()
        return Reply(self._next("accepted", offer.accepted), offer.tool)

    def _decline(self, offer: Escalation, _: Fit) -> Reply:
        self.offer = None
        return Reply(_joined(self._next("declined", offer.declined), self._question()))

    def _not_understood(self) -> Reply:
        self.misses += 1
        way_out = self.play.script.escalation
        if way_out is not None and self.misses % way_out.after == 0:
            self.offer = way_out
            return Reply(self._next("offer", way_out.offer))
        text = self._next("not understood", self.play.agent.not_understood)
        if self.offer is not None:
            return Reply(_joined(text, self._next("offer", self.offer.offer)))
        return Reply(_joined(text, self._question()))

    def _open_form(self) -> Form:
        return self.play.script.forms[self.form]

    def _missing(self) -> str:
        """The open form's first slot that is not filled, "" when all are."""
        return next((name for name in self._open_form().ask if name not in self.filled), "")

    def _question(self) -> str:
        """The open form's next question, "" without a form."""
        if not self.form:
            return ""
        form, slot = self._open_form(), self._missing()
        if not slot:
            return self._next(f"confirm {self.form}", form.confirm, self.filled)
        self.said[self._asked(slot)] += 1
        times = min(self.said[self._asked(slot)], len(form.ask[slot]))
        return _spoken(form.ask[slot][times - 1], self.filled)

    def _asked(self, slot: str) -> str:
        return f"ask {self.form} {slot}"

    def _close(self) -> None:
        """Leaves the form, and whatever question was open."""
        if self.form:
            for slot in self._open_form().ask:
                del self.said[self._asked(slot)]
        self.form, self.offer = "", None
        self.filled.clear()

    def _next(self, about: str, variants: Sequence[str], slots: Mapping[str, str] | None = None) -> str:
        """The next of the variants, with the slots' values in place; "" where there are none."""
        if not variants:
            return ""
        self.said[about] += 1
        return _spoken(variants[(self.said[about] - 1) % len(variants)], slots or {})


def _spoken(sentence: str, slots: Mapping[str, str]) -> str:
    for name, value in slots.items():
        sentence = sentence.replace(f"{{{name}}}", value)
    return sentence


def _joined(*sentences: str) -> str:
    return " ".join(sentence for sentence in sentences if sentence)


def _filled_tool(tool: Tool, slots: Mapping[str, str]) -> Tool:
    return Tool(name=tool.name, arguments=_filled(tool.arguments, slots))


def _filled(values: Mapping[str, str], slots: Mapping[str, str]) -> dict[str, str]:
    return {name: _spoken(value, slots) for name, value in values.items()}
