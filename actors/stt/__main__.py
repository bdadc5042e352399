"""`python -m actors.stt`: one STT actor, started by the supervisor."""

from actors.actor import Actor, run
from actors.stt import engines
from actors.stt.listening import Listening


async def serve(actor: Actor) -> None:
    settings = actor.settings
    name = settings.pipelines[settings.active_pipeline].stt
    Listening(actor, engines.load(name, actor.config))
    actor.ready()
    await actor.stopping.wait()


if __name__ == "__main__":
    run(serve)
