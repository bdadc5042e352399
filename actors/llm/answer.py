"""One answer under way: what the model writes goes in, what the caller hears and what is to be done come out.

An answer has a budget of tokens. When three quarters of it are used up, text is held back until its sentence is whole,
and a sentence that the budget cuts short is not begun to be spoken, if another was whole before it.
"""

import logging
import re
from collections.abc import Iterable, Mapping

from actors.llm import notation
from actors.llm.engine import Token, ToolCall
from actors.llm.speech import Speech

log = logging.getLogger(__name__)

Part = Token | ToolCall

_CAREFUL = 0.75
"""Share of the budget from which on only whole sentences are given away."""

_SENTENCE_END = re.compile(r"[.!?…。？！]+[\"')”’]*(?=\s|$)")


class Answer:
    """What one prompt is answered with."""

    def __init__(
        self, tools: Iterable[str], max_tokens: int, stops: Iterable[str] = (), *, thinking: bool = False
    ) -> None:
        """`tools`: names of those that may be called. `max_tokens`: of what is said; thoughts are not counted."""
        self._tools = frozenset(tools)
        self._budget = max_tokens
        self._speech = Speech(stops, thinking=thinking)
        self._count = 0
        self._held = ""
        self._whole = False
        """Whether a whole sentence has been given away."""
        self.over = False
        """Whether nothing more is wanted of the model."""

    def take(self, written: bytes) -> list[Part]:
        """The text of one more token."""
        if not self._speech.thinking:
            self._count += 1
        text = self._speech.feed(written)
        self.over = self._speech.over or (self._count >= self._budget and not self._speech.calls)
        return self._give(text)

    def _give(self, text: str) -> list[Part]:
        self._held += text
        if self._count > self._budget * _CAREFUL and self._whole:
            ends = [match.end() for match in _SENTENCE_END.finditer(self._held)]
            ready, self._held = self._held[: ends[-1]] if ends else "", self._held[ends[-1] if ends else 0 :]
        else:
            ready, self._held = self._held, ""
        self._whole = self._whole or bool(_SENTENCE_END.search(ready))
        return [Token(ready)] if ready else []

    def end(self, *, complete: bool) -> list[Part]:
        """The rest. `complete`: whether the model has ended of its own accord, and not been cut short."""
        text = self._held + self._speech.end()
        parts: list[Part] = [Token(text)] if text and (complete or self._speech.over or not self._whole) else []
        return [*parts, *self._calls()]

    def _calls(self) -> list[Part]:
        if not self._speech.calls:
            return []
        try:
            calls = notation.parse(self._speech.calls)
        except ValueError as error:
            log.warning("the model wrote a tool call that is none (%s): %.200s", error, self._speech.calls)
            return []
        return [call for call in (wanted(call.name, call.arguments, self._tools) for call in calls) if call]


def wanted(name: str, arguments: Mapping[str, object], tools: Iterable[str]) -> ToolCall | None:
    """The call, if it is one that may be made. All values are texts to whoever runs it."""
    if name not in tools:
        log.warning("the model wants to call %.60r, which this agent may not", name)
        return None
    return ToolCall(name, {key: "" if value is None else str(value) for key, value in arguments.items()})
