"""Which processes there are, by the settings."""

import pytest
from msgspec import structs

from config.schema import Asterisk, ProviderName, Settings
from supervisor.specs import AUDIO, CALL_CONTROL, NURSERY, POOLS, house


def names(settings: Settings) -> list[str]:
    return [group.name for group in house(settings)]


def test_a_pipeline_needs_every_pool() -> None:
    assert names(Settings()) == [NURSERY, AUDIO, *POOLS, CALL_CONTROL]


@pytest.mark.parametrize("provider", ["loopback", "speaker"])
def test_a_provider_needs_nobody_who_hears_thinks_or_speaks_for_it(provider: ProviderName) -> None:
    settings = structs.replace(Settings(), default_provider=provider)
    assert names(settings) == [NURSERY, AUDIO, "conversation", CALL_CONTROL]


def test_each_asterisk_has_a_call_control_whose_restarts_are_counted_by_themselves() -> None:
    more = {"branch": Asterisk(host="10.0.0.5"), "night": Asterisk(app_name="night")}
    controls = [group for group in house(Settings(more_asterisks=more)) if group.name.startswith(CALL_CONTROL)]
    assert [[child.name for child in group.children] for group in controls] == [
        ["call-control"],
        ["call-control.branch"],
        ["call-control.night"],
    ]
    assert {child.role for group in controls for child in group.children} == {CALL_CONTROL}
