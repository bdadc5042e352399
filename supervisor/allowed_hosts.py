"""Who may connect to the media door by their address (`audiosocket.allowed_hosts`): AudioSocket has no password."""

import logging
from collections.abc import Iterable

from config import addresses

log = logging.getLogger(__name__)

TELL_EVERY_S = 60.0
"""How often the log is told of one address, or of one kind of what is no call."""

MOST_TOLD = 256
"""Addresses that are remembered for it. Whoever has more of them at hand is counted, and not written of."""


class AllowedHosts:
    def __init__(self, allowed: Iterable[str]) -> None:
        """Addresses and networks; none at all allows everybody. Raises `ValueError`."""
        self._networks = tuple(addresses.network(text) for text in allowed)
        self._told: dict[str, float] = {}
        """By address, when the log was last told of it."""

    def __contains__(self, host: object) -> bool:
        return not self._networks or addresses.holds(self._networks, str(host))

    def tell(self, host: str, now: float) -> None:
        """Writes of one that was sent away, unless it has done so within the last minute. `now` is in seconds."""
        if now - self._told.get(host, -TELL_EVERY_S) < TELL_EVERY_S:
            return
        if len(self._told) >= MOST_TOLD:
            self._told = {host: told for host, told in self._told.items() if now - told < TELL_EVERY_S}
            if len(self._told) >= MOST_TOLD:
                return
        self._told[host] = now
        log.warning(
            "media connections from %s are closed: it is not in `audiosocket.allowed_hosts`. Where that is your "
            "Asterisk, add it there; else keep it away from the port with a firewall",
            addresses.address(host),
        )
