"""What every language model looks like to the LLM actor: a conversation in, a stream of text and tool calls out."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the conversation. An agent line holds only what the caller really heard."""

    who: Literal["caller", "agent", "tool"]
    text: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """Everything the model may know of the call. The same prompt asked again must be answerable again."""

    agent: str
    """Name of the agent in the configuration."""
    system: str
    """The agent's instructions."""
    lines: tuple[Line, ...]
    """The conversation, oldest first; the last line is what is to be answered. A caller's line with text "" means that
    they spoke and were not understood."""
    tools: tuple[str, ...]
    """Names of the tools that the agent may call."""


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the answer, with its own spaces: joined, the tokens are the text."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model wants something done; the conversation runs it after the text before it has been spoken."""

    name: str
    arguments: dict[str, str] = field(default_factory=dict)


class LlmEngine(Protocol):
    """One loaded model. Construction loads and exercises it; after that the actor reports ready."""

    name: str

    def generate(self, prompt: Prompt) -> AsyncIterator[Token | ToolCall]:
        """Streams the answer. Closing the iterator cancels. Keeps nothing of the call that `prompt` does not hold."""
