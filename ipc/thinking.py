"""What a call's conversation and its language model say to each other.

Reserve ----> a sequence of the model is the call's until Release
Prepare ----> the model reads what is certain so far, and what the caller has probably said: nobody waits for it
Generate ---> Token, Token, ToolWanted, Generated; CancelGenerate ends it
"""

from typing import Literal

import msgspec

from ipc.messages import Message


class PromptLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    who: Literal["caller", "agent", "tool"]
    text: str


class Reserve(Message, frozen=True):
    """Keep room for the call's conversation. Answer: `Done`; `Refusal`, busy, when all the room is taken.

    Whoever asks without having reserved is served too, where there is room. `ipc.messages.Release` gives it back.
    """

    call_id: str
    agent: str
    """Name of the agent in the configuration."""
    system: str
    tools: tuple[str, ...]


class Prepare(Message, frozen=True):
    """Note: the next question will probably begin with these lines. An engine that reads before it writes does so now.

    What is asked then may be otherwise: only time is lost.
    """

    call_id: str
    agent: str
    system: str
    lines: tuple[PromptLine, ...]
    tools: tuple[str, ...]


class Generate(Message, frozen=True):
    """Answer the conversation's last line. Answer: `Done`; then `Token`, `ToolWanted` and one `Generated` as notes."""

    request: str
    """Names this answer in the notes that follow; chosen by the sender, never used again."""
    call_id: str
    agent: str
    system: str
    lines: tuple[PromptLine, ...]
    tools: tuple[str, ...]


class Token(Message, frozen=True):
    request: str
    text: str


class ToolWanted(Message, frozen=True):
    request: str
    name: str
    arguments: dict[str, str]


class Generated(Message, frozen=True):
    """The answer is complete, or there is no more of it."""

    request: str
    failure: str = ""
    """Why there is no more; what came before it stands."""


class CancelGenerate(Message, frozen=True):
    """Note: nobody wants the rest of this answer."""

    request: str
