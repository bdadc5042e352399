"""Sets of CPU cores as an operator writes and reads them: "0-3,6"."""

import re
from collections.abc import Iterable

ANY = "any"

_PART = re.compile(r"(\d{1,4})(?:-(\d{1,4}))?")

MOST = 1024
"""As in the schema. Linux is built for at most 8192; machines that answer phones have fewer."""


def parse(text: str) -> tuple[int, ...]:
    """Sorted, without repetitions; () for "any". Raises `ValueError` with a sentence."""
    if text == ANY:
        return ()
    cores: set[int] = set()
    for part in text.split(","):
        match = _PART.fullmatch(part.strip())
        if match is None:
            raise ValueError(f"{text!r} is no list of cores: write them as in 0-3,6, or `{ANY}`")
        first, last = int(match[1]), int(match[2] or match[1])
        if first > last:
            raise ValueError(f"{part.strip()!r} goes backwards: write {last}-{first}")
        if last >= MOST:
            raise ValueError(f"there is no core {last}: they are numbered from 0, and {MOST - 1} is the most")
        cores.update(range(first, last + 1))
    return tuple(sorted(cores))


def text(cores: Iterable[int]) -> str:
    """Gives "0-3,6" for 0, 1, 2, 3 and 6; "-" for none."""
    runs: list[list[int]] = []
    for core in sorted(cores):
        if runs and core == runs[-1][1] + 1:
            runs[-1][1] = core
        else:
            runs.append([core, core])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs) or "-"
