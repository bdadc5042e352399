"""`python -m actors.gateway`: the local AI server, started by the supervisor. It lends this machine's engines."""

from actors.actor import Actor, run
from actors.gateway.answering import Rooms
from actors.gateway.door import Door
from actors.gateway.lending import SUPERVISOR, Lending
from actors.pool import names
from ipc.messages import ActorChanged


async def serve(actor: Actor) -> None:
    lending = Lending(actor)
    await actor.bus.subscribe(SUPERVISOR, ActorChanged, lending.actor_changed)
    await lending.look()
    rooms = Rooms(actor.run_dir, actor.bus)
    rooms.give_back(names(actor.settings.actors)["llm"])
    door = Door(lending, rooms)
    await door.open()
    actor.ready()
    await actor.stopping.wait()
    await door.close()


if __name__ == "__main__":
    run(serve)
