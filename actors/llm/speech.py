"""From what a model writes to what can be spoken: pieces of text as they come in, words and punctuation out.

Left out: thoughts, tool calls (kept apart), whatever comes after a text that ends the answer, and what has no sound:
markup, bullets, emoji. A piece of text that might be the beginning of a mark is held back until it is known.
"""

import codecs
import unicodedata
from collections.abc import Iterable

from actors.llm.messages import THOUGHT, THOUGHT_END
from actors.llm.notation import BEGIN

TURN_MARKS = ("<|im_end|>", "<|im_start|>", "<|eot_id|>", "<|end|>", "<end_of_turn>", "</s>", "<|endoftext|>")
"""What ends an answer in one family or another, and what some models write as plain text."""

_SILENT = frozenset("*`#_~|<>[]{}\\")
_BULLETS = frozenset("-•–·")
_PICTURES = frozenset(("So", "Sk", "Cs", "Co", "Cn", "Cf", "Cc"))
"""Kinds of characters (Unicode's general categories) that nobody pronounces."""


class Plain:
    """Text without markup, with single spaces, however it is cut into pieces."""

    def __init__(self) -> None:
        self._last = ""
        self._gap = False
        self._line_begins = True
        self._item = False

    def feed(self, text: str) -> str:
        """What of the text is spoken. A space comes out with the word behind it: nothing ends with one."""
        out: list[str] = []
        for character in text:
            if character.isspace():
                if character == "\n":
                    self._line_begins = True
                self._gap = True
            elif self._line_begins and character in _BULLETS:
                self._gap = self._item = True
            elif not _silent(character):
                if self._gap and self._last:
                    # Items of a list are told apart by ear, too.
                    out.append(", " if self._item and self._last.isalnum() else " ")
                out.append(character)
                self._last, self._gap, self._line_begins, self._item = character, False, False, False
            elif character == "|":
                self._gap = True
        return "".join(out)


def _silent(character: str) -> bool:
    if character in _SILENT or character == "\ufe0f":  # the last says that the one before is a picture
        return True
    return character != "°" and unicodedata.category(character) in _PICTURES


class Speech:
    """One answer's text."""

    def __init__(self, stops: Iterable[str] = (), *, thinking: bool = False) -> None:
        """`stops`: texts that end the answer. `thinking`: it begins within a thought."""
        self._stops = (*stops, *TURN_MARKS)
        self._marks = (*self._stops, BEGIN, THOUGHT, THOUGHT_END)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._plain = Plain()
        self._waiting = ""
        self._calling = False
        self.thinking = thinking
        """Whether what comes is thought, and not said."""
        self.over = False
        """Whether a text has come that ends the answer."""
        self.calls = ""
        """The tool calls, from the first mark on."""

    def feed(self, data: bytes) -> str:
        """What can be spoken now."""
        return self._take(self._decoder.decode(data))

    def end(self) -> str:
        """What has been held back, when nothing more comes."""
        text = self._take(self._decoder.decode(b"", final=True))
        rest, self._waiting = self._waiting, ""
        if self.thinking or self.over or self._calling:
            return text
        return text + self._plain.feed(rest)

    def _take(self, text: str) -> str:
        self._waiting += text
        spoken = ""
        while self._waiting and not self.over:
            if self._calling:
                self.calls, self._waiting = self.calls + self._waiting, ""
                break
            marks = (THOUGHT_END,) if self.thinking else self._marks
            at, mark = _first(self._waiting, marks)
            before = self._waiting[:at]
            if not self.thinking:
                spoken += self._plain.feed(before)
            self._waiting = self._waiting[at + len(mark) :]
            if not mark:
                break
            self._meet(mark)
        return spoken

    def _meet(self, mark: str) -> None:
        if mark == BEGIN:
            self._calling, self.calls = True, BEGIN
        elif mark == THOUGHT:
            self.thinking = True
        elif mark == THOUGHT_END:
            self.thinking = False
        else:
            self.over = True


def _first(text: str, marks: Iterable[str]) -> tuple[int, str]:
    """Where the first mark begins, and which it is; or "", and where one may be beginning."""
    found = min(((at, mark) for mark in marks if (at := text.find(mark)) >= 0), default=None)
    if found is not None:
        return found
    for at in range(max(0, len(text) - max(map(len, marks)) + 1), len(text)):
        tail = text[at:]
        if any(mark.startswith(tail) for mark in marks):
            return at, ""
    return len(text), ""
