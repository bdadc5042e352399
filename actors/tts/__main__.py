"""`python -m actors.tts`: one TTS actor, started by the supervisor."""

from actors.actor import Actor, run
from actors.tts import engines
from actors.tts.talking import Talking


async def serve(actor: Actor) -> None:
    settings = actor.settings
    name = settings.pipelines[settings.active_pipeline].tts
    talking = Talking(actor, engines.load(name, actor.config))
    await talking.rehearse()
    actor.ready()
    await actor.stopping.wait()


if __name__ == "__main__":
    run(serve)
