"""What surrounds a real audio actor: the supervisor's side of it and of its calls, and Asterisk's end of each."""

import os
import select
import signal
import socket
from pathlib import Path

from actors.audio import worker
from config.load import SHIPPED
from ipc import descriptors
from ipc import rings as ring
from ipc.descriptors import MediaMessage
from ipc.ear import EarReader
from ipc.lifeline import Lifeline
from ipc.messages import AttachMedia, MediaEnded
from ipc.mouth import MouthGauge, MouthWriter
from ipc.progress import Board
from ipc.rings import BELLS, Bell, Rings
from tests.actors.audio.far_end import PATIENCE_S, FarEnd, numbers

NAME = f"ringmaster-test-{os.getpid()}-worker"


class Call:
    """What the supervisor holds of a call: its rings, its bells, and a duplicate of its connection."""

    def __init__(self, call_id: str) -> None:
        self.id = call_id
        self.segment = f"{NAME}-{call_id}"
        ring.create(self.segment, 8000)
        self.rings = Rings(self.segment)
        self.bells = [Bell(descriptor) for descriptor in ring.make_bells()]
        self.far = FarEnd()
        self.mouth = MouthWriter(self.rings)
        self.gauge = MouthGauge(self.rings)
        self.ear = EarReader(self.rings, 0)
        self.rings.listen(BELLS.index("ear.tap"))

    def close(self) -> None:
        self.far.close()
        self.rings.close()
        ring.unlink(self.segment)
        for bell in self.bells:
            bell.close()

    def speak(self, *frames: bytes) -> None:
        for number, pcm in enumerate(frames, start=1):
            assert self.mouth.write(pcm, 0, 0, end=number == len(frames))

    def until_heard(self, last: int) -> list[int]:
        """The numbers of the frames in the ear, up to this one; gaps are left out."""
        found: list[int] = []
        while last not in found:
            assert select.select([self.bells[2]], [], [], PATIENCE_S)[0], f"the ear has heard {found}"
            self.bells[2].clear()
            while heard := self.ear.read():
                found += [] if heard.gap else numbers([heard.pcm])
        return found


class AudioActor:
    """A forked process that runs `worker.serve`, and the supervisor's end of its control socket."""

    def __init__(self, board: Board, death: list[int], config: Path) -> None:
        self.board, self.slot = board, board.take()
        self.control, theirs = descriptors.pair()
        self.control.settimeout(PATIENCE_S)
        bell = os.eventfd(0, os.EFD_CLOEXEC)
        lifeline = Lifeline(
            name="audio.1",
            role="audio",
            run_dir="/nowhere",
            config=str(config),
            board=board.name,
            slot=self.slot,
            death_fd=death[0],
            bell_fd=bell,
            parent=0,
        )
        worker.settings(lifeline.config)  # as the nursery does
        self.pid = os.fork()
        if self.pid == 0:
            self._live(theirs, lifeline, death[1])
        theirs.close()
        assert select.select([bell], [], [], PATIENCE_S)[0], "the audio actor does not become ready"
        os.close(bell)
        self.exit_code: int | None = None

    def _live(self, control: socket.socket, lifeline: Lifeline, life: int) -> None:
        code = 1
        try:
            os.close(life)
            self.control.close()
            worker.serve(control, lifeline)
            code = 0
        except SystemExit as leaving:
            code = int(leaving.code or 0)
        finally:
            os._exit(code)

    def attach(self, call: Call, how: AttachMedia | None = None, connection: socket.socket | None = None) -> None:
        files = [(connection or call.far.ours).fileno(), *(bell.descriptor for bell in call.bells)]
        descriptors.send(self.control, how or AttachMedia(call_id=call.id, segment=call.segment), files)

    def told(self) -> MediaMessage:
        """What it says next, and to which no descriptors belong."""
        received = descriptors.receive(self.control)
        assert received is not None, "the audio actor is gone"
        message, files = received
        assert not files
        return message

    def told_end(self) -> MediaEnded:
        message = self.told()
        assert isinstance(message, MediaEnded)
        return message

    def ended(self) -> int:
        """Waits for the process to end; its exit code, or minus the signal that killed it."""
        if self.exit_code is None:
            pidfd = os.pidfd_open(self.pid)
            assert select.select([pidfd], [], [], PATIENCE_S)[0], "the audio actor still lives"
            os.close(pidfd)
            self.exit_code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.exit_code

    def kill(self) -> None:
        if self.exit_code is None:
            os.kill(self.pid, signal.SIGKILL)
            self.ended()

    def close(self) -> None:
        self.kill()
        self.control.close()


class House:
    """Actors and calls of one test; all are gone at its end."""

    def __init__(self) -> None:
        self.board = Board(f"{NAME}-board", 4)
        self.death = list(os.pipe())
        self.actors: list[AudioActor] = []
        self.calls: list[Call] = []

    def actor(self, config: Path = SHIPPED) -> AudioActor:
        self.actors.append(AudioActor(self.board, self.death, config))
        return self.actors[-1]

    def call(self, call_id: str = "c1") -> Call:
        self.calls.append(Call(call_id))
        return self.calls[-1]

    def close(self) -> None:
        for actor in self.actors:
            actor.close()
        for call in self.calls:
            call.close()
        self.board.close()
        for descriptor in self.death:
            os.close(descriptor)
