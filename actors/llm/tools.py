"""What a language model is told of the tools that an agent may use: for each a sentence and its arguments, as a JSON
schema of OpenAI's form, which chat templates and servers take as it is.

Every word of it is read by the model before the first call, and stands in each call's memory. So it is short.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from config.script import ToolName


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument. Its value is a text."""

    name: str
    description: str
    required: bool = True
    choices: tuple[str, ...] = ()
    """The only values that it may have; empty: any."""


@dataclass(frozen=True, slots=True)
class Tool:
    name: ToolName
    description: str
    parameters: tuple[Parameter, ...] = ()
    free: bool = False
    """Whether it takes other arguments besides, by any name in small letters."""

    def schema(self) -> dict[str, Any]:
        """As OpenAI's API and chat templates want it."""
        properties: dict[str, Any] = {}
        for parameter in self.parameters:
            properties[parameter.name] = {"type": "string", "description": parameter.description}
            if parameter.choices:
                properties[parameter.name]["enum"] = list(parameter.choices)
        parameters: dict[str, Any] = {"type": "object", "properties": properties}
        if required := [parameter.name for parameter in self.parameters if parameter.required]:
            parameters["required"] = required
        if self.free:
            parameters["additionalProperties"] = {"type": "string"}
        function = {"name": self.name, "description": self.description, "parameters": parameters}
        return {"type": "function", "function": function}


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call as a model wrote it, before it is known to be one that the agent may make."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


_TOOLS = {
    tool.name: tool
    for tool in (
        Tool("hang_up", "End the call, after you have said goodbye."),
        Tool(
            "transfer",
            "Put the caller through to somebody, when they ask for it or you cannot help.",
            (
                Parameter("destination", "where to"),
                Parameter("reason", "what it is about, in one sentence", required=False),
            ),
        ),
        Tool("cancel_transfer", "Stop a transfer that is still ringing, when the caller wants it no more."),
        Tool("voicemail", "Let the caller leave a message."),
        Tool("hold", "Play music to the caller until you speak again."),
        Tool("resume", "End the music."),
        Tool("send_digits", "Press keys of the telephone.", (Parameter("digits", "0 to 9, *, #; w is a pause"),)),
        Tool(
            "record",
            "Start or stop recording the call.",
            (Parameter("action", "what to do", choices=("start", "stop")),),
        ),
        Tool("answer", "Answer the call."),
        Tool("set_result", "Note what came of the call.", (Parameter("outcome", "in one word"),), free=True),
        Tool(
            "take_booking",
            "Write a booking down, once the caller has confirmed it.",
            (
                Parameter("action", "what to do", choices=("book", "cancel")),
                Parameter("day", "the day", required=False),
                Parameter("time", "the time", required=False),
            ),
            free=True,
        ),
    )
}
"""By name; all of `config.script.ToolName`."""


def described(names: Iterable[str], destinations: Sequence[str]) -> tuple[Tool, ...]:
    """The tools of these names. `destinations`: the names that `transfer` may be given; without any it is left out."""
    found = []
    for name in names:
        tool = _TOOLS.get(name)  # type: ignore[call-overload]  # an unknown name is none
        if tool is None:
            continue
        if tool.name == "transfer":
            if not destinations:
                continue
            where, why = tool.parameters
            tool = replace(tool, parameters=(replace(where, choices=tuple(destinations)), why))
        found.append(tool)
    return tuple(found)
