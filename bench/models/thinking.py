"""The language model's rows: the first token, several calls at once, cancelling. One actor, over the real bus."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from statistics import median

from bench.models.asking import Asker, Told
from bench.models.bundle import Bundle
from bench.models.figures import Figure, quantile
from bench.models.place import greeting, place
from ipc.bus import Bus
from ipc.thinking import PromptLine

Say = Callable[[str], None]

FIRST_TOKEN_MS = 120.0
SPEED_UP = 2.0
CROWDED_MS = 400.0
AFTER_CANCEL = 1.0
"""The issue's figures, for two cores."""

CALLS = 4
DIALOGUES, TURNS = 4, 4
ROUNDS = 3
CANCELS = 5
CANCEL_AT = 3
"""Tokens that have come when the answer is given up."""
FORESEEN_S = 0.4
"""Between the words that a recogniser is sure of and the end of the turn: the silence that ends it is longer."""

_WORDS = """
what are your opening hours can you please tell me the address of practice do i need to make an appointment for cleaning
on friday at half past two with doctor is there any parking how much does it cost my daughter has tooth ache and would
like come in tomorrow morning first thing when that be possible then
"""

_PIPELINE = {"stt": "pocketsphinx", "llm": "llama_cpp", "tts": "espeak"}
_ALONE = {
    "actors": {"llm": {"count": 1}, "stt": {"count": 1}, "tts": {"count": 1}},
    "audio": {"warm": 1},
    "engines": {"llama_cpp": {"calls": CALLS}},
}


@contextlib.asynccontextmanager
async def _alone(folder: Path, bundle: Bundle) -> AsyncIterator[Asker]:
    """One actor, and nobody else who asks it."""
    # A place of its own on the bus: a starting system takes that of `System`, which was there before, for a leftover,
    # and no note reaches it any more.
    async with place(folder, bundle, _PIPELINE, _ALONE) as (system, _):
        stack = contextlib.AsyncExitStack()
        bus = await stack.enter_async_context(Bus(system.run_dir, "bench.models"))
        try:
            yield Asker(bus, "llm.1")
        finally:
            # Without telling the bus of an error, which it would wrap into a group.
            await stack.aclose()


def turn(chance: random.Random) -> str:
    """What a caller says: 20 words, each of them a token or little more."""
    return " ".join(chance.choices(_WORDS.split(), k=20))


async def first_token(folder: Path, bundle: Bundle, say: Say) -> list[Figure]:
    """How soon an answer begins: with only the instructions and earlier turns in memory, and with the caller's words
    read before the turn ended, as a conversation has it done."""
    async with _alone(folder, bundle) as asker:
        cold = [await _dialogue(asker, f"cold-{number}", number, 0.0) for number in range(DIALOGUES)]
        foreseen = [await _dialogue(asker, f"warm-{number}", 100 + number, FORESEEN_S) for number in range(DIALOGUES)]
    say(f"an answer: {cold[0][0].text!r}")
    figures = []
    # What a caller waits for is the second; the first says what reading ahead is worth.
    read = (("nothing read before the turn ends", cold, None), ("words read as they come", foreseen, FIRST_TOKEN_MS))
    for name, dialogues, at_most in read:
        firsts = [told[0].first_ms for told in dialogues]
        later = [each.first_ms for told in dialogues for each in told[1:]]
        for which, values in (("first turn of a call", firsts), ("later turns", later)):
            figures.append(
                Figure(
                    row="first-token",
                    name=f"{which}, {name}, p50",
                    value=median(values),
                    unit="ms",
                    at_most=at_most,
                    note=f"p95 {quantile(values, 0.95):.0f}, {len(values)} turns",
                )
            )
    return figures


async def _dialogue(asker: Asker, call: str, seed: int, foreseen_s: float) -> list[Told]:
    """Some turns of one call."""
    chance = random.Random(seed)
    await asker.begin(call)
    lines = [PromptLine("agent", greeting())]
    answers = []
    for number in range(TURNS):
        await asyncio.sleep(0.1)  # nobody speaks at once
        lines.append(PromptLine("caller", turn(chance)))
        if foreseen_s:
            asker.foresee(call, lines)
            await asyncio.sleep(foreseen_s)
        told = await asker.ask(call, lines, f"{call}#{number}")
        lines.append(PromptLine("agent", told.text))
        answers.append(told)
    await asker.end(call)
    return answers


