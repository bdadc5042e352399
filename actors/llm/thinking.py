"""The LLM actor's work: it streams answers to whoever asked, several at once."""

import asyncio
import logging

from actors.actor import Actor
from actors.llm.engine import Failed, Full, Line, LlmEngine, Prompt
from actors.llm.engine import Token as EngineToken
from ipc.bus import Bus, Refused
from ipc.messages import Done, Release
from ipc.thinking import CancelGenerate, Generate, Generated, Prepare, Reserve, Token, ToolWanted

log = logging.getLogger(__name__)


class Thinking:
    """All answers that one LLM actor is giving."""

    def __init__(self, actor: Actor, engine: LlmEngine) -> None:
        self._actor = actor
        self._bus: Bus = actor.bus
        self._engine = engine
        self._answers: dict[str, asyncio.Task[None]] = {}
        self._bus.on(Reserve, self.reserve)
        self._bus.on(Prepare, self.prepare)
        self._bus.on(Release, self.release)
        self._bus.on(Generate, self.generate)
        self._bus.on(CancelGenerate, self.cancel)

    async def reserve(self, sender: str, message: Reserve) -> Done:
        try:
            kept = self._engine.reserve(message.call_id, message.agent, message.system, message.tools)
            if kept is not None:
                await kept
        except Full as full:
            raise Refused(str(full), busy=True) from full
        return Done()

    async def prepare(self, sender: str, message: Prepare) -> None:
        self._engine.prepare(_prompt(message))

    async def release(self, sender: str, message: Release) -> Done:
        self._engine.release(message.call_id)
        return Done()

    async def generate(self, sender: str, message: Generate) -> Done:
        """A question that is asked once more, because our answer was late, is the same question."""
        if message.request in self._answers:
            return Done()
        task = self._bus.spawn(self._answer(sender, message.request, _prompt(message)), f"answer {message.request}")
        self._answers[message.request] = task
        self._actor.set_calls(len(self._answers))
        # Not at the end of the answer itself: one that is cancelled at once never begins, and has no end.
        task.add_done_callback(lambda _: self._forget(message.request))
        return Done()

    async def _answer(self, sender: str, request: str, prompt: Prompt) -> None:
        failure = ""
        try:
            async for piece in self._engine.generate(prompt):
                if isinstance(piece, EngineToken):
                    self._bus.tell(sender, Token(request=request, text=piece.text))
                else:
                    self._bus.tell(sender, ToolWanted(request=request, name=piece.name, arguments=piece.arguments))
        except (Full, Failed) as error:
            log.error("call %s: no answer: %s", prompt.call, error)
            failure = str(error)
        self._bus.tell(sender, Generated(request=request, failure=failure))

    def _forget(self, request: str) -> None:
        del self._answers[request]
        self._actor.set_calls(len(self._answers))

    async def cancel(self, sender: str, message: CancelGenerate) -> None:
        task = self._answers.get(message.request)
        if task is not None:
            task.cancel()


def _prompt(message: Generate | Prepare) -> Prompt:
    lines = tuple(Line(line.who, line.text) for line in message.lines)
    return Prompt(message.agent, message.system, lines, message.tools, message.call_id)
