"""The providers that there are, by the name that the configuration gives them."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import cast

from actors.conversation.providers.provider import Engagement, Provider

PROVIDERS: Mapping[str, tuple[str, str]] = {
    "loopback": ("actors.conversation.providers.loopback", "Loopback"),
    "speaker": ("actors.conversation.providers.speaker", "Speaker"),
}
"""Module and class. Each is imported only when it is wanted: `speaker` brings NumPy, a cloud's its client."""


def load(name: str) -> Callable[[Engagement], Provider]:
    """What makes this provider for a call. Raises KeyError for a name that the configuration does not allow either."""
    module, kind = PROVIDERS[name]
    return cast("Callable[[Engagement], Provider]", getattr(import_module(module), kind))
