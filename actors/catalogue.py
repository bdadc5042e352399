"""Engines by name: each is imported only when it is wanted, for the others' packages need not be installed."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

Catalogue = Mapping[str, tuple[str, str, str]]
"""By the name that a pipeline gives the engine: its module, its class, and the extra of our package that it needs."""


def load(role: str, catalogue: Catalogue, name: str, settings: Mapping[str, float | str]) -> Any:
    """The engine, constructed with its settings.

    Raises ValueError, which names what there is, for an unknown engine or setting; RuntimeError, which names the extra
    to install, if its package is missing; and whatever the engine raises.
    """
    if name not in catalogue:
        raise ValueError(f'there is no {role} engine "{name}"; there are {", ".join(sorted(catalogue))}')
    module, kind, extra = catalogue[name]
    try:
        engine_class = getattr(import_module(module), kind)
    except ModuleNotFoundError as error:
        raise RuntimeError(
            f'the {role} engine "{name}" needs the package {error.name}: pip install "ringmaster[{extra}]"'
        ) from error
    known = engine_class.__init__.__kwdefaults__ or {}
    for setting in settings:
        if setting not in known:
            have = ", ".join(sorted(known))
            raise ValueError(f'the {role} engine "{name}" has no setting "{setting}"; it has {have}')
    return engine_class(**settings)
