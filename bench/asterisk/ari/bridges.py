"""ARI operations on bridges. Messages and checks as in Asterisk; sources: recordings, protocol document."""

from __future__ import annotations

from bench.asterisk.ari.operations import operation
from bench.asterisk.ari.request import Refusal, Reply, Request, take_variables
from bench.asterisk.bridge import Bridge
from bench.asterisk.session import Session
from bench.asterisk.sounds import music

CREATE = {"type": str, "name": str}


def find_bridge(call: Request) -> Bridge:
    bridge = call.exchange.bridges.get(call.path["bridgeId"])
    if bridge is None:
        raise Refusal(404, "Bridge not found")
    return bridge


@operation("GET", "/bridges")
async def list_bridges(call: Request) -> Reply:
    return Reply(200, [bridge.json() for bridge in call.exchange.bridges.values()])


@operation("GET", "/bridges/{bridgeId}")
async def get_bridge(call: Request) -> Reply:
    return Reply(200, find_bridge(call).json())


def make_bridge(call: Request, bridge_id: str, refusal: str) -> Bridge:
    """Asterisk reads the types in order; dtmf_events and proxy_media only take away what an earlier type has given."""
    if bridge_id and bridge_id in call.exchange.bridges:
        raise Refusal(409, f"Bridge with id '{bridge_id}' already exists")
    mixing = holding = False
    for kind in call.text("type", "mixing").split(","):
        mixing = mixing or kind.strip() == "mixing"
        holding = holding or kind.strip() == "holding"
    if mixing == holding:
        raise Refusal(500, refusal)
    return call.exchange.add_bridge(bridge_id, call.text("name"), holding)


@operation("POST", "/bridges", {**CREATE, "bridgeId": str}, variables=True)
async def create(call: Request) -> Reply:
    bridge_id = call.text("bridgeId")
    body, call.variables = call.body, {}
    failed = f"Unable to create bridge. Possible duplicate bridge id '{bridge_id}'"
    bridge = make_bridge(call, bridge_id, failed)
    if isinstance(body, dict):
        # Without an id in the path every key of the body is a bridge variable, `type` and `variables` included; a bad
        # one is refused after the bridge was made.
        take_variables(call, body)
        give_variables(bridge, call)
    return Reply(200, bridge.json())


@operation("POST", "/bridges/{bridgeId}", CREATE, variables=True)
async def create_with_id(call: Request) -> Reply:
    bridge = make_bridge(call, call.path["bridgeId"], "Unable to create bridge")
    give_variables(bridge, call)
    return Reply(200, bridge.json())


def give_variables(bridge: Bridge, call: Request) -> None:
    """Those that a bridge is made with are shown in its events; later ones only if they ask for it."""
    bridge.variables |= call.variables
    bridge.reported_variables |= set(call.variables)


@operation("DELETE", "/bridges/{bridgeId}")
async def destroy(call: Request) -> Reply:
    call.exchange.destroy_bridge(find_bridge(call))
    return Reply()


# -- members --------------------------------------------------------------------------------------------------------

ADD = {"channel": list, "role": str, "absorbDTMF": bool, "mute": bool, "inhibitConnectedLineUpdates": bool}


async def find_sessions(call: Request) -> list[Session]:
    """The channels named, all in Stasis; other errors than for operations on channels."""
    sessions = []
    names = [name for name in call.items("channel") if name]
    if not names:
        raise Refusal(400, "Missing parameter channel")
    for name in names:
        channel = call.exchange.channels.get(name)
        if channel is None:
            raise Refusal(400, "Channel not found")
        await channel.thawed.wait()
        if channel.session is None:
            raise Refusal(422, "Channel not in Stasis application")
        sessions.append(channel.session)
    return sessions


@operation("POST", "/bridges/{bridgeId}/addChannel", ADD)
async def add_channel(call: Request) -> Reply:
    bridge = find_bridge(call)
    sessions = await find_sessions(call)
    for session in sessions:
        if session.channel.recording:
            raise Refusal(409, f"Channel {session.channel.id} currently recording")
    for session in sessions:
        await session.submit(lambda session=session: join(call, session, bridge))  # type: ignore[misc]
    return Reply()


def join(call: Request, session: Session, bridge: Bridge) -> None:
    if bridge.dissolved:
        return
    channel = session.channel
    channel.absorbs_dtmf = call.flag("absorbDTMF")
    session.join(bridge, tell_lines=not call.flag("inhibitConnectedLineUpdates"))
    if call.flag("mute"):
        channel.muted_for_bridge = channel.leg.muted_in = True


@operation("POST", "/bridges/{bridgeId}/removeChannel", {"channel": list})
async def remove_channel(call: Request) -> Reply:
    bridge = find_bridge(call)
    sessions = await find_sessions(call)
    if any(session.channel.bridge is not bridge for session in sessions):
        raise Refusal(422, "Channel not in this bridge")
    for session in sessions:
        await session.submit(lambda session=session: leave(session, bridge))  # type: ignore[misc]
    return Reply()


def leave(session: Session, bridge: Bridge) -> None:
    if session.channel.bridge is bridge:
        bridge.leave(session.channel)


# -- music ----------------------------------------------------------------------------------------------------------


@operation("POST", "/bridges/{bridgeId}/moh", {"mohClass": str})
async def start_music(call: Request) -> Reply:
    find_bridge(call).start_music(music())
    return Reply()


@operation("DELETE", "/bridges/{bridgeId}/moh")
async def stop_music(call: Request) -> Reply:
    if not find_bridge(call).stop_music():
        raise Refusal(409, "Bridge isn't playing music")
    return Reply()
