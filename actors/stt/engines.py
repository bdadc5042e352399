"""The recognisers that there are, by the name that a pipeline gives them."""

from typing import cast

from actors import catalogue
from actors.stt.engine import SttEngine
from config.load import Config

ENGINES: catalogue.Catalogue = {
    "pocketsphinx": ("actors.stt.pocketsphinx", "Pocketsphinx", "embedded"),
    "vosk": ("actors.stt.vosk", "Vosk", "local"),
    "sherpa_onnx": ("actors.stt.sherpa_onnx", "SherpaOnnx", "sherpa"),
    "gateway": ("actors.stt.gateway", "Gateway", ""),
}


def load(name: str, config: Config) -> SttEngine:
    """As `actors.catalogue.load`."""
    return cast(SttEngine, catalogue.load("stt", ENGINES, name, config))
