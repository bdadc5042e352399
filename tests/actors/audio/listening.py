"""Somebody who takes what a wire has received, and keeps it."""

from ipc.rings import frame_bytes


class Ear:
    """A `Listener` that keeps everything."""

    def __init__(self, rate: int = 8000) -> None:
        self.pcm = b""
        self.digits = ""
        self._frame = frame_bytes(rate)

    def hear(self, pcm: bytes, now_ns: int) -> None:
        assert len(pcm) == self._frame, "not 20 ms"
        self.pcm += pcm

    def hear_any(self, pcm: bytes, now_ns: int) -> None:
        assert len(pcm) % 2 == 0, "half a sample"
        self.pcm += pcm

    def press(self, digit: str) -> None:
        self.digits += digit
