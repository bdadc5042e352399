"""The process `call-control`: one for each Asterisk."""

from actors.actor import Actor, run
from actors.call_control.ari import Ari
from actors.call_control.control import CallControl


async def serve(actor: Actor) -> None:
    async with Ari(actor.settings.asterisk) as ari:
        control = CallControl(actor.bus, actor.settings, ari, actor.set_calls)
        await control.start()
        actor.ready()  # also without Asterisk: direct calls need none
        await actor.stopping.wait()
        control.stop()


if __name__ == "__main__":
    run(serve)
