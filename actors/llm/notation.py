"""How a model writes tool calls: one notation for all of them, that of Hermes and Qwen.

    Goodbye!
    <tool_call>
    {"name": "hang_up", "arguments": {}}
    </tool_call>

Qwen2.5 and 3, SmolLM3 and Granite 4 were trained on it, and their chat templates describe it. Other families have
notations of their own, or none; several of those put the description where it moves with every turn, which would have
the whole conversation read anew each time. They are told of this one in the system message. A grammar sees to it that
what follows the mark is well-formed, whoever writes it (`actors.llm.grammar`).
"""

import json
from collections.abc import Sequence

from actors.llm.tools import Call, Tool

BEGIN, END = "<tool_call>", "</tool_call>"
"""The first never stands in what is spoken."""


def described_by(template: str) -> bool:
    """Whether a chat template describes this notation to the model itself. Qwen's for programming has a `<function=`
    within the same mark."""
    return "tools" in template and BEGIN in template and '"arguments"' in template and "<function=" not in template


def instructions(tools: Sequence[Tool]) -> str:
    """What other models are told, behind the agent's instructions."""
    listed = "\n".join(json.dumps(tool.schema(), ensure_ascii=False) for tool in tools)
    return (
        "# Tools\n\nYou may call these functions, after what you say:\n"
        f"<tools>\n{listed}\n</tools>\n\n"
        f"To call one, write a JSON object with its name and arguments within {BEGIN}{END}:\n"
        f'{BEGIN}\n{{"name": <function-name>, "arguments": <arguments>}}\n{END}'
    )


def written(calls: Sequence[Call]) -> str:
    """The calls as a model writes them behind what it says; begins with a new line."""
    objects = [json.dumps({"name": call.name, "arguments": dict(call.arguments)}, ensure_ascii=False) for call in calls]
    return "".join(f"\n{BEGIN}\n{text}\n{END}" for text in objects)


def parse(text: str) -> list[Call]:
    """The calls in what a model wrote from the first mark on. Raises ValueError for what is none."""
    calls = []
    for piece in text.split(BEGIN):
        if not (body := piece.strip().removesuffix(END).strip()):
            continue
        value = json.loads(body)
        if not isinstance(value, dict) or not isinstance(name := value.get("name"), str):
            raise ValueError("a tool call without a name")
        arguments = value.get("arguments") or {}
        if not isinstance(arguments, dict):
            raise ValueError(f"the arguments of {name} are no object")
        calls.append(Call(name, arguments))
    return calls
