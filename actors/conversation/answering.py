"""The agent's answers on their way from an LLM actor: asked once, and asked again elsewhere if that actor dies.

Asked the same, the next one says the same: what had come before is left out, and the answer goes on in the middle of a
word. Where it says it otherwise, the caller hears the whole of that after the piece that they know.
"""

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
        self._text = ""
        """All of the answer that has come."""
        self._known = ""
        """What of it is to come once more, from another actor."""
        self._again = ""
        """What of that has come."""
        self._failed = False
        """An actor has given this question up."""
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
        self._text = self._known = self._again = ""
        self._failed = False
        self._tools = []
        await self._send(question)

    async def _send(self, question: Ask) -> None:
        """Finds an actor that takes the question on, unless nobody waits for its answer any more."""
        async with self._order:
            if question is not self._asked:
                return
            self._attempt += 1
            self._known, self._again = self._text, ""
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
            if text := self._news(note.text):
                self._text += text
                self._feed(AnswerText(answer, text))
        elif isinstance(note, ToolWanted):
            if not any((known.name, known.arguments) == (note.name, note.arguments) for known in self._tools):
                self._tools.append(note)
                self._feed(AnswerTool(answer, note.name, note.arguments))
        elif note.failure and not self._failed:
            self._failed = True
            self._bus.spawn(self._ask_elsewhere(self._asked, note.failure), f"question of call {self._call_id}")
        else:
            if note.failure:
                log.error("call %s: %s has given an answer up: %s", self._call_id, self.actor, note.failure)
            self._end(self._asked)

    def _news(self, text: str) -> str:
        """What of a token has not been told before."""
        if not self._known:
            return text
        self._again += text
        if self._known.startswith(self._again):
            text = ""
        elif self._again.startswith(self._known):
            text = self._again.removeprefix(self._known)
        else:
            text = f" {self._again}"
        if text or self._again == self._known:
            self._known = self._again = ""
        return text

    async def _ask_elsewhere(self, question: Ask, reason: str) -> None:
        """Once: what two actors cannot answer is not for want of room."""
        failed = self.actor
        log.warning("call %s: %s cannot answer: %s", self._call_id, failed, reason)
        self._engines.doubt(failed)
        await self._send(question)
        self._lost("llm", failed, reason, self.actor)

    async def move(self, reason: str) -> None:
        """The actor is gone: another one is asked."""
        lost, question, taken = self.actor, self._asked, not self._order.locked()
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
