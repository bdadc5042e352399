"""ARI operations on device states, modules and user events. Messages as recorded."""

from __future__ import annotations

from typing import Any

from bench.asterisk.application import BRIDGE, CHANNEL, ENDPOINT
from bench.asterisk.ari.operations import operation
from bench.asterisk.ari.request import Refusal, Reply, Request
from bench.asterisk.ari.system import find_application

STATES = frozenset(
    {"NOT_INUSE", "INUSE", "BUSY", "INVALID", "UNAVAILABLE", "RINGING", "RINGINUSE", "ONHOLD", "UNKNOWN"}
)
OWN = "Stasis:"


# -- device states --------------------------------------------------------------------------------------------------


def state_json(call: Request, name: str) -> dict[str, str]:
    return {"name": name, "state": call.exchange.device_state(name)}


@operation("GET", "/deviceStates")
async def list_states(call: Request) -> Reply:
    """Only those that ARI itself has set."""
    return Reply(200, [state_json(call, name) for name in call.exchange.device_states])


@operation("GET", "/deviceStates/{deviceName}")
async def get_state(call: Request) -> Reply:
    return Reply(200, state_json(call, call.path["deviceName"]))


@operation("PUT", "/deviceStates/{deviceName}", {"deviceState": str})
async def set_state(call: Request) -> Reply:
    name = own_device(call)
    if call.text("deviceState") not in STATES:
        raise Refusal(500, "Unknown device")
    call.exchange.set_device_state(name, call.text("deviceState"))
    return Reply()


@operation("DELETE", "/deviceStates/{deviceName}")
async def delete_state(call: Request) -> Reply:
    name = own_device(call)
    if call.exchange.device_states.pop(name, None) is None:
        raise Refusal(404, "Device not found")
    return Reply()


def own_device(call: Request) -> str:
    name = call.path["deviceName"]
    if not name.startswith(OWN):
        raise Refusal(409, "Uncontrolled device specified")
    return name


# -- modules --------------------------------------------------------------------------------------------------------


def module_json(name: str) -> dict[str, Any]:
    """Description, uses and support level are the stand-in's own (assumption: nobody decides anything by them)."""
    return {"name": f"{name}.so", "description": name, "use_count": 0, "status": "Running", "support_level": "core"}


@operation("GET", "/asterisk/modules")
async def list_modules(call: Request) -> Reply:
    return Reply(200, [module_json(name) for name in call.exchange.release.modules])


@operation("GET", "/asterisk/modules/{moduleName}")
async def get_module(call: Request) -> Reply:
    """The name needs its ".so"; without it a module that runs is answered 409 (recordings)."""
    name = call.path["moduleName"]
    if not call.exchange.release.runs(name.removesuffix(".so")):
        raise Refusal(404, "Module could not be found in running modules")
    if not name.endswith(".so"):
        raise Refusal(409, "Module information could not be retrieved")
    return Reply(200, module_json(name.removesuffix(".so")))


# -- user events ----------------------------------------------------------------------------------------------------


@operation("POST", "/events/user/{eventName}", {"application": str, "source": list}, variables=True)
async def user_event(call: Request) -> Reply:
    """To that one application, with the objects that `source` names."""
    if not call.text("application"):
        raise Refusal(400, "Missing parameter application")
    call.path["applicationName"] = call.text("application")
    application = find_application(call)
    exchange = call.exchange
    name = call.path["eventName"]
    event: dict[str, Any] = {"type": "ChannelUserevent", "timestamp": exchange.now(), "eventname": name}
    event["userevent"] = {"eventname": name, **call.variables}
    for source in call.items("source"):
        kind, _, key = source.partition(":")
        found: Any = {CHANNEL: exchange.channel(key), BRIDGE: exchange.bridges.get(key)}.get(kind)
        if kind == ENDPOINT or found is None:
            raise Refusal(422, "Invalid event source")
        event[kind] = found.json()
    application.send(event)
    return Reply()
