"""The synthesisers that there are, by the name that a pipeline gives them."""

from typing import cast

from actors import catalogue
from actors.tts.engine import TtsEngine
from config.load import Config

ENGINES: catalogue.Catalogue = {
    "espeak": ("actors.tts.espeak", "Espeak", "embedded"),
    "piper": ("actors.tts.piper", "Piper", "local"),
    "gateway": ("actors.tts.gateway", "Gateway", ""),
}


def load(name: str, config: Config) -> TtsEngine:
    """As `actors.catalogue.load`."""
    return cast(TtsEngine, catalogue.load("tts", ENGINES, name, config))
