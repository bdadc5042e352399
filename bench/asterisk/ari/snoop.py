"""POST /channels/{channelId}/snoop: a channel that hears another one, and may whisper to it. Source: recordings."""

from __future__ import annotations

from bench.asterisk.ari.operations import operation
from bench.asterisk.ari.request import Refusal, Reply, Request
from bench.asterisk.channel import Channel
from bench.asterisk.dialplan import run_stasis
from bench.asterisk.exchange import Exchange
from bench.asterisk.media.formats import FORMATS
from bench.asterisk.media.snooping import SnoopLeg

SNOOP = {"spy": str, "whisper": str, "app": str, "appArgs": str, "snoopId": str}
WITHOUT_ID = {name: kind for name, kind in SNOOP.items() if name != "snoopId"}
DIRECTIONS = ("none", "both", "out", "in")


@operation("POST", "/channels/{channelId}/snoop", SNOOP)
@operation("POST", "/channels/{channelId}/snoop/{snoopId}", WITHOUT_ID)
async def snoop(call: Request) -> Reply:
    exchange = call.exchange
    spy, whisper = call.text("spy") or "none", call.text("whisper") or "none"
    for name, direction in (("spy", spy), ("whisper", whisper)):
        if direction not in DIRECTIONS:
            raise Refusal(400, f"Invalid direction specified for {name}")
    if spy == whisper == "none":
        raise Refusal(400, "Direction must be specified for at least spy or whisper")
    if not call.text("app"):
        raise Refusal(400, "Application name is required")
    spied = exchange.channel(call.path["channelId"])
    if spied is None:
        raise Refusal(404, "Provided channel was not found")
    number = exchange.count("snoop")
    snoop_id = call.path.get("snoopId") or call.text("snoopId")
    if snoop_id in exchange.channels or not exchange.release.runs("res_stasis_snoop"):
        raise Refusal(500, "Snoop channel could not be created")
    with exchange.plane.lock:
        leg = SnoopLeg(exchange.plane, FORMATS["slin16"], spied.leg, spy, whisper)
    channel = exchange.add_channel(f"Snoop/{spied.id}-{number:08x}", leg, snoop_id)
    channel.state = "Up"
    channel.answered.set()
    channel.publish_changes()
    exchange.run(live(exchange, channel, spied, [call.text("app"), *call.text("appArgs").split(",")]))
    return Reply(200, channel.json())


async def live(exchange: Exchange, channel: Channel, spied: Channel, application: list[str]) -> None:
    """In Stasis until it is hung up or the spied channel is gone."""
    exchange.run(end_with(exchange, spied, channel))
    channel.app_name, channel.app_data = "Stasis", ",".join(part for part in application if part)
    channel.publish_changes()
    try:
        await run_stasis(channel, application[0], [part for part in application[1:] if part])
    finally:
        exchange.destroy(channel)


async def end_with(exchange: Exchange, spied: Channel, channel: Channel) -> None:
    await channel.until_hangup(spied.gone)
    exchange.far_end_gone(channel)
