"""How a dialogue is written for the model: ChatML, and tools as Qwen calls them.

    <|im_start|>system
    You are ...
    <|im_end|>
    <|im_start|>user
    can i talk to a person<|im_end|>
    <|im_start|>assistant
    Of course. I am putting you through.
    <tool_call>
    {"name": "transfer", "arguments": {"destination": "person"}}
    </tool_call><|im_end|>

The template goes into the model's file; llama.cpp's users render with it. It names the agent's tools and does not
describe them: the model has learnt what each is for, and a description that is reworded must not change its answers.
"""

from collections.abc import Sequence
from functools import cache
from typing import Literal

from actors.llm.chat import Chat
from actors.llm.engine import Line, Prompt
from actors.llm.messages import as_message
from actors.llm.notation import BEGIN, written
from actors.llm.notation import END as CALLED
from actors.llm.tools import Call, described
from config.agent import Agent

Who = Literal["caller", "agent", "tool"]

END, START, STOP = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
SPECIAL = (END, START, STOP, BEGIN, CALLED)

# Every line break is written out: whoever renders it may trim those of the template itself, or not.
TEMPLATE = """\
{{- '<|im_start|>system\\n' -}}
{%- set asked = messages -%}
{%- if messages and messages[0].role == 'system' -%}
{{- messages[0].content | trim -}}
{%- set asked = messages[1:] -%}
{%- endif -%}
{%- if tools -%}
{{- '\\n\\nTools:' -}}
{%- for tool in tools -%}{{- ' ' + tool.function.name -}}{%- endfor -%}
{{- '\\n\\nTo use one, write behind what you say:\\n<tool_call>\\n{"name": ..., "arguments": {...}}\\n</tool_call>' -}}
{%- endif -%}
{{- '<|im_end|>\\n' -}}
{%- for message in asked -%}
{{- '<|im_start|>' + message.role + '\\n' + message.content | trim + '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '<|im_start|>assistant\\n' -}}
{%- endif -%}
"""


@cache
def chat() -> Chat:
    """The template as the LLM actor fills it in."""
    return Chat(TEMPLATE)


def instructions(agent: Agent, system: str, tools: Sequence[str]) -> str:
    """What a call begins with; lines follow."""
    prompt = Prompt(agent.name, system, (), tuple(tools))
    return chat().opening(prompt, described(tools, agent.transfers)).removesuffix(START)


def said(who: Who, text: str) -> str:
    """One line of the conversation."""
    message = as_message(Line(who, text), tool_lines=True)
    return f"{START}{message['role']}\n{message['content']}{STOP}\n"


def answer(text: str, calls: Sequence[Call]) -> str:
    """All that the model is to write."""
    return text + (written(calls) if calls else "") + STOP
