"""`python -m actors.stt`: one STT actor, started by the supervisor."""

from actors.actor import Actor, run
from actors.catalogue import Unusable
from actors.stt import engines
from actors.stt.engine import UnusableHints
from actors.stt.listening import Listening


async def serve(actor: Actor) -> None:
    settings = actor.settings
    name = settings.pipelines[settings.active_pipeline].stt
    engine = engines.load(name, actor.config)
    try:
        Listening(actor, engine)
    except UnusableHints as error:
        raise Unusable(f'the stt engine "{name}" cannot use what the agents say of their callers: {error}') from error
    actor.ready()
    await actor.stopping.wait()


if __name__ == "__main__":
    run(serve)
