"""One client's language model: asked once, and asked again elsewhere if its actor dies before it has said anything.

What was begun and broke off is lost: a model asked twice seldom says the same thing twice.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator
from itertools import count
from pathlib import Path

from actors.gateway.lending import Lending
from ipc.bus import Bus
from ipc.messages import Message, Release
from ipc.thinking import CancelGenerate, Generate, Generated, Prepare, PromptLine, Reserve, Token, ToolWanted

log = logging.getLogger(__name__)

RESERVE_S = 2.0
GENERATE_S = 2.0
"""For taking the question on."""

STALL_S = 60.0
"""Without a token, after which an answer is given up. Clients who wait for less say so themselves (`Cancel`)."""

ATTEMPTS = 3
"""How many actors may die of one question."""

ROOMS = "gateway.rooms"
"""File in the run directory."""


class Lost(Exception):
    """The answer, or the rest of it, cannot be had. The text says why."""


class Rooms:
    """Which calls LLM actors keep room for on our account, on disk: so that a successor of ours gives it back. STT and
    TTS actors see from their rings that we have died; nothing tells an LLM actor."""

    def __init__(self, run_dir: Path, bus: Bus) -> None:
        self._file = run_dir / ROOMS
        self._bus = bus
        self._held: dict[str, None] = {}

    def give_back(self, actors: list[str]) -> None:
        """What a predecessor had."""
        left = self._file.read_text().split() if self._file.exists() else ()
        for call_id in left:
            for name in actors:
                self._bus.tell(name, Release(call_id=call_id))
        self._write()

    def hold(self, call_id: str) -> None:
        if call_id not in self._held:
            self._held[call_id] = None
            self._write()

    def release(self, call_id: str) -> None:
        if self._held.pop(call_id, "") is None:
            self._write()

    def _write(self) -> None:
        self._file.write_text("\n".join(self._held))


class Answering:
    """One call's answers, also several at once."""

    def __init__(self, lending: Lending, rooms: Rooms) -> None:
        self._lending = lending
        self._rooms = rooms
        self._id = lending.new_id()
        self.actor = ""
        """Who was asked last, and has what it has read of the call."""
        self._requests = count(1)

    async def reserve(self, agent: str, system: str, tools: tuple[str, ...]) -> None:
        """Raises `NoEngine`."""
        command = Reserve(call_id=self._id, agent=agent, system=system, tools=tools)
        self._rooms.hold(self._id)
        self.actor, _ = await self._lending.engines.ask("llm", self.actor, command, RESERVE_S, 0.0)

    def prepare(self, agent: str, system: str, lines: tuple[PromptLine, ...], tools: tuple[str, ...]) -> None:
        if self.actor:
            note = Prepare(call_id=self._id, agent=agent, system=system, lines=lines, tools=tools)
            self._lending.bus.tell(self.actor, note)

    async def generate(
        self, agent: str, system: str, lines: tuple[PromptLine, ...], tools: tuple[str, ...]
    ) -> AsyncGenerator[Token | ToolWanted, None]:
        """The answer. Closing the iterator cancels. Raises `NoEngine`, and `Lost`."""
        for _ in range(ATTEMPTS):
            request = f"{self._id}#{next(self._requests)}"
            command = Generate(request=request, call_id=self._id, agent=agent, system=system, lines=lines, tools=tools)
            answer, before = _Answer(), self.actor
            self._lending.add(request, answer)
            self._rooms.hold(self._id)
            try:
                self.actor, _ = await self._lending.engines.ask("llm", self.actor, command, GENERATE_S)
                answer.actor = self.actor
                if before and before != self.actor:
                    # It may only have been slow, and keeps room for nobody.
                    self._lending.bus.tell(before, Release(call_id=self._id))
                while piece := await answer.next():
                    yield piece
            finally:
                self._lending.remove(request)
                if not answer.complete and answer.actor and not answer.died:
                    self._lending.bus.tell(answer.actor, CancelGenerate(request=request))
            if answer.complete:
                return
            if answer.begun:
                raise Lost(f"the answer broke off: {answer.actor}: {answer.died}")
            log.info("a question is asked again: %s: %s", answer.actor, answer.died)
        raise Lost(f"{ATTEMPTS} actors have died of it; the last: {answer.actor}: {answer.died}")

    def close(self) -> None:
        self._rooms.release(self._id)
        if self.actor:
            self._lending.bus.tell(self.actor, Release(call_id=self._id))


class _Answer:
    """One answer on its way."""

    def __init__(self) -> None:
        self.actor = ""
        self.begun = False
        self.complete = False
        self.died = ""
        self._pieces: asyncio.Queue[Token | ToolWanted | None] = asyncio.Queue()

    async def next(self) -> Token | ToolWanted | None:
        """None at its end, whichever that is. Raises `Lost` when nothing comes."""
        try:
            async with asyncio.timeout(STALL_S):
                piece = await self._pieces.get()
        except TimeoutError:
            raise Lost(f"{self.actor} has said nothing for {STALL_S:g} s") from None
        self.begun = self.begun or piece is not None
        self.complete = piece is None and not self.died
        return piece

    def take(self, note: Message) -> None:
        if isinstance(note, Token | ToolWanted):
            self._pieces.put_nowait(note)
        elif isinstance(note, Generated):
            self.died = note.failure
            self._pieces.put_nowait(None)

    def actor_lost(self, reason: str) -> None:
        self.died = reason
        self._pieces.put_nowait(None)
