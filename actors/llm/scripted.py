"""The engine `scripted`: answers by an agent's script. It is no language model.

It knows what the script says and nothing else: it finds the phrase nearest to what the caller said, fills forms, and
says sentences that a person wrote. In return it answers in milliseconds on any machine, needs no download, never
invents anything, and answers the same when it is asked the same.

It keeps nothing between turns. The caller's lines of the prompt are played through the script from the first one on,
which gives where the conversation stands; so the whole call must be in the prompt. A tool's line is news of a tool: one
that begins with `failed` is answered, any other is not.
"""

import re
from collections.abc import AsyncIterator, Mapping
from typing import Self

from actors.llm.dialogue import Dialogue, Play, Reply
from actors.llm.engine import Prompt, Token, ToolCall
from config.agent import Agent
from config.load import Config

FAILED = "failed"
"""How a tool's line begins when the tool did not work."""

_PIECE = re.compile(r"\s*\S+")


class UnknownAgent(LookupError):
    """The prompt names an agent that has no script. The message says which have one."""


class ScriptedLlm:
    """All agents that have a script."""

    name = "scripted"

    def __init__(self, agents: Mapping[str, Agent]) -> None:
        """The agents by name, as `config.load` checked them."""
        self._plays = {name: Play(agent, agent.script) for name, agent in agents.items() if agent.script is not None}
        for play in self._plays.values():
            Dialogue(play).hear("hello")

    @classmethod
    def of(cls, config: Config) -> Self:
        """All agents of the configuration that have a script."""
        return cls(config.agents)

    def reserve(self, call: str, agent: str, system: str, tools: tuple[str, ...]) -> None:
        """There is always room: nothing is kept."""

    def prepare(self, prompt: Prompt) -> None:
        """The whole call is read in a millisecond when it is wanted."""

    def release(self, call: str) -> None:
        """Nothing is kept."""

    async def generate(self, prompt: Prompt) -> AsyncIterator[Token | ToolCall]:
        """Streams the answer word by word, then the result for the dialplan and at most one other tool call. Raises
        `UnknownAgent`."""
        reply = self._reply(prompt)
        for piece in _PIECE.findall(reply.text):
            yield Token(piece)
        if reply.result and "set_result" in prompt.tools:
            yield ToolCall("set_result", dict(reply.result))
        if reply.tool is not None and reply.tool.name in prompt.tools:
            yield ToolCall(reply.tool.name, dict(reply.tool.arguments))

    def _reply(self, prompt: Prompt) -> Reply:
        """The answer to the last line, after everything before it."""
        play = self._plays.get(prompt.agent)
        if play is None:
            known = ", ".join(sorted(self._plays)) or "none"
            raise UnknownAgent(f"the agent {prompt.agent!r} has no script; these have one: {known}")
        dialogue = Dialogue(play)
        reply = Reply("")
        for line in prompt.lines:
            if line.who == "caller":
                reply = dialogue.hear(line.text)
            elif line.who == "tool":
                reply = dialogue.tool_failed() if line.text.startswith(FAILED) else Reply("")
            else:
                # What the caller heard of the answer changes nothing: the script knows what it said.
                reply = Reply("")
        return reply
