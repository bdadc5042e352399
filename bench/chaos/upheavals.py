"""Everybody hangs up at once; Asterisk goes away; the house is restarted."""

import asyncio
import time

from bench.chaos.fault import Fault, Strike
from bench.chaos.heard import Limits
from bench.chaos.scene import NotBack, Scene
from bench.load.venue import UP_S
from bench.system import APP
from ipc.messages import Done
from ipc.orders import RestartHouse

GONE_S = 2.0
"""DESIGN, section 4: hangup, and both legs, the bridge, the rings and the process are gone in 2 s."""
LOOK_S = 0.01
PATIENCE_S = 30.0
"""After which whatever is awaited does not come."""
EACH_S = 0.05
DOWN_S = 3.0
"""Asterisk is away for so long."""
RESTART_S = 30.0
"""For the rehearsal of the new program: an interpreter, and everything imported."""


async def hang_up_all(scene: Scene, strike: Strike) -> None:
    """Twice as many as there are otherwise."""
    more = await scene.place.calls(scene.wanted, EACH_S)
    scene.calls += more
    await scene.full_strength()
    calls, scene.calls = scene.calls, []
    strike.begins()
    for call in calls:
        call.hang_up()
    strike.notes.append(f"{len(calls)} callers hung up within {strike.took('hung up'):.0f} ms")
    left = await _until_nothing_is_left(scene, PATIENCE_S)
    took = strike.took("nothing left")
    strike.must(not left, f"left: {', '.join(left)}")
    strike.must(took <= GONE_S * 1000, f"it took {took:.0f} ms until nothing was left")
    await scene.send_home(calls)


async def _until_nothing_is_left(scene: Scene, within: float) -> list[str]:
    deadline = time.monotonic() + within
    while (left := scene.left()) and time.monotonic() < deadline:
        await asyncio.sleep(LOOK_S)
    return left


async def cut_events(scene: Scene, strike: Strike) -> None:
    """At the same moment a caller hangs up, whose last event is lost with the connection."""
    leaving = scene.calls.pop()
    segments = len(scene.segments())
    strike.begins()
    scene.place.asterisk.drop_websockets()
    leaving.hang_up()
    await leaving.over.wait()
    deadline = time.monotonic() + PATIENCE_S
    while len(scene.segments()) >= segments and time.monotonic() < deadline:
        await asyncio.sleep(LOOK_S)
    strike.took("caller who left is closed")
    leaving.forget()
    await _until_connected(scene)
    strike.took("connected")


async def restart_asterisk(scene: Scene, strike: Strike) -> None:
    """All calls end with it; they are closed, and the next ones are served."""
    calls, scene.calls = scene.calls, []
    strike.begins()
    await scene.place.asterisk.stop_listening()
    await asyncio.sleep(DOWN_S)
    await scene.place.asterisk.start()
    await _until_connected(scene)
    strike.took("connected")
    left = await _until_nothing_is_left(scene, PATIENCE_S)
    strike.took("nothing left")
    strike.must(not left, f"left: {', '.join(left)}")
    for call in calls:
        async with asyncio.timeout(UP_S):
            await call.over.wait()
        call.forget()


async def _until_connected(scene: Scene) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while APP not in scene.place.asterisk.applications:
        if time.monotonic() > deadline:
            raise NotBack(f"not connected to Asterisk after {PATIENCE_S:g} s")
        await asyncio.sleep(LOOK_S)


async def restart_house(scene: Scene, strike: Strike) -> None:
    before = {
        actor.name: actor
        for actor in (await scene.status_in_the_end()).actors
        if actor.role not in ("audio", "supervisor")
    }
    serving = {actor.pid for actor in await scene.actors("audio")}
    everybody = await scene.served_by(before.values())
    strike.begins(everybody)
    await scene.place.system.bus.expect("supervisor", RestartHouse(), Done, within=RESTART_S)
    strike.took("rehearsed")
    await scene.replaced(before.values())
    strike.took("replaced")
    after = {actor.pid for actor in await scene.actors("audio")}
    strike.must(serving <= after, f"{len(serving - after)} audio actors that served calls were restarted as well")


FAULTS = (
    Fault(
        name="hang-up-all",
        holds="All callers hang up in the same 20 ms: nothing of their calls is left after 2 s.",
        do=hang_up_all,
        limits=Limits(others_pace=False),
    ),
    Fault(
        name="events-cut",
        holds="The ARI WebSocket breaks: no caller notices, and who hung up meanwhile is closed.",
        do=cut_events,
        repeat=3,
    ),
    Fault(
        name="asterisk-restart",
        holds="Asterisk restarts: calls that ended with it are closed, and the next ones are served.",
        do=restart_asterisk,
        limits=Limits(call_stays=False, others_pace=False),
    ),
    Fault(
        name="restart-house",
        holds="`ringmaster restart` in mid-call: everything but the audio actors is started anew, all calls go on.",
        do=restart_house,
    ),
)
