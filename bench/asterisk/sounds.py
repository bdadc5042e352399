"""What a media URI sounds like."""

from __future__ import annotations

import math
import struct
import wave
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from bench.asterisk.media.formats import FORMATS, Frame, silence

RATE = 8000
RAW_SUFFIXES = {".sln": "slin", ".sln16": "slin16", ".ulaw": "ulaw", ".ul": "ulaw", ".alaw": "alaw", ".al": "alaw"}
SPOKEN_TONE_HZ = {"number": 500.0, "digits": 600.0, "characters": 700.0}

Source = Callable[[], Frame | None]


def tone(hertz: float, seconds: float, rate: int = RATE, level: float = 0.3) -> bytes:
    """A sine, as 16-bit PCM."""
    count = int(seconds * rate)
    step = 2 * math.pi * hertz / rate
    return struct.pack(f"<{count}h", *(int(32767 * level * math.sin(step * index)) for index in range(count)))


class Sounds:
    """table: sounds by the name after `sound:`, as 8 kHz PCM or as a file; the rest is looked for on the disk"""

    def __init__(self, table: Mapping[str, bytes | Path]) -> None:
        self._table: dict[str, bytes | Path] = {"beep": tone(1400, 0.2), "silence/1": silence(RATE, 1000), **table}

    def find(self, name: str) -> Frame | None:
        """The sound of that name (an absolute path without its suffix, or a name in the table), or None."""
        known = self._table.get(name)
        if isinstance(known, bytes):
            return Frame(known, RATE)
        path = known or Path(name)
        if not path.is_absolute():
            return None
        if path.suffix and path.is_file():
            return _load(path)
        for suffix in (".wav", *RAW_SUFFIXES):
            candidate = path.with_name(path.name + suffix)
            if candidate.is_file():
                return _load(candidate)
        return None

    def spoken(self, scheme: str, text: str) -> Frame:
        """`number:`, `digits:` and `characters:` are tones here, a quarter of a second each (assumption)."""
        return Frame(tone(SPOKEN_TONE_HZ[scheme], 0.25) * max(1, len(text)), RATE)


def _load(path: Path) -> Frame | None:
    if path.suffix == ".wav":
        with wave.open(str(path), "rb") as reader:
            if reader.getsampwidth() != 2 or reader.getnchannels() != 1:
                return None
            return Frame(reader.readframes(reader.getnframes()), reader.getframerate())
    form = FORMATS[RAW_SUFFIXES.get(path.suffix, "slin")]
    return Frame(form.decode(path.read_bytes()), form.rate)


def frames_of(sound: Frame) -> Source:
    """The sound 20 ms at a time, the last piece filled with silence; then None."""
    cut = len(silence(sound.rate))
    pieces: Iterator[bytes] = iter([sound.pcm[at : at + cut] for at in range(0, len(sound.pcm), cut)])

    def following() -> Frame | None:
        piece = next(pieces, None)
        return None if piece is None else Frame(piece.ljust(cut, b"\0"), sound.rate)

    return following


def endless(sound: Frame) -> Source:
    """The sound again and again, 20 ms at a time. Its length should be a multiple of 20 ms."""
    cut = len(silence(sound.rate))
    position = 0

    def following() -> Frame | None:
        nonlocal position
        piece = sound.pcm[position : position + cut]
        position = (position + cut) % len(sound.pcm)
        return Frame(piece.ljust(cut, b"\0"), sound.rate)

    return following


def music() -> Source:
    """What stands for music on hold: two soft tones."""
    return endless(Frame(tone(350, 0.5, level=0.1) + tone(440, 0.5, level=0.1), RATE))


def quiet() -> Source:
    return endless(Frame(silence(RATE), RATE))
