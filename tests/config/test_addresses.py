"""Addresses, networks and port ranges as an operator writes them."""

from pathlib import Path

import pytest
import yaml

from config import addresses
from config.load import SHIPPED, load
from config.problem import ConfigError

HOLDS: dict[str, list[tuple[str, str, bool]]] = {
    # Allowed, who comes, whether that one is allowed.
    "one address": [("10.0.0.5", "10.0.0.5", True), ("10.0.0.5", "10.0.0.6", False), ("::1", "::1", True)],
    "a network": [("10.0.0.0/24", "10.0.0.255", True), ("10.0.0.0/24", "10.0.1.0", False)],
    "a network by one of its addresses": [("10.0.0.77/24", "10.0.0.1", True)],
    "IPv4 as IPv6 has it": [
        ("10.0.0.0/24", "::ffff:10.0.0.9", True),
        ("::ffff:10.0.0.0/120", "10.0.0.9", True),
        ("::ffff:10.0.0.0/120", "10.0.1.9", False),
    ],
    "the two kinds are not mixed up": [("0.0.0.0/0", "2001:db8::1", False), ("::/0", "10.0.0.5", False)],
    "a link": [("fe80::/10", "fe80::1%eth0", True)],
}


@pytest.mark.parametrize("rows", HOLDS.values(), ids=HOLDS.keys())
def test_who_is_in_a_network(rows: list[tuple[str, str, bool]]) -> None:
    for allowed, host, expected in rows:
        assert addresses.holds([addresses.network(allowed)], host) is expected, (allowed, host)


@pytest.mark.parametrize("text", ["pbx.example", "10.0.0", "10.0.0.0/33", ""])
def test_what_is_neither_address_nor_network(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        addresses.network(text)


def test_a_range_of_ports_holds_both_its_ends() -> None:
    assert list(addresses.port_range("18080-18082")) == [18080, 18081, 18082]
    assert list(addresses.port_range("18080-18080")) == [18080]


@pytest.mark.parametrize("text", ["18082-18080", "80-18080", "18080-70000"])
def test_a_range_that_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="no range of ports"):
        addresses.port_range(text)


def test_both_are_told_with_their_place_when_the_configuration_is_read(tmp_path: Path) -> None:
    settings = yaml.safe_load(SHIPPED.read_text())
    settings["audiosocket"]["allowed_hosts"] = ["127.0.0.1", "the pbx"]
    settings["external_media"]["port_range"] = "18279-18080"
    settings["agents"]["directory"] = str(SHIPPED.parent / "agents")
    (tmp_path / "ringmaster.yaml").write_text(yaml.safe_dump(settings))
    with pytest.raises(ConfigError) as error:
        load(tmp_path / "ringmaster.yaml")
    said = str(error.value)
    assert "`the pbx` is neither an address nor a network" in said
    assert "18279-18080 is no range of ports" in said
