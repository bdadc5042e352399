"""The LLM actor's work: it streams answers to whoever asked, several at once."""

import asyncio

from actors.actor import Actor
from actors.llm.engine import Line, LlmEngine, Prompt
from actors.llm.engine import Token as EngineToken
from ipc.bus import Bus
from ipc.messages import CancelGenerate, Done, Generate, Generated, Token, ToolWanted


class Thinking:
    """All answers that one LLM actor is giving."""

    def __init__(self, actor: Actor, engine: LlmEngine) -> None:
        self._actor = actor
        self._bus: Bus = actor.bus
        self._engine = engine
        self._answers: dict[str, asyncio.Task[None]] = {}
        self._bus.on(Generate, self.generate)
        self._bus.on(CancelGenerate, self.cancel)

    async def generate(self, sender: str, message: Generate) -> Done:
        """A question that is asked once more, because our answer was late, is the same question."""
        if message.request in self._answers:
            return Done()
        lines = tuple(Line(line.who, line.text) for line in message.lines)
        prompt = Prompt(message.agent, message.system, lines, message.tools)
        task = self._bus.spawn(self._answer(sender, message.request, prompt), f"answer {message.request}")
        self._answers[message.request] = task
        self._actor.set_calls(len(self._answers))
        # Not at the end of the answer itself: one that is cancelled at once never begins, and has no end.
        task.add_done_callback(lambda _: self._forget(message.request))
        return Done()

    async def _answer(self, sender: str, request: str, prompt: Prompt) -> None:
        async for piece in self._engine.generate(prompt):
            if isinstance(piece, EngineToken):
                self._bus.tell(sender, Token(request=request, text=piece.text))
            else:
                self._bus.tell(sender, ToolWanted(request=request, name=piece.name, arguments=piece.arguments))
        self._bus.tell(sender, Generated(request=request))

    def _forget(self, request: str) -> None:
        del self._answers[request]
        self._actor.set_calls(len(self._answers))

    async def cancel(self, sender: str, message: CancelGenerate) -> None:
        task = self._answers.get(message.request)
        if task is not None:
            task.cancel()
