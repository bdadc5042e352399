"""An audio actor's life: waits warm for a call, then keeps its clock and reads its socket until the call is over.

One thread, no asyncio, no ZeroMQ, no allocation that grows: `select` wakes it for whatever comes first, the next frame
due, bytes from the peer, or a word from the supervisor. The same loop serves one call or several.
"""

import logging
import select
import socket
import time
from functools import cache
from pathlib import Path

from actors import scheduling
from actors.audio.media import Media, MediaOver
from config.load import load
from config.schema import Settings
from ipc import descriptors, logs
from ipc.lifeline import ORPHANED, Lifeline
from ipc.messages import AttachMedia, DetachMedia, EndReason, MediaEnded
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
        self._settings = settings(lifeline.config)
        self._calls: dict[str, Media] = {}
        self.open = True

    def turn(self) -> None:
        """Sleeps until something is due or has come, and does it. The clock goes before the reading."""
        calls = self._calls
        due = min((media.due_ns for media in calls.values()), default=time.monotonic_ns() + IDLE_NS)
        watched: list[socket.socket | int] = [self._control, self._lifeline.death_fd]
        # A socket with half a frame is readable all the time: it is looked at again with the next tick.
        watched += [media.connection for media in calls.values() if not media.half_frame]
        wait = max(0, due - time.monotonic_ns()) / 1e9
        readable = select.select(watched, (), (), wait)[0]
        self._progress.bump()
        for call_id, media in list(calls.items()):
            try:
                now = time.monotonic_ns()
                if now >= media.due_ns:
                    media.tick(now)
                if media.half_frame or media.connection in readable:
                    media.receive(now)
            except MediaOver as over:
                self._end(call_id, over.reason, over.detail)
        if self._lifeline.death_fd in readable:
            raise SystemExit(ORPHANED)
        if self._control in readable:
            self._obey()

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
            self._end(message.call_id, "detached", "")

    def _attach(self, message: AttachMedia, files: list[int]) -> None:
        connection = socket.socket(fileno=files[0])
        bells = [Bell(descriptor) for descriptor in files[1:]]
        self._calls[message.call_id] = Media(connection, message.segment, bells, self._settings)
        self._progress.set_calls(len(self._calls))
        log.info("call %s: media attached", message.call_id)

    def _end(self, call_id: str, reason: EndReason, detail: str) -> None:
        self._calls.pop(call_id).close()
        self._progress.set_calls(len(self._calls))
        log.info("call %s: media %s%s", call_id, reason, f" ({detail})" if detail else "")
        descriptors.send(self._control, MediaEnded(call_id=call_id, reason=reason, detail=detail))
