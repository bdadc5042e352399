"""The open calls: for each its rings and bells, its audio actor, and a duplicate of its media connection.

    open --ExpectMedia, connection--> attached --audio actor dies--> (moved) attached --CloseCall--> closed
      ^                                  |
      '----------- media lost -----------'      the call stays open; another connection may be expected

The duplicate is what lets an audio actor die: its successor gets the same connection and the same rings.
"""

import asyncio
import contextlib
import logging
import os
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Literal

from ipc import descriptors, rings
from ipc.bus import Refused
from ipc.descriptors import MediaMessage
from ipc.messages import (
    AttachMedia,
    CallOpened,
    DetachMedia,
    MediaChanged,
    MediaEnded,
    OpenCall,
    OpenedCall,
)
from supervisor.children import Children
from supervisor.parting import part
from supervisor.warm_pool import AudioActor, WarmPool

log = logging.getLogger(__name__)

RATES = (8000, 16000)

DETACH_S = 0.7
"""From `DetachMedia` to `MediaEnded`: the actor sends one frame and closes."""
LEAVE_S = 0.4
"""From the end of its control socket to the end of an audio actor."""
KILL_S = 0.5
"""From SIGKILL to the end of the process."""
PART_S = 0.3
"""From our last byte until Asterisk has closed its side. The four together keep a call's end within 2 s."""

