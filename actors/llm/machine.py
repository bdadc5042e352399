"""The thread that computes, and what it is given to do: one step after the other as long as anybody wants something.

Everything here but the computing itself happens on the actor's loop, between two steps, so that nothing needs a lock:
what is added or dropped while a step is under way counts from the next one on.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from actors.llm import schedule
from actors.llm.engine import Full
from actors.llm.llama import Context, ContextSize, Fed, LoadFailed, Model
from actors.llm.sampling import Sampler, Taste
from actors.llm.schedule import Share, Work
from actors.llm.sequences import Change, Held, Sequences

_CLOSE_S = 5.0


class Broken(Exception):
    """The model could not go on. The text says why."""


@dataclass(slots=True, eq=False)
class Writing:
    """An answer that somebody waits for."""

    work: Work
    taste: Taste
    seed: int
    sampler: Sampler | None = None
    """Made and used by the thread that computes."""
    _tokens: asyncio.Queue[int | Exception | None] = field(default_factory=asyncio.Queue)

    def put(self, token: int | Exception | None) -> None:
        """The next token; None for the end, an error for the worst."""
        self._tokens.put_nowait(token)

    async def get(self) -> int | None:
        """The next token, or None when nothing more comes. Raises what went wrong."""
        token = await self._tokens.get()
        if isinstance(token, Exception):
            raise token
        return token


class Machine:
    """One context, its sequences, and its thread."""

    def __init__(self, model: Model, size: ContextSize, calls: int, openings: Sequence[Sequence[int]]) -> None:
        """Reads the openings: it is ready then. Raises `LoadFailed`."""
        self._model = model
        self._batch = size.batch
        self._worker = ThreadPoolExecutor(1, "llama.cpp")
        self._works: dict[Work, Writing | None] = {}
        self._changes: list[Change] = []
        """What is to be done in the memory before the next step."""
        self._closing: list[Sampler] = []
        self._driver: asyncio.Task[None] | None = None
        try:
            self._context = self._worker.submit(Context, model, size).result()
        except LoadFailed:
            self._worker.shutdown()
            raise
        # The first step, which also shows what cannot be computed here at all.
        self.whole = not self._worker.submit(self._context.can_cut).result()
        """Whether what a sequence holds cannot be cut."""
        self._sequences = Sequences(calls, len(openings), whole=self.whole)
        self._read(openings)

    def _read(self, openings: Sequence[Sequence[int]]) -> None:
        for held, tokens in zip(self._sequences.openings, openings, strict=True):
            work = Work(held, list(tokens), answering=True)
            self._begin(work)
            while shares := schedule.step([work], self._batch):
                self._submit(shares, [None]).result()
                schedule.read(shares)

    def close(self) -> None:
        """Ends the thread, after the step that is under way, and frees the memory."""
        self._worker.submit(self._context.close).result(_CLOSE_S)
        self._worker.shutdown()

    # -- whose sequence it is

    def reserve(self, call: str) -> None:
        """Raises `Full`."""
        self._sequences.reserve(call)

    def release(self, call: str) -> None:
        """Also of a call that is unknown."""
        self._sequences.release(call)

    def take(self, call: str) -> Held:
        """Raises `Full`."""
        return self._sequences.take(call)

    def take_if_free(self, call: str) -> Held | None:
        try:
            return self._sequences.take(call)
        except Full:
            return None

    # -- what is to be done

    def add(self, work: Work, writing: Writing | None = None) -> None:
        """From the next step on. `writing`: who waits for an answer, if anybody does."""
        for other in [other for other in self._works if other.held is work.held]:
            self.drop(other)
        self._works[work] = writing
        work.held.busy, work.held.opening = writing is not None, work.opening
        if self._driver is None or self._driver.done():
            self._driver = asyncio.get_running_loop().create_task(self._drive(), name="language model")
            self._driver.add_done_callback(self._ended)

    def drop(self, work: Work) -> None:
        """From the next step on. What has been read of it stays read."""
        if work in self._works:
            writing = self._works.pop(work)
            work.held.busy = False
            if writing is not None and writing.sampler is not None:
                self._closing.append(writing.sampler)

    async def _drive(self) -> None:
        """Until nobody wants anything."""
        while shares := self._next():
            writings = [self._works[share.work] if share.last else None for share in shares]
            tokens = await self._computed(shares, writings)
            self._hand_out(shares, tokens)
            # Whoever has enough says so now, before the next step is made up.
            await asyncio.sleep(0)

    def _ended(self, driver: asyncio.Task[None]) -> None:
        if driver.cancelled() or (error := driver.exception()) is None:
            return
        for writing in self._works.values():
            if writing is not None:
                writing.put(Broken(f"the language model could not go on: {error}"))

    def _next(self) -> list[Share]:
        self._changes += self._sequences.tidy()
        for work in self._works:
            if not work.begun:
                self._begin(work)
        return schedule.step(self._works, self._batch)

    def _begin(self, work: Work) -> None:
        self._changes += self._sequences.begin(work.held, work.tokens, answering=work.answering)
        work.begun = True

    async def _computed(self, shares: Sequence[Share], writings: Sequence[Writing | None]) -> list[int | None]:
        future = self._submit(shares, writings)
        try:
            return await asyncio.shield(asyncio.wrap_future(future))
        finally:
            future.result()  # a step that has begun is computed to its end, also when its loop ends before
            schedule.read(shares)

    def _hand_out(self, shares: Sequence[Share], tokens: Sequence[int | None]) -> None:
        for share, token in zip(shares, tokens, strict=True):
            writing = self._works.get(share.work)
            if token is None or writing is None:
                continue
            writing.put(token)
            if self._model.ends(token):
                self.drop(share.work)
            else:
                share.work.tokens.append(token)

    # -- in the thread

    def _submit(self, shares: Sequence[Share], writings: Sequence[Writing | None]) -> Future[list[int | None]]:
        changes, self._changes = self._changes, []
        closing, self._closing = self._closing, []
        feds = [Fed(share.work.held.number, share.position, share.tokens, share.last) for share in shares]
        return self._worker.submit(self._step, changes, closing, feds, writings)

    def _step(
        self,
        changes: Sequence[Change],
        closing: Sequence[Sampler],
        feds: Sequence[Fed],
        writings: Sequence[Writing | None],
    ) -> list[int | None]:
        """One step: for each share the next token, where it is wanted and somebody waits for it."""
        for sampler in closing:
            sampler.close()
        self._context.change(changes)
        logits = iter(self._context.decode(feds))
        tokens: list[int | None] = []
        for fed, writing in zip(feds, writings, strict=True):
            row = next(logits) if fed.wanted else None
            if row is None or writing is None:
                tokens.append(None)
                continue
            if writing.sampler is None:
                writing.sampler = Sampler(self._model, writing.taste, writing.seed)
            tokens.append(writing.sampler.choose(row))
        return tokens
