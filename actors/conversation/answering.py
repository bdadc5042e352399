"""The agent's answers on their way from an LLM actor: asked once, and asked again elsewhere if that actor dies."""

import asyncio
import logging
from collections.abc import Callable

from actors.conversation.events import AnswerEnd, AnswerText, AnswerTool, Ask, Event, HistoryLine
from actors.pool import PATIENCE_S, Engines, Lost, NoEngine
from config.agent import Agent
from ipc.bus import Bus
from ipc.messages import Release
from ipc.thinking import CancelGenerate, Generate, Generated, Prepare, PromptLine, Reserve, Token, ToolWanted

log = logging.getLogger(__name__)

RESERVE_S = 2.0
GENERATE_S = 2.0
"""For taking the question on. How long the answer takes is bounded by the turn machine's filler and the caller."""


class Answering:
    """One call's language model. `feed` gets the answer's events."""

    def __init__(
        self, bus: Bus, engines: Engines, call_id: str, agent: Agent, feed: Callable[[Event], None], lost: Lost
    ) -> None:
        self._bus = bus
        self._engines = engines
        self._call_id = call_id
        self._agent = agent
        self._feed = feed
        self._lost = lost
        self.actor = ""
        self._asked: Ask | None = None
        self._attempt = 0
        self._text_came = False
        self._tools: list[ToolWanted] = []
        """What this answer has wanted: an actor that is asked again wants it again."""
        self._order = asyncio.Lock()
        self._foreseen: tuple[HistoryLine, ...] = ()

    async def open(self, patience: float = 0.0) -> None:
        """Keeps room for the call. Raises `NoEngine`, as it is at once: a caller whom nobody can answer is better sent
        on than taken."""
        async with self._order:
            await self._reserve(patience)

    async def take_over(self) -> None:
        """Like `open`, for a call that a predecessor held: whoever had room for it gives that back."""
        for name in self._engines.order("llm"):
            self._bus.tell(name, Release(call_id=self._call_id))
        await self.open(PATIENCE_S)

    async def _reserve(self, patience: float) -> None:
        agent = self._agent
        command = Reserve(call_id=self._call_id, agent=agent.name, system=agent.prompt, tools=agent.tools)
        self.actor, _ = await self._engines.ask("llm", self.actor, command, RESERVE_S, patience)

    def prepare(self, lines: tuple[HistoryLine, ...]) -> None:
        """The next question probably begins so."""
        self._foreseen = lines
        agent = self._agent
        if self.actor and self._asked is None:
            note = Prepare(
                call_id=self._call_id,
                agent=agent.name,
                system=agent.prompt,
                lines=_lines(lines),
                tools=agent.tools,
            )
            self._bus.tell(self.actor, note)

    def release(self) -> None:
        """The call is over."""
        self.cancel()
        if self.actor:
            self._bus.tell(self.actor, Release(call_id=self._call_id))

    def _request(self) -> str:
        assert self._asked is not None
        return f"{self._call_id}#{self._asked.answer}.{self._attempt}"

    async def ask(self, question: Ask) -> None:
        self._asked = question
        self._text_came = False
        self._tools = []
        await self._send(question)

    async def _send(self, question: Ask) -> None:
        """Finds an actor that takes the question on, unless nobody waits for its answer any more."""
        async with self._order:
            if question is not self._asked:
                return
            self._attempt += 1
            command = Generate(
                request=self._request(),
                call_id=self._call_id,
                agent=self._agent.name,
                system=self._agent.prompt,
                lines=_lines(question.lines),
                tools=self._agent.tools,
            )
            before = self.actor
            try:
                self.actor, _ = await self._engines.ask("llm", before, command, GENERATE_S)
            except NoEngine as error:
                log.error("call %s: nobody can answer the caller: %s", self._call_id, error)
                self._end(question)
                return
            if before and before != self.actor:
                self._bus.tell(before, Release(call_id=self._call_id))  # it may only have been slow
            if question is not self._asked:  # cancelled while it was on its way
                self._bus.tell(self.actor, CancelGenerate(request=command.request))

    def _end(self, question: Ask) -> None:
        if question is self._asked:
            self._asked = None
            self._feed(AnswerEnd(question.answer))

    def cancel(self) -> None:
        if self._asked is not None:
            if self.actor:
                self._bus.tell(self.actor, CancelGenerate(request=self._request()))
            self._asked = None

    def take(self, note: Token | ToolWanted | Generated) -> None:
        """A note of an LLM actor. Those of a cancelled or repeated answer are left alone."""
        if self._asked is None or note.request != self._request():
            return
        answer = self._asked.answer
        if isinstance(note, Token):
            self._text_came = True
            self._feed(AnswerText(answer, note.text))
        elif isinstance(note, ToolWanted):
            if not any((known.name, known.arguments) == (note.name, note.arguments) for known in self._tools):
                self._tools.append(note)
                self._feed(AnswerTool(answer, note.name, note.arguments))
        else:
            self._end(self._asked)

    async def move(self, reason: str) -> None:
        """The actor is gone. What was not begun is asked again; what was begun ends where it is: a model asked twice
        seldom says the same thing twice, and half of one answer joined to half of another is no answer."""
        lost, question, taken = self.actor, self._asked, not self._order.locked()
        if question is not None and self._text_came:
            self._end(question)
            question = None
        if question is None:
            await self._settle()
        elif taken:
            await self._send(question)
        else:
            async with self._order:  # it is being asked, and whoever takes it on lives
                pass
        self._lost("llm", lost, reason, self.actor)

    async def _settle(self) -> None:
        """Whoever is asked next has room for the call, and has read what there is, before the caller waits for it."""
        async with self._order:
            try:
                await self._reserve(0.0)
            except NoEngine as error:
                log.warning("call %s: nobody keeps room for its questions: %s", self._call_id, error)
                return
        self.prepare(self._foreseen)


def _lines(lines: tuple[HistoryLine, ...]) -> tuple[PromptLine, ...]:
    return tuple(PromptLine(line.who, line.text) for line in lines)
