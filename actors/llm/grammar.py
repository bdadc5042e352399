"""The grammar of tool calls, in llama.cpp's notation (GBNF): from the first mark on the model can write nothing else.

It begins with the mark itself, because a lazy grammar is fed from where its trigger began.
"""

import json
from collections.abc import Sequence

from actors.llm.notation import BEGIN, END
from actors.llm.tools import Parameter, Tool

ROOT = "root"

TRIGGER = rf"[\s\S]*?({BEGIN}[\s\S]*)"
"""A pattern that all of the answer so far matches as soon as a call begins; its group is what the grammar is fed."""

_COMMON = r"""
ws ::= [ \n]?
text ::= "\"" char{0,120} "\""
char ::= [^"\\\x00-\x1F] | "\\" ["\\/nt]
key ::= "\"" [a-z] [a-z0-9_]{0,30} "\""
pair ::= key ws ":" ws text
"""
"""Lengths are bounded: nothing that is spoken in a call is longer, and a small model may not find an end by itself."""

_MOST_FREE = 6
"""Most arguments of a tool that takes any."""


def of(tools: Sequence[Tool]) -> str:
    """The grammar for one or more calls of these tools; at least one."""
    calls = " | ".join(f"call-{number}" for number in range(len(tools)))
    rules = [
        f"{ROOT} ::= one (ws one){{0,2}}",
        f'one ::= {_quoted(BEGIN)} ws "{{" ws {_quoted(_json("name"))} ws ":" ws ({calls}) ws "}}" ws {_quoted(END)}',
    ]
    for number, tool in enumerate(tools):
        rules += _rules(f"call-{number}", tool)
    return "\n".join(rules) + _COMMON


def _rules(rule: str, tool: Tool) -> list[str]:
    """A call of one tool, from its name on."""
    begins = f"{_quoted(_json(tool.name))} ws {_quoted(',')} ws {_quoted(_json('arguments'))} ws {_quoted(':')} ws"
    pairs = {parameter.name: _pair(parameter) for parameter in tool.parameters}
    required = [pairs[parameter.name] for parameter in tool.parameters if parameter.required]
    optional = [pairs[parameter.name] for parameter in tool.parameters if not parameter.required]
    body = ' ws "," ws '.join(required)
    if required:
        body += "".join(f' (ws "," ws {pair})?' for pair in optional)
        if tool.free:
            body += f' (ws "," ws pair){{0,{_MOST_FREE}}}'
    elif tool.free:
        body = f'(pair (ws "," ws pair){{0,{_MOST_FREE}}})?'
    inside = f" ws {body}" if body else ""
    return [f'{rule} ::= {begins} "{{"{inside} ws "}}"']


def _pair(parameter: Parameter) -> str:
    value = " | ".join(_quoted(_json(choice)) for choice in parameter.choices)
    return f'{_quoted(_json(parameter.name))} ws ":" ws {f"({value})" if value else "text"}'


def _json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _quoted(text: str) -> str:
    """As a literal of the grammar."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
