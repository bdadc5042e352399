"""Conversations with a small script: forms, corrections, questions in between, ways out."""

import asyncio
from pathlib import Path

import pytest

from actors.llm.engine import Line, Prompt, Token, ToolCall
from actors.llm.scripted import ScriptedLlm, UnknownAgent
from config.load import load_agent

DESK = """\
name: desk
greeting: Hello, this is the desk.
not_understood: ["Pardon?", "Sorry?"]
tools: [hang_up, transfer, take_booking, set_result]
transfers: [person]
script:
  slots:
    day: |
      monday = Monday
      friday = Friday
    time: |
      nine = nine
      ten = ten
  intents:
    hours:
      heard: (what|when) are your hours
      reply: [Nine to five., "As I said, nine to five."]
    late:
      heard: i am late today
      reply: [Thank you.]
      result: {outcome: late}
    early:
      heard: please tell the doctor that my train arrives earlier {day}
      result: {day: "{day}"}
      tool: {name: transfer, arguments: {destination: person, reason: "{day}"}}
    weekend:
      during: booking
      heard: "[on] (saturday|sunday)"
      reply: [Not at the weekend.]
    repeat:
      heard: (say that again|pardon)
      reply: [Sure.]
      repeat: true
    bye:
      heard: (bye|goodbye)
      reply: [Goodbye!]
      tool: {name: hang_up}
  forms:
    booking:
      heard: |
        i need an appointment
        i need an appointment on {day} [at {time}]
      ask: {day: ["Which day?", "Which day again?"], time: ["{day}, when?", "On {day}, at what time?"]}
      answers: |
        [no] [on] {day}
        [no] [at] {time}
        [on] {day} at {time}
      confirm: ["{day} at {time}, right?"]
      done: ["Done, {day} at {time}."]
      reject: [Once more.]
      cancel: never mind
      cancelled: [Dropped.]
      tool: {name: take_booking, arguments: {when: "{day}, {time}"}}
  escalation:
    after: 3
    offer: ["Shall I get a person?"]
    accepted: [Here they come.]
    tool: {name: transfer, arguments: {destination: person}}
    declined: [As you like.]
"""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> ScriptedLlm:
    path: Path = tmp_path_factory.mktemp("agents") / "desk.yaml"
    path.write_text(DESK, encoding="utf-8")
    return ScriptedLlm({"desk": load_agent(path)})


def answer(engine: ScriptedLlm, lines: list[Line], agent: str = "desk") -> tuple[str, list[ToolCall]]:
    async def collect() -> list[Token | ToolCall]:
        prompt = Prompt(agent, "", tuple(lines), ("hang_up", "transfer", "take_booking", "set_result"))
        return [part async for part in engine.generate(prompt)]

    parts = asyncio.run(collect())
    return "".join(part.text for part in parts if isinstance(part, Token)), [
        part for part in parts if isinstance(part, ToolCall)
    ]


def replies(engine: ScriptedLlm, *said: str) -> list[str]:
    """The whole conversation: what the agent says, a tool as `[name value ...]` behind it."""
    lines = [Line("agent", "Hello, this is the desk.")]
    heard: list[str] = []
    for text in said:
        lines.append(Line("caller", text))
        reply, tools = answer(engine, lines)
        lines.append(Line("agent", reply))
        heard.append(" ".join([reply, *(f"[{' '.join([tool.name, *tool.arguments.values()])}]" for tool in tools)]))
    return heard


