"""The grammar of an agent: all that its script understands, as JSGF for recognisers that must know what to expect.

JSpeech Grammar Format 1.0: https://www.w3.org/TR/jsgf/. There is one public rule, `<utterance>`.
"""

from collections.abc import Iterator

from config.agent import Agent
from config.phrases import Choice, Expression, Sequence, Slot, Word, parse_phrases, parse_slot, words
from config.script import Script


def grammar(agent: Agent) -> str:
    """JSGF text; "" for an agent without a script, which is free dictation. The script must have been checked."""
    if agent.script is None:
        return ""
    rules = {name: [render(phrase) for phrase in phrases] for name, phrases in said(agent.script) if phrases}
    slots = {
        f"slot_{name}": [render(form.expression) for form in parse_slot(text)]
        for name, text in agent.script.slots.items()
    }
    lines = ["#JSGF V1.0;", f"grammar {agent.name.replace('-', '_')};"]
    lines.append(f"public <utterance> = {' | '.join(f'<{name}>' for name in rules)};")
    lines += [f"<{name}> = {' | '.join(options)};" for name, options in (rules | slots).items()]
    return "\n".join(lines) + "\n"


def consult_grammar(agent: Agent) -> str:
    """JSGF text of what a person says who is asked to take a call; "" as for `grammar`."""
    if agent.script is None:
        return ""
    consult = agent.consult
    lines = ["#JSGF V1.0;", "grammar consult;", "public <utterance> = <accept> | <decline> | <other>;"]
    for name, text in (("accept", consult.accept), ("decline", consult.decline), ("other", consult.other)):
        lines.append(f"<{name}> = {' | '.join(render(phrase) for phrase in parse_phrases(text))};")
    return "\n".join(lines) + "\n"


def vocabulary(agent: Agent) -> frozenset[str]:
    """Every word that the agent's script expects to hear, of callers and of those whom it calls for them."""
    if agent.script is None:
        return frozenset()
    phrases = [phrase for _, some in said(agent.script) for phrase in some]
    consult = agent.consult
    phrases += [phrase for text in (consult.accept, consult.decline, consult.other) for phrase in parse_phrases(text)]
    phrases += [form.expression for text in agent.script.slots.values() for form in parse_slot(text)]
    return frozenset(word for phrase in phrases for word in words(phrase))


def said(script: Script) -> Iterator[tuple[str, tuple[Expression, ...]]]:
    """All phrases of the script, by the name of the grammar rule that they make."""
    yield "yes", parse_phrases(script.yes)
    yield "no", parse_phrases(script.no)
    for name, intent in script.intents.items():
        yield f"intent_{name}", parse_phrases(intent.heard)
    for name, form in script.forms.items():
        yield f"form_{name}", parse_phrases(form.heard)
        yield f"form_{name}_answers", parse_phrases(form.answers)
        yield f"form_{name}_cancel", parse_phrases(form.cancel)


def render(expression: Expression) -> str:
    """The expression in JSGF."""
    match expression:
        case Word(text):
            return text
        case Slot(name):
            return f"<slot_{name}>"
        case Sequence(parts):
            return " ".join(render(part) for part in parts)
        case Choice(options, optional):
            inner = " | ".join(render(option) for option in options)
            return f"[{inner}]" if optional else f"({inner})"
