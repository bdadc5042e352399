"""The configuration as it holds, defaults and substituted variables included, for people and other programs to read.

Secrets are shown as `***`.
"""

import msgspec
import yaml

from config.load import Config
from config.secret import Secret


def shown(config: Config) -> dict[str, object]:
    """Settings and agents as plain dicts, lists, texts and numbers."""
    settings = msgspec.to_builtins(config.settings, enc_hook=_plain)
    agents = {name: msgspec.to_builtins(agent) for name, agent in config.agents.items()}
    return {"file": str(config.path), "settings": settings, "agents": agents}


def shown_as_yaml(config: Config) -> str:
    """The same as YAML."""
    # Through JSON's types: YAML would write tuples as a Python-only tag.
    plain = msgspec.json.decode(msgspec.json.encode(shown(config)))
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=120)


def _plain(value: object) -> object:
    if isinstance(value, Secret):
        return str(value)
    raise NotImplementedError(f"the schema holds a {type(value).__name__}, which cannot be shown")
