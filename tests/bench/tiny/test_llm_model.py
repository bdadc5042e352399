"""The tiny language model: how it is made, and what it answers. The real llama.cpp loads it."""

import random
from functools import cache
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from actors.llm.engine import Line
from actors.llm.notation import parse
from bench import demo
from bench.tiny.llm import bpe, examination, lessons
from bench.tiny.llm.callers import is_held_out
from bench.tiny.llm.chatml import SPECIAL, answer, chat, instructions, said
from bench.tiny.llm.corpus import Teacher
from bench.tiny.llm.making import FILE
from config.agent import Agent
from config.load import SHIPPED, load

llama_cpp = pytest.importorskip("llama_cpp")

MODEL = Path(__file__).parents[3] / "models" / "tiny" / "llm" / FILE
RIGHT = 0.85
"""Share of the held-out questions; its README says how many it is."""


@cache
def agent() -> Agent:
    return load(SHIPPED).agents["front-desk"]


@cache
def tokenizer() -> bpe.Tokenizer:
    return bpe.learn(lessons.texts(agent(), list(islice(Teacher(agent()).lessons(1), 60))), 300, SPECIAL)


@cache
def model() -> examination.Answerer:
    return examination.llama(MODEL)


def test_the_lessons_of_a_seed_are_the_same_twice_and_those_of_another_are_others() -> None:
    once, again, others = (list(islice(Teacher(agent()).lessons(seed), 30)) for seed in (3, 3, 4))

    assert once == again
    assert once != others


def test_callers_who_know_what_they_want_have_their_booking_and_many_then_say_goodbye() -> None:
    def called(tool: str, purposeful: float) -> int:
        dialogues = islice(Teacher(agent()).lessons(3, purposeful), 80)
        return sum(any(call.name == tool for turn in lesson.turns for call in turn.calls) for lesson in dialogues)

    assert called("take_booking", 1.0) > 60
    assert called("take_booking", 0.0) < 40
    assert called("hang_up", 1.0) > 15


@pytest.mark.parametrize("heard", ["Sure.", "Sure. Which day", "Sure. Which day would you"])
def test_who_says_no_after_the_booking_means_goodbye_wherever_the_agent_was_interrupted_before(heard: str) -> None:
    said = [(line.text, line.reply) for line in demo.DICTATED]
    lines = [Line("agent", agent().greeting)]
    for text, _ in said:
        lines.append(Line("caller", text))
        answer, mark, calls = model()(examination.prompt(agent(), lines)).partition("<tool_call>")
        lines.append(Line("agent", heard if text == "can i make an appointment" else answer.strip()))
    assert "Goodbye" in lines[-1].text
    assert [call.name for call in parse(mark + calls)] == ["hang_up"]


def test_no_lesson_holds_a_sentence_of_the_examination_but_by_a_recogniser_s_mistake() -> None:
    teacher = Teacher(agent())
    asked = [question.lines[-1].text for question in islice(examination.questions(agent(), 1), 100)]
    phrases = [phrase for phrases in teacher.callers.intents.values() for phrase in phrases]

    said_in_lessons = {teacher.callers.say(random.Random(number), phrases) for number in range(500)}

    assert sum(is_held_out(text) for text in asked) > 60
    assert sum(is_held_out(text) for text in said_in_lessons) < 10  # phrases of which every way is held out


def test_a_lesson_is_written_as_the_actor_asks() -> None:
    lines = (Line("agent", agent().greeting), Line("caller", "where are you"), Line("tool", "failed: transfer: no"))
    written = instructions(agent(), agent().prompt, agent().tools) + "".join(
        said(line.who, line.text) for line in lines
    )

    assert examination.prompt(agent(), lines) == written + "<|im_start|>assistant\n"
    assert chat().appends


