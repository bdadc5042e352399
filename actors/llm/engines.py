"""The language models by name. Each is imported only when it is wanted: the others' libraries need not be there."""

from actors.llm.engine import LlmEngine
from config.load import Config


def load(name: str, config: Config) -> LlmEngine:
    """The engine `name` of the configuration, loaded and exercised."""
    match name:
        case "scripted":
            from actors.llm.scripted import ScriptedLlm

            return ScriptedLlm(config.agents)
        case _:
            raise ValueError(f"there is no LLM engine {name!r}")
