"""Which processes there are, by the settings."""

import pytest
from msgspec import structs

from config.schema import ProviderName, Settings
from supervisor.specs import AUDIO, CALL_CONTROL, NURSERY, POOLS, house


def names(settings: Settings) -> list[str]:
    return [group.name for group in house(settings)]


def test_a_pipeline_needs_every_pool() -> None:
    assert names(Settings()) == [NURSERY, AUDIO, *POOLS, CALL_CONTROL]


@pytest.mark.parametrize("provider", ["loopback", "speaker"])
def test_a_provider_needs_nobody_who_hears_thinks_or_speaks_for_it(provider: ProviderName) -> None:
    settings = structs.replace(Settings(), default_provider=provider)
    assert names(settings) == [NURSERY, AUDIO, "conversation", CALL_CONTROL]