MOST_TAKEOVERS, TAKEOVER_PERIOD_S = 3, 10.0
"""A connection that has cost more audio actors than this within the period is given up: whatever it carries kills them,
and would go on to kill those that other calls need."""


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
    attached: bool = False
    """True while `actor` serves `media`."""
    begun: bool = False
    """True once any actor has served `media`."""
    replaced: int = 0
    """Connections that were replaced while they were served, and whose `MediaEnded` is still to come."""
    closing: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when `attached` or `actor` has changed, for `close`."""
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    takeovers: deque[float] = field(default_factory=lambda: deque(maxlen=MOST_TAKEOVERS))


class Calls:
    def __init__(
        self, pool: WarmPool, children: Children, segment_prefix: str, publish: Callable[[MediaChanged], None]
    ) -> None:
        self._pool = pool
        self._children = children
        self._prefix = segment_prefix
        self._publish = publish
        self._calls: dict[str, Call] = {}
        self._ending = False
        self._numbers = count(1)
        pool.on_message = self._hear
        pool.on_warm = self._serve_who_waits

    def __len__(self) -> int:
        return len(self._calls)

    def listing(self) -> tuple[OpenedCall, ...]:
        return tuple(
            OpenedCall(
                call_id=call.call_id,
                segment=call.segment,
                rate=call.rate,
                media_uuid=call.media_uuid,
                audio_actor=call.actor.name if call.actor else "",
            )
            for call in self._calls.values()
        )

    def bells(self, call_id: str) -> Sequence[int] | None:
        call = self._calls.get(call_id)
        return None if call is None or call.closing else call.bells

    def open(self, command: OpenCall) -> CallOpened:
        """Also answers for a call that is open already: call-control may ask again. Raises `Refused`."""
        call = self._calls.get(command.call_id)
        if call is None:
            call = self._calls[command.call_id] = self._make(command)
        elif call.closing:
            raise Refused(f"call {command.call_id} is being closed", busy=True)
        elif command.media_uuid != call.media_uuid:
            self.expect(command.call_id, command.media_uuid)
        return CallOpened(segment=call.segment, audio_actor=call.actor.name if call.actor else "")

    def _make(self, command: OpenCall) -> Call:
        if command.rate not in RATES:
            raise Refused(
                f"call {command.call_id} wants {command.rate} samples per second; 8000 and 16000 are possible"
            )
        if self._pool.full:
            raise Refused("as many calls as `audio.max_calls` allows are open", busy=True)
        actor = self._pool.take()
        if actor is None:
            raise Refused("no audio actor waits for a call; they are started as fast as they can be", busy=True)
        segment = f"{self._prefix}call-{next(self._numbers)}"
        try:
            rings.create(segment, command.rate)
            bells = rings.make_bells()
        except OSError as error:
            rings.unlink(segment)
            self._pool.give_back(actor)
            log.error("call %s cannot be opened: %s", command.call_id, error)
            raise Refused(str(error), busy=True) from error
        log.info("call %s: open on %s", command.call_id, actor.name)
        return Call(command.call_id, command.rate, segment, bells, command.media_uuid, actor=actor)

    def expect(self, call_id: str, media_uuid: str) -> None:
        """Raises `Refused` for an unknown call."""
        call = self._calls.get(call_id)
        if call is None or call.closing:
            raise Refused(f"there is no open call {call_id}")
        call.media_uuid = media_uuid
        call.awaited = True

    # -- the connection

    def awaits(self, media_uuid: str) -> bool:
        return self._awaiting(media_uuid) is not None

    def knows(self, media_uuid: str) -> bool:
        """True when an open call awaits this connection, or has had it."""
        return any(call.media_uuid == media_uuid for call in self._calls.values())

    def deliver(self, media_uuid: str, connection: socket.socket) -> None:
        """The connection that a call awaits has come; it belongs to the call from now on. Asks for `awaits` before."""
        call = self._awaiting(media_uuid)
        assert call is not None
        if call.media is not None:
            # The new connection replaces one that may still look alive.
            if call.attached and self._send(call, DetachMedia(call_id=call.call_id)):
                call.replaced += 1
            call.media.close()
        call.awaited = call.attached = call.begun = False
        call.media = connection
        self._attach(call, "")

    def _awaiting(self, media_uuid: str) -> Call | None:
        for call in self._calls.values():
            if call.awaited and call.media_uuid == media_uuid and not call.closing:
                return call
        return None

    def _attach(self, call: Call, reason: str) -> None:
        """Gives the call's connection to its audio actor; without one, to the next that is warm."""
        call.actor = call.actor or self._pool.take()
        if call.actor is None or call.media is None:
            log.warning("call %s waits for an audio actor", call.call_id)
            return
        message = AttachMedia(call_id=call.call_id, segment=call.segment)
        call.attached = self._send(call, message, [call.media.fileno(), *call.bells])
        call.actor.used = True
        if call.attached:
            state: Literal["attached", "moved"] = "moved" if call.begun else "attached"
            call.begun = True
            log.info("call %s: media %s on %s", call.call_id, state, call.actor.name)
            self._publish(MediaChanged(call_id=call.call_id, state=state, reason=reason))

    @staticmethod
    def _send(call: Call, message: MediaMessage, files: Sequence[int] = ()) -> bool:
        """False when the actor is dead: then its pidfd is about to say so, and its successor is told instead."""
        if call.actor is None:
            return False
        try:
            descriptors.send(call.actor.control, message, files)
        except OSError as error:
            log.warning("call %s: cannot reach %s: %s", call.call_id, call.actor.name, error)
            return False
        return True

    def _hear(self, actor: AudioActor, message: MediaMessage) -> None:
        call = self._of(actor)
        if call is None or not isinstance(message, MediaEnded):
            return
        if call.replaced:
            # Exactly one comes for each connection, and this one is for an older connection than the call's.
            call.replaced -= 1
            return
        self._lose(call, f"{message.reason}{': ' if message.detail else ''}{message.detail}")

    def _lose(self, call: Call, reason: str) -> None:
        """The connection has ended. The audio actor stays with the call, for the next connection."""
        call.attached = False
        call.changed.set()
        if call.closing:
            return  # `close` has the rest
        if call.media is not None:
            call.media.close()
            call.media = None
        log.info("call %s: media lost (%s)", call.call_id, reason)
        self._publish(MediaChanged(call_id=call.call_id, state="lost", reason=reason))

    # -- the death of audio actors

    def actor_ended(self, name: str) -> None:
        """To be told of every child that has ended, after the pool."""
        for call in self._calls.values():
            if call.actor is not None and call.actor.name == name:
                call.actor = None
                call.attached = False
                call.replaced = 0
                call.changed.set()
                if call.media is not None and not call.closing and not self._ending:
                    self._take_over(call, f"{name} died")
                return

    def _take_over(self, call: Call, reason: str) -> None:
        now = time.monotonic()
        if len(call.takeovers) == MOST_TAKEOVERS and now - call.takeovers[0] < TAKEOVER_PERIOD_S:
            self._lose(call, f"{MOST_TAKEOVERS + 1} audio actors died of it within {TAKEOVER_PERIOD_S:g} s")
            return
        call.takeovers.append(now)
        self._attach(call, reason)

    def _serve_who_waits(self) -> None:
        """An audio actor is warm: a caller who has lost theirs, or never had one, comes before the next call."""
        for call in self._calls.values():
            if call.media is not None and not call.attached and not call.closing and call.actor is None:
                self._attach(call, "an audio actor has become free")
                return

    # -- the end

    async def close(self, call_id: str) -> None:
        """Ends a call, within 2 s whatever its audio actor does; returns when nothing of it is left."""
        call = self._calls.get(call_id)
        if call is None:
            return
        if call.closing:
            await call.closed.wait()
            return
        call.closing = True
        self._tell_readers(call)
        if call.actor is not None:
            await self._release(call, call.actor)
        if call.media is not None:
            await part(call.media, PART_S)
        for bell in call.bells:
            os.close(bell)
        rings.unlink(call.segment)
        del self._calls[call_id]
        call.closed.set()
        log.info("call %s: closed", call_id)

    def begin_to_end(self) -> None:
        """The system stops: no audio actor that ends from now on is replaced."""
        self._ending = True

    async def close_all(self) -> None:
        async with asyncio.TaskGroup() as closing:
            for call_id in list(self._calls):
                closing.create_task(self.close(call_id))

    @staticmethod
    def _tell_readers(call: Call) -> None:
        """Marks the rings as closed and wakes everybody who sleeps on them."""
        try:
            view = rings.Rings(call.segment)
        except FileNotFoundError:
            log.warning("call %s: somebody has removed its rings from shared memory", call.call_id)
        else:
            view.mark_closed()
            view.close()
        for bell in call.bells:
            os.eventfd_write(bell, 1)

    async def _release(self, call: Call, actor: AudioActor) -> None:
        """Detach; let it end; kill it: three bounded waits."""
        if not actor.used:
            call.actor = None
            self._pool.give_back(actor)
            return
        if call.attached and self._send(call, DetachMedia(call_id=call.call_id)):
            await _wait(call, lambda: not call.attached, DETACH_S)
        self._pool.discharge(actor)
        await _wait(call, lambda: call.actor is None, LEAVE_S)
        process = self._children.process(actor.name)
        if call.actor is not None and process is not None:
            log.warning("call %s: %s does not end; killing it", call.call_id, actor.name)
            process.kill()
            await _wait(call, lambda: call.actor is None, KILL_S)

    def _of(self, actor: AudioActor) -> Call | None:
        return next((call for call in self._calls.values() if call.actor is actor), None)


async def _wait(call: Call, condition: Callable[[], bool], within_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            while not condition():
                call.changed.clear()
                await call.changed.wait()
