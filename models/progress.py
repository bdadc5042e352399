"""Shows how a download goes: a bar that is drawn again and again on a terminal, a line now and then in a log."""

import sys
import time
from typing import TextIO

REDRAWN_S = 0.2
LOGGED_S = 20.0
WIDTH = 28
"""Characters of the bar."""

NOTED_S = 10.0
"""The speed is that of about the last so many seconds."""


class Bar:
    """One file of `length` bytes. A `transfer.Progress`."""

    def __init__(self, name: str, length: int, out: TextIO = sys.stderr) -> None:
        self._name = name
        self._length = length
        self._out = out
        self._terminal = out.isatty()
        self._there = 0
        # In a log nothing is said of what is done at once.
        self._shown = 0.0 if self._terminal else time.monotonic()
        self._seen: list[tuple[float, int]] = []
        """When so much was there."""

    def came(self, count: int) -> None:
        self._there += count
        now = time.monotonic()
        # What an earlier process fetched is there at once, and is no speed: it comes first.
        self._seen = self._seen or [(now, self._there)]
        if now - self._shown >= (REDRAWN_S if self._terminal else LOGGED_S):
            self._show(now)

    def say(self, text: str) -> None:
        self._clear()
        print(f"  {text}", file=self._out, flush=True)

    def done(self) -> None:
        if self._terminal:
            self._show(time.monotonic())
            print(file=self._out, flush=True)
        else:
            print(f"  {self._name}: complete, {self._length:,} bytes", file=self._out, flush=True)

    def stopped(self) -> None:
        """It came to no good end; whoever says why begins a new line."""
        if self._terminal and self._shown:
            print(file=self._out, flush=True)

    def _show(self, now: float) -> None:
        recent = [(at, there) for at, there in self._seen if now - at < NOTED_S]
        self._seen = recent or self._seen[-1:]
        at, before = self._seen[0] if self._seen else (now, self._there)
        speed = max(0, self._there - before) / (now - at) if now - at > REDRAWN_S / 2 else 0.0
        self._seen.append((now, self._there))
        self._shown = now
        text = line(self._name, self._there, self._length, speed)
        print(f"\r{text}\x1b[K" if self._terminal else f"  {text}", end="" if self._terminal else "\n", file=self._out)
        self._out.flush()

    def _clear(self) -> None:
        if self._terminal and self._shown:
            print("\r\x1b[K", end="", file=self._out)


def line(name: str, there: int, length: int, speed: float) -> str:
    """speed: bytes a second, 0 for not known."""
    share = min(1.0, there / length)
    bar = ("#" * round(share * WIDTH)).ljust(WIDTH, ".")
    unit, size = (1e6, "MB") if length >= 1e6 else (1e3, "kB")
    text = f"{name}  [{bar}] {share:4.0%}  {there / unit:,.1f} of {length / unit:,.1f} {size}"
    if speed > 0 and there < length:
        left = round((length - there) / speed)
        text += f"  {speed / 1e6:.1f} MB/s  {left // 60}:{left % 60:02d} left"
    return text
