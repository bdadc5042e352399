"""Questions to one LLM actor over the bus, as a conversation asks them."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.models.place import AGENT, instructions, tools
from ipc.bus import Bus
from ipc.messages import Release
from ipc.thinking import (
    CancelGenerate,
    Generate,
    Generated,
    Prepare,
    PromptLine,
    Reserve,
    Token,
    ToolWanted,
)

ANSWER_S = 60.0
ASK_S = 10.0


@dataclass
class Told:
    """One answer. Times in seconds, of the clock that never goes back."""

    asked: float
    came: list[float] = field(default_factory=list)
    """When each piece of text came."""
    texts: list[str] = field(default_factory=list)
    stirred: asyncio.Event = field(default_factory=asyncio.Event)
    over: bool = False

    @property
    def first_ms(self) -> float:
        """From the question to the first text."""
        return (self.came[0] - self.asked) * 1000

    @property
    def text(self) -> str:
        return "".join(self.texts)


class NoText(Exception):
    """The actor answered without a word, or without an end, so that nothing can be measured."""


class Asker:
    """Asks one actor. Calls are named by whoever asks."""

    def __init__(self, bus: Bus, actor: str) -> None:
        self._bus = bus
        self._actor = actor
        self._system, self._tools = instructions(), tools()
        self._told: dict[str, Told] = {}
        bus.on(Token, self._token)
        bus.on(ToolWanted, self._tool)
        bus.on(Generated, self._generated)

    async def _token(self, sender: str, note: Token) -> None:
        if told := self._told.get(note.request):
            told.came.append(time.monotonic())
            told.texts.append(note.text)
            told.stirred.set()

    async def _tool(self, sender: str, note: ToolWanted) -> None:
        """Not what is measured."""

    async def _generated(self, sender: str, note: Generated) -> None:
        if told := self._told.get(note.request):
            told.over = True
            told.stirred.set()

    async def begin(self, call: str) -> None:
        """Room for the call."""
        reserve = Reserve(call_id=call, agent=AGENT, system=self._system, tools=self._tools)
        await self._bus.ask(self._actor, reserve, within=ASK_S)

    async def end(self, call: str) -> None:
        """No more of it."""
        await self._bus.ask(self._actor, Release(call_id=call), within=ASK_S)

    def foresee(self, call: str, lines: Sequence[PromptLine]) -> None:
        """What will probably be asked."""
        prepare = Prepare(call_id=call, agent=AGENT, system=self._system, lines=tuple(lines), tools=self._tools)
        self._bus.tell(self._actor, prepare)

    async def ask(self, call: str, lines: Sequence[PromptLine], request: str) -> Told:
        """The whole answer. Raises `NoText`."""
        told = await self.begin_answer(call, lines, request)
        try:
            async with asyncio.timeout(ANSWER_S):
                while not told.over:
                    told.stirred.clear()
                    await told.stirred.wait()
        except TimeoutError:
            raise NoText(f"{self._actor} did not end an answer within {ANSWER_S:g} s: {told.text!r}") from None
        del self._told[request]
        if not told.came:
            raise NoText(f"{self._actor} answered without a word: see its log")
        return told

    async def begin_answer(self, call: str, lines: Sequence[PromptLine], request: str) -> Told:
        """An answer that has only been asked for."""
        told = self._told[request] = Told(time.monotonic())
        question = Generate(
            request=request, call_id=call, agent=AGENT, system=self._system, lines=tuple(lines), tools=self._tools
        )
        await self._bus.ask(self._actor, question, within=ASK_S)
        return told

    def cancel(self, request: str) -> None:
        """Nobody wants the rest."""
        self._bus.tell(self._actor, CancelGenerate(request=request))
