"""The dialplan: a table of applications, and the loop that walks a channel through it.

    Dialplan = context -> extension -> list of applications; priority 1 is the first of the list.

`${NAME}` in an application's arguments is replaced by the channel variable of that name, by EXTEN, CONTEXT, PRIORITY,
UNIQUEID, CALLERID(num), CALLERID(name) or by UUID(), a fresh UUID. Extensions match exactly, or by the name "_X."
which takes every extension of at least one digit (assumption: other patterns are left out).
"""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bench.asterisk import playback
from bench.asterisk.channel import Channel, Location
from bench.asterisk.direct import AudioSocketCall
from bench.asterisk.exchange import SOFT_BY_PBX
from bench.asterisk.media.audiosocket import Link, connect
from bench.asterisk.session import Session

if TYPE_CHECKING:
    from bench.asterisk.exchange import Exchange

ANSWER_MEDIA_WAIT_S = 0.5
VARIABLE = re.compile(r"\$\{([^{}]+)\}")


class Line:
    """One line of the dialplan. `run` returns False when the channel is to be hung up."""

    name: ClassVar[str]

    def data(self) -> str:
        """The arguments as written in extensions.conf."""
        return ""

    async def run(self, channel: Channel, data: str) -> bool:
        """data: the arguments with their variables filled in"""
        raise NotImplementedError


Dialplan = Mapping[str, Mapping[str, Sequence[Line]]]


@dataclass(frozen=True)
class Answer(Line):
    name = "Answer"

    async def run(self, channel: Channel, data: str) -> bool:
        """Answers, then waits for the first sound from the far end, half a second at most."""
        if channel.state == "Up":
            return True
        plane = channel.exchange.plane
        heard = asyncio.Event()
        with plane.lock:
            channel.leg.sink = lambda frame: plane.notify(heard.set)
        channel.answer()
        await channel.until_hangup(heard, ANSWER_MEDIA_WAIT_S)
        with plane.lock:
            channel.leg.sink = None
        return True


@dataclass(frozen=True)
class Stasis(Line):
    application: str
    arguments: tuple[str, ...] = ()
    name = "Stasis"

    def data(self) -> str:
        return ",".join((self.application, *self.arguments))

    async def run(self, channel: Channel, data: str) -> bool:
        application, *arguments = data.split(",")
        await run_stasis(channel, application, arguments)
        return not channel.hung_up.is_set()


@dataclass(frozen=True)
class AudioSocket(Line):
    """uuid: the call's UUID or something that becomes one, as `${UUID()}`; server: host:port"""

    uuid: str
    server: str
    name = "AudioSocket"

    def data(self) -> str:
        return f"{self.uuid},{self.server}"

    async def run(self, channel: Channel, data: str) -> bool:
        call, _, server = data.partition(",")
        try:
            identity = uuid.UUID(call)
        except ValueError:
            return False
        if channel.state != "Up":
            return False
        sock = await connect(server)
        if sock is None:
            return False
        return await AudioSocketCall(channel, Link(channel.exchange.plane, sock, lambda frame: None)).run(identity)


@dataclass(frozen=True)
class Playback(Line):
    sound: str
    name = "Playback"

    def data(self) -> str:
        return self.sound

    async def run(self, channel: Channel, data: str) -> bool:
        if channel.state != "Up":
            channel.answer()
        for sound in data.split("&"):
            media = [f"sound:{sound}"]
            # Nobody follows a "dialplan": unlike ARI's playbacks this one has no events.
            played = playback.Playback(channel.exchange, str(uuid.uuid4()), media, ("dialplan", channel.id))
            await playback.play_on_channel(played, channel)
        return True


@dataclass(frozen=True)
class Wait(Line):
    seconds: float
    name = "Wait"

    def data(self) -> str:
        return f"{self.seconds:g}"

    async def run(self, channel: Channel, data: str) -> bool:
        await channel.until_hangup(asyncio.Event(), float(data))
        return True


@dataclass(frozen=True)
class Hangup(Line):
    cause: int = 0
    name = "Hangup"

    def data(self) -> str:
        return str(self.cause or "")

    async def run(self, channel: Channel, data: str) -> bool:
        if self.cause:
            channel.hangup_cause = self.cause
        return False


@dataclass(frozen=True)
class Set(Line):
    variable: str
    value: str
    name = "Set"

    def data(self) -> str:
        return f"{self.variable}={self.value}"

    async def run(self, channel: Channel, data: str) -> bool:
        variable, _, value = data.partition("=")
        channel.set_variable(variable, value)
        return True


