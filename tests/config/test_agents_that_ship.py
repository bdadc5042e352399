"""What ships works as it is: every word can be recognised, and what is said begins with a short clause."""

import re
from pathlib import Path

import pytest
from msgspec import structs

from config.agent import Agent
from config.check import CONSULT_PHRASES
from config.grammar import vocabulary
from config.load import SHIPPED, load

AGENTS = load(SHIPPED).agents
each_agent = pytest.mark.parametrize("agent", AGENTS.values(), ids=AGENTS)


@each_agent
def test_every_word_is_in_the_embedded_recognisers_dictionary(agent: Agent) -> None:
    pocketsphinx = pytest.importorskip("pocketsphinx")
    dictionary = Path(pocketsphinx.get_model_path()) / "en-us" / "cmudict-en-us.dict"
    known = {line.split(maxsplit=1)[0] for line in dictionary.read_text(encoding="utf-8").splitlines()}
    assert sorted(vocabulary(agent) - known) == []


@each_agent
def test_every_word_is_plain(agent: Agent) -> None:
    assert [word for word in vocabulary(agent) if not re.fullmatch(r"[a-z]+('[a-z]+)?", word)] == []


@each_agent
def test_what_it_says_has_no_symbols_that_cannot_be_spoken(agent: Agent) -> None:
    assert agent.script is not None
    sentences = [agent.greeting, agent.goodbye, agent.filler, *agent.not_understood, *agent.no_input]
    sentences += [agent.trouble, agent.unreachable]
    for field in structs.fields(agent.consult):
        said = getattr(agent.consult, field.name)
        if field.name not in CONSULT_PHRASES:
            sentences += [said] if isinstance(said, str) else said
    sentences += [reply for intent in agent.script.intents.values() for reply in intent.reply]
    for form in agent.script.forms.values():
        sentences += [*form.confirm, *form.done, *form.reject, *form.cancelled]
        sentences += [question for questions in form.ask.values() for question in questions]
    for sentence in sentences:
        assert re.fullmatch(r"[A-Za-z_{}' ,.?!]+[.?!]", sentence), sentence


def test_the_default_agent_may_do_everything_that_its_script_does() -> None:
    agent = load(SHIPPED).agent
    assert agent.script is not None and agent.script.escalation is not None
    parts = [*agent.script.intents.values(), *agent.script.forms.values()]
    used = {part.tool.name for part in parts if part.tool} | {agent.script.escalation.tool.name}
    assert set(agent.tools) == used | {"set_result"} and any(part.result for part in parts)
