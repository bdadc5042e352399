"""What a language model costs on this machine, step by step: the work of `actors.llm.measure`.

Everything is read and written in short runs, each with its own number of threads or size of step, and the median step
counts: others use the machine, too.
"""

import statistics
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import psutil

from actors.catalogue import Unusable
from actors.llm import loading
from actors.llm.llama import Context, ContextSize, Fed, LoadFailed, Model, system_info
from actors.llm.llama_cpp import LlamaCpp
from config.engines import LlamaCpp as Settings
from models.measured import Llm

BATCHES = (16, 32, 64, 128, 256)
"""Tokens of prompts in one step."""
LONGEST_STEP_S = 0.15
"""What a step may take, for everybody's next token waits for it."""
SEQUENCES = 4
DEPTH = 256
"""Tokens that a conversation holds while the next ones are written."""
EACH_S = 0.8
"""For one number of threads, or one size of steps; the whole takes up to 20 s on a machine with eight cores."""


def check(path: Path) -> None:
    """Raises `Unusable`."""
    LlamaCpp(path, Settings(calls=1, context=512)).close()


def measure(path: Path, threads: Iterable[int] = ()) -> Llm:
    """Raises `Unusable`."""
    loading.check_processor(system_info())
    loading.check_file(path)
    cells = SEQUENCES * (DEPTH + 256)
    loading.check_memory(path, cells, exact=True)
    began = time.perf_counter()
    try:
        model = Model(path)
        usual = loading.resolve(Settings()).threads
        context = Context(model, ContextSize(cells, SEQUENCES, max(BATCHES), usual, usual))
    except LoadFailed as error:
        raise Unusable(f"the language model {path} cannot be used: {loading.why(str(error))}") from error
    load_s = time.perf_counter() - began
    tried = sorted({number for number in (threads or (1, max(1, usual // 2), usual)) if number > 0})
    pace = _Pace(context)
    writing = {number: pace.writing(number, 1) for number in tried}
    best = _soonest(tried, lambda number: 1 / writing[number])
    reading = {number: pace.reading(number, 64) for number in tried}
    readers = _soonest(tried, lambda number: 1 / reading[number])
    rates = {batch: pace.reading(readers, batch) for batch in BATCHES}
    short = [batch for batch in BATCHES if batch / rates[batch] <= LONGEST_STEP_S] or [BATCHES[0]]
    batch = max(short, key=lambda size: rates[size])
    together = pace.writing(best, SEQUENCES)
    found = Llm(
        engine="llama_cpp",
        model=str(path),
        threads=best,
        tokens_per_s=round(writing[best], 1),
        batch_threads=readers,
        batch=batch,
        prompt_tokens_per_s=round(rates[batch], 1),
        sequences=SEQUENCES,
        batched_tokens_per_s=round(together, 1),
        load_s=round(load_s, 2),
        memory_mb=round(psutil.Process().memory_info().rss / 2**20, 1),
    )
    context.close()
    model.close()
    return found


def _soonest(numbers: Iterable[int], duration: Callable[[int], float]) -> int:
    """The fewest threads among those that are as good as the best, within a twentieth."""
    times = {number: duration(number) for number in numbers}
    return min(number for number, taken in times.items() if taken <= 1.05 * min(times.values()))


class _Pace:
    """Tokens a second of one context. What the tokens are makes no difference to how long they take."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def writing(self, threads: int, sequences: int) -> float:
        """Of that many answers together."""
        self._context.set_threads(threads, threads)
        self._context.clear()
        for sequence in range(sequences):
            self._context.decode([Fed(sequence, 0, range(DEPTH), False)])
        taken = self._timed(lambda step: [Fed(each, DEPTH + step, [1], True) for each in range(sequences)], 200)
        return float(sequences / taken)

    def reading(self, threads: int, batch: int) -> float:
        """Of a prompt, so many at a time."""
        self._context.set_threads(threads, threads)
        self._context.clear()
        return float(batch / self._timed(lambda step: [Fed(0, step * batch, range(batch), False)], 512 // batch))

    def _timed(self, shares: Callable[[int], list[Fed]], most: int) -> float:
        """Seconds of a step: the median."""
        times: list[float] = []
        while len(times) < most and sum(times) < EACH_S:
            began = time.perf_counter()
            self._context.decode(shares(len(times)))
            times.append(time.perf_counter() - began)
        return statistics.median(times)
