"""What a dialplan is made of: context -> extension -> list of lines; priority 1 is the first of the list.

Extensions match exactly, else by a pattern whose name begins with "_": X, Z and N are digits from 0, 1 and 2 on, [...]
one of those characters, "." is anything, at least one character, "!" anything or nothing. Where several match, the one
that is written first is taken (assumption: Asterisk takes the most exact one).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import ClassVar

from bench.asterisk.channel import Channel, Location

CLASSES = {"X": "[0-9]", "Z": "[1-9]", "N": "[2-9]", ".": ".+", "!": ".*"}


class Line:
    """One line of the dialplan. `run` returns False when the channel is to be hung up."""

    name: ClassVar[str]
    label = ""

    def data(self) -> str:
        """The arguments as written in extensions.conf."""
        return ""

    async def run(self, channel: Channel, data: str) -> bool:
        """data: the arguments with their variables filled in"""
        raise NotImplementedError


Dialplan = Mapping[str, Mapping[str, Sequence[Line]]]


class Label(Line):
    """A line that GotoIf and ARI's `continue` find by a name: `n(away),Dial(...)`."""

    def __init__(self, label: str, line: Line) -> None:
        self.label = label
        self.line = line

    @property
    def name(self) -> str:  # type: ignore[override]
        return self.line.name

    def data(self) -> str:
        return self.line.data()

    async def run(self, channel: Channel, data: str) -> bool:
        return await self.line.run(channel, data)


@cache
def pattern(written: str) -> re.Pattern[str]:
    """The regular expression of an extension that begins with "_"."""
    pieces = re.findall(r"\[[^\]]*\]|.", written.removeprefix("_"))
    return re.compile("".join(CLASSES.get(piece, piece if piece[0] == "[" else re.escape(piece)) for piece in pieces))


def lines_at(dialplan: Dialplan, context: str, exten: str) -> Sequence[Line]:
    """The lines of an extension; none if there is no such place."""
    extensions = dialplan.get(context, {})
    found = extensions.get(exten)
    if found is not None:
        return found
    for written in patterns_of(extensions):
        if pattern(written).fullmatch(exten):
            return extensions[written]
    return ()


def patterns_of(extensions: Mapping[str, Sequence[Line]]) -> Iterator[str]:
    return (written for written in extensions if written.startswith("_"))


def location_of(dialplan: Dialplan, location: Location) -> Line | None:
    """The application at that place, or None."""
    lines = lines_at(dialplan, location.context, location.exten)
    return lines[location.priority - 1] if 1 <= location.priority <= len(lines) else None


def labelled(dialplan: Dialplan, context: str, exten: str, label: str) -> int:
    """The priority of a label, or of a number; 0 if there is no such label."""
    if label.isdigit():
        return int(label)
    lines = lines_at(dialplan, context, exten)
    return next((place for place, line in enumerate(lines, 1) if line.label == label), 0)
