"""Findings as text for a terminal: everything that was looked at in a line each, then what matters, the worst last.

The last lines are those that are still on the screen when the command has ended.
"""

import json
import textwrap
from collections.abc import Sequence

import msgspec

from supervisor.doctor.findings import LEVELS, Finding, Level, count, worst

WIDTH = 116

_COLOURS: dict[Level, str] = {"ok": "\x1b[32m", "advice": "\x1b[36m", "warning": "\x1b[33m", "error": "\x1b[31m"}
_BOLD, _PLAIN = "\x1b[1m", "\x1b[0m"
_MARKS: dict[Level, str] = {"ok": "ok", "advice": "advice", "warning": "WARNING", "error": "ERROR"}
_PLURALS: dict[Level, str] = {"ok": "fine", "advice": "advice", "warning": "warnings", "error": "errors"}


def as_json(findings: Sequence[Finding]) -> str:
    """One object: the verdict, the counts by level, and the findings in the order in which they were made."""
    return json.dumps(
        {
            "fine": is_fine(findings),
            "worst": worst(findings),
            "counts": count(findings),
            "findings": msgspec.to_builtins(findings),
        }
    )


def is_fine(findings: Sequence[Finding]) -> bool:
    """No warning and no error. Advice is fine."""
    return LEVELS.index(worst(findings)) < LEVELS.index("warning")


def render(findings: Sequence[Finding], *, colours: bool) -> str:
    """Several lines, without one at the end."""

    def paint(text: str, colour: str) -> str:
        return f"{colour}{text}{_PLAIN}" if colours else text

    lines: list[str] = []
    for subject in dict.fromkeys(finding.subject for finding in findings):
        lines += [paint(subject, _BOLD)]
        for finding in findings:
            if finding.subject == subject:
                mark = paint(f"{_MARKS[finding.level]:>7}", _COLOURS[finding.level])
                shown = f"{finding.what} ({finding.evidence})" if _shows_evidence(finding) else finding.what
                first, *rest = textwrap.wrap(shown, WIDTH - 11, break_long_words=False, break_on_hyphens=False)
                lines += [f"  {mark}  {first}", *(f"           {line}" for line in rest)]
        lines.append("")
    told = sorted((finding for finding in findings if finding.level != "ok"), key=lambda one: LEVELS.index(one.level))
    for finding in told:
        lines += [paint(f"{_MARKS[finding.level]}: {finding.what}", _COLOURS[finding.level]), *_details(finding), ""]
    return "\n".join([*lines, paint(summary(findings), _BOLD)])


def _shows_evidence(finding: Finding) -> bool:
    return finding.level == "ok" and bool(finding.evidence)


def _details(finding: Finding) -> list[str]:
    lines = []
    for label, text in (("seen", finding.evidence), ("matters", finding.why), ("do", finding.remedy)):
        if text:
            first, *rest = _folded(text)
            lines += [f"  {label:>7}: {first}", *(f"           {line}" for line in rest)]
    return lines


def _folded(text: str) -> list[str]:
    """Text of several lines is to be pasted and stays as it is; one long line is folded between words."""
    if "\n" in text:
        return text.splitlines()
    return textwrap.wrap(text, WIDTH - 11, break_long_words=False, break_on_hyphens=False) or [""]


def summary(findings: Sequence[Finding]) -> str:
    """One line: how many, and the one that matters most."""
    counts = count(findings)
    told = ", ".join(
        f"{number} {_PLURALS[level] if number != 1 else level if level != 'ok' else 'fine'}"
        for level in reversed(LEVELS)
        if (number := counts[level])
    )
    if is_fine(findings):
        return f"{len(findings)} checks: {told}. Nothing stands against taking calls."
    first = next(finding for finding in findings if finding.level == worst(findings))
    return f"{len(findings)} checks: {told}. First of all: {first.what}."