CONVERSATIONS = [
    (
        "a form asks for what is missing, makes sure, and books",
        [
            ("i need an appointment", "Which day?"),
            ("on friday", "Friday, when?"),
            ("at nine", "Friday at nine, right?"),
            ("yes", "Done, Friday at nine. [take_booking Friday, nine]"),
        ],
    ),
    (
        "the dialplan is told, also where nothing else is done, and before anything else is",
        [
            ("i am late today", "Thank you. [set_result late]"),
            (
                "please tell the doctor that my train arrives earlier friday",
                " [set_result Friday] [transfer person Friday]",
            ),
        ],
    ),
    (
        "slots may come all at once",
        [
            ("i need an appointment on monday at ten please", "Monday at ten, right?"),
            ("correct", "Done, Monday at ten. [take_booking Monday, ten]"),
        ],
    ),
    (
        "slots may come in another order",
        [
            ("i need an appointment", "Which day?"),
            ("at nine", "Which day again?"),
            ("friday", "Friday at nine, right?"),
        ],
    ),
    (
        "what is wrong can be put right",
        [
            ("i need an appointment on monday at ten", "Monday at ten, right?"),
            ("no on friday", "Friday at ten, right?"),
            ("no at nine", "Friday at nine, right?"),
            ("yes", "Done, Friday at nine. [take_booking Friday, nine]"),
        ],
    ),
    (
        "a plain no asks everything anew",
        [
            ("i need an appointment on monday at ten", "Monday at ten, right?"),
            ("no", "Once more. Which day again?"),
            ("friday at nine", "Friday at nine, right?"),
        ],
    ),
    (
        "a question in between is answered, and the form goes on",
        [
            ("i need an appointment", "Which day?"),
            ("what are your hours", "Nine to five. Which day again?"),
            ("on sunday", "Not at the weekend. Which day again?"),
            ("friday", "Friday, when?"),
            ("what are your hours", "As I said, nine to five. On Friday, at what time?"),
        ],
    ),
    (
        "a form can be left",
        [
            ("i need an appointment", "Which day?"),
            ("never mind", "Dropped."),
            ("on friday", "Pardon?"),
            ("i need an appointment", "Which day?"),
        ],
    ),
    (
        "answers mean nothing where nothing was asked",
        [("yes", "Pardon?"), ("no", "Sorry?"), ("sunday", "Shall I get a person?")],
    ),
    (
        "what was said last is said again, the greeting too",
        [
            ("pardon", "Sure. Hello, this is the desk."),
            ("what are your hours", "Nine to five."),
            ("say that again", "Sure. Nine to five."),
        ],
    ),
    (
        "what was not understood asks the open question again",
        [
            ("i need an appointment", "Which day?"),
            ("", "Pardon? Which day again?"),
            ("blue", "Sorry? Which day again?"),
        ],
    ),
    (
        "who is not understood three times is offered a person",
        [
            ("blue", "Pardon?"),
            ("", "Sorry?"),
            ("green", "Shall I get a person?"),
            ("yes please", "Here they come. [transfer person]"),
        ],
    ),
    (
        "the offer can be declined",
        [
            ("blue", "Pardon?"),
            ("blue", "Sorry?"),
            ("blue", "Shall I get a person?"),
            ("blue", "Pardon? Shall I get a person?"),
            ("no thanks", "As you like."),
            ("yes", "Sorry?"),
        ],
    ),
    (
        "one line that is understood begins the count anew",
        [("blue", "Pardon?"), ("blue", "Sorry?"), ("what are your hours", "Nine to five."), ("blue", "Pardon?")],
    ),
    (
        "goodbye hangs up, and leaves the form",
        [("i need an appointment", "Which day?"), ("goodbye", "Goodbye! [hang_up]"), ("friday", "Pardon?")],
    ),
]


@pytest.mark.parametrize("turns", [case[1] for case in CONVERSATIONS], ids=[case[0] for case in CONVERSATIONS])
def test_a_conversation(desk: ScriptedLlm, turns: list[tuple[str, str]]) -> None:
    assert replies(desk, *(said for said, _ in turns)) == [reply for _, reply in turns]


def test_what_the_caller_heard_of_a_reply_changes_nothing(desk: ScriptedLlm) -> None:
    """They interrupted: the agent's lines are short, or missing."""
    lines = [
        Line("caller", "i need an appointment"),
        Line("agent", "Whi"),
        Line("caller", "friday"),
        Line("caller", "ten"),
    ]
    assert answer(desk, lines)[0] == "Friday at ten, right?"


def test_a_tool_that_failed_is_told_and_one_that_worked_is_not(desk: ScriptedLlm) -> None:
    lines = [Line("caller", "goodbye"), Line("agent", "Goodbye!")]
    assert answer(desk, [*lines, Line("tool", "failed: the line is busy")])[0] == "Sorry, that did not work."
    assert answer(desk, [*lines, Line("tool", "hang_up")])[0] == ""


def test_where_the_agent_had_the_last_word_there_is_nothing_to_answer(desk: ScriptedLlm) -> None:
    assert answer(desk, []) == ("", [])
    assert answer(desk, [Line("caller", "goodbye"), Line("agent", "Goodbye!")]) == ("", [])


def test_an_agent_without_a_script_is_refused_by_name(desk: ScriptedLlm) -> None:
    with pytest.raises(UnknownAgent, match="'nobody' has no script; these have one: desk"):
        answer(desk, [Line("caller", "hello")], agent="nobody")
