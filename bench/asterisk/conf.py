"""A dialplan from the text of an extensions.conf, so that what an operator is to paste can be tried as it stands.

    plan = read(text)
    Asterisk(plan.dialplan, hints=plan.hints)

Read are contexts, `exten =>`, `same =>` with labels, hints, `include =>` and comments; an application that the
stand-in lacks is an error that names the line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bench.asterisk import dialplan as lines
from bench.asterisk import people
from bench.asterisk.channel import Channel
from bench.asterisk.lines import Label, Line

CONTEXT = re.compile(r"^\[([^\]]+)\]")
ENTRY = re.compile(r"^(exten|same|include)\s*=>?\s*(.*)$")
PRIORITY = re.compile(r"^(\d+|n|hint)(?:\(([\w-]+)\))?$")
APPLICATION = re.compile(r"^(\w+)(?:\((.*)\))?$", re.DOTALL)


class Unreadable(ValueError):
    """A line that the stand-in, and perhaps Asterisk too, cannot make anything of."""


@dataclass
class Plan:
    """hints: "extension@context" -> device"""

    dialplan: dict[str, dict[str, Sequence[Line]]] = field(default_factory=dict)
    hints: dict[str, str] = field(default_factory=dict)


class Written(Line):
    """A line as somebody wrote it: the arguments stay as they are until the call comes to it."""

    def __init__(self, name: str, text: str, line: Line) -> None:
        self.name = name  # type: ignore[misc]
        self._text = text
        self._line = line

    def data(self) -> str:
        return self._text

    async def run(self, channel: Channel, data: str) -> bool:
        return await self._line.run(channel, data)


class ExecIf(Line):
    """`condition?App(arguments)[:App(arguments)]`"""

    name = "ExecIf"

    def __init__(self, queues: Mapping[str, tuple[str, ...]]) -> None:
        self._queues = queues

    async def run(self, channel: Channel, data: str) -> bool:
        condition, _, branches = data.partition("?")
        then, otherwise = split_branches(branches)
        chosen = then if lines.holds(condition) else otherwise
        return await execute(channel, chosen, self._queues) if chosen else True


class TryExec(Line):
    """Runs an application; one that would hang up only makes TRYSTATUS FAILED, one that is not there NOAPP."""

    name = "TryExec"

    def __init__(self, queues: Mapping[str, tuple[str, ...]]) -> None:
        self._queues = queues

    async def run(self, channel: Channel, data: str) -> bool:
        try:
            alive = await execute(channel, data, self._queues)
        except Unreadable:
            channel.set_variable("TRYSTATUS", "NOAPP")
            return True
        channel.set_variable("TRYSTATUS", "SUCCESS" if alive else "FAILED")
        return not channel.hung_up.is_set()


def split_branches(text: str) -> tuple[str, str]:
    """The two sides of the colon that stands outside of brackets."""
    depth = 0
    for place, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if letter == ":" and depth == 0:
            return text[:place], text[place + 1 :]
    return text, ""


async def execute(channel: Channel, text: str, queues: Mapping[str, tuple[str, ...]]) -> bool:
    line = application(text.strip(), queues)
    return await line.run(channel, line.data())


def read(text: str, queues: Mapping[str, tuple[str, ...]] | None = None) -> Plan:
    """queues: name -> members, as `PJSIP/200`. Raises Unreadable."""
    plan = Plan()
    includes: dict[str, list[str]] = {}
    context = exten = ""
    for number, raw in enumerate(text.splitlines(), 1):
        line = without_comment(raw).strip()
        if not line:
            continue
        try:
            if (found := CONTEXT.match(line)) is not None:
                context, exten = found[1], ""
                plan.dialplan.setdefault(context, {})
                continue
            entry = ENTRY.match(line)
            if entry is None or not context:
                raise Unreadable("neither a context nor an extension")
            if entry[1] == "include":
                includes.setdefault(context, []).append(entry[2].strip())
                continue
            rest = entry[2]
            if entry[1] == "exten":
                exten, _, rest = rest.partition(",")
                exten = exten.strip()
            add(plan, context, exten, rest, queues or {})
        except Unreadable as error:
            raise Unreadable(f"line {number}, {raw.strip()!r}: {error}") from error
    for taker, given in includes.items():
        for other in given:
            plan.dialplan[taker] = {**plan.dialplan.get(other, {}), **plan.dialplan[taker]}
    return plan


def without_comment(line: str) -> str:
    """A semicolon begins a comment unless a backslash stands before it."""
    return re.split(r"(?<!\\);", line, maxsplit=1)[0].replace("\\;", ";")


def add(plan: Plan, context: str, exten: str, rest: str, queues: Mapping[str, tuple[str, ...]]) -> None:
    """`rest`: what stands behind the extension, `priority[(label)],application`."""
    priority, _, text = rest.partition(",")
    found = PRIORITY.match(priority.strip())
    if found is None or not exten:
        raise Unreadable(f"{priority!r} is no priority")
    if found[1] == "hint":
        plan.hints[f"{exten}@{context}"] = text.strip()
        return
    written = [*plan.dialplan[context].get(exten, ())]
    if found[1].isdigit() and int(found[1]) != len(written) + 1:
        raise Unreadable(f"priority {found[1]} does not follow {len(written)}")
    line = application(text.strip(), queues)
    plan.dialplan[context][exten] = [*written, Label(found[2], line) if found[2] else line]


def application(text: str, queues: Mapping[str, tuple[str, ...]]) -> Line:
    found = APPLICATION.match(text)
    if found is None:
        raise Unreadable(f"{text!r} is no application")
    name, arguments = found[1], found[2] or ""
    known: dict[str, Callable[[], Line]] = {
        "answer": lines.Answer,
        "audiosocket": lambda: lines.AudioSocket("", ""),
        "busy": people.Busy,
        "congestion": people.Congestion,
        "dial": lambda: people.Dial(""),
        "execif": lambda: ExecIf(queues),
        "goto": lambda: lines.Goto("", ""),
        "gotoif": lambda: lines.GotoIf("", ""),
        "hangup": lines.Hangup,
        "noop": lines.NoOp,
        "playback": lambda: lines.Playback(""),
        "progress": people.Progress,
        "queue": lambda: queue(arguments, queues),
        "ringing": people.Ringing,
        "set": lambda: lines.Set("", ""),
        "stasis": lambda: lines.Stasis(""),
        "tryexec": lambda: TryExec(queues),
        "verbose": lines.NoOp,
        "voicemail": lambda: people.VoiceMail(""),
        "wait": lambda: lines.Wait(0),
    }
    make = known.get(name.lower())
    if make is None:
        raise Unreadable(f"the stand-in has no application {name!r}")
    return Written(name, arguments, make())


def queue(arguments: str, queues: Mapping[str, tuple[str, ...]]) -> Line:
    name, *rest = arguments.split(",")
    seconds = rest[3] if len(rest) > 3 else ""
    return people.Queue(name, queues.get(name, ()), float(seconds) if seconds else 0)