async def batch(folder: Path, bundle: Bundle, say: Say) -> list[Figure]:
    """Four calls at once against the same four one after another. Their words have been read before, as a conversation
    has it done; without that, both are slower, and reading gains less by company than writing."""
    alone: list[float] = []
    together: list[float] = []
    firsts: list[float] = []
    async with _alone(folder, bundle) as asker:
        calls = [f"call-{number}" for number in range(CALLS)]
        lines = {call: [PromptLine("agent", greeting())] for call in calls}
        chance = random.Random(7)
        for call in calls:
            await asker.begin(call)
        for number in range(ROUNDS):
            alone.append(_rate(await _round(asker, lines, chance, f"a{number}", at_once=False)))
            told = await _round(asker, lines, chance, f"t{number}", at_once=True)
            together.append(_rate(told))
            firsts += [each.first_ms for each in told]
    say(f"tokens/s one after another {_list(alone)}, at once {_list(together)}")
    return [
        Figure(row="batch", name="one call after another", value=median(alone), unit="tokens/s"),
        Figure(row="batch", name=f"{CALLS} calls at once, together", value=median(together), unit="tokens/s"),
        Figure(
            row="batch",
            name="gain of being at once",
            value=median(together) / median(alone),
            unit="times",
            at_least=SPEED_UP,
        ),
        Figure(
            row="batch",
            name=f"first token of {CALLS} at once, p95",
            value=quantile(firsts, 0.95),
            unit="ms",
            at_most=CROWDED_MS,
            note=f"p50 {median(firsts):.0f}",
        ),
    ]


async def _round(
    asker: Asker, lines: dict[str, list[PromptLine]], chance: random.Random, name: str, *, at_once: bool
) -> list[Told]:
    """One more turn of every call."""
    for call, spoken in lines.items():
        spoken.append(PromptLine("caller", turn(chance)))
        asker.foresee(call, spoken)
    await asyncio.sleep(FORESEEN_S * len(lines))
    asked = [(call, list(spoken), f"{call}#{name}") for call, spoken in lines.items()]
    if at_once:
        told = await asyncio.gather(*(asker.ask(*question) for question in asked))
    else:
        told = [await asker.ask(*question) for question in asked]
    for spoken, each in zip(lines.values(), told, strict=True):
        spoken.append(PromptLine("agent", each.text))
    return list(told)


def _rate(told: Sequence[Told]) -> float:
    """Tokens a second of all of them, from the first question to the last token."""
    return sum(len(each.came) for each in told) / (
        max(each.came[-1] for each in told) - min(each.asked for each in told)
    )


def _list(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.0f}" for value in values)


async def cancel(folder: Path, bundle: Bundle, say: Say) -> list[Figure]:
    """How many tokens still come when nobody wants an answer any more, and how soon the call's next one begins."""
    after: list[int] = []
    again: list[float] = []
    async with _alone(folder, bundle) as asker:
        await asker.begin("call")
        chance = random.Random(3)
        lines = [PromptLine("agent", greeting())]
        for number in range(CANCELS):
            spoken = [*lines, PromptLine("caller", turn(chance))]
            told = await asker.begin_answer("call", spoken, f"given-up-{number}")
            while len(told.came) < CANCEL_AT and not told.over:
                told.stirred.clear()
                await told.stirred.wait()
            asker.cancel(f"given-up-{number}")
            began = time.monotonic()
            # Its notes come over the same socket: none of the other's can come behind them.
            next_one = await asker.ask("call", spoken, f"next-{number}")
            after.append(sum(came > began for came in told.came))
            again.append(next_one.first_ms)
    say(f"tokens after each cancel: {after}")
    return [
        Figure(
            row="cancel",
            name="tokens after a cancel, most",
            value=float(max(after)),
            unit="tokens",
            at_most=AFTER_CANCEL,
        ),
        Figure(row="cancel", name="first token of the next answer, p50", value=median(again), unit="ms"),
    ]
