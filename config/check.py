"""What types cannot say about an agent: phrases that parse, slots, forms, tools and destinations that are there."""

import re
from collections.abc import Iterable, Mapping

from msgspec import structs

from config.agent import Agent
from config.decode import Decoder, nearest
from config.phrases import Expression, PhraseError, certain_slots, parse_phrases, parse_slot, slots
from config.problem import Key
from config.script import Form, Intent, Script, Tool

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")

OF_CALL = frozenset({"caller_name", "caller_number"})
"""Placeholders that every call fills."""
CONSULT_PHRASES = ("accept", "decline", "other")
"""Of `consult`: what people say, and not what the agent does."""
OF_TRANSFER = frozenset({"destination", "reason"})
"""Those that an attended transfer fills besides."""


def check_agent(agent: Agent, destinations: Mapping[str, object] | None, decoder: Decoder) -> None:
    """Notes every mistake at its place. `destinations` are the transfers that exist, None where they are not known."""
    if destinations is not None:
        for at, name in enumerate(agent.transfers):
            if name not in destinations:
                message = f"`transfers.destinations` of the settings has no `{name}`{nearest(name, destinations)}"
                decoder.note(("transfers", at), message)
    _check_texts(agent, decoder)
    for rule in CONSULT_PHRASES:
        _check_answers(getattr(agent.consult, rule), ("consult", rule), decoder)
    if agent.script is not None:
        _ScriptCheck(agent, agent.script, decoder).check()


def _check_texts(agent: Agent, decoder: Decoder) -> None:
    """What is said outside the script: `_PLACEHOLDER`s that nothing fills would be left out, and nobody would know."""
    known = OF_CALL | agent.variables.keys()
    for name in ("greeting", "goodbye", "filler", "trouble", "outbound_greeting", "not_understood", "no_input"):
        _check_text(getattr(agent, name), known, (name,), decoder)
    _check_text(agent.unreachable, known | {"destination"}, ("unreachable",), decoder)
    for field in structs.fields(agent.consult):
        if field.name not in CONSULT_PHRASES:
            key: Key = ("consult", field.name)
            _check_text(getattr(agent.consult, field.name), known | OF_TRANSFER, key, decoder)


def _check_text(text: str | tuple[str, ...], known: frozenset[str], key: Key, decoder: Decoder) -> None:
    for at, sentence in enumerate((text,) if isinstance(text, str) else text):
        for name in sorted(placeholders(sentence) - known):
            place = key if isinstance(text, str) else (*key, at)
            decoder.note(place, f"nothing fills `{{{name}}}`{nearest(name, known)}; `variables` can name it.")


def _check_answers(text: str, key: Key, decoder: Decoder) -> None:
    """Phrases that are not part of a script, so that no slot is there."""
    try:
        phrases = parse_phrases(text)
    except PhraseError as error:
        decoder.note(key, f"{error}.", error.line, error.column)
        return
    if not phrases:
        decoder.note(key, "there is no phrase here; write what people say, one phrase a line.")
    for name in sorted(frozenset().union(*(slots(phrase) for phrase in phrases))):
        decoder.note(key, f"there are no slots here; write `{name}` out.")


def placeholders(sentence: str) -> frozenset[str]:
    """Names of the slots that a sentence speaks of."""
    return frozenset(_PLACEHOLDER.findall(sentence))


