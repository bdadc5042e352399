"""A conversation as the text that a model reads: the chat template from its file, filled in.

What is read must stay a prefix of what comes, or everything after the difference is read anew: lines are only ever
added at the end, and nothing that changes stands before them. Templates differ in what they take; what one refuses is
found out once, by trying, when it is loaded:

- no system message (Gemma 2): it is put before the caller's first line;
- a conversation must begin with the user (Gemma, Mistral), but here the agent says hello: a note opens it;
- user and assistant must alternate: lines of the same side are joined;
- no tools: they are described in the system message, in the words of `actors.llm.notation`.

The corpus of the tiny model (`bench.tiny.llm`) is rendered here too: it is asked exactly as it was trained.
"""

import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from actors.llm import notation
from actors.llm.engine import Line, Prompt
from actors.llm.messages import (
    THOUGHT,
    THOUGHT_END,
    Message,
    as_agent,
    as_message,
    as_system,
    as_tool,
    as_user,
    instructions,
)
from actors.llm.tools import Tool

log = logging.getLogger(__name__)

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""For files without a template: the commonest one."""

OPENING = "(The call begins.)"
"""The caller's side, where a template wants it to come first."""

_MARK = "\u2603"
"""Stands at the end of the caller's words, to find out where a template puts it. No template trims a snowman away."""


class BadTemplate(Exception):
    """The model's chat template cannot be used. The text says why."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """One prompt as text."""

    text: str
    """Everything up to where the answer begins."""
    certain: int
    """How many characters of it stay what they are when the caller goes on talking."""
    thinking: bool
    """Whether the answer begins within a thought."""


class Chat:
    """One model's way of reading conversations."""

    def __init__(self, template: str = "", bos: str = "", eos: str = "", *, thinking: bool = False) -> None:
        """`template`: the file's own, "" if it has none. `bos`, `eos`: texts of these tokens. Raises `BadTemplate`."""
        self._thinking = thinking
        self._globals = {"bos_token": bos, "eos_token": eos, "enable_thinking": thinking}
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
        )
        environment.filters["tojson"] = _to_json
        environment.globals["raise_exception"] = _refuse
        environment.globals["strftime_now"] = time.strftime
        try:
            self._template = environment.from_string(template or CHATML)
            self._apply([as_user("hello")])
        except (jinja2.TemplateError, TypeError, ValueError) as error:
            raise BadTemplate(f"its chat template cannot be used: {error}") from error
        self._probe(template)

    def _probe(self, template: str) -> None:
        """Finds out what the template takes."""
        user, agent = as_user("one"), as_agent("two")
        self._system = self._takes([as_system("zero"), user], "zero")
        self._agent_first = self._takes([agent, user], "two")
        first = [] if self._agent_first else [as_user("none")]
        self._repeats = self._takes([*first, agent, user, as_user("three")], "one", "three")
        self._tool_lines = self._repeats and self._takes([*first, agent, user, agent, as_tool("four")], "four")
        self._tools = notation.described_by(template) and self._system
        shorter = self._apply([*first, agent, user])
        longer = self._apply([*first, agent, user, as_agent("five"), user])
        self.appends = longer.startswith(shorter.rstrip())
        """Whether a longer conversation begins with the text of the shorter one, and its answer."""

    def _takes(self, messages: Sequence[Message], *contents: str) -> bool:
        try:
            text = self._apply(messages)
        except (jinja2.TemplateError, TypeError, ValueError):
            return False
        return all(content in text for content in contents)

    def _apply(self, messages: Sequence[Message], tools: Sequence[Tool] = (), *, asking: bool = True) -> str:
        schemas = [tool.schema() for tool in tools] or None
        return self._template.render(messages=messages, tools=schemas, add_generation_prompt=asking, **self._globals)

    def render(self, prompt: Prompt, tools: Sequence[Tool] = ()) -> Rendered:
        """The whole prompt. The last line may be anybody's: one that the agent has said is answered by nobody, and then
        nothing invites an answer."""
        asking = bool(prompt.lines) and prompt.lines[-1].who != "agent"
        messages = self._messages(prompt, tools)
        text = self._apply(messages, tools if self._tools else (), asking=asking)
        marked = self._apply(_marked(messages), tools if self._tools else (), asking=asking)
        if asking and text.rstrip().endswith(THOUGHT) and not self._thinking:
            text = f"{text.rstrip()}\n\n{THOUGHT_END}\n\n"
        return Rendered(text, _common(text, marked), asking and text.rstrip().endswith(THOUGHT))

    def opening(self, prompt: Prompt, tools: Sequence[Tool] = ()) -> str:
        """What all calls of an agent begin with: everything before the first line that differs."""
        one, two = (
            self._apply(self._messages(prompt, tools, [line]), tools if self._tools else (), asking=False)
            for line in (Line("agent", "one"), Line("caller", "two"))
        )
        return one[: _common(one, two)]

    def _messages(self, prompt: Prompt, tools: Sequence[Tool], lines: Sequence[Line] | None = None) -> list[Message]:
        system = instructions(prompt)
        if tools and not self._tools:
            system = f"{system}\n\n{notation.instructions(tools)}"
        talk = self.spoken(prompt.lines if lines is None else lines)
        if not self._agent_first and (not talk or talk[0]["role"] != "user"):
            talk.insert(0, as_user(OPENING))
        if self._system:
            return [as_system(system), *talk]
        if talk and talk[0]["role"] == "user":
            return [as_user(f"{system}\n\n{talk[0]['content']}"), *talk[1:]]
        return [as_user(system), *talk]

    def spoken(self, lines: Sequence[Line]) -> list[Message]:
        """The lines as messages."""
        messages: list[Message] = []
        for line in lines:
            message = as_message(line, tool_lines=self._tool_lines)
            if messages and not self._repeats and messages[-1]["role"] == message["role"]:
                message = {**message, "content": f"{messages.pop()['content']}\n{message['content']}"}
            messages.append(message)
        return messages


def _marked(messages: Sequence[Message]) -> list[Message]:
    """The same with something behind the last message's text."""
    last = messages[-1]
    return [*messages[:-1], {**last, "content": last["content"] + _MARK}]


def _common(one: str, two: str) -> int:
    """How many characters both begin with."""
    for at, (a, b) in enumerate(zip(one, two, strict=False)):
        if a != b:
            return at
    return min(len(one), len(two))


def _to_json(value: Any, indent: int | None = None, **_: Any) -> str:
    """As the templates' makers had it: Jinja's own filter escapes for HTML."""
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _refuse(reason: str) -> Mapping[str, Any]:
    raise jinja2.TemplateError(reason)
