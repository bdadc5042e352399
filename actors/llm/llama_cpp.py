"""The engine `llama_cpp`: any GGUF file, on this machine, several calls at once.

    reserve, prepare, generate        the actor's loop: what is to be read, and for whom (this module)
          |              ^
          v step         | tokens
    one thread that computes          `machine.Machine`: sequences, llama.cpp

Each call's conversation stays in the model's memory, so that a turn costs only what is new in it; and the caller's
words are read while they are spoken. All answers grow together: a step of four tokens of four calls takes hardly longer
than one of a single token.
"""

import asyncio
import logging
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Self

from actors.catalogue import Unusable
from actors.llm import grammar as grammars
from actors.llm import loading
from actors.llm.answer import Answer
from actors.llm.chat import BadTemplate, Chat, Rendered
from actors.llm.engine import Prompt, Token, ToolCall
from actors.llm.forgetting import first_kept
from actors.llm.llama import ContextSize, LoadFailed, Model
from actors.llm.llama import system_info as built_for
from actors.llm.machine import Machine, Writing
from actors.llm.sampling import Taste
from actors.llm.schedule import Work
from actors.llm.tools import Tool, described
from config.agent import Agent
from config.engines import LlamaCpp as Settings
from config.load import Config
from models.shelf import path_of

log = logging.getLogger(__name__)

_MARGIN = 16
"""Tokens of the context that are never promised to anybody: what a template adds around lines."""
_OPENINGS = 8
"""Agents whose openings are read when the model is loaded; those of more are read with their first call."""