class _ScriptCheck:
    """One pass over a script."""

    def __init__(self, agent: Agent, script: Script, decoder: Decoder) -> None:
        self._agent = agent
        self._script = script
        self._decoder = decoder
        self._of_call = OF_CALL | agent.variables.keys()

    def check(self) -> None:
        """All of it."""
        script = self._script
        for name, text in script.slots.items():
            self._slot(text, ("script", "slots", name))
        self._phrases(script.yes, ("script", "yes"))
        self._phrases(script.no, ("script", "no"))
        self._sentences(script.tool_failed, frozenset(), ("script", "tool_failed"))
        for name, intent in script.intents.items():
            self._intent(intent, ("script", "intents", name))
        for name, form in script.forms.items():
            self._form(form, ("script", "forms", name))
        if script.escalation is not None:
            key: Key = ("script", "escalation")
            for field in ("offer", "accepted", "declined"):
                self._sentences(getattr(script.escalation, field), frozenset(), (*key, field))
            self._tool(script.escalation.tool, frozenset(), (*key, "tool"))

    def _slot(self, text: str, key: Key) -> None:
        try:
            forms = parse_slot(text)
        except PhraseError as error:
            self._decoder.note(key, f"{error}.", error.line, error.column)
            return
        if not forms:
            self._decoder.note(key, "this slot has no spoken form; write one a line.")

    def _phrases(self, text: str, key: Key, required: bool = True) -> tuple[Expression, ...]:
        try:
            phrases = parse_phrases(text)
        except PhraseError as error:
            self._decoder.note(key, f"{error}.", error.line, error.column)
            return ()
        if required and not phrases:
            self._decoder.note(key, "there is no phrase here; write what callers say, one phrase a line.")
        for name in sorted(frozenset().union(*(slots(phrase) for phrase in phrases)) - self._script.slots.keys()):
            self._decoder.note(key, f"there is no slot `{name}`{nearest(name, self._script.slots)}")
        return phrases

    def _sentences(self, sentences: Iterable[str], known: frozenset[str], key: Key) -> None:
        for at, sentence in enumerate(sentences):
            self._sentence(sentence, known, (*key, at))

    def _sentence(self, sentence: str, known: frozenset[str], key: Key) -> None:
        for name in sorted(placeholders(sentence) - known - self._of_call):
            self._decoder.note(key, f"`{{{name}}}` is not certain to be filled when this is said; {_certain(known)}.")

    def _intent(self, intent: Intent, key: Key) -> None:
        phrases = self._phrases(intent.heard, (*key, "heard"))
        certain = frozenset.intersection(*(certain_slots(phrase) for phrase in phrases)) if phrases else frozenset()
        self._sentences(intent.reply, certain, (*key, "reply"))
        if intent.during and intent.during not in self._script.forms:
            message = f"there is no form `{intent.during}`{nearest(intent.during, self._script.forms)}"
            self._decoder.note((*key, "during"), message)
        if not intent.reply and not intent.repeat and intent.tool is None:
            self._decoder.note(key, "this intent does nothing; give it a `reply`, `repeat: true` or a `tool`.")
        if intent.tool is not None:
            self._tool(intent.tool, certain, (*key, "tool"))
        self._result(intent.result, certain, (*key, "result"))

    def _form(self, form: Form, key: Key) -> None:
        self._phrases(form.heard, (*key, "heard"))
        self._phrases(form.cancel, (*key, "cancel"), required=False)
        answers = self._phrases(form.answers, (*key, "answers"))
        understood = frozenset().union(*(slots(phrase) for phrase in answers))
        filled: frozenset[str] = frozenset()
        for name, questions in form.ask.items():
            if name not in self._script.slots:
                self._decoder.note((*key, "ask", name), f"there is no slot `{name}`{nearest(name, self._script.slots)}")
            elif answers and name not in understood:
                message = f"no phrase of `answers` holds {{{name}}}, so the question could never be answered; add one."
                self._decoder.note((*key, "ask", name), message)
            # Slots are asked for in this order: those before this one are filled by now, and only those.
            self._sentences(questions, filled, (*key, "ask", name))
            filled |= {name}
        self._sentences(form.confirm, filled, (*key, "confirm"))
        self._sentences(form.done, filled, (*key, "done"))
        self._sentences(form.reject, frozenset(), (*key, "reject"))
        self._sentences(form.cancelled, frozenset(), (*key, "cancelled"))
        if form.tool is not None:
            self._tool(form.tool, filled, (*key, "tool"))
        self._result(form.result, filled, (*key, "result"))

    def _result(self, result: Mapping[str, str], filled: frozenset[str], key: Key) -> None:
        if result and "set_result" not in self._agent.tools:
            self._decoder.note(key, "the agent may not use `set_result`; add it to `tools` above.")
        for name, value in result.items():
            self._sentence(value, filled, (*key, name))

    def _tool(self, tool: Tool, filled: frozenset[str], key: Key) -> None:
        if tool.name not in self._agent.tools:
            self._decoder.note((*key, "name"), f"the agent may not use `{tool.name}`; add it to `tools` above.")
        for name, value in tool.arguments.items():
            for slot in sorted(placeholders(value) - filled - self._of_call):
                message = f"`{{{slot}}}` is not certain to be filled when the tool is used; {_certain(filled)}."
                self._decoder.note((*key, "arguments", name), message)
        needed = {"send_digits": ("digits", "which"), "record": ("action", "start or stop")}.get(tool.name)
        if needed and needed[0] not in tool.arguments:
            message = f"`{tool.name}` needs to know {needed[1]}; add `arguments: {{{needed[0]}: ...}}`."
            self._decoder.note(key, message)
        if tool.name == "transfer":
            destination = tool.arguments.get("destination")
            if destination is None:
                self._decoder.note(key, "`transfer` needs to know where to; add `arguments: {destination: ...}`.")
            elif destination not in self._agent.transfers:
                message = (
                    f"`transfers` of this agent has no `{destination}`{nearest(destination, self._agent.transfers)}"
                )
                self._decoder.note((*key, "arguments", "destination"), message)


def _certain(slots: frozenset[str]) -> str:
    return f"certain are {', '.join(f'`{{{name}}}`' for name in sorted(slots))}" if slots else "no slot is"