def test_the_tokenizer_cuts_text_as_llama_cpp_does(tmp_path: Path) -> None:
    pytest.importorskip("gguf")
    pytest.importorskip("jax")
    from bench.tiny.llm import gguf_file, net

    shape = net.Shape(len(tokenizer().texts), width=64, layers=1, heads=2, inner=96)
    weights = {name: np.asarray(value) for name, value in net.begin(shape, 1).items()}
    gguf_file.write(tmp_path / "model.gguf", shape, tokenizer(), weights)
    loaded = llama_cpp.Llama(str(tmp_path / "model.gguf"), n_ctx=256, verbose=False, logits_all=True)

    texts = [
        examination.prompt(agent(), (Line("caller", "i'd like 2 visits,  please! \n\n so?"),)),
        answer("Done.", parse('<tool_call>\n{"name": "take_booking", "arguments": {"day": "Monday"}}\n</tool_call>')),
        "my grandmother has seventeen purple bicycles",
    ]
    for text in texts:
        assert loaded.tokenize(text.encode(), add_bos=False, special=True) == tokenizer().encode(text)


def test_llama_cpp_computes_what_was_trained(tmp_path: Path) -> None:
    pytest.importorskip("gguf")
    jax = pytest.importorskip("jax")
    from bench.tiny.llm import gguf_file, net

    shape = net.Shape(len(tokenizer().texts), width=64, layers=2, heads=2, inner=96)
    weights = net.begin(shape, 1)
    gguf_file.write(
        tmp_path / "m.gguf", shape, tokenizer(), {name: np.asarray(value) for name, value in weights.items()}
    )
    tokens = tokenizer().encode("<|im_start|>system\nwe are open on monday<|im_end|>\n<|im_start|>user\nwhere are you")
    head, tail = np.array([0, 0, *tokens[:8]], np.int32), np.array([tokens[8:]], np.int32)

    ours = np.asarray(jax.jit(net.logits, static_argnums=1)(weights, shape, head, 2, tail))[0, -1]
    loaded = llama_cpp.Llama(str(tmp_path / "m.gguf"), n_ctx=256, verbose=False)
    loaded.eval(tokens)
    theirs = np.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(loaded.ctx, -1), (shape.vocabulary,))

    assert np.corrcoef(ours, theirs)[0, 1] > 0.999


def test_it_answers_what_it_was_never_asked_in_these_words() -> None:
    marks = examination.examine(agent(), model(), 50)

    wrong = [(mark.question.lines[-1].text, mark.question.answer, mark.written) for mark in marks if not mark.right]
    assert len(wrong) <= (1 - RIGHT) * len(marks), wrong


@pytest.mark.parametrize(
    "stray", ["", "my grandmother has seventeen purple bicycles", "my an office has seven pay for"]
)
def test_it_answers_the_demo_s_caller_rightly_from_the_first_turn_to_the_last(stray: str) -> None:
    lines = [Line("agent", agent().greeting)]
    tools: list[str] = []
    for line in demo.SCRIPT:
        lines.append(Line("caller", line.text if line.heard else stray))
        text, mark, calls = model()(examination.prompt(agent(), lines)).partition("<tool_call>")
        assert line.reply.lower() in text.lower(), (line.text, text)
        # Of an answer that is interrupted, only the beginning was heard.
        following = demo.SCRIPT[demo.SCRIPT.index(line) + 1 :][:1]
        heard = text.strip()[:30].rsplit(" ", 1)[0] if following and following[0].interrupt_after_ms else text.strip()
        lines.append(Line("agent", heard))
        tools += [call.name for call in parse(mark + calls)]

    assert tools == ["set_result", "take_booking", "hang_up"]


@pytest.mark.parametrize(
    "prompt", ["You are a phone assistant. Be brief.", "You answer the phone of a dentist, kindly."]
)
def test_its_answers_do_not_hang_on_the_words_of_its_instructions(prompt: str) -> None:
    asked = chat().render(examination.asked(agent(), (Line("caller", "what are your opening hours"),), prompt), ()).text

    assert "Monday to Friday" in model()(asked)
