"""What every language model looks like to the LLM actor: a conversation in, a stream of text and tool calls out."""

from collections.abc import AsyncIterator, Awaitable
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
    call: str = ""
    """Which call it is, for an engine that keeps what it has read of each; it must answer without having kept it."""


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the answer, with its own spaces: joined, the tokens are the text."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model wants something done; the conversation runs it after the text before it has been spoken."""

    name: str
    arguments: dict[str, str] = field(default_factory=dict)


class Full(Exception):
    """There is no room for one more call. The text says how many there are."""


class Failed(Exception):
    """This answer cannot be given, or not to its end; others may be. The text says why, and what to do."""


class LlmEngine(Protocol):
    """One loaded model. Construction loads and exercises it; after that the actor reports ready.

    An engine may remember of a call what it has read, so as not to read it again: a prompt's lines are mostly those of
    the one before, with more at the end. Nothing depends on it: another actor's engine answers the same prompt.
    """

    name: str

    def reserve(self, call: str, agent: str, system: str, tools: tuple[str, ...]) -> Awaitable[None] | None:
        """Keeps room for the call until `release`. Raises `Full`. An engine on another machine has to be waited for, by
        awaiting what it gives."""

    def prepare(self, prompt: Prompt) -> None:
        """The call's next question probably begins with these lines: read them now, if there is nothing to be read for
        those who wait. Returns at once. The next `prepare` or `generate` of the call takes its place."""

    def generate(self, prompt: Prompt) -> AsyncIterator[Token | ToolCall]:
        """Streams the answer. Closing the iterator cancels. Raises `Full`, at the first step, for a call that has not
        reserved and finds no room, and `Failed`. Whatever else it raises ends the actor."""

    def release(self, call: str) -> None:
        """The call is over, or elsewhere; also when it is unknown."""
