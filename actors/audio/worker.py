"""An audio actor's life: waits warm for a call, then keeps its clock and reads its socket until the call is over.

One thread, no asyncio, no ZeroMQ, no allocation that grows: `select` wakes it for whatever comes first, the next frame
due, bytes from the peer, or a word from the supervisor. The same loop serves one call or several.
"""

import heapq
import logging
import select
import socket
import time
from functools import cache
from itertools import count
from pathlib import Path

from actors import scheduling
from actors.audio.media import Media
from actors.audio.wire import MediaOver
from config.load import load
from config.schema import Settings
from ipc import descriptors, flight, logs
from ipc.lifeline import ORPHANED, Lifeline
from ipc.messages import AttachMedia, DetachMedia, FileHeard, MediaEnded
from ipc.progress import Progress, State
from ipc.rings import Bell

log = logging.getLogger(__name__)

IDLE_NS = 250_000_000
"""A worker without a call shows progress this often."""


@cache
def settings(config: str) -> Settings:
    """The configuration, read once in the parent and inherited by every worker that is forked from it."""
    return load(Path(config)).settings


def serve(control: socket.socket, lifeline: Lifeline) -> None:
    """Serves calls that come over `control` until the supervisor closes it."""
    progress = lifeline.hold()
    logs.set_up(lifeline.name, settings(lifeline.config).run.log_level)
    scheduling.take(lifeline.placement)
    worker = Worker(control, lifeline, progress)
    progress.show(State.READY)
    lifeline.tell()
    while worker.open:
        worker.turn()


class Worker:
    """The loop and the calls it serves. `turn` is one round of it."""

    def __init__(self, control: socket.socket, lifeline: Lifeline, progress: Progress) -> None:
        self._control = control
        self._lifeline = lifeline
        self._progress = progress
        self._flight = flight.recorder()
        self._settings = settings(lifeline.config)
        self._calls: dict[str, Media] = {}
        self._clock: list[tuple[int, int, str, Media]] = []
        """A heap: when each call's next frame is due. Calls that have ended are left out when their turn comes."""
        self._order = count()
        self._eager: dict[int, str] = {}
        """Connections that are read as soon as something comes, and their calls."""
        # select() itself looks only at descriptors below 1024; a dense worker has five for each of its calls.
        self._arrivals = select.epoll()
        self._watched: list[socket.socket | int | select.epoll] = [control, lifeline.death_fd, self._arrivals]
        self.open = True

    def turn(self) -> None:
        """Sleeps until something is due or has come, and does it. The clock goes before the reading."""
        due = self._clock[0][0] - time.monotonic_ns() if self._clock else IDLE_NS
        readable = select.select(self._watched, (), (), max(0, due) / 1e9)[0]
        self._progress.bump()
        self._tick()
        if not readable:
            return
        if self._arrivals in readable:
            self._receive()
        if self._lifeline.death_fd in readable:
            raise SystemExit(ORPHANED)
        if self._control in readable:
            self._obey()

    def _tick(self) -> None:
        """Every call whose frame is due."""
        clock = self._clock
        while clock and (late := time.monotonic_ns() - clock[0][0]) >= 0:
            due, order, call_id, media = clock[0]
            if self._calls.get(call_id) is not media:
                heapq.heappop(clock)
                continue
            now = due + late
            self._flight.tick(now, late, len(self._calls))
            try:
                media.tick(now)
                if media.playout.notes:
                    self._tell_notes(media)
            except MediaOver as over:
                self._end(call_id, over)
            heapq.heapreplace(clock, (media.due_ns, order, call_id, media))
            if self._eager and not media.eager:
                self._forget_arrivals(media)

    def _tell_notes(self, media: Media) -> None:
        """What the supervisor is to pass on: files that are to be played."""
        for note in media.playout.notes:
            descriptors.send(self._control, note)
        media.playout.notes.clear()

    def _receive(self) -> None:
        """Calls that have just begun: their frames are read as they come."""
        for descriptor, _ in self._arrivals.poll(0):
            call_id = self._eager[descriptor]
            try:
                self._calls[call_id].receive(time.monotonic_ns())
            except MediaOver as over:
                self._end(call_id, over)

    def _forget_arrivals(self, media: Media) -> None:
        if self._eager.pop(media.connection.fileno(), None) is not None:
            self._arrivals.unregister(media.connection)

    def _obey(self) -> None:
        received = descriptors.receive(self._control)
        if received is None:
            self.open = False
            return
        message, files = received
        if isinstance(message, AttachMedia):
            self._attach(message, files)
        elif isinstance(message, DetachMedia) and message.call_id in self._calls:
            self._calls[message.call_id].terminate()
            self._end(message.call_id, MediaOver("detached"))
        elif isinstance(message, FileHeard) and message.call_id in self._calls:
            self._calls[message.call_id].playout.heard(message, time.monotonic_ns())

    def _attach(self, message: AttachMedia, files: list[int]) -> None:
        connection = socket.socket(fileno=files[0])
        bells = [Bell(descriptor) for descriptor in files[1:]]
        try:
            media = Media(connection, message, bells, self._settings)
        except MediaOver as over:
            self._tell_end(message.call_id, over)
            return
        self._calls[message.call_id] = media
        heapq.heappush(self._clock, (media.due_ns, next(self._order), message.call_id, media))
        if media.eager:
            # Edge-triggered: half a frame that stays in the socket does not wake us again and again.
            self._arrivals.register(connection, select.EPOLLIN | select.EPOLLET)
            self._eager[connection.fileno()] = message.call_id
        self._progress.set_calls(len(self._calls))
        log.info("call %s: media attached (%s)", message.call_id, message.wire)

    def _end(self, call_id: str, over: MediaOver) -> None:
        media = self._calls.pop(call_id)
        self._forget_arrivals(media)
        if told := media.wire.summary():
            log.info("call %s: %s", call_id, told)
        media.close()
        self._progress.set_calls(len(self._calls))
        self._tell_end(call_id, over)

    def _tell_end(self, call_id: str, over: MediaOver) -> None:
        log.info("call %s: media %s%s", call_id, over.reason, f" ({over.detail})" if over.detail else "")
        descriptors.send(self._control, MediaEnded(call_id=call_id, reason=over.reason, detail=over.detail))
