"""A stereo WAV file that grows: caller left, agent right, 16-bit samples. It can be played at any moment, and whoever
writes it can be killed at any moment: sizes in the header never promise more than is there.
"""

import os
import struct
from pathlib import Path
from typing import Self

_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
"""RIFF/WAVE with one `fmt ` and one `data` chunk (Microsoft's Multimedia Programming Interface 1.0, chapter 3)."""
_CHANNELS = 2
_SAMPLE_BYTES = 2
_BLOCK = _CHANNELS * _SAMPLE_BYTES


class NotOurs(ValueError):
    """The file is no WAV file that this module has begun."""


class StereoFile:
    """Open for appending. What is written is the kernel's at once; it is not forced onto the disk."""

    def __init__(self, descriptor: int, rate: int, size: int) -> None:
        """For `create` and `go_on` only."""
        self._descriptor = descriptor
        self._rate = rate
        self._size = size

    @classmethod
    def create(cls, path: Path, rate: int) -> Self:
        """Makes the file, and its folder. Raises OSError, also when it exists."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        file = cls(descriptor, rate, 0)
        try:
            file._write_header()
        except OSError:
            file.close()
            raise
        return file

    @classmethod
    def go_on(cls, path: Path, rate: int) -> Self:
        """Opens one that a predecessor has left. Raises OSError, and `NotOurs`."""
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        header = os.pread(descriptor, _HEADER.size, 0)
        fields = _HEADER.unpack(header) if len(header) == _HEADER.size else None
        if fields is None or header != _header(rate, fields[-1]):
            os.close(descriptor)
            raise NotOurs(f"{path} does not begin like a recording at {rate} Hz")
        size = min(fields[-1], os.fstat(descriptor).st_size - _HEADER.size)
        return cls(descriptor, rate, size - size % _BLOCK)

    @property
    def samples(self) -> int:
        """Of each side."""
        return self._size // _BLOCK

    def append(self, stereo: bytes) -> None:
        """Adds samples, left and right in turn. Raises OSError; the file then still is what it was."""
        view = memoryview(stereo)
        at = _HEADER.size + self._size
        while view:
            written = os.pwrite(self._descriptor, view, at)
            at, view = at + written, view[written:]
        self._size += len(stereo)
        self._write_header()

    def close(self) -> None:
        os.close(self._descriptor)

    def _write_header(self) -> None:
        os.pwrite(self._descriptor, _header(self._rate, self._size), 0)


def _header(rate: int, size: int) -> bytes:
    per_second = rate * _BLOCK
    return _HEADER.pack(
        b"RIFF",
        _HEADER.size - 8 + size,
        b"WAVE",
        b"fmt ",
        16,
        1,
        _CHANNELS,
        rate,
        per_second,
        _BLOCK,
        16,
        b"data",
        size,
    )
