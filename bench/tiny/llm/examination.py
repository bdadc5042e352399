"""Asks the real llama.cpp, with the model's file, what the agent's script answers: on ways to say things that no lesson
held, in the middle of dialogues.

An answer is right if it means what the script's does: the same sentences, where any variant of a sentence is as good as
another, and the same tool calls.
"""

import atexit
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from actors.llm.dialogue import Dialogue, Play
from actors.llm.engine import Line, Prompt
from actors.llm.notation import BEGIN, parse
from actors.llm.tools import Call, described
from bench.tiny.llm.chatml import chat
from bench.tiny.llm.corpus import Teacher, calls_of
from config.agent import Agent

MOST_TOKENS = 120

Answerer = Callable[[str], str]
"""A prompt in, all that the model writes out."""


@dataclass(frozen=True)
class Question:
    """One line of a caller, what came before it, and what the script answers."""

    lines: tuple[Line, ...]
    answer: str
    calls: tuple[Call, ...]


@dataclass(frozen=True)
class Mark:
    question: Question
    written: str
    right: bool


def questions(agent: Agent, seed: int) -> Iterator[Question]:
    """Without end: a dialogue's lines as in the lessons, and then one of the sentences that no lesson held."""
    teacher = Teacher(agent)
    assert agent.script is not None
    play = Play(agent, agent.script)
    chance = random.Random(seed)
    for lesson in teacher.lessons(seed):
        dialogue = Dialogue(play)
        lines = [Line("agent", lesson.greeting)] if lesson.greeting else []
        for turn in lesson.turns[: chance.randrange(len(lesson.turns))]:
            if turn.news or turn.calls:
                break
            lines += [Line("caller", turn.caller), Line("agent", dialogue.hear(turn.caller).text)]
        text = teacher.meant(chance, dialogue, held_out=True)
        reply = dialogue.hear(text)
        yield Question((*lines, Line("caller", text)), reply.text, calls_of(reply, agent))


def examine(agent: Agent, answer: Answerer, count: int, seed: int = 1) -> list[Mark]:
    """So many questions."""
    meaning = Meaning(agent)
    marks = []
    for question in islice(questions(agent, seed), count):
        written = answer(prompt(agent, question.lines))
        marks.append(Mark(question, written, meaning.same(question, written)))
    return marks


def prompt(agent: Agent, lines: Sequence[Line]) -> str:
    """As the LLM actor asks."""
    return chat().render(asked(agent, lines, agent.prompt), described(agent.tools, agent.transfers)).text


def asked(agent: Agent, lines: Sequence[Line], system: str) -> Prompt:
    """These lines, after these instructions."""
    return Prompt(agent.name, system, tuple(lines), agent.tools)


class Meaning:
    """Which sentences of an agent mean the same."""

    def __init__(self, agent: Agent) -> None:
        assert agent.script is not None
        script = agent.script
        said: list[Sequence[str]] = [agent.not_understood, script.tool_failed]
        said += [script.escalation.offer] if script.escalation else []
        said += [intent.reply for intent in script.intents.values()]
        for form in script.forms.values():
            said += [*form.ask.values(), form.confirm, form.done, form.reject, form.cancelled]
        self._variants = [[_pattern(variant) for variant in variants] for variants in said]

    def same(self, question: Question, written: str) -> bool:
        """Whether what the model wrote means what the script answers."""
        text, mark, rest = written.partition(BEGIN)
        try:
            calls = parse(mark + rest)
        except ValueError:
            return False
        return self._plain(text) == self._plain(question.answer) and calls == list(question.calls)

    def _plain(self, text: str) -> str:
        """The text with every sentence that has variants replaced by its number and what is filled in."""
        text = text.strip()
        for number, variants in enumerate(self._variants):
            for variant in variants:
                text = variant.sub(partial(_meant, number), text)
        return text


def _meant(number: int, found: re.Match[str]) -> str:
    return f"<{number} {sorted(found.groupdict().items())}>"


def _pattern(sentence: str) -> re.Pattern[str]:
    """Finds the sentence with anything in its slots."""
    parts = re.split(r"\{([a-z_]+)\}", sentence)
    return re.compile(
        "".join(re.escape(part) if at % 2 == 0 else f"(?P<{part}>[A-Za-z ]+?)" for at, part in enumerate(parts))
    )


def llama(path: Path, *, threads: int = 1) -> Answerer:
    """The real library, always taking the likeliest token."""
    import llama_cpp

    model = llama_cpp.Llama(str(path), n_ctx=2048, n_threads=threads, n_threads_batch=threads, verbose=False)

    atexit.register(model.close)  # the library's own way out comes after its functions are gone

    def answer(text: str) -> str:
        made = model.create_completion(
            model.tokenize(text.encode(), add_bos=False, special=True), max_tokens=MOST_TOKENS, temperature=0.0
        )
        return str(made["choices"][0]["text"])  # type: ignore[index]

    return answer
