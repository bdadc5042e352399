"""A script is checked before a caller meets it: its phrases, slots, forms, tools and destinations."""

from pathlib import Path

import pytest

from config.load import load_agent
from config.problem import ConfigError

HEAD = """\
name: desk
greeting: Hello.
tools: [transfer, take_booking]
transfers: [person]
script:
  slots:
    day: |
      monday
      friday
    time: |
      (nine|nine o'clock) = nine
"""
FORM = """\
  forms:
    booking:
      heard: an appointment
      ask: {day: ["Which day?"], time: ["On {day}, when?"]}
      answers: |
        [on] {day}
        [at] {time}
      confirm: ["{day} at {time}?"]
      done: ["Done, {day}."]
      tool: {name: take_booking, arguments: {day: "{day}"}}
"""


def problems(folder: Path, script: str) -> list[str]:
    path = folder / "desk.yaml"
    path.write_text(HEAD + script, encoding="utf-8")
    try:
        load_agent(path)
    except ConfigError as error:
        return [str(problem).removeprefix(f"{path}:") for problem in error.problems]
    return []


def test_a_script_without_a_mistake_is_accepted(tmp_path: Path) -> None:
    assert problems(tmp_path, FORM) == []


def test_every_sentence_may_speak_of_the_call_and_of_what_it_brings(tmp_path: Path) -> None:
    path = tmp_path / "desk.yaml"
    path.write_text(
        "name: desk\ngreeting: Hello {caller_name}, {customer}.\nvariables: {customer: dear customer}\n"
        "unreachable: No {destination}.\nconsult: {announce: '{caller_number} {reason} {customer} {destination}'}\n"
        "script: {intents: {hi: {heard: hi, reply: ['Hi, {customer}.']}}}\n",
        encoding="utf-8",
    )
    assert load_agent(path).variables == {"customer": "dear customer"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("goodbye: Bye {caler_name}.", "goodbye: nothing fills `{caler_name}`; did you mean `caller_name`?"),
        ("no_input: [Hello., 'Still there, {x}?']", "no_input[1]: nothing fills `{x}`"),
        ("trouble: Off to {destination}.", "trouble: nothing fills `{destination}`"),
        ("consult: {busy: '{x} is busy.'}", "consult.busy: nothing fills `{x}`"),
        ("consult: {accept: ''}", "consult.accept: there is no phrase here"),
        ("consult: {decline: 'no ('}", "consult.decline: a bracket opens here that is never closed"),
        ("consult: {accept: 'on {day}'}", "consult.accept: there are no slots here; write `day` out."),
    ],
)
def test_mistakes_outside_the_script_are_told(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "desk.yaml"
    path.write_text(f"name: desk\ngreeting: Hello.\n{text}\n", encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        load_agent(path)
    (problem,) = error.value.problems
    assert told in str(problem), str(problem)


MISTAKES = [
    (
        "a result that the agent may not return",
        "  intents: {hi: {heard: hi, reply: [Hi.], result: {outcome: hi}}}\n",
        "12:51: script.intents.hi.result: the agent may not use `set_result`; add it to `tools` above.",
    ),
    (
        "a bracket that is never closed, at its line and column",
        "  intents:\n    hours:\n      heard: |\n        hours\n        what [are your hours\n      reply: [Nine.]\n",
        "16:14: script.intents.hours.heard: a bracket opens here that is never closed; add `]`.",
    ),
    (
        "a digit",
        "  intents: {nine: {heard: at 9, reply: [Yes.]}}\n",
        "12:30: script.intents.nine.heard: `9` is not part of a phrase; write numbers out.",
    ),
    (
        "a phrase with a slot that is not there",
        "  intents: {x: {heard: 'on {dya}', reply: [Yes.]}}\n",
        "12:24: script.intents.x.heard: there is no slot `dya`; did you mean `day`?",
    ),
    (
        "a reply that speaks of a slot which may be empty",
        "  intents: {x: {heard: 'come [on {day}]', reply: ['On {day}.']}}\n",
        "12:51: script.intents.x.reply[0]: `{day}` is not certain to be filled when this is said; no slot is.",
    ),
    (
        "a question that speaks of a later slot",
        FORM.replace("Which day?", "Which day at {time}?"),
        "15:19: script.forms.booking.ask.day[0]: `{time}` is not certain to be filled when this is said; no slot is.",
    ),
    (
        "a question that can never be answered",
        FORM.replace("        [at] {time}\n", ""),
        "15:40: script.forms.booking.ask.time: no phrase of `answers` holds {time}, "
        "so the question could never be answered; add one.",
    ),
    (
        "an intent that does nothing",
        "  intents: {x: {heard: hello}}\n",
        "12:16: script.intents.x: this intent does nothing; give it a `reply`, `repeat: true` or a `tool`.",
    ),
    (
        "an intent during a form that is not there",
        "  intents: {x: {heard: hello, during: boking, reply: [Hi.]}}\n" + FORM,
        "12:39: script.intents.x.during: there is no form `boking`; did you mean `booking`?",
    ),
    (
        "a tool that the agent may not use",
        "  intents: {x: {heard: bye, tool: {name: hang_up}}}\n",
        "12:42: script.intents.x.tool.name: the agent may not use `hang_up`; add it to `tools` above.",
    ),
    (
        "a transfer to nowhere",
        "  intents: {x: {heard: a person, tool: {name: transfer}}}\n",
        "12:40: script.intents.x.tool: `transfer` needs to know where to; add `arguments: {destination: ...}`.",
    ),
    (
        "a transfer to somebody unknown",
        "  intents: {x: {heard: a person, tool: {name: transfer, arguments: {destination: persn}}}}\n",
        "12:82: script.intents.x.tool.arguments.destination: `transfers` of this agent has no `persn`; "
        "did you mean `person`?",
    ),
]


@pytest.mark.parametrize(("script", "message"), [case[1:] for case in MISTAKES], ids=[case[0] for case in MISTAKES])
def test_a_mistake_is_told_with_its_place_and_a_remedy(tmp_path: Path, script: str, message: str) -> None:
    assert problems(tmp_path, script) == [message]
