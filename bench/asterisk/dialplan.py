"""The dialplan: a table of applications, and the loop that walks a channel through it.

    Dialplan = context -> extension -> list of applications; priority 1 is the first of the list.

`${NAME}` in an application's arguments is replaced by what `functions.read_variable` reads. An extension "h" of the
context runs when the call has ended, on a channel that hears and says nothing any more.
"""

from __future__ import annotations

import asyncio
import re
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.asterisk import playback
from bench.asterisk.channel import Channel, Location
from bench.asterisk.direct import AudioSocketCall
from bench.asterisk.exchange import SOFT_BY_PBX
from bench.asterisk.functions import Unreadable, read_variable, write_variable
from bench.asterisk.lines import Dialplan, Line, labelled, lines_at, location_of
from bench.asterisk.media.audiosocket import Link, connect
from bench.asterisk.session import Session

if TYPE_CHECKING:
    from bench.asterisk.exchange import Exchange

ANSWER_MEDIA_WAIT_S = 0.5
VARIABLE = re.compile(r"\$\{([^{}]+)\}")


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
        link = Link(channel.exchange.plane, sock, lambda frame: None)
        link.suit(channel.exchange.release)
        return await AudioSocketCall(channel, link).run(identity)


@dataclass(frozen=True)
class Playback(Line):
    sound: str
    name = "Playback"

    def data(self) -> str:
        return self.sound

    async def run(self, channel: Channel, data: str) -> bool:
        if channel.state != "Up":
            channel.answer()
        status = "SUCCESS"
        for sound in data.split("&"):
            media = [f"sound:{sound}"]
            # Nobody follows a "dialplan": unlike ARI's playbacks this one has no events.
            played = playback.Playback(channel.exchange, str(uuid.uuid4()), media, ("dialplan", channel.id))
            await playback.play_on_channel(played, channel)
            if channel.exchange.sounds.find(sound) is None or channel.hung_up.is_set():
                status = "FAILED"
        channel.set_variable("PLAYBACKSTATUS", status)
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
        if data.isdigit():
            channel.hangup_cause = int(data)
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
        write_variable(channel, variable.strip(), value)
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
    priority: int | str = 1
    name = "Goto"

    def data(self) -> str:
        return f"{self.context},{self.exten},{self.priority}"

    async def run(self, channel: Channel, data: str) -> bool:
        return go_to(channel, data)


@dataclass(frozen=True)
class GotoIf(Line):
    """condition: as in extensions.conf, `$["${STASISSTATUS}" = "FAILED"]`
    then, otherwise: priority or label, with extension and context before it if it is elsewhere; "" = the next line
    """

    condition: str
    then: str
    otherwise: str = ""
    name = "GotoIf"

    def data(self) -> str:
        return f"{self.condition}?{self.then}" + (f":{self.otherwise}" if self.otherwise else "")

    async def run(self, channel: Channel, data: str) -> bool:
        condition, _, branches = data.rpartition("?")
        then, _, otherwise = branches.partition(":")
        chosen = then if holds(condition) else otherwise
        return go_to(channel, chosen) if chosen else True


def go_to(channel: Channel, place: str) -> bool:
    """`[[context,]exten,]priority`, where a label may stand for the priority. False if there is no such place."""
    *before, priority = place.split(",")
    context, exten = (["", "", *before])[-2:]
    context, exten = context or channel.location.context, exten or channel.location.exten
    number = labelled(channel.exchange.dialplan, context, exten, priority.strip())
    channel.next_location = Location(context, exten, number)
    return number > 0


def holds(condition: str) -> bool:
    """An expression `$[...]` of comparisons with =, !=, joined by & or | (& first); anything else is true unless empty
    or 0."""
    text = condition.strip()
    if text.startswith("$[") and text.endswith("]"):
        return any(all(compares(part) for part in either.split("&")) for either in text[2:-1].split("|"))
    return text not in ("", "0")


def compares(text: str) -> bool:
    for operator in ("!=", "="):
        left, found, right = text.partition(operator)
        if found:
            same = left.strip().strip('"') == right.strip().strip('"')
            return same is (operator == "=")
    return text.strip().strip('"') not in ("", "0")


def filled_in(channel: Channel, text: str) -> str:
    """The text with its variables replaced; what is unset or cannot be read is empty."""

    def value(match: re.Match[str]) -> str:
        try:
            return read_variable(channel, match[1]) or ""
        except Unreadable:
            return ""

    return VARIABLE.sub(value, text)


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
        if not alive or channel.hung_up.is_set():
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


async def run_hangup_extension(channel: Channel) -> None:
    """The extension h of the context that the call was last in. Nothing it does can bring the call back."""
    dialplan = channel.exchange.dialplan
    for priority, line in enumerate(lines_at(dialplan, channel.location.context, "h"), 1):
        channel.location = Location(channel.location.context, "h", priority)
        channel.app_name, channel.app_data = line.name, filled_in(channel, line.data())
        channel.publish_changes()
        if channel.phone is not None:
            channel.phone.came_to(channel)
        if not await line.run(channel, channel.app_data):
            return


async def run_call(exchange: Exchange, channel: Channel) -> None:
    """The life of a channel that entered through the dialplan."""
    try:
        await run_dialplan(channel)
        await run_hangup_extension(channel)
        channel.publish("ChannelHangupRequest", cause=SOFT_BY_PBX, soft=True)
    finally:
        exchange.destroy(channel)
