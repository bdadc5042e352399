"""UDP ports for calls whose audio comes as RTP: one each, bound before Asterisk is told of it, for it may send at once.

    free --take--> bound, in a call --give_back--> resting --REST_S--> free

Nothing tells one call's packets from another's but the port. So a port rests after a call, until what Asterisk or the
network still holds for it has run out, and of the free ones the one is taken that has been free for longest.
"""

import errno
import logging
import socket
from collections import Counter
from collections.abc import Iterable

from config import addresses
from config.media import ExternalMedia
from ipc.bus import Refused

log = logging.getLogger(__name__)

REST_S = 10.0
"""Asterisk's end of a call is gone within 2 s of ours. The rest is for its REST interface being slow or restarted."""

TAKEN_S = 60.0
"""After so long a port that another program held is tried again."""

BUFFER_BYTES = 64 * 1024
"""What waits in the socket until Asterisk's end is known, or the next audio actor has taken over; the kernel doubles it
for its own needs. Measured: 157 packets of 20 ms of ulaw fit, 102 of slin, 56 of slin16 (1.1 s)."""

EXPEDITED = 0xB8
"""Expedited forwarding (DSCP 46, RFC 3246): how telephones mark their audio for routers."""

FULL = "rtp: no port"
UNBOUND = "rtp: not bound"
"""Why there was none, for the counts of `ringmaster status`."""


class PortBook:
    """Which ports are free. Pure: `now` is in seconds on any clock that does not go back."""

    def __init__(self, ports: Iterable[int]) -> None:
        # Even ones first: that is what RTP (RFC 3550, 11) and the firewalls that were made for it expect.
        self._free = dict.fromkeys(sorted(ports, key=lambda port: (port % 2, port)))
        self._all = frozenset(self._free)
        self._resting: dict[int, float] = {}
        """Until when."""
        self._in_use: set[int] = set()

    @property
    def in_use(self) -> int:
        return len(self._in_use)

    @property
    def resting(self) -> int:
        return len(self._resting)

    def take(self, now: float) -> int | None:
        """An even one, else an odd one, that has been free for longest; None when there is none."""
        self._wake(now)
        port = next((port for port in self._free if port % 2 == 0), None) or next(iter(self._free), None)
        if port is not None:
            del self._free[port]
            self._in_use.add(port)
        return port

    def hold(self, port: int) -> None:
        """It is in use already: a predecessor has bound it."""
        self._free.pop(port, None)
        self._in_use.add(port)

    def give_back(self, port: int, now: float, rest_s: float = REST_S) -> None:
        """A port that is not of the range (any more) is forgotten."""
        self._in_use.discard(port)
        if port in self._all:
            self._resting[port] = now + rest_s

    def _wake(self, now: float) -> None:
        for port in [port for port, until in self._resting.items() if until <= now]:
            del self._resting[port]
            self._free[port] = None


class RtpPorts:
    """Bound sockets, and what Asterisk is told of them. No name is looked up but once, at the start."""

    def __init__(self, settings: ExternalMedia) -> None:
        self.refused: Counter[str] = Counter()
        """Ports that were asked for in vain, by reason."""
        self._settings = settings
        self._book = PortBook(addresses.port_range(settings.port_range))
        self._family, self._address, self._problem = socket.AF_INET, "", ""
        try:
            found = socket.getaddrinfo(settings.rtp_host, 0, type=socket.SOCK_DGRAM)
            # Of a name that has addresses of both kinds, that of IPv4: Asterisk takes it for the same, and so must we.
            self._family, _, _, _, address = min(found, key=lambda one: one[0] != socket.AF_INET)
            self._address = str(address[0])
        except OSError as error:
            self._problem = f"the address of {settings.rtp_host} (`external_media.rtp_host`) is not known: {error}"

    @property
    def host(self) -> str:
        """Where Asterisk is to send to."""
        return self._settings.advertise_host or self._settings.rtp_host

    def bind(self, now: float) -> socket.socket:
        """A socket that is bound to a port of the range, not blocking. Raises `Refused`."""
        if self._problem:
            raise self._refusal(UNBOUND, self._problem)
        while (port := self._book.take(now)) is not None:
            try:
                return self._bound(port)
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    self._book.give_back(port, now, 0)
                    raise self._refusal(UNBOUND, self._explain(error)) from error
                log.warning("UDP port %d of `external_media.port_range` is held by another program", port)
                self._book.give_back(port, now, TAKEN_S)
        raise self._refusal(
            FULL,
            f"no UDP port is free: of `external_media.port_range` ({self._settings.port_range}) {self._book.in_use} "
            f"are in calls and {self._book.resting} rest after one. Widen it: each call needs a port, until "
            f"{REST_S:g} s after its end",
        )

    def hold(self, bound: socket.socket) -> None:
        """One that a predecessor has bound is in use."""
        self._book.hold(port_of(bound))

    def give_back(self, bound: socket.socket, now: float) -> None:
        """Closes our duplicate. The port is free again once the audio actor has closed its own, and some seconds."""
        self._book.give_back(port_of(bound), now)
        bound.close()

    def _bound(self, port: int) -> socket.socket:
        made = socket.socket(self._family, socket.SOCK_DGRAM)
        try:
            made.setblocking(False)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
            made.bind((self._address, port))
        except OSError:
            made.close()
            raise
        _expedite(made)
        return made

    def _explain(self, error: OSError) -> str:
        host = self._settings.rtp_host
        if error.errno == errno.EADDRNOTAVAIL:
            return f"{host} is no address of this machine: set `external_media.rtp_host` to one, or to 0.0.0.0 for all"
        return f"no UDP port can be bound on {host}: {error.strerror}"

    def _refusal(self, reason: str, text: str) -> Refused:
        """Counted; for the caller to raise. It is worth asking again only where ports were all in use."""
        self.refused[reason] += 1
        return Refused(text, busy=reason == FULL)


def port_of(bound: socket.socket) -> int:
    return int(bound.getsockname()[1])


def far_end(bound: socket.socket, host: str, port: int) -> tuple[str, int]:
    """Asterisk's end, as a socket of this family has it. Raises `Refused` for what cannot be sent to."""
    try:
        found = addresses.address(host)
    except ValueError:
        raise Refused(f"Asterisk's end of the RTP is said to be {host!r}, which is no address") from None
    if found.is_unspecified or not 0 < port <= 65535:
        raise Refused(f"Asterisk's end of the RTP is said to be {host}:{port}, where nothing can be sent to")
    if bound.family == socket.AF_INET6:
        return str(found) if found.version == 6 else f"::ffff:{found}", port
    if found.version == 6:
        raise Refused(f"Asterisk's end of the RTP is {host}, and `external_media.rtp_host` is an IPv4 address")
    return str(found), port


def _expedite(made: socket.socket) -> None:
    try:
        if made.family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, EXPEDITED)
        # Of an IPv6 socket too: for the IPv4 addresses that it reaches.
        made.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, EXPEDITED)
    except OSError as error:
        log.debug("audio is sent without a mark for routers: %s", error)
