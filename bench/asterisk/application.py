"""A Stasis application as Asterisk keeps it: who listens, to what, and what is lost meanwhile.

An application follows a channel or a bridge as long as anybody is interested; interest is counted, because a channel
that ARI originated is followed twice (by the originate and by being in Stasis), which is why its ChannelDestroyed
arrives, and a channel from the dialplan only once, which is why its own does not. Source: recordings; counting of
bridges derived from the source of Asterisk.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

Event = dict[str, Any]
Kind = str
CHANNEL: Kind = "channel"
BRIDGE: Kind = "bridge"
ENDPOINT: Kind = "endpoint"
DEVICE: Kind = "deviceState"
# What subscribeAll=true follows.
FOLLOWED = frozenset({CHANNEL, BRIDGE})


class Application:
    """name:       as in `Stasis(name)`
    follow_all: connected with subscribeAll=true
    """

    def __init__(self, name: str, asterisk_id: str, follow_all: bool) -> None:
        self.name = name
        self.follow_all = follow_all
        self.allowed: list[Event] = []
        self.disallowed: list[Event] = []
        self._asterisk_id = asterisk_id
        self._interest: Counter[tuple[Kind, str]] = Counter()
        self._listener: Callable[[Event], None] | None = None

    @property
    def active(self) -> bool:
        return self._listener is not None

    @property
    def finished(self) -> bool:
        """Nobody listens and nothing is followed: Asterisk forgets the application."""
        return not self.active and not self._interest and not self.follow_all

    def connect(self, listener: Callable[[Event], None], now: str) -> None:
        """A WebSocket takes over; the one before hears ApplicationReplaced and nothing more."""
        if self._listener is not None:
            self.send({"type": "ApplicationReplaced", "timestamp": now})
        self._listener = listener

    def disconnect(self, listener: Callable[[Event], None]) -> None:
        """The WebSocket is gone; nothing happens if another one has taken over."""
        # "is" would not do: a bound method is a new object each time it is named.
        if self._listener == listener:
            self._listener = None
            self.follow_all = False

    def subscribe(self, kind: Kind, key: str) -> None:
        if not self.follow_all:
            self._interest[kind, key] += 1

    def unsubscribe(self, kind: Kind, key: str, completely: bool = False) -> bool:
        """False if it was not followed."""
        if (kind, key) not in self._interest:
            return False
        self._interest[kind, key] -= 1
        if completely or self._interest[kind, key] <= 0:
            del self._interest[kind, key]
        return True

    def follows(self, kind: Kind, key: str) -> bool:
        return (self.follow_all and kind in FOLLOWED) or (kind, key) in self._interest

    def send(self, event: Event) -> None:
        """To the WebSocket, if there is one: events are lost, never kept."""
        if self._listener is not None and self._passes(event):
            self._listener({**event, "asterisk_id": self._asterisk_id, "application": self.name})

    def _passes(self, event: Event) -> bool:
        kind = event["type"]
        if any(entry["type"] == kind for entry in self.disallowed):
            return False
        return not self.allowed or any(entry["type"] == kind for entry in self.allowed)

    def json(self) -> Event:
        def followed(kind: Kind) -> list[str]:
            return sorted(key for known, key in self._interest if known == kind)

        return {
            "name": self.name,
            "channel_ids": followed(CHANNEL),
            "bridge_ids": followed(BRIDGE),
            "endpoint_ids": followed(ENDPOINT),
            "device_names": followed(DEVICE),
            "events_allowed": self.allowed,
            "events_disallowed": self.disallowed,
        }
