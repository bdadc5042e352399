"""The recognisers that there are, by the name that a pipeline gives them."""

from collections.abc import Mapping
from typing import cast

from actors import catalogue
from actors.stt.engine import SttEngine

ENGINES: catalogue.Catalogue = {"pocketsphinx": ("actors.stt.pocketsphinx", "Pocketsphinx", "embedded")}


def load(name: str, settings: Mapping[str, float | str]) -> SttEngine:
    """As `actors.catalogue.load`."""
    return cast(SttEngine, catalogue.load("stt", ENGINES, name, settings))
