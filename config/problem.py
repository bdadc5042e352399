"""What is wrong with a configuration, and where: every mistake is collected, and all are told at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

Key = tuple[str | int, ...]
"""The way to a value: keys of mappings and indices of lists, from the top of its file."""


def dotted(key: Key) -> str:
    """The key as a reader writes it: `actors.stt.cores[1]`."""
    text = ""
    for part in key:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake."""

    file: Path
    line: int
    """1 for the first line."""
    column: int
    """1 for the first character."""
    key: str
    """Full path of the key, such as `actors.stt.cores[1]`; "" where the mistake is not about one key."""
    message: str
    """One sentence: what is wrong, and what to write instead."""

    def __str__(self) -> str:
        about = f"{self.key}: " if self.key else ""
        return f"{self.file}:{self.line}:{self.column}: {about}{self.message}"


class ConfigError(Exception):
    """The configuration cannot be used. `problems` holds every mistake that was found, in the order of the files."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(str(problem) for problem in self.problems))
