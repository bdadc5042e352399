"""What docs/asterisk.md says of versions and of the doctor is what the program goes by."""

import re

import pytest

from config import asterisk_versions
from config.asterisk_versions import FLAWS, Feature, flaws
from supervisor.doctor import cadence
from tests.supervisor.stage import REPOSITORY

PAGE = (REPOSITORY / "docs" / "asterisk.md").read_text()
FEATURES = {name: value for name, value in vars(asterisk_versions).items() if isinstance(value, Feature)}
MENTIONED = [
    name for name in FEATURES if name not in ("EXTERNAL_MEDIA", "WEBSOCKET_JSON", "WEBSOCKET_MARKS", "BULK_VARIABLES")
]
"""The others concern no operator: without them we do it another way."""


@pytest.mark.parametrize("name", MENTIONED)
def test_the_first_versions_of_a_feature_are_those_of_the_table(name: str) -> None:
    rows = [line.split("|")[1] for line in PAGE.splitlines() if re.match(r"^\| \d+\.\d", line)]
    versions = {
        f"{branch}.{minor}" for branch, minor in FEATURES[name].since.items() if minor is not None and branch < 23
    }
    assert any(versions <= set(re.findall(r"\d+\.\d+", row)) for row in rows), f"no row has {sorted(versions)}"


def test_the_versions_that_are_called_good_are_good() -> None:
    (row,) = [line for line in PAGE.splitlines() if "nothing known against it" in line]
    versions = re.findall(r"\d+\.\d+\.\d+", row)
    assert len(versions) == 3
    assert all(flaws(version) == () for version in versions)


def test_every_fault_that_costs_calls_or_the_server_is_told() -> None:
    avoid = PAGE[PAGE.index("| avoid |") : PAGE.index("## When it does not work")]
    for flaw in FLAWS:
        if flaw.severity == "security" or flaw.name in ("hangup-deadlock", "websocket-crash", "audiosocket-ari-stall"):
            first = max(flaw.broken)
            since = flaw.broken[first][0]
            assert f"{first}.{since[0]}" in avoid, flaw.name


def test_the_limits_are_those_that_are_applied() -> None:
    flat = " ".join(PAGE.split())
    assert f"at most {cadence.GAP_P99_MS:.0f} ms between frames (99th percentile)" in flat
    assert f"{cadence.LOST:.1%}".replace("%", " % lost") in flat
    assert f"{cadence.BRIDGE_ROUND_TRIP_MS:.0f} ms round trip through the bridge" in flat
    assert f"or {cadence.ROUND_TRIP_MS:.0f} ms through the agent" in flat
