"""`python -m actors.llm`: one LLM actor, started by the supervisor."""

from actors.actor import Actor, run
from actors.llm import engines
from actors.llm.thinking import Thinking


async def serve(actor: Actor) -> None:
    settings = actor.settings
    name = settings.pipelines[settings.active_pipeline].llm
    Thinking(actor, engines.load(name, actor.config))
    actor.ready()
    await actor.stopping.wait()


if __name__ == "__main__":
    run(serve)
