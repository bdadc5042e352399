"""What `ringmaster doctor` found: one finding each, good ones too, and what they come to."""

from collections.abc import Sequence
from typing import Literal

import msgspec

Level = Literal["ok", "advice", "warning", "error"]

LEVELS: tuple[Level, ...] = ("ok", "advice", "warning", "error")
"""From good to bad. `advice`: it works, and could be better or could not be looked at. `warning`: some calls, or some
of what was configured, will not work. `error`: no call will work, or none as configured."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    check: str
    """Its name for scripts, which stays: "asterisk.version"."""
    subject: str
    """What it is about, as the table groups it: "Asterisk"."""
    level: Level
    what: str
    """One sentence, or the start of one: what was seen."""
    why: str = ""
    """What comes of it."""
    remedy: str = ""
    """What to do: a command, or lines to paste, ready as they are."""
    evidence: str = ""
    """The figures or words that it rests on."""


class Subject:
    """Makes findings about one subject."""

    def __init__(self, name: str, prefix: str) -> None:
        """prefix: with what the names of its checks begin."""
        self.name = name
        self._prefix = prefix

    def ok(self, check: str, what: str, evidence: str = "") -> Finding:
        return Finding(check=self._named(check), subject=self.name, level="ok", what=what, evidence=evidence)

    def advice(self, check: str, what: str, why: str, remedy: str, evidence: str = "") -> Finding:
        return self._bad("advice", check, what, why, remedy, evidence)

    def warning(self, check: str, what: str, why: str, remedy: str, evidence: str = "") -> Finding:
        return self._bad("warning", check, what, why, remedy, evidence)

    def error(self, check: str, what: str, why: str, remedy: str, evidence: str = "") -> Finding:
        return self._bad("error", check, what, why, remedy, evidence)

    def _named(self, check: str) -> str:
        return f"{self._prefix}.{check}"

    def _bad(self, level: Level, check: str, what: str, why: str, remedy: str, evidence: str) -> Finding:
        return Finding(
            check=self._named(check),
            subject=self.name,
            level=level,
            what=what,
            why=why,
            remedy=remedy,
            evidence=evidence,
        )


def worst(findings: Sequence[Finding]) -> Level:
    """The worst level; "ok" of none."""
    return max((finding.level for finding in findings), key=LEVELS.index, default="ok")


def count(findings: Sequence[Finding]) -> dict[Level, int]:
    """How many of each level, those with none included."""
    return {level: sum(finding.level == level for finding in findings) for level in LEVELS}