@dataclass(frozen=True)
class NoOp(Line):
    text: str = ""
    name = "NoOp"

    def data(self) -> str:
        return self.text

    async def run(self, channel: Channel, data: str) -> bool:
        return True


@dataclass(frozen=True)
class Goto(Line):
    context: str
    exten: str
    priority: int = 1
    name = "Goto"

    def data(self) -> str:
        return f"{self.context},{self.exten},{self.priority}"

    async def run(self, channel: Channel, data: str) -> bool:
        channel.next_location = Location(self.context, self.exten, self.priority)
        return True


def location_of(dialplan: Dialplan, location: Location) -> Line | None:
    """The application at that place, or None."""
    extensions = dialplan.get(location.context, {})
    lines = extensions.get(location.exten)
    if lines is None and location.exten.isalnum():
        lines = extensions.get("_X.")
    if lines is None or not 1 <= location.priority <= len(lines):
        return None
    return lines[location.priority - 1]


def filled_in(channel: Channel, text: str) -> str:
    """The text with its variables replaced; an unknown variable is empty."""

    def value(match: re.Match[str]) -> str:
        return read_variable(channel, match[1]) or ""

    return VARIABLE.sub(value, text)


def read_variable(channel: Channel, name: str) -> str | None:
    """A channel variable, a built-in one or one of a few functions; None if unset."""
    built_in = {
        "EXTEN": channel.location.exten,
        "CONTEXT": channel.location.context,
        "PRIORITY": str(channel.location.priority),
        "UNIQUEID": channel.id,
        "CHANNEL": channel.name,
        "CALLERID(num)": channel.caller.number,
        "CALLERID(name)": channel.caller.name,
        "CALLERID(all)": f'"{channel.caller.name}" <{channel.caller.number}>',
        "CHANNEL(state)": channel.state,
        "CHANNEL(name)": channel.name,
        "CHANNEL(language)": "en",
    }
    if name == "UUID()":
        return str(uuid.uuid4())
    if name in built_in:
        return built_in[name]
    return channel.variables.get(name, channel.exchange.globals.get(name))


async def run_stasis(channel: Channel, application_name: str, arguments: list[str]) -> None:
    """The application Stasis(): with nobody connected it fails at once and the dialplan goes on."""
    exchange = channel.exchange
    channel.set_variable("STASISSTATUS", "")
    application = exchange.applications.get(application_name)
    if application is None or not application.active:
        channel.set_variable("STASISSTATUS", "FAILED")
        return
    session = Session(channel, application)
    session.start(arguments)
    await session.ended.wait()
    exchange.forget(session.application)
    if not channel.has_pbx and not channel.hung_up.is_set():
        # `continue` on a channel that ARI made: the dialplan runs inside Stasis().
        await run_dialplan(channel)
    channel.set_variable("STASISSTATUS", "SUCCESS")


async def run_dialplan(channel: Channel) -> None:
    """From where the channel is, or is sent, to the end of the road."""
    dialplan = channel.exchange.dialplan
    channel.has_pbx = True
    while not channel.hung_up.is_set():
        if channel.next_location is not None:
            channel.location, channel.next_location = channel.next_location, None
        line = _line(channel, dialplan)
        if line is None:
            break
        around = (channel.app_name, channel.app_data)
        channel.app_name, channel.app_data = line.name, filled_in(channel, line.data())
        channel.publish_changes()
        if channel.phone is not None:
            channel.phone.came_to(channel)
        alive = await line.run(channel, channel.app_data)
        channel.app_name, channel.app_data = around
        if not alive:
            break
        if channel.next_location is None:
            channel.location = channel.location._replace(priority=channel.location.priority + 1)
    channel.has_pbx = False


def _line(channel: Channel, dialplan: Dialplan) -> Line | None:
    line = location_of(dialplan, channel.location)
    if line is None and channel.location.context.startswith("stasis-") and channel.location.priority == 1:
        # A connected application brings a context of its own.
        return Stasis(channel.location.context.removeprefix("stasis-"))
    return line


async def run_call(exchange: Exchange, channel: Channel) -> None:
    """The life of a channel that entered through the dialplan."""
    try:
        await run_dialplan(channel)
        channel.publish("ChannelHangupRequest", cause=SOFT_BY_PBX, soft=True)
    finally:
        exchange.destroy(channel)
