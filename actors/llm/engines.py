"""The language models that there are, by the name that a pipeline gives them."""

from typing import cast

from actors import catalogue
from actors.llm.engine import LlmEngine
from config.load import Config

ENGINES: catalogue.Catalogue = {
    "scripted": ("actors.llm.scripted", "ScriptedLlm", ""),
    "llama_cpp": ("actors.llm.llama_cpp", "LlamaCpp", "local"),
    "openai_compatible": ("actors.llm.openai_compatible", "OpenAiCompatible", ""),
    "gateway": ("actors.llm.gateway", "Gateway", ""),
}


def load(name: str, config: Config) -> LlmEngine:
    """As `actors.catalogue.load`."""
    return cast(LlmEngine, catalogue.load("llm", ENGINES, name, config))
