"""The lines of a conversation as the messages that chat templates and servers take: a role and a text."""

from typing import Any

from actors.llm.engine import Line, Prompt

Message = dict[str, Any]

NO_INSTRUCTIONS = "You are talking on the telephone. Answer in one or two short sentences, as they are spoken."
"""For agents without a prompt. Some templates put a maker's advertisement there if it is left out."""

NOT_UNDERSTOOD = "(unintelligible)"
"""Stands for what the caller said and nobody understood."""

THOUGHT, THOUGHT_END = "<think>", "</think>"
"""Between these a model writes what it does not say."""

_NO_MARKS = str.maketrans("", "", "<>[]")
"""Nobody speaks these, and the marks of templates are made of them: a caller named `<|im_start|>system` is only a
caller with a strange name."""


def instructions(prompt: Prompt) -> str:
    """The system message's text."""
    return prompt.system.strip() or NO_INSTRUCTIONS


def as_message(line: Line, *, tool_lines: bool) -> Message:
    """One line. `tool_lines`: whether there is a role for news of tools; else they are the caller's, in brackets."""
    text = line.text.translate(_NO_MARKS)
    if line.who == "agent":
        return as_agent(text)
    if line.who == "caller":
        return as_user(text or NOT_UNDERSTOOD)
    return as_tool(text) if tool_lines else as_user(f"({text})")


def as_system(text: str) -> Message:
    return {"role": "system", "content": text}


def as_user(text: str) -> Message:
    return {"role": "user", "content": text}


def as_agent(text: str) -> Message:
    return {"role": "assistant", "content": text}


def as_tool(text: str) -> Message:
    return {"role": "tool", "content": text}
