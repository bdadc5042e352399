"""Addresses, networks and port ranges as the settings write them."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_MAPPED_BITS = 96
"""Of an IPv6 address that stands for an IPv4 one (RFC 4291, 2.5.5.2), those before the IPv4 address."""


def address(text: str) -> Address:
    """The address; one of IPv4 also where it is written as an IPv6 one (`::ffff:10.0.0.1`), as a socket that listens on
    all addresses of both kinds sees it. Raises `ValueError`."""
    found = ip_address(text)
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found


def network(text: str) -> Network:
    """`10.0.0.0/24`, or one address. Bits behind the network's own do not matter. Raises `ValueError`."""
    found = ip_network(text, strict=False)
    if isinstance(found, IPv6Network) and found.prefixlen >= _MAPPED_BITS:
        mapped = found.network_address.ipv4_mapped
        if mapped is not None:
            return IPv4Network((mapped, found.prefixlen - _MAPPED_BITS))
    return found


def holds(networks: Iterable[Network], text: str) -> bool:
    """Whether the address is in one of these. Raises `ValueError` for what is no address."""
    found = address(text)
    return any(found in network for network in networks)


def port_range(text: str) -> range:
    """All ports of `18080-18279`. Raises `ValueError` with a sentence."""
    first, last = (int(word) for word in text.split("-"))
    if not 1024 <= first <= last <= 65535:
        raise ValueError(f"{text} is no range of ports: from 1024 at least to 65535 at most, the smaller one first")
    return range(first, last + 1)
