"""POST /channels/externalMedia. Every check and message in Asterisk's order; source: protocol documents."""

from __future__ import annotations

from bench.asterisk.ari.channels import start_originate
from bench.asterisk.ari.operations import operation
from bench.asterisk.ari.request import Refusal, Reply, Request
from bench.asterisk.media.formats import KNOWN_ELSEWHERE

EXTERNAL_MEDIA = {
    "channelId": str,
    "app": str,
    "external_host": str,
    "encapsulation": str,
    "transport": str,
    "connection_type": str,
    "format": str,
    "direction": str,
    "data": str,
    "transport_data": str,
}
KINDS = {("rtp", "udp"), ("audiosocket", "tcp"), ("none", "websocket")}
# The one answer to everything that goes wrong while the channel is made, a duplicate id included.
INTERNAL = "An internal error prevented this request from being handled"


@operation("POST", "/channels/externalMedia", EXTERNAL_MEDIA, variables=True)
async def external_media(call: Request) -> Reply:
    check(call)
    encapsulation = call.text("encapsulation", "rtp")
    host, form, data = call.text("external_host"), call.text("format"), call.text("data")
    if encapsulation == "rtp":
        endpoint = f"UnicastRTP/{host}/c({form})"
    elif encapsulation == "none":
        # A direction given here comes last and wins over one in transport_data.
        options = call.text("transport_data")
        if call.text("direction"):
            options += f"d({call.text('direction')})"
        endpoint = "/".join(part for part in ("WebSocket", host or "INCOMING", options) if part)
    else:
        if not data:
            raise Refusal(400, "data can not be empty")
        endpoint = f"AudioSocket/{host}/{data}"
    inner = Request(call.exchange, call.path, variables=call.variables, reported=call.reported)
    inner.values = {"endpoint": endpoint, "app": call.text("app"), "appArgs": data, "formats": form}
    try:
        channel = await start_originate(inner, call.text("channelId"))
    except Refusal as refusal:
        if str(refusal).startswith("stand-in:"):
            raise
        raise Refusal(500, INTERNAL) from refusal
    return Reply(200, {**channel.json(), "channelvars": dict(channel.variables)})


def check(call: Request) -> None:
    transport, encapsulation = call.text("transport", "udp"), call.text("encapsulation", "rtp")
    if not call.text("app"):
        raise Refusal(400, "app cannot be empty")
    if transport == "websocket" and encapsulation != "none":
        raise Refusal(400, "encapsulation must be 'none' for websocket transport")
    if encapsulation == "rtp" and transport != "udp":
        raise Refusal(400, "transport must be 'udp' for rtp encapsulation")
    if encapsulation == "audiosocket" and transport != "tcp":
        raise Refusal(400, "transport must be 'tcp' for audiosocket encapsulation")
    if transport != "websocket" and call.text("connection_type", "client") == "server":
        raise Refusal(400, "'server' connection_type can only be used with the websocket transport")
    if not call.text("external_host") and call.text("connection_type", "client") == "client":
        raise Refusal(400, "external_host is required for all but websocket server connections")
    host, separator, port = call.text("external_host").rpartition(":")
    if transport == "websocket":
        if call.text("connection_type", "client") == "client":
            # Nobody has a websocket_client.conf here.
            raise Refusal(400, "external_host must be a valid websocket_client connection id.")
    elif not host or not separator or not port.isdigit():
        raise Refusal(400, "external_host must be <host>:<port> for all transports other than websocket")
    if not call.text("format"):
        raise Refusal(400, "format cannot be empty")
    if call.text("format") in KNOWN_ELSEWHERE:
        raise Refusal(501, f"stand-in: format {call.text('format')!r} is not simulated")
    if call.text("direction", "both") not in ("both", "in", "out"):
        raise Refusal(400, "Invalid direction specified")
    old = transport == "websocket" and not call.exchange.release.has("media over websocket")
    if (encapsulation, transport) not in KINDS or old:
        raise Refusal(501, "The encapsulation and/or transport is not supported")
