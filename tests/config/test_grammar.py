"""The grammar says to a recogniser what the script says to the agent."""

from pathlib import Path

import pytest

from config.agent import Agent, Consulting
from config.grammar import consult_grammar, grammar, vocabulary
from config.script import Form, Intent, Script

AGENT = Agent(
    name="front-desk",
    greeting="Hello.",
    consult=Consulting(accept="yes [please]\ntake the call", decline="no", other="hello"),
    script=Script(
        slots={"day": "monday\n(tuesday|the day after) = Tuesday"},
        yes="yes",
        no="no",
        intents={
            "hours": Intent(heard="[please] (what|when) are your hours\nwhat's open [on {day}]", reply=("Nine.",))
        },
        forms={
            "visit": Form(heard="a visit", ask={"day": ("When?",)}, answers="{day}", confirm=("Yes?",), done=("Done.",))
        },
    ),
)

TEXT = """\
#JSGF V1.0;
grammar front_desk;
public <utterance> = <yes> | <no> | <intent_hours> | <form_visit> | <form_visit_answers>;
<yes> = yes;
<no> = no;
<intent_hours> = [please] (what | when) are your hours | what's open [on <slot_day>];
<form_visit> = a visit;
<form_visit_answers> = <slot_day>;
<slot_day> = monday | (tuesday | the day after);
"""


def test_phrases_become_rules_and_slots_become_rules_that_they_share() -> None:
    assert grammar(AGENT) == TEXT


def test_an_agent_without_a_script_takes_free_dictation() -> None:
    agent = Agent(name="free", greeting="Hello.")
    assert grammar(agent) == ""
    assert vocabulary(agent) == frozenset()


def test_the_vocabulary_is_every_word_of_phrases_and_slots() -> None:
    assert " ".join(sorted(vocabulary(AGENT))) == (
        "a after are call day hello hours monday no on open please take the tuesday visit what what's when yes your"
    )


def test_whoever_is_asked_to_take_a_call_is_expected_to_accept_or_decline() -> None:
    assert consult_grammar(AGENT).splitlines()[2:] == [
        "public <utterance> = <accept> | <decline> | <other>;",
        "<accept> = yes [please] | take the call;",
        "<decline> = no;",
        "<other> = hello;",
    ]
    assert consult_grammar(Agent(name="free", greeting="Hello.")) == ""


def test_pocketsphinx_reads_it(tmp_path: Path) -> None:
    pocketsphinx = pytest.importorskip("pocketsphinx")
    path = tmp_path / "grammar.jsgf"
    path.write_text(grammar(AGENT), encoding="utf-8")
    assert pocketsphinx.Jsgf(str(path)).get_name() == "front_desk"
