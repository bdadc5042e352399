"""Who holds a call: the provider or the pipeline that it asks for (`AI_PROVIDER`), else what the configuration says."""

from dataclasses import dataclass

from actors.conversation.providers.providers import PROVIDERS
from config.schema import Settings


@dataclass(frozen=True)
class Choice:
    """Either a provider or a pipeline."""

    provider: str = ""
    pipeline: str = ""
    known: tuple[str, ...] = ()
    """What could have been asked for, where something else was."""


def choose(wanted: str, settings: Settings) -> Choice:
    """`wanted` comes from the dialplan; "" asks for nothing."""
    pipelines = served(settings)
    if wanted in pipelines:
        return Choice(pipeline=wanted)
    if wanted in PROVIDERS:
        return Choice(provider=wanted)
    known = (*sorted(PROVIDERS), *pipelines) if wanted else ()
    if settings.default_provider:
        return Choice(provider=settings.default_provider, known=known)
    return Choice(pipeline=settings.active_pipeline, known=known)


def served(settings: Settings) -> tuple[str, ...]:
    """The pipelines whose engines run: those of the active one, unless a provider holds all calls."""
    if settings.default_provider:
        return ()
    running = settings.pipelines[settings.active_pipeline]
    return tuple(sorted(name for name, pipeline in settings.pipelines.items() if pipeline == running))
