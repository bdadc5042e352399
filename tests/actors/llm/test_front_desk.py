"""The demo agent understands what callers really say, and nothing else."""

import pytest

from actors.llm.dialogue import Dialogue, Play
from config.grammar import said
from config.load import SHIPPED, load
from config.phrases import expand, parse_slot, slots

AGENT = load(SHIPPED).agent
assert AGENT.script is not None
SCRIPT = AGENT.script
PLAY = Play(AGENT, SCRIPT)


def last_reply(*lines: str) -> str:
    dialogue = Dialogue(PLAY)
    reply = None
    for line in lines:
        reply = dialogue.hear(line)
    assert reply is not None
    tool = f" [{reply.tool.name}]" if reply.tool else ""
    return reply.text + tool


@pytest.mark.parametrize(
    ("said", "part"),
    [
        ("Hi, um, what time do you open?", "eight in the morning"),
        ("are you open on saturday", "closed at the weekend"),
        ("where are you located please", "twelve Maple Street"),
        ("how do i get there", "bus number seven"),
        ("is there parking", "parking spaces"),
        ("how much is a cleaning", "ninety"),
        ("do you take my insurance", "insurance plans"),
        ("my tooth hurts", "[transfer]"),
        ("can i speak to a person please", "[transfer]"),
        ("what can you do", "opening hours"),
        ("are you a robot", "computer"),
        ("how are you", "Very well"),
        ("tell me a joke", "dentist"),
        ("thank you very much", "welcome"),
        ("bye bye", "[hang_up]"),
        ("no thanks that's all", "[hang_up]"),
    ],
)
def test_it_answers(said: str, part: str) -> None:
    assert part in last_reply(said)


UNRELATED = [
    "i bought a book about opening night",
    "what is your favorite movie",
    "can you order me a pizza",
    "i want to fly to the moon on monday",
    "what is the capital of france",
    "i do not have a toothache",
    "where can i buy a car",
    "the",
    "friday",
]


@pytest.mark.parametrize("text", UNRELATED)
def test_it_does_not_force_other_speech_into_an_intent(text: str) -> None:
    assert last_reply(text) == AGENT.not_understood[0]


def test_a_visit_is_booked_with_a_correction_and_a_question_in_between() -> None:
    lines = ["can i make an appointment", "on thursday", "where are you", "at half past two", "no on friday", "yes"]
    assert last_reply(*lines) == "Done. You are booked for Friday at two thirty. Anything else? [take_booking]"


def test_a_visit_is_cancelled() -> None:
    lines = ["i want to cancel my appointment", "it was on monday", "yes please"]
    assert last_reply(*lines) == "Done. Your visit on Monday is cancelled. Anything else? [take_booking]"


def test_every_phrase_of_the_script_is_understood_in_its_place() -> None:
    """No phrase is shadowed so far that it is not understood at all."""
    opening = {"booking": "i need an appointment", "cancellation": "cancel my appointment"}
    values = {name: next(expand(parse_slot(text)[0].expression)) for name, text in SCRIPT.slots.items()}
    lost = []
    for rule, phrases in said(SCRIPT):
        for phrase in phrases:
            if slots(phrase):
                continue
            for way in list(expand(phrase))[::7]:
                dialogue = Dialogue(PLAY)
                form = next((form for form in opening if form in rule), "booking")
                if not rule.startswith("form_") or rule.endswith(("_answers", "_cancel")):
                    dialogue.hear(opening[form])
                if rule in ("yes", "no"):
                    dialogue.hear(f"{' '.join(values['day'])} at {' '.join(values['time'])}")
                dialogue.hear(" ".join(way))
                if dialogue.misses:
                    lost.append((rule, " ".join(way)))
    assert lost == []
