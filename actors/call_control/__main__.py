"""The process `call-control`, and `call-control.<name>` for each of `more_asterisks`: one for each Asterisk."""

from collections.abc import Mapping

import msgspec

from actors.actor import Actor, run
from actors.call_control.ari import Ari
from actors.call_control.control import CallControl
from actors.call_control.store import Store
from config.agent import Agent
from config.schema import Settings


def own(settings: Settings, name: str) -> Settings:
    """With `asterisk` being the one that the actor of this name is for. Raises `KeyError`."""
    further = name.partition(".")[2]
    return msgspec.structs.replace(settings, asterisk=settings.more_asterisks[further]) if further else settings


def variables(agents: Mapping[str, Agent]) -> tuple[str, ...]:
    """Channel variables that any of the agents has a sentence for: `{customer}` is `AI_CUSTOMER`."""
    return tuple(sorted({f"AI_{name.upper()}" for agent in agents.values() for name in agent.variables}))


async def serve(actor: Actor) -> None:
    settings = own(actor.settings, actor.name)
    async with Ari(settings.asterisk) as ari:
        kept = Store(settings.history, actor.run_dir, actor.name)
        control = CallControl(actor.bus, settings, ari, kept, actor.set_calls, variables(actor.config.agents))
        await control.start()
        actor.ready()  # also without Asterisk: direct calls need none
        await actor.stopping.wait()
        await control.stop()


if __name__ == "__main__":
    run(serve)
