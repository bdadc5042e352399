"""Engines by name: each is imported only when it is wanted, for the others' packages need not be installed."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from config.load import Config
from models.shelf import NoModel

Catalogue = Mapping[str, tuple[str, str, str]]
"""By the name that a pipeline gives the engine: its module, its class, and the extra of our package that it needs. The
class has a class method `of(config)`, which makes it as the configuration says."""


class Unusable(Exception):
    """The engine cannot do its work on this machine, and trying again will not help before somebody does something. The
    text is for the operator: what is wrong, and what to do."""


def load(role: str, catalogue: Catalogue, name: str, config: Config) -> Any:
    """The engine, loaded and exercised.

    Raises `Unusable` where its package or its model is missing or no good; ValueError, which names what there is, for
    an unknown engine; and whatever else the engine raises.
    """
    if name not in catalogue:
        raise ValueError(f'there is no {role} engine "{name}"; there are {", ".join(sorted(catalogue))}')
    module, kind, extra = catalogue[name]
    try:
        engine_class = getattr(import_module(module), kind)
    except ModuleNotFoundError as error:
        raise Unusable(
            f'the {role} engine "{name}" needs the package {error.name}: pip install "ringmaster[{extra}]"'
        ) from error
    try:
        return engine_class.of(config)
    except NoModel as error:
        raise Unusable(f'the {role} engine "{name}" has no model: {error}') from error
