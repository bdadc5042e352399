"""What a frame costs in the audio actors alone: no supervisor, no Asterisk, no conversation, only their loop.

    python -m bench.audio_cost --processes 100 --calls 1        isolation
    python -m bench.audio_cost --processes 4 --calls 100        density
    python -m bench.audio_cost --processes 100 --bare           the floor: sleep, receive, send, and nothing else

Prints CPU time a frame each way, of one call in percent of a core, and how late frames went out. The callers are this
process, at a higher real-time priority where that is allowed; they write into the mouth, too. Leave the machine to it.
"""

import argparse
import contextlib
import logging
import os
import random
import select
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from actors.audio import audiosocket
from actors.audio.worker import Worker
from config.load import SHIPPED
from ipc import descriptors, rings
from ipc.lifeline import Lifeline
from ipc.messages import AttachMedia
from ipc.mouth import MouthGauge, MouthWriter
from ipc.progress import Progress
from ipc.rings import FRAME_NS, Rings

RATE = 8000
SETTLE_S = 2.0
"""Until the clocks of all calls are aligned and every page has been touched."""
CALLER_PRIORITY, ACTOR_PRIORITY = 30, 20
FRAME = audiosocket.audio_header(RATE, 320) + random.Random(1).randbytes(1) * 320


@dataclass
class Actors:
    """The processes under test and their calls."""

    pids: list[int] = field(default_factory=list)
    controls: list[socket.socket] = field(default_factory=list)
    callers: list[socket.socket] = field(default_factory=list)
    segments: list[str] = field(default_factory=list)
    views: list[Rings] = field(default_factory=list)

    def cpu_ns(self) -> int:
        return sum(int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) for pid in self.pids)

    def close(self) -> None:
        for opened in (*self.controls, *self.callers):
            opened.close()
        for pid in self.pids:
            os.waitpid(pid, 0)
        for view in self.views:
            view.close()
        for segment in self.segments:
            rings.unlink(segment)


def urgent(priority: int) -> None:
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
    except PermissionError:
        logging.warning("not permitted to be real-time: figures are those of a normal process")


def connected(listener: socket.socket) -> tuple[socket.socket, socket.socket]:
    """The caller's end and the actor's."""
    caller = socket.create_connection(listener.getsockname())
    actor, _ = listener.accept()
    for end in (caller, actor):
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"reno")
    caller.setblocking(False)
    return caller, actor


def bare_loop(connection: socket.socket) -> None:
    """What no audio actor can do without."""
    connection.setblocking(False)
    silent, _ = os.pipe()
    buffer = bytearray(4096)
    due = time.monotonic_ns()
    while True:
        select.select((silent,), (), (), max(0, due - time.monotonic_ns()) / 1e9)
        try:
            if not connection.recv_into(buffer):
                return
            connection.send(FRAME)
        except BlockingIOError:
            pass
        except OSError:
            return
        due += FRAME_NS


def live(control: socket.socket) -> None:
    death, _ = os.pipe()
    lifeline = cast(Lifeline, SimpleNamespace(death_fd=death, config=str(SHIPPED)))
    worker = Worker(control, lifeline, cast(Progress, SimpleNamespace(bump=int, set_calls=int)))
    with contextlib.suppress(BrokenPipeError):  # the bench is over, and the actor wants to tell it of the calls' end
        while worker.open:
            worker.turn()


def raise_actors(processes: int, calls: int, bare: bool) -> Actors:
    actors = Actors()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(calls)
        for process in range(processes):
            ours, theirs = descriptors.pair()
            ends = [connected(listener) for _ in range(calls)]
            pid = os.fork()
            if pid == 0:
                for inherited in (ours, *actors.controls, *actors.callers, *(caller for caller, _ in ends)):
                    inherited.close()
                urgent(ACTOR_PRIORITY)
                bare_loop(ends[0][1]) if bare else live(theirs)
                os._exit(0)
            theirs.close()
            actors.pids.append(pid)
            actors.controls.append(ours)
            for number, (caller, connection) in enumerate(ends):
                actors.callers.append(caller)
                if not bare:
                    attach(actors, ours, f"ringmaster-cost-{os.getpid()}-{process}-{number}", connection)
                connection.close()
    return actors


def attach(actors: Actors, control: socket.socket, segment: str, connection: socket.socket) -> None:
    rings.create(segment, RATE)
    actors.segments.append(segment)
    actors.views.append(Rings(segment))
    bells = rings.make_bells()
    descriptors.send(control, AttachMedia(call_id=segment, segment=segment), [connection.fileno(), *bells])
    for bell in bells:
        os.close(bell)


def talk(actors: Actors, seconds: float) -> int:
    """All callers, spread over the 20 ms in random order; gives how many frames they have sent."""
    writers = [MouthWriter(view) for view in actors.views]
    order = random.Random(1).sample(range(len(actors.callers)), len(actors.callers))
    begin = time.monotonic_ns()
    sent = 0
    while (now := time.monotonic_ns()) < begin + seconds * 1e9:
        due = begin + sent * FRAME_NS // len(order)
        if due > now:
            time.sleep((due - now) / 1e9)
        number = order[sent % len(order)]
        try:
            actors.callers[number].send(FRAME)
            actors.callers[number].recv(65_536)
        except BlockingIOError:
            pass  # nothing has come yet
        if writers:
            writers[number].write(FRAME[audiosocket.HEADER_BYTES :], 0, now)
        sent += 1
    return sent


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.audio_cost", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--processes", type=int, default=100)
    parser.add_argument("--calls", type=int, default=1, help="of each process")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--bare", action="store_true", help="one call each, and no audio actor but its floor")
    options = parser.parse_args(words)
    logging.disable(logging.INFO)
    actors = raise_actors(options.processes, 1 if options.bare else options.calls, options.bare)
    try:
        urgent(CALLER_PRIORITY)
        talk(actors, SETTLE_S)
        before = actors.cpu_ns()
        sent = talk(actors, options.seconds)
        spent = actors.cpu_ns() - before
        share = spent / options.seconds / len(actors.callers) / 1e7
        print(f"{spent / sent / 1000:.0f} us of CPU a frame each way, {share:.2f} % of a core a call")
        if actors.views:
            late = [MouthGauge(view).lateness_ms(0.5, 0.99, 1.0) for view in actors.views]
            p50, p99, most = (max(figures) for figures in zip(*late, strict=True))
            print(f"late: p50 {p50:.2f} ms, p99 {p99:.2f} ms, most {most:.2f} ms, each of the worst call")
    finally:
        actors.close()


if __name__ == "__main__":
    main()