class LlamaCpp:
    """One loaded model, and the calls that it serves."""

    name = "llama_cpp"

    def __init__(
        self, path: Path, settings: Settings, agents: dict[str, Agent] | None = None, *, actors: int = 1
    ) -> None:
        """Loads the model and reads what the calls of each agent begin with. `actors`: how many do so on this machine.
        Raises `Unusable`."""
        self._settings = settings
        self._agents = agents or {}
        numbers = loading.resolve(settings)
        loading.check_processor(built_for())
        loading.check_file(path)
        loading.check_memory(path, numbers.calls * settings.context, exact=settings.kv_cache == "f16")
        try:
            own = loading.copies(path, settings.weights, actors)
            self._model = Model(path, gpu_layers=numbers.gpu_layers, mlock=settings.mlock, own=own)
            if not self._model.writes:
                raise LoadFailed("it is no model that writes text")
            marks = self._model.mark("bos"), self._model.mark("eos")
            self._chat = Chat(self._model.meta("tokenizer.chat_template"), *marks, thinking=settings.thinking)
        except (LoadFailed, BadTemplate) as error:
            raise Unusable(
                f"the language model {path} cannot be used: {loading.why(str(error))}: {loading.SETUP}"
            ) from error
        # Most lines are asked for again with every turn.
        self._sizes = lru_cache(maxsize=4096)(lambda text: len(self._model.tokenize(text)))
        self._context = min(settings.context, self._model.trained_context)
        openings = self._openings()
        cells = numbers.calls * self._context + sum(map(len, openings))
        size = ContextSize(
            cells,
            numbers.calls + len(openings),
            numbers.batch,
            numbers.threads,
            numbers.batch_threads,
            settings.kv_cache,
        )
        try:
            self._machine = Machine(self._model, size, numbers.calls, openings)
        except LoadFailed as error:
            raise Unusable(
                f"there is no memory for {numbers.calls} calls of {self._context} tokens beside {path.name} "
                f"({loading.why(str(error))}): lower `engines.llama_cpp.calls` or `context`"
            ) from error
        self._guesses: dict[str, Work] = {}
        self._answers: dict[str, Writing] = {}
        self._log_peculiarities(path)

    @classmethod
    def of(cls, config: Config) -> Self:
        """The model that the settings name, with all agents of the configuration. Raises `Unusable`, `NoModel`."""
        settings = config.settings.engines.llama_cpp
        path = path_of(config.settings.models, "llm", settings.model)
        return cls(path, settings, dict(config.agents), actors=config.settings.actors.llm.count)

    def close(self) -> None:
        """Ends the thread and frees the memory."""
        self._machine.close()
        self._model.close()

    def _log_peculiarities(self, path: Path) -> None:
        if self._context < self._settings.context:
            log.warning("%s looks back at %d tokens at most: calls have that many", path.name, self._context)
        if self._machine.whole:
            log.warning(
                "%s has a memory that cannot be cut: after an interruption, or when an answer was not heard as it was "
                "written, the conversation is read anew from the agent's instructions on, which takes time",
                path.name,
            )
        if not self._chat.appends:
            log.info("the template of %s changes what was said before: the agent's lines are read once more", path.name)

    # -- what calls begin with

    def _openings(self) -> list[list[int]]:
        """Of each agent with instructions, what all of its calls begin with, as tokens."""
        found = []
        for agent in list(self._agents.values())[:_OPENINGS]:
            if agent.prompt:
                prompt = Prompt(agent.name, self._system(agent.prompt), (), agent.tools)
                tokens = self._model.tokenize(self._chat.opening(prompt, self._tools(prompt)))
                self._check_room(agent.name, len(tokens))
                found.append(tokens)
        return found

    def _check_room(self, agent: str, taken: int) -> None:
        if taken + self._settings.max_tokens + 8 * _MARGIN > self._context:
            raise Unusable(
                f"the instructions and tools of the agent {agent} take {taken} of the {self._context} tokens that a "
                "call has: shorten `prompt`, or raise `engines.llama_cpp.context`"
            )

    def _system(self, system: str) -> str:
        return f"{self._settings.system_prompt}\n\n{system}".strip()

    def _tools(self, prompt: Prompt) -> tuple[Tool, ...]:
        agent = self._agents.get(prompt.agent)
        return described(prompt.tools, agent.transfers if agent else ())

    # -- what is asked

    def reserve(self, call: str, agent: str, system: str, tools: tuple[str, ...]) -> None:
        """Keeps a sequence for the call, and reads what its conversation begins with if nobody has. Raises `Full`."""
        self._machine.reserve(call)

    def release(self, call: str) -> None:
        """The sequence is anybody's again."""
        self._end_guess(call)
        if (writing := self._answers.pop(call, None)) is not None:
            self._machine.drop(writing.work)
            writing.put(None)
        self._machine.release(call)

    def prepare(self, prompt: Prompt) -> None:
        """Reads what stays as it is when the caller goes on talking. For a memory that cannot be cut that is what was
        said before: words that turn out otherwise would cost all of it."""
        if prompt.call in self._answers:
            return
        self._end_guess(prompt.call)
        if self._machine.whole and prompt.lines and prompt.lines[-1].who != "agent":
            prompt = replace(prompt, lines=prompt.lines[:-1])
        held = self._machine.take_if_free(prompt.call)
        if held is None:
            return
        rendered, opening = self._render(prompt, self._tools(prompt))
        tokens = self._model.tokenize(rendered.text[: rendered.certain])
        self._guesses[prompt.call] = work = Work(held, tokens, answering=False, opening=opening)
        self._machine.add(work)

    def _end_guess(self, call: str) -> None:
        if (work := self._guesses.pop(call, None)) is not None:
            self._machine.drop(work)

    async def generate(self, prompt: Prompt) -> AsyncIterator[Token | ToolCall]:
        """Streams the answer. Raises `Full`."""
        self._end_guess(prompt.call)
        if prompt.call and (before := self._answers.pop(prompt.call, None)) is not None:
            self._machine.drop(before.work)  # who asks again wants no more of it
            before.put(None)
        tools = self._tools(prompt)
        held = self._machine.take(prompt.call)
        rendered, opening = self._render(prompt, tools)
        work = Work(held, self._model.tokenize(rendered.text), answering=True, opening=opening)
        writing = Writing(work, self._taste(tools), zlib.crc32(rendered.text.encode()))
        names = [tool.name for tool in tools]
        answer = Answer(names, self._settings.max_tokens, self._settings.stop, thinking=rendered.thinking)
        if prompt.call:
            self._answers[prompt.call] = writing
        until = asyncio.get_running_loop().time() + self._settings.infer_timeout_s
        with self._under_way(prompt.call, writing):
            complete = False
            while not answer.over and (token := await self._next(writing, until)) is not None:
                if complete := self._model.ends(token):
                    break
                for part in answer.take(self._model.piece(token)):
                    yield part
        for part in answer.end(complete=complete):
            yield part

    @contextmanager
    def _under_way(self, call: str, writing: Writing) -> Iterator[None]:
        self._machine.add(writing.work, writing)
        try:
            yield
        finally:
            self._machine.drop(writing.work)
            if self._answers.get(call) is writing:
                del self._answers[call]

    async def _next(self, writing: Writing, until: float) -> int | None:
        """The answer's next token; None when the memory for the call is full, time is up, or nobody wants more."""
        if len(writing.work.tokens) >= self._context:
            return None
        try:
            async with asyncio.timeout_at(until):
                return await writing.get()
        except TimeoutError:
            log.warning(
                "an answer was cut short after %g s (`engines.llama_cpp.infer_timeout_s`)",
                self._settings.infer_timeout_s,
            )
            return None

    def _taste(self, tools: tuple[Tool, ...]) -> Taste:
        settings = self._settings
        grammar = grammars.of(tools) if tools else ""
        return Taste(settings.temperature, settings.top_p, settings.repeat_penalty, grammar)

    def _render(self, prompt: Prompt, tools: tuple[Tool, ...]) -> tuple[Rendered, int]:
        """The prompt as text, without the turns that have no room; and how many tokens all of the agent's calls begin
        with."""
        prompt = replace(prompt, system=self._system(prompt.system))
        opening = self._sizes(self._chat.opening(prompt, tools))
        room = self._context - opening - self._settings.max_tokens - _MARGIN
        sizes = [self._sizes(line.text) + _MARGIN // 2 for line in prompt.lines]
        first = first_kept(prompt.lines, sizes, room)
        return self._chat.render(replace(prompt, lines=prompt.lines[first:]), tools), opening
