"""One open call, as the supervisor knows it, and how many others its audio actor may serve beside it."""

import asyncio
import socket
from collections import deque
from dataclasses import dataclass, field
from typing import Self

from supervisor.handover import NONE, HandedCall
from supervisor.warm_pool import AudioActor

MOST_TAKEOVERS, TAKEOVER_PERIOD_S = 3, 10.0
"""A connection that has been in more deaths of audio actors than this within the period is given up, if it was alone in
the last: whatever it carries kills them, and would go on to kill those that other calls need."""

FEW = 10
"""Where many calls share an actor, one death says little of any of them: whoever has been in two shares the next actor
with a tenth of the usual company, and whoever has been in three has it alone. So one connection that kills 200 callers'
actor does not make 200 processes of them, and none of the 199 is given up with it."""


@dataclass(eq=False)
class Call:
    call_id: str
    rate: int
    segment: str
    bells: list[int]
    media_uuid: str
    """Of the connection that is expected, or was expected last."""
    awaited: bool = True
    """True while no connection has come with `media_uuid`."""
    actor: AudioActor | None = None
    media: socket.socket | None = None
    """Our duplicate of the connection, while it lasts."""
    opened_ns: int = 0
    attached: bool = False
    """True while `actor` serves `media`."""
    begun: bool = False
    """True once any actor has served `media`."""
    reason: str = ""
    """Why `media` goes to `actor`, for whoever is told."""
    replaced: int = 0
    """Connections that were replaced while they were served, and whose `MediaEnded` is still to come."""
    closing: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when `attached` has become false, for `close`."""
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    deaths: deque[float] = field(default_factory=lambda: deque(maxlen=MOST_TAKEOVERS + 1))
    """When it has lost an audio actor, on CLOCK_MONOTONIC in seconds."""

    def handed(self) -> HandedCall:
        return HandedCall(
            call_id=self.call_id,
            rate=self.rate,
            segment=self.segment,
            bells=tuple(self.bells),
            media_uuid=self.media_uuid,
            awaited=self.awaited,
            media=NONE if self.media is None else self.media.fileno(),
            actor=self.actor.name if self.actor else "",
            attached=self.attached,
            begun=self.begun,
            replaced=self.replaced,
            opened_ns=self.opened_ns,
        )

    @classmethod
    def adopted(cls, handed: HandedCall, actor: AudioActor | None) -> Self:
        """The same call, in the next program."""
        return cls(
            handed.call_id,
            handed.rate,
            handed.segment,
            list(handed.bells),
            handed.media_uuid,
            awaited=handed.awaited,
            actor=actor,
            media=None if handed.media == NONE else socket.socket(fileno=handed.media),
            opened_ns=handed.opened_ns,
            attached=handed.attached and actor is not None,
            begun=handed.begun,
            replaced=handed.replaced if actor is not None else 0,
        )


def company(deaths: int, density: int) -> int:
    """How many calls may share an actor, one of which has been in so many deaths of late, itself included."""
    if deaths <= 1:
        return density
    return max(1, density // FEW) if deaths == 2 else 1
