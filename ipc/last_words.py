"""Why an actor cannot do its work at all: left in the run directory, for the supervisor to find when it has ended.

A note over the bus could come after the news of the death, and would then be about somebody else.
"""

from pathlib import Path

EXIT_CODE = 69
"""With which an actor ends that will not be of use before somebody does something (EX_UNAVAILABLE in sysexits.h)."""

LONGEST = 2000
"""Characters."""


def leave(run_dir: Path, name: str, text: str) -> None:
    """`text` is for the operator: what is wrong, and what to do. Raises OSError."""
    _file(run_dir, name).write_text(text[:LONGEST])


def take(run_dir: Path, name: str) -> str:
    """What this actor has left, once; "" where there is nothing."""
    file = _file(run_dir, name)
    try:
        text = file.read_text(errors="replace")
        file.unlink()
    except OSError:
        return ""
    return text


def _file(run_dir: Path, name: str) -> Path:
    return run_dir / f"{name}.last-words"
