"""Pieces of the agent's speech as files that Asterisk can play: raw little-endian samples, `.sln` at 8000 Hz and
`.sln16` at 16000 Hz (Asterisk's formats/format_sln.c tells the rate by the ending).

A file is made in one write, before Asterisk hears of it. The directory is meant to be a memory file system: nothing
here waits for a disk, because the same thread keeps the call's clock.
"""

import os
import re
import zlib
from pathlib import Path

ENDINGS = {8000: ".sln", 16000: ".sln16"}
PREFIX = "audio-"
"""Of every file that is ours: whoever clears the directory up looks at no other."""
LONGEST_PART = 40
"""Characters of the call's id in a name."""


class Unspoolable(Exception):
    """The file could not be written. The text is for the operator."""


def call_part(call_id: str) -> str:
    """A call's id as a part of file names and URLs. Ids that differ only in what is replaced stay different."""
    plain = re.sub(r"[^A-Za-z0-9]+", "-", call_id)[-LONGEST_PART:].strip("-")
    return f"{plain}-{zlib.crc32(call_id.encode()):08x}"


class Spool:
    """Writes the files of one call. Whoever plays them deletes them (`actors.call_control.files`)."""

    def __init__(self, directory: str, rate: int, call_id: str) -> None:
        self._directory = Path(directory)
        self._ending = ENDINGS[rate]
        self._part = call_part(call_id)
        self._number = 0

    def write(self, pcm: bytes, now_ns: int) -> str:
        """Writes a new file; returns its playback id, which no other has: the time in ms is in it, so that a successor
        needs no count. Raises `Unspoolable`."""
        self._number = max(self._number + 1, now_ns // 1_000_000)
        playback_id = f"{PREFIX}{self._part}-{self._number:x}"
        path = self._directory / (playback_id + self._ending)
        try:
            self._write(path, pcm)
        except OSError as error:
            raise Unspoolable(
                f"cannot write {path} ({error.strerror}): make the directory, on a memory file system that we may "
                "write to and Asterisk may read (`ringmaster doctor` says how), or set `streaming.media_directory` or "
                "`streaming.file_fallback: false`"
            ) from error
        return playback_id

    @staticmethod
    def _write(path: Path, pcm: bytes) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        try:
            # Asterisk usually runs as another user, and a service's umask would keep it out.
            os.fchmod(descriptor, 0o644)
            if os.write(descriptor, pcm) < len(pcm):
                raise OSError(28, os.strerror(28))
        except OSError:
            path.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)
