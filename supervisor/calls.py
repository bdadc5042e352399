"""The open calls: for each its rings and bells, its audio actor, and a duplicate of its media connection.

    open --ExpectMedia, connection--> attached --audio actor dies--> (moved) attached --CloseCall--> closed
      ^                                  |
      '----------- media lost -----------'      the call stays open; another connection may be expected

The duplicate is what lets an audio actor die: its successor gets the same connection and the same rings.
"""

import asyncio
import contextlib
import errno
import logging
import os
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
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
from supervisor.call import MOST_TAKEOVERS, TAKEOVER_PERIOD_S, Call, company
from supervisor.children import Children
from supervisor.handover import HandedCall
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


class Calls:
    def __init__(
        self,
        pool: WarmPool,
        children: Children,
        segment_prefix: str,
        most: int,
        publish: Callable[[MediaChanged], None],
    ) -> None:
        """`most`: calls at once."""
        self.refused: Counter[str] = Counter()
        """Calls that were not opened, by reason."""
        self.draining = False
        """No call is opened any more; those that are open go on."""
        self._most = most
        self._pool = pool
        self._children = children
        self._prefix = segment_prefix
        self._publish = publish
        self._calls: dict[str, Call] = {}
        self._ending = False
        self.last_number = 0
        """Of the segment that was made last."""
        pool.on_message = self._hear
        pool.on_room = self._serve_who_waits

    def __len__(self) -> int:
        return len(self._calls)

    @property
    def full(self) -> bool:
        return len(self._calls) >= self._most

    def listing(self) -> tuple[OpenedCall, ...]:
        return tuple(
            OpenedCall(
                call_id=call.call_id,
                segment=call.segment,
                rate=call.rate,
                media_uuid=call.media_uuid,
                audio_actor=call.actor.name if call.actor else "",
                opened_ns=call.opened_ns,
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
            raise self._refusal("closing", f"call {command.call_id} is being closed")
        elif command.media_uuid != call.media_uuid:
            self.expect(command.call_id, command.media_uuid)
        return CallOpened(segment=call.segment, audio_actor=call.actor.name if call.actor else "")

    def _make(self, command: OpenCall) -> Call:
        if command.rate not in RATES:
            text = f"call {command.call_id} wants {command.rate} samples per second; 8000 and 16000 are possible"
            raise self._refusal("wrong rate", text, busy=False)
        if self.draining:
            raise self._refusal("draining", "no new calls are taken (`ringmaster drain --off` takes that back)")
        if self.full:
            raise self._refusal("full", "as many calls as `audio.max_calls` allows are open")
        actor = self._pool.take(command.call_id)
        if actor is None:
            text = "no audio actor waits for a call; they are started as fast as they can be"
            raise self._refusal("no audio actor", text)
        self.last_number += 1
        segment = f"{self._prefix}call-{self.last_number}"
        try:
            rings.create(segment, command.rate)
            bells = rings.make_bells()
        except OSError as error:
            rings.unlink(segment)
            self._pool.leave(actor, command.call_id)
            log.error("call %s cannot be opened: %s", command.call_id, error)
            lacking = "no descriptors" if error.errno in (errno.EMFILE, errno.ENFILE) else "no shared memory"
            raise self._refusal(lacking, str(error)) from error
        log.info("call %s: open on %s", command.call_id, actor.name)
        return Call(
            command.call_id,
            command.rate,
            segment,
            bells,
            command.media_uuid,
            actor=actor,
            opened_ns=time.monotonic_ns(),
        )

    def _refusal(self, reason: str, text: str, *, busy: bool = True) -> Refused:
        """Counted; for the caller to raise."""
        self.refused[reason] += 1
        return Refused(text, busy=busy)

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
        self._mark(call, attached=False)
        call.awaited = call.begun = False
        call.media = connection
        self._attach(call, "")

    def _awaiting(self, media_uuid: str) -> Call | None:
        for call in self._calls.values():
            if call.awaited and call.media_uuid == media_uuid and not call.closing:
                return call
        return None

    def _attach(self, call: Call, reason: str) -> None:
        """Gives the call's connection to its audio actor; without one, to whoever has room now or next."""
        call.actor = call.actor or self._seat(call)
        if call.actor is None or call.media is None:
            log.warning("call %s waits for an audio actor", call.call_id)
            return
        call.reason = reason
        message = AttachMedia(call_id=call.call_id, segment=call.segment)
        if not self._send(call, message, [call.media.fileno(), *call.bells]):
            return
        self._mark(call, attached=True)
        state: Literal["attached", "moved"] = "moved" if call.begun else "attached"
        call.begun = True
        log.info("call %s: media %s on %s", call.call_id, state, call.actor.name)
        self._publish(MediaChanged(call_id=call.call_id, state=state, reason=reason))

    def _seat(self, call: Call) -> AudioActor | None:
        """A place on an audio actor, among as many others as its past allows."""
        now = time.monotonic()
        late = sum(now - death < TAKEOVER_PERIOD_S for death in call.deaths)
        if not late:
            return self._pool.take(call.call_id)
        few = company(late, self._pool.density)
        wary_until = now + TAKEOVER_PERIOD_S if few < self._pool.density else 0.0
        return self._pool.take(call.call_id, spread=True, company=few, wary_until=wary_until)

    def _mark(self, call: Call, *, attached: bool) -> None:
        if call.actor is not None and call.attached != attached:
            self._pool.count_media(call.actor, 1 if attached else -1)
        call.attached = attached
        if not attached:
            call.changed.set()

    def _send(self, call: Call, message: MediaMessage, files: Sequence[int] = ()) -> bool:
        """False when the actor is dead: then its pidfd is about to say so, and its successor is told instead. False
        also when it has yet to read what it was sent (some 270 messages): what is missing is sent once it has."""
        if call.actor is None:
            return False
        try:
            descriptors.send(call.actor.control, message, files)
        except BlockingIOError:
            self._pool.when_writable(call.actor, self._send_the_rest)
            return False
        except OSError as error:
            log.warning("call %s: cannot reach %s: %s", call.call_id, call.actor.name, error)
            return False
        return True

    def _send_the_rest(self, actor: AudioActor) -> None:
        """It has read, and there is room for more: those of its calls that wait for that are attached."""
        for call in [self._calls[call_id] for call_id in actor.calls if call_id in self._calls]:
            if call.actor is actor and call.media is not None and not call.attached and not call.closing:
                self._attach(call, call.reason)

    def _hear(self, actor: AudioActor, message: MediaMessage) -> None:
        call = self._calls.get(message.call_id)
        if call is None or call.actor is not actor or not isinstance(message, MediaEnded):
            return
        if call.replaced:
            # Exactly one comes for each connection, and this one is for an older connection than the call's.
            call.replaced -= 1
            return
        self._lose(call, f"{message.reason}{': ' if message.detail else ''}{message.detail}")

    def _lose(self, call: Call, reason: str) -> None:
        """The connection has ended. The audio actor stays with the call, for the next connection."""
        self._mark(call, attached=False)
        if call.closing:
            return  # `close` has the rest
        if call.media is not None:
            call.media.close()
            call.media = None
        log.info("call %s: media lost (%s)", call.call_id, reason)
        self._publish(MediaChanged(call_id=call.call_id, state="lost", reason=reason))

    # -- the death of audio actors

    def actor_ended(self, actor: AudioActor) -> None:
        """To be told of every audio actor that has ended, after the pool. All its calls are taken over at once."""
        lost = [self._calls[call_id] for call_id in sorted(actor.calls) if call_id in self._calls]
        for call in lost:
            call.actor = None
            call.attached = False
            call.replaced = 0
            call.changed.set()
        for call in lost:
            if call.media is None or call.closing or self._ending:
                continue
            if actor.recycled:
                self._attach(call, f"{actor.name} was recycled")
            else:
                self._take_over(call, f"{actor.name} died", alone=len(lost) == 1)

    def _take_over(self, call: Call, reason: str, *, alone: bool) -> None:
        now = time.monotonic()
        call.deaths.append(now)
        if alone and len(call.deaths) > MOST_TAKEOVERS and now - call.deaths[0] < TAKEOVER_PERIOD_S:
            self._lose(call, f"{MOST_TAKEOVERS + 1} audio actors died of it within {TAKEOVER_PERIOD_S:g} s")
            return
        self._attach(call, reason)

    def _serve_who_waits(self) -> None:
        """There is room: callers who have lost their audio actor, or never had one, come before the next call. As many
        as find room."""
        for call in list(self._calls.values()):
            if call.media is None or call.closing or call.actor is not None:
                continue
            call.actor = self._seat(call)
            if call.actor is not None:
                self._attach(call, "an audio actor has become free")

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

    async def settle(self, within_s: float) -> None:
        """Until no call is just being closed."""
        closing = [call.closed.wait() for call in self._calls.values() if call.closing]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await asyncio.gather(*closing)

    async def close_all(self) -> None:
        async with asyncio.TaskGroup() as closing:
            for call_id in list(self._calls):
                closing.create_task(self.close(call_id))

    # -- from one program to the next

    def handed(self) -> tuple[HandedCall, ...]:
        return tuple(call.handed() for call in self._calls.values() if not call.closing)

    def adopt(self, handed: Iterable[HandedCall], actors: Mapping[str, AudioActor]) -> None:
        """Calls of a predecessor, whose actors the pool knows already. Whoever has lost theirs waits for another."""
        for call in handed:
            self._calls[call.call_id] = Call.adopted(call, actors.get(call.actor))

    @staticmethod
    def _tell_readers(call: Call) -> None:
        """Marks the rings as closed and wakes everybody who sleeps on them."""
        try:
            view = rings.Rings(call.segment)
        except FileNotFoundError:
            log.warning("call %s: somebody has removed its rings from shared memory", call.call_id)
        except OSError as error:
            # No descriptor is left for it. The bells wake them all the same, and the call's end is told on the bus.
            log.warning("call %s: its rings cannot be marked as closed: %s", call.call_id, error)
        else:
            view.mark_closed()
            view.close()
        for bell in call.bells:
            os.eventfd_write(bell, 1)

    async def _release(self, call: Call, actor: AudioActor) -> None:
        """Detach; let it end, if this was its last call; kill it: three bounded waits."""
        if call.attached and self._send(call, DetachMedia(call_id=call.call_id)):
            await _detached(call)
        self._mark(call, attached=False)
        call.actor = None
        if not self._pool.leave(actor, call.call_id) or await _ends(actor, LEAVE_S):
            return
        process = self._children.process(actor.name)
        if process is not None:
            log.warning("call %s: %s does not end; killing it", call.call_id, actor.name)
            process.kill()
            await _ends(actor, KILL_S)


async def _detached(call: Call) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DETACH_S):
            while call.attached:
                call.changed.clear()
                await call.changed.wait()


async def _ends(actor: AudioActor, within_s: float) -> bool:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            await actor.gone.wait()
    return actor.gone.is_set()
