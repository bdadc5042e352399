"""The open calls: for each its rings and bells, its audio actor, and a duplicate of its media connection.

    open --ExpectMedia, connection--> attached --audio actor dies--> (moved) attached --CloseCall--> closed
      ^                                |  ^ |
      '---------- media lost ----------'  '-'   another connection, perhaps of another wire, was expected and has come

The duplicate is what lets an audio actor die: its successor gets the same connection and the same rings. How the
connections of each kind of wire come about is in `supervisor.lines`.
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

from config.schema import Settings
from ipc import descriptors, rings
from ipc.bus import Refused
from ipc.descriptors import MediaMessage
from ipc.messages import (
    CallOpened,
    ConnectMedia,
    DetachMedia,
    FileHeard,
    FileReady,
    FilesDropped,
    MediaAwaited,
    MediaChanged,
    MediaEnded,
    OpenCall,
    OpenedCall,
    Wire,
)
from supervisor.call import MOST_TAKEOVERS, TAKEOVER_PERIOD_S, Call, company
from supervisor.children import Children
from supervisor.handover import HandedCall
from supervisor.lines import Lines
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
        settings: Settings,
        publish: Callable[[MediaChanged], None],
        tell: Callable[[str, FileReady | FilesDropped], None],
    ) -> None:
        """`tell` passes an audio actor's note on to the call-control of this name."""
        self.refused: Counter[str] = Counter()
        """Calls that were not opened, by reason."""
        self.draining = False
        """No call is opened any more; those that are open go on."""
        self._most = settings.audio.max_calls
        self._pool = pool
        self._children = children
        self._prefix = segment_prefix
        self._publish = publish
        self._tell = tell
        self._lines = Lines(settings)
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
        return tuple(call.listed() for call in self._calls.values())

    @property
    def media_refused(self) -> Counter[str]:
        """Media connections that did not come about, by reason, but for those at the door."""
        return self._lines.refused

    def bells(self, call_id: str) -> Sequence[int] | None:
        call = self._calls.get(call_id)
        return None if call is None or call.closing else call.bells

    def open(self, command: OpenCall, owner: str) -> CallOpened:
        """Also answers for a call that is open already: call-control may ask again. Raises `Refused`."""
        call = self._calls.get(command.call_id)
        if call is None:
            call = self._calls[command.call_id] = self._make(command, owner)
        elif call.closing:
            raise self._refusal("closing", f"call {command.call_id} is being closed")
        else:
            call.owner = owner
            if command.media_uuid != call.last.uuid:
                self._lines.expect(call, command.media_uuid, command.wire)
        host, port = self._lines.where(call.last)
        return CallOpened(segment=call.segment, audio_actor=call.actor.name if call.actor else "", host=host, port=port)

    def _make(self, command: OpenCall, owner: str) -> Call:
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
        try:
            line = self._lines.make(command.media_uuid, command.wire)
        except Refused as refused:
            self._pool.leave(actor, command.call_id)
            raise self._refusal("no media", str(refused), busy=refused.busy) from refused
        self.last_number += 1
        segment = f"{self._prefix}call-{self.last_number}"
        try:
            rings.create(segment, command.rate)
            bells = rings.make_bells()
        except OSError as error:
            rings.unlink(segment)
            self._lines.drop(line)
            self._pool.leave(actor, command.call_id)
            log.error("call %s cannot be opened: %s", command.call_id, error)
            lacking = "no descriptors" if error.errno in (errno.EMFILE, errno.ENFILE) else "no shared memory"
            raise self._refusal(lacking, str(error)) from error
        log.info("call %s: open on %s", command.call_id, actor.name)
        return Call(
            command.call_id,
            owner,
            command.rate,
            segment,
            bells,
            line,
            command.playback,
            actor=actor,
            opened_ns=time.monotonic_ns(),
        )

    def _refusal(self, reason: str, text: str, *, busy: bool = True) -> Refused:
        """Counted; for the caller to raise."""
        self.refused[reason] += 1
        return Refused(text, busy=busy)

    def _known(self, call_id: str) -> Call:
        """Raises `Refused` for an unknown call."""
        call = self._calls.get(call_id)
        if call is None or call.closing:
            raise Refused(f"there is no open call {call_id}")
        return call

    # -- the connection

    def expect(self, call_id: str, media_uuid: str, wire: Wire = "audiosocket") -> MediaAwaited:
        """The call's next connection is this one; what carries it until then goes on. Asked again, it answers the same.
        Raises `Refused`, and then the call expects what it did before."""
        call = self._known(call_id)
        self._lines.expect(call, media_uuid, wire)
        host, port = self._lines.where(call.last)
        return MediaAwaited(host=host, port=port)

    async def connect(self, command: ConnectMedia) -> None:
        """Returns once the awaited connection carries the call; where no audio actor is free, the next one gets it.
        Raises `Refused`. May be asked again at any time."""
        await self._lines.connect(self._known(command.call_id), command, self._begin)

    def awaits(self, media_uuid: str) -> bool:
        return self._awaiting(media_uuid) is not None

    def knows(self, media_uuid: str) -> bool:
        """True when an open call awaits this connection, or has had it."""
        return any(media_uuid in (call.last.uuid, call.media and call.media.uuid) for call in self._calls.values())

    def deliver(self, media_uuid: str, connection: socket.socket) -> None:
        """The connection that a call awaits has come; it belongs to the call from now on. Asks for `awaits` before."""
        call = self._awaiting(media_uuid)
        assert call is not None
        call.last.connection = connection
        self._begin(call)

    def _awaiting(self, media_uuid: str) -> Call | None:
        for call in self._calls.values():
            if call.awaited and (call.last.uuid, call.last.wire) == (media_uuid, "audiosocket") and not call.closing:
                return call
        return None

    def _begin(self, call: Call) -> None:
        """The awaited connection is there. It replaces one that may still look alive."""
        before, call.media = call.media, call.last
        call.outdated = call.outdated or call.attached
        self._mark(call, attached=False)
        call.awaited = call.begun = False
        if before is not None:
            self._lines.drop(before)
        self._attach(call, "")

    def _attach(self, call: Call, reason: str) -> None:
        """Gives the call's connection to its audio actor; without one, to whoever has room now or next."""
        call.actor = call.actor or self._seat(call)
        if call.actor is None or call.media is None:
            log.warning("call %s waits for an audio actor", call.call_id)
            return
        call.reason = reason
        if call.outdated:
            if not self._send(call, DetachMedia(call_id=call.call_id)):
                return
            call.outdated = False
            call.replaced += 1
        if not self._send(call, call.attach(call.media), [call.media.descriptor, *call.bells]):
            return
        self._mark(call, attached=True)
        state: Literal["attached", "moved"] = "moved" if call.begun else "attached"
        call.begun = True
        log.info("call %s: media (%s) %s on %s", call.call_id, call.media.wire, state, call.actor.name)
        self._publish(MediaChanged(call_id=call.call_id, state=state, reason=reason, media_uuid=call.media.uuid))

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
            if call.actor is not actor or call.closing:
                continue
            if call.media is not None and not call.attached:
                self._attach(call, call.reason)
            while call.unsent and self._send(call, call.unsent[0]):
                call.unsent.popleft()

    def file_heard(self, note: FileHeard) -> None:
        """To the audio actor that serves the call now. It may know nothing of this file: its predecessor made it."""
        call = self._calls.get(note.call_id)
        if call is None or call.closing or call.actor is None:
            return
        if call.unsent or not self._send(call, note):
            call.unsent.append(note)

    def _hear(self, actor: AudioActor, message: MediaMessage) -> None:
        call = self._calls.get(message.call_id)
        if call is None or call.actor is not actor:
            return
        match message:
            case MediaEnded():
                self._media_ended(call, f"{message.reason}{': ' if message.detail else ''}{message.detail}")
            case FileReady() | FilesDropped() if not call.closing:
                self._tell(call.owner, message)

    def _media_ended(self, call: Call, reason: str) -> None:
        # Exactly one comes for each connection, in their order: older connections than the call's come first.
        if call.replaced:
            call.replaced -= 1
        elif call.outdated:
            call.outdated = False
        else:
            self._lose(call, reason)

    def _lose(self, call: Call, reason: str) -> None:
        """The connection has ended. The audio actor stays with the call, for the next connection."""
        self._mark(call, attached=False)
        if call.closing or call.media is None:
            return  # `close` has the rest
        lost, call.media = call.media, None
        self._lines.drop(lost)
        log.info("call %s: media (%s) lost (%s)", call.call_id, lost.wire, reason)
        self._publish(MediaChanged(call_id=call.call_id, state="lost", reason=reason, media_uuid=lost.uuid))

    # -- the death of audio actors

    def actor_ended(self, actor: AudioActor) -> None:
        """To be told of every audio actor that has ended, after the pool. All its calls are taken over at once."""
        lost = [self._calls[call_id] for call_id in sorted(actor.calls) if call_id in self._calls]
        for call in lost:
            call.forget_actor()
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
        self._lines.expect_nothing(call)
        call.tell_readers()
        if call.actor is not None:
            await self._release(call, call.actor)
        if call.media is not None:
            await self._lines.part(call.media, PART_S)
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

    async def rest(self, within_s: float) -> None:
        """Connections that are just being made have so long to come about; those that do not are given up."""
        await self._lines.rest(self._calls.values(), within_s)

    def handed(self) -> tuple[HandedCall, ...]:
        return tuple(call.handed() for call in self._calls.values() if not call.closing)

    def adopt(self, handed: Iterable[HandedCall], actors: Mapping[str, AudioActor]) -> None:
        """Calls of a predecessor, whose actors the pool knows already. Whoever has lost theirs waits for another."""
        for call in handed:
            adopted = self._calls[call.call_id] = Call.adopted(call, actors.get(call.actor))
            self._lines.adopt(adopted)
            if adopted.actor is not None and adopted.media is not None and not adopted.attached:
                self._attach(adopted, "")  # there was no room to tell it

    async def _release(self, call: Call, actor: AudioActor) -> None:
        """Detach; let it end, if this was its last call; kill it: three bounded waits."""
        if (call.attached or call.outdated) and self._send(call, DetachMedia(call_id=call.call_id)):
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
