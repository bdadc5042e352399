"""ARI operations on variables of channels and bridges. Messages and checks as in Asterisk; source: recordings."""

from __future__ import annotations

from typing import Any

from bench.asterisk.ari.bridges import find_bridge
from bench.asterisk.ari.channels import find_session
from bench.asterisk.ari.operations import operation
from bench.asterisk.ari.request import Refusal, Reply, Request, take_variables
from bench.asterisk.channel import Channel
from bench.asterisk.functions import Unreadable, read_variable, write_variable

ONE = {"variable": str, "value": str, "report_events": bool}


def find_provided(call: Request) -> Channel:
    channel = call.exchange.channel(call.path["channelId"])
    if channel is None:
        raise Refusal(404, "Provided channel was not found")
    return channel


def read(channel: Channel, name: str) -> str:
    try:
        value = read_variable(channel, name)
    except Unreadable as error:
        raise Refusal(500, "Unable to read provided function") from error
    if value is None:
        raise Refusal(404, "Provided variable was not found")
    return value


@operation("GET", "/channels/{channelId}/variable", {"variable": str})
async def get_variable(call: Request) -> Reply:
    if not call.text("variable"):
        raise Refusal(400, "Variable name is required")
    return Reply(200, {"value": read(find_provided(call), call.text("variable"))})


@operation("GET", "/channels/{channelId}/variables", {"variables": list}, since="bulk variables")
async def get_variables(call: Request) -> Reply:
    """All or nothing: one that is unset makes a 404 of the whole."""
    names = call.items("variables")
    if not names:
        raise Refusal(400, "At least one variable name is required")
    channel = find_provided(call)
    if not all(name.strip() for name in names):
        raise Refusal(400, "Variable names are required")
    return Reply(200, {"variables": {name.strip(): read(channel, name.strip()) for name in names}})


@operation("POST", "/channels/{channelId}/variable", ONE)
async def set_variable(call: Request) -> Reply:
    name, value = call.text("variable"), call.values.get("value")
    if not name:
        raise Refusal(400, "Variable name is required")
    channel, session = await find_session(call, in_any_state=True)
    await session.submit(lambda: write_variable(channel, name, value, call.flag("report_events")))
    return Reply()


@operation("POST", "/channels/{channelId}/variables", free_body=True, since="bulk variables")
async def set_variables(call: Request) -> Reply:
    if call.body is None:
        raise Refusal(400, "The 'variables' field is required")
    find_provided(call)
    channel, session = await find_session(call, in_any_state=True)
    take_given(call)

    def write_all() -> None:
        for name, value in call.variables.items():
            write_variable(channel, name, value, name in call.reported)

    await session.submit(write_all)
    return Reply()


def take_given(call: Request) -> None:
    given: Any = call.body.get("variables") if isinstance(call.body, dict) else None
    if not isinstance(given, dict):
        raise Refusal(400, "The 'variables' field must be a JSON object")
    take_variables(call, given)


# -- of bridges -----------------------------------------------------------------------------------------------------


@operation("GET", "/bridges/{bridgeId}/variable", {"variable": str}, since="bulk variables")
async def get_bridge_variable(call: Request) -> Reply:
    return Reply(200, {"value": bridge_value(call, call.text("variable"))})


@operation("GET", "/bridges/{bridgeId}/variables", {"variables": list}, since="bulk variables")
async def get_bridge_variables(call: Request) -> Reply:
    return Reply(200, {"variables": {name: bridge_value(call, name) for name in call.items("variables")}})


def bridge_value(call: Request, name: str) -> str:
    value = find_bridge(call).variables.get(name)
    if value is None:
        raise Refusal(404, "Provided variable was not found")
    return value


@operation("POST", "/bridges/{bridgeId}/variable", ONE, since="bulk variables")
async def set_bridge_variable(call: Request) -> Reply:
    bridge = find_bridge(call)
    bridge.variables[call.text("variable")] = call.text("value")
    if call.flag("report_events"):
        bridge.reported_variables.add(call.text("variable"))
    return Reply()


@operation("POST", "/bridges/{bridgeId}/variables", free_body=True, since="bulk variables")
async def set_bridge_variables(call: Request) -> Reply:
    if call.body is None:
        raise Refusal(400, "The 'variables' field is required")
    bridge = find_bridge(call)
    take_given(call)
    bridge.variables |= call.variables
    bridge.reported_variables |= call.reported
    return Reply()
