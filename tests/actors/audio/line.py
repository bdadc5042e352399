"""One call on a real connection and real rings, in virtual time: `Line` moves the clock, Asterisk is a `FarEnd`.

Frames are numbered, so that a test that fails shows which of them the caller, or the ear, has heard; 0 is silence.
"""

import os
from collections.abc import Callable

import pytest

from actors.audio.media import Media
from actors.audio.wire import MediaOver
from config.schema import Audio, Settings
from ipc import rings as ring
from ipc.ear import EarReader, Frame
from ipc.messages import AttachMedia
from ipc.mouth import Grid, MouthGauge, MouthWriter
from ipc.rings import BELLS, Bell, Rings
from tests.actors.audio.far_end import FarEnd

NAME = f"ringmaster-test-{os.getpid()}-line"
SETTINGS = Settings(audio=Audio(catch_up_frames=5))


class Line:
    """A call: the far end, the rings, and the audio actor's `Media`, which may die and be followed by another."""

    def __init__(self, rate: int = 8000, *, receive_buffer: int = 0) -> None:
        ring.create(NAME, rate)
        self.rings = Rings(NAME)
        self.bells = [Bell(descriptor) for descriptor in ring.make_bells()]
        self.far = FarEnd(rate, receive_buffer=receive_buffer)
        self.writer = MouthWriter(self.rings)
        self.gauge = MouthGauge(self.rings)
        self.ear = EarReader(self.rings, 0)
        self.media = self.attach()
        self.now = self.media.due_ns

        for bell in range(len(BELLS)):
            self.rings.listen(bell)

    def attach(self) -> Media:
        bells = [Bell(os.dup(bell.descriptor)) for bell in self.bells]
        return Media(self.far.ours.dup(), AttachMedia(call_id="c1", segment=NAME), bells, SETTINGS)

    def take_over(self) -> None:
        """The audio actor dies, and another one goes on with the same socket and rings."""
        self.media.close()
        self.media = self.attach()

    def close(self) -> None:
        self.media.close()
        self.far.close()
        for bell in self.bells:
            bell.close()
        self.rings.close()
        ring.unlink(NAME)

    def pass_frames(self, count: int) -> None:
        """So many times 20 ms, in which the audio actor does its work on time."""
        for _ in range(count):
            self.now = self.media.due_ns
            self.media.tick(self.now)
            self.media.receive(self.now)

    def speak(self, *frames: bytes, generation: int = 0, end: bool = True) -> None:
        for number, pcm in enumerate(frames, start=1):
            assert self.writer.write(pcm, generation, self.now, end=end and number == len(frames))

    def heard(self) -> list[Frame]:
        """What is new in the ear."""
        return list(iter(self.ear.read, None))

    @property
    def grid(self) -> Grid:
        grid = self.gauge.grid
        assert grid is not None
        return grid


def over(act: Callable[[], object]) -> MediaOver:
    with pytest.raises(MediaOver) as raised:
        act()
    return raised.value


def pcm_of(frames: list[Frame]) -> bytes:
    return b"".join(frame.pcm for frame in frames)


def rung(bell: Bell) -> int:
    """How often the bell was rung since the last look."""
    try:
        return os.eventfd_read(bell.descriptor)
    except BlockingIOError:
        return 0
