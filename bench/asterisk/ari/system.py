"""ARI operations on applications, endpoints and Asterisk itself."""

from __future__ import annotations

from typing import Any

from bench.asterisk.application import BRIDGE, CHANNEL, DEVICE, ENDPOINT, Application
from bench.asterisk.ari.operations import operation
from bench.asterisk.ari.request import Refusal, Reply, Request

# -- applications ---------------------------------------------------------------------------------------------------


def find_application(call: Request) -> Application:
    application = call.exchange.applications.get(call.path["applicationName"])
    if application is None:
        raise Refusal(404, "Application not found")
    return application


@operation("GET", "/applications")
async def list_applications(call: Request) -> Reply:
    return Reply(200, [application.json() for application in call.exchange.applications.values()])


@operation("GET", "/applications/{applicationName}")
async def get_application(call: Request) -> Reply:
    return Reply(200, find_application(call).json())


def sources(call: Request) -> list[tuple[str, str]]:
    """Kind and key of each eventSource."""
    named = []
    for source in call.items("eventSource"):
        kind, separator, key = source.partition(":")
        if not separator or kind not in (CHANNEL, BRIDGE, ENDPOINT, DEVICE):
            raise Refusal(400, "Invalid event source URI scheme")
        named.append((kind, key))
    if not named:
        raise Refusal(400, "Missing parameter eventSource")
    return named


@operation("POST", "/applications/{applicationName}/subscription", {"eventSource": list})
async def subscribe(call: Request) -> Reply:
    named = sources(call)
    application = find_application(call)
    existing = {CHANNEL: set(call.exchange.channels), BRIDGE: set(call.exchange.bridges)}
    for kind, key in named:
        if key not in existing.get(kind, {key}):
            raise Refusal(422, "Event source does not exist")
        application.subscribe(kind, key)
    return Reply(200, application.json())


@operation("DELETE", "/applications/{applicationName}/subscription", {"eventSource": list})
async def unsubscribe(call: Request) -> Reply:
    named = sources(call)
    application = find_application(call)
    for kind, key in named:
        if not application.unsubscribe(kind, key):
            raise Refusal(422, "Event source was not subscribed to")
    return Reply(200, application.json())


@operation("PUT", "/applications/{applicationName}/eventFilter", free_body=True)
async def filter_events(call: Request) -> Reply:
    application = find_application(call)
    application.allowed = event_types(call.body, "allowed")
    application.disallowed = event_types(call.body, "disallowed")
    return Reply(200, application.json())


def event_types(body: Any, key: str) -> list[dict[str, Any]]:
    """A filter is `{"allowed": [{"type": "X"}], "disallowed": [...]}`; nothing at all empties it."""
    if body is None:
        return []
    listed = body.get(key, []) if isinstance(body, dict) and not set(body) - {"allowed", "disallowed"} else None
    if not isinstance(listed, list) or not all(isinstance(entry, dict) and "type" in entry for entry in listed):
        raise Refusal(400, "Invalid format definition")
    return listed


# -- endpoints ------------------------------------------------------------------------------------------------------


def endpoints_json(call: Request) -> list[dict[str, Any]]:
    def channels_of(name: str) -> list[str]:
        prefix = f"PJSIP/{name}-"
        return [channel.id for channel in call.exchange.channels.values() if channel.name.startswith(prefix)]

    return [
        {"technology": "PJSIP", "resource": name, "state": "online", "channel_ids": channels_of(name)}
        for name in call.exchange.endpoints
    ]


@operation("GET", "/endpoints")
async def list_endpoints(call: Request) -> Reply:
    return Reply(200, endpoints_json(call))


@operation("GET", "/endpoints/{tech}")
async def list_endpoints_by_tech(call: Request) -> Reply:
    if call.path["tech"] != "PJSIP":
        raise Refusal(404, f"No Endpoints found - invalid tech {call.path['tech']}")
    return Reply(200, endpoints_json(call))


@operation("GET", "/endpoints/{tech}/{resource}")
async def get_endpoint(call: Request) -> Reply:
    for endpoint in endpoints_json(call):
        if (endpoint["technology"], endpoint["resource"]) == (call.path["tech"], call.path["resource"]):
            return Reply(200, endpoint)
    raise Refusal(404, "Endpoint not found")


# -- Asterisk itself ------------------------------------------------------------------------------------------------


@operation("GET", "/asterisk/info", {"only": list})
async def info(call: Request) -> Reply:
    """Texts of the build are the stand-in's own (assumption: nobody decides anything by them)."""
    exchange = call.exchange
    sections = {
        "build": {"os": "Linux", "kernel": "", "machine": "", "options": "", "date": exchange.started, "user": ""},
        "system": {"version": exchange.release.version, "entity_id": exchange.asterisk_id},
        "config": {"name": "", "default_language": "en", "setid": {"user": "", "group": ""}},
        "status": {"startup_time": exchange.started, "last_reload_time": exchange.started},
    }
    only = call.items("only")
    unknown = [name for name in only if name not in sections]
    if unknown:
        raise Refusal(400, f"stand-in: GET /asterisk/info has no section {unknown[0]!r}")
    return Reply(200, {name: section for name, section in sections.items() if not only or name in only})


@operation("GET", "/asterisk/ping")
async def ping(call: Request) -> Reply:
    exchange = call.exchange
    return Reply(200, {"ping": "pong", "timestamp": exchange.now(), "asterisk_id": exchange.asterisk_id})


@operation("GET", "/asterisk/variable", {"variable": str})
async def get_global(call: Request) -> Reply:
    if not call.text("variable"):
        raise Refusal(400, "Variable name is required")
    return Reply(200, {"value": call.exchange.globals.get(call.text("variable"), "")})


@operation("POST", "/asterisk/variable", {"variable": str, "value": str})
async def set_global(call: Request) -> Reply:
    if not call.text("variable"):
        raise Refusal(400, "Variable name is required")
    call.exchange.globals[call.text("variable")] = call.text("value")
    return Reply()
