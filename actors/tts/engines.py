"""The synthesisers that there are, by the name that a pipeline gives them."""

from collections.abc import Mapping
from importlib import import_module

from actors.tts.engine import TtsEngine

ENGINES = {
    "espeak": ("actors.tts.espeak", "Espeak", "embedded"),
}
"""Module, class, and the extra of our package that installs what it needs."""


def load(name: str, settings: Mapping[str, float | str]) -> TtsEngine:
    """The engine, constructed with its settings; only its own module is imported.

    Raises ValueError, which names what there is, for an unknown engine or setting; RuntimeError, which names the extra
    to install, if its package is missing; and whatever the engine raises.
    """
    if name not in ENGINES:
        raise ValueError(f'there is no tts engine "{name}"; there are {", ".join(sorted(ENGINES))}')
    module, kind, extra = ENGINES[name]
    try:
        engine_class = getattr(import_module(module), kind)
    except ModuleNotFoundError as error:
        raise RuntimeError(
            f'the tts engine "{name}" needs the package {error.name}: pip install "ringmaster[{extra}]"'
        ) from error
    known = engine_class.__init__.__kwdefaults__ or {}
    for setting in settings:
        if setting not in known:
            raise ValueError(f'the tts engine "{name}" has no setting "{setting}"; it has {", ".join(sorted(known))}')
    engine: TtsEngine = engine_class(**settings)
    return engine
