"""One open call, as the supervisor knows it, and how many others its audio actor may serve beside it."""

import asyncio
import logging
import os
import socket
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Self

from ipc import rings
from ipc.descriptors import MediaMessage
from ipc.messages import AttachMedia, OpenedCall, Wire
from supervisor.handover import NONE, HandedCall, HandedLine
from supervisor.warm_pool import AudioActor

log = logging.getLogger(__name__)

Playback = Literal["stream", "file"]

MOST_TAKEOVERS, TAKEOVER_PERIOD_S = 3, 10.0
"""A connection that has been in more deaths of audio actors than this within the period is given up, if it was alone in
the last: whatever it carries kills them, and would go on to kill those that other calls need."""

FEW = 10
"""Where many calls share an actor, one death says little of any of them: whoever has been in two shares the next actor
with a tenth of the usual company, and whoever has been in three has it alone. So one connection that kills 200 callers'
actor does not make 200 processes of them, and none of the 199 is given up with it."""


MOST_UNSENT = 64
"""Notes for an audio actor that has yet to read what it was sent: more are of no use to one that hangs."""


@dataclass(eq=False)
class Line:
    """One media connection of a call: awaited, or there."""

    uuid: str
    wire: Wire = "audiosocket"
    connection: socket.socket | None = None
    """Our duplicate. Of an awaited `rtp` it is there from the start; of others once the connection is there."""
    codec: str = ""
    peer_host: str = ""
    peer_port: int = 0
    """Of `rtp`, as in `AttachMedia`."""

    def handed(self) -> HandedLine:
        return HandedLine(
            uuid=self.uuid, wire=self.wire, codec=self.codec, peer_host=self.peer_host, peer_port=self.peer_port
        )

    @property
    def descriptor(self) -> int:
        return NONE if self.connection is None else self.connection.fileno()


@dataclass(eq=False)
class Call:
    call_id: str
    owner: str
    """The call-control that has opened it."""
    rate: int
    segment: str
    bells: list[int]
    last: Line
    """The connection that was expected last, whatever has become of it."""
    playback: Playback = "stream"
    awaited: bool = True
    """True while that has not come."""
    actor: AudioActor | None = None
    media: Line | None = None
    """The connection that carries the call, while it lasts."""
    dialing: "asyncio.Task[None] | None" = None
    """Makes the awaited connection, where that is for us to do."""
    opened_ns: int = 0
    attached: bool = False
    """True while `actor` serves `media`."""
    begun: bool = False
    """True once any actor has served `media`."""
    reason: str = ""
    """Why `media` goes to `actor`, for whoever is told."""
    outdated: bool = False
    """True while `actor` serves a connection that `media` has replaced, and has not been told."""
    replaced: int = 0
    """Connections that were replaced while they were served, and whose `MediaEnded` is still to come."""
    unsent: deque[MediaMessage] = field(default_factory=lambda: deque(maxlen=MOST_UNSENT))
    """Notes for `actor`, for which there was no room yet."""
    closing: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when `attached` has become false, for `close`."""
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    deaths: deque[float] = field(default_factory=lambda: deque(maxlen=MOST_TAKEOVERS + 1))
    """When it has lost an audio actor, on CLOCK_MONOTONIC in seconds."""

    def listed(self) -> OpenedCall:
        return OpenedCall(
            call_id=self.call_id,
            segment=self.segment,
            rate=self.rate,
            media_uuid=self.last.uuid,
            audio_actor=self.actor.name if self.actor else "",
            opened_ns=self.opened_ns,
            owner=self.owner,
            wire=self.last.wire,
            connected=self.media is not None,
        )

    def attach(self, media: Line) -> AttachMedia:
        """What its audio actor is told; the descriptors go along."""
        return AttachMedia(
            call_id=self.call_id,
            segment=self.segment,
            wire=media.wire,
            codec=media.codec,
            peer_host=media.peer_host,
            peer_port=media.peer_port,
            playback=self.playback,
        )

    def tell_readers(self) -> None:
        """Marks the rings as closed and wakes everybody who sleeps on them."""
        tell_readers(f"call {self.call_id}", self.segment, self.bells)

    def forget_actor(self) -> None:
        """It has died, and with it what it was to be told."""
        self.actor = None
        self.attached = self.outdated = False
        self.replaced = 0
        self.unsent.clear()
        self.changed.set()

    def handed(self) -> HandedCall:
        return HandedCall(
            call_id=self.call_id,
            owner=self.owner,
            rate=self.rate,
            segment=self.segment,
            bells=tuple(self.bells),
            playback=self.playback,
            media_uuid=self.last.uuid,
            wire=self.last.wire,
            awaited=self.awaited,
            waiting=self.last.descriptor if self.awaited else NONE,
            media=NONE if self.media is None else self.media.descriptor,
            served=None if self.media is None else self.media.handed(),
            actor=self.actor.name if self.actor else "",
            attached=self.attached,
            begun=self.begun,
            outdated=self.outdated,
            replaced=self.replaced,
            opened_ns=self.opened_ns,
        )

    @classmethod
    def adopted(cls, handed: HandedCall, actor: AudioActor | None) -> Self:
        """The same call, in the next program."""
        last = Line(handed.media_uuid, handed.wire, _socket(handed.waiting))
        media = None
        if handed.media != NONE:
            # A program that knew one wire only does not say which this is: it was the one that was expected last.
            served = handed.served or HandedLine(uuid=handed.media_uuid)
            media = Line(
                served.uuid, served.wire, _socket(handed.media), served.codec, served.peer_host, served.peer_port
            )
            if not handed.awaited and media.uuid == last.uuid:
                last = media
        return cls(
            handed.call_id,
            handed.owner,
            handed.rate,
            handed.segment,
            list(handed.bells),
            last,
            handed.playback,
            awaited=handed.awaited,
            actor=actor,
            media=media,
            opened_ns=handed.opened_ns,
            attached=handed.attached and actor is not None,
            begun=handed.begun,
            outdated=handed.outdated and actor is not None,
            replaced=handed.replaced if actor is not None else 0,
        )


def _socket(descriptor: int) -> socket.socket | None:
    if descriptor == NONE:
        return None
    made = socket.socket(fileno=descriptor)
    made.setblocking(False)  # so it is already; Python does not know that of one that it has not made itself
    return made


def tell_readers(whose: str, segment: str, bells: Sequence[int]) -> None:
    """Marks these rings as closed and wakes everybody who sleeps on them. `whose` they are is for the log."""
    try:
        view = rings.Rings(segment)
    except FileNotFoundError:
        log.warning("%s: somebody has removed its rings from shared memory", whose)
    except OSError as error:
        # No descriptor is left for it. The bells wake them all the same, and the call's end is told on the bus.
        log.warning("%s: its rings cannot be marked as closed: %s", whose, error)
    else:
        view.mark_closed()
        view.close()
    for bell in bells:
        os.eventfd_write(bell, 1)


def company(deaths: int, density: int) -> int:
    """How many calls may share an actor, one of which has been in so many deaths of late, itself included."""
    if deaths <= 1:
        return density
    return max(1, density // FEW) if deaths == 2 else 1
