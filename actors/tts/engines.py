"""The synthesisers that there are, by the name that a pipeline gives them."""

from collections.abc import Mapping
from typing import cast

from actors import catalogue
from actors.tts.engine import TtsEngine

ENGINES: catalogue.Catalogue = {"espeak": ("actors.tts.espeak", "Espeak", "embedded")}


def load(name: str, settings: Mapping[str, float | str]) -> TtsEngine:
    """As `actors.catalogue.load`."""
    return cast(TtsEngine, catalogue.load("tts", ENGINES, name, settings))
