"""What `${...}` and ARI's GET .../variable read: channel variables, built-in ones, and functions of the dialplan.

Answers as recorded from the real one; a function that is not here cannot be read, which ARI answers with 500.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable

from bench.asterisk.channel import Channel, Location
from bench.asterisk.exchange import Exchange
from bench.asterisk.lines import location_of

INHERITANCE = "_"


class Unreadable(Exception):
    """There is no such function, or it fails."""


def read_variable(channel: Channel, name: str) -> str | None:
    """The value; None if a variable is unset. Raises Unreadable."""
    if name.endswith(")"):
        function, _, arguments = name[:-1].partition("(")
        return read_function(channel, function, arguments)
    built_in = {
        "EXTEN": channel.location.exten,
        "CONTEXT": channel.location.context,
        "PRIORITY": str(channel.location.priority),
        "UNIQUEID": channel.id,
        "CHANNEL": channel.name,
        "EPOCH": str(int(time.time())),
    }
    if name in built_in:
        return built_in[name]
    return channel.variables.get(name, channel.exchange.globals.get(name))


def read_function(channel: Channel, function: str, arguments: str) -> str:
    exchange = channel.exchange
    if function == "UUID" and not exchange.release.has("UUID()"):
        raise Unreadable(function)
    functions: dict[str, Callable[[], str]] = {
        "CHANNEL": lambda: channel_function(channel, arguments),
        "CALLERID": lambda: caller_id(channel, arguments),
        "CONNECTEDLINE": lambda: {"num": channel.connected.number, "name": channel.connected.name}.get(arguments, ""),
        "DEVICE_STATE": lambda: exchange.device_state(arguments),
        "EXTENSION_STATE": lambda: extension_state(exchange, arguments),
        "DIALPLAN_EXISTS": lambda: str(int(dialplan_exists(exchange, arguments))),
        "IFMODULE": lambda: str(int(exchange.release.runs(arguments.removesuffix(".so")))),
        "TIMEOUT": lambda: "0",
        "UUID": lambda: str(uuid.uuid4()),
        "VERSION": lambda: exchange.release.version,
    }
    if function not in functions:
        raise Unreadable(function)
    return functions[function]()


def channel_function(channel: Channel, item: str) -> str:
    native = channel.native_format
    known = {
        "audionativeformat": f"({native})",
        "audioreadformat": native,
        "audiowriteformat": native,
        "channeltype": channel.driver,
        "language": "en",
        "musicclass": channel.music_class,
        "name": channel.name,
        "state": channel.state,
        "uniqueid": channel.id,
        "pjsip,call-id": channel.protocol_id,
    }
    if item not in known:
        raise Unreadable(f"CHANNEL({item})")
    return known[item]


def caller_id(channel: Channel, item: str) -> str:
    """An item that does not exist is empty, not an error (recordings)."""
    name, number = channel.caller
    return {
        "num": number,
        "number": number,
        "name": name,
        "all": f'"{name}" <{number}>',
        "ani": number,
        "dnid": channel.dialled,
    }.get(item, "")


def write_variable(channel: Channel, name: str, value: str | None, report: bool = False) -> None:
    """None removes a variable. A function that is not there is not written, and nobody is told (recordings)."""
    if name == "CALLERID(num)":
        channel.caller = channel.caller._replace(number=value or "")
        channel.publish_changes()
    elif name == "CALLERID(name)":
        channel.caller = channel.caller._replace(name=value or "")
        channel.publish_changes()
    elif name == "CHANNEL(musicclass)":
        channel.music_class = value or ""
    elif not name.endswith(")"):
        plain = name.lstrip(INHERITANCE)
        if report:
            channel.reported_variables.add(plain)
        channel.set_variable(plain, value, shown_as=name)


def extension_state(exchange: Exchange, extension: str) -> str:
    """Of the device that the extension's hint names; UNKNOWN without a hint, whether the extension exists or not."""
    exten, _, context = extension.partition("@")
    device = exchange.hints.get(f"{exten}@{context or 'default'}")
    return "UNKNOWN" if device is None else exchange.device_state(device)


def dialplan_exists(exchange: Exchange, place: str) -> bool:
    context, exten, priority = (*place.split(","), "", "")[:3]
    if not exten:
        return context in exchange.dialplan
    at = Location(context, exten, int(priority) if priority.isdigit() else 1)
    return location_of(exchange.dialplan, at) is not None
