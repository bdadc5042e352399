"""What chaos writes: a line as each fault is done, a table at the end, `report.json` and `report.md`."""

import json
from collections.abc import Sequence
from pathlib import Path

from bench.chaos.heard import Spread, Toll
from bench.chaos.trial import Outcome

HEAD = (
    "fault", "strikes", "calls lost", "callers hit", "gap ms p95/max", "recovery ms p95/max", "words lost s p95/max",
    "others: pacing ms p99 before/during", "others: gap ms max", "CPU busy %", "held",
)  # fmt: skip


def verdict(outcome: Outcome) -> str:
    if outcome.skipped:
        return "skipped"
    return "yes" if outcome.ok else "NO"


def line(outcome: Outcome) -> str:
    """While it runs."""
    if outcome.skipped:
        return f"{outcome.name}: skipped, {outcome.skipped}"
    hit = outcome.hit
    parts = [f"{outcome.strikes} strike{'s' if outcome.strikes > 1 else ''}"]
    if hit.callers:
        parts += [
            f"{hit.callers} callers hit",
            f"gap {_spread(hit.gap_ms)} ms",
            f"recovery {_spread(hit.recovery_ms)} ms",
            f"words lost {_spread(hit.words_lost_s, 2)} s",
        ]
    lost = hit.calls_lost + outcome.others.calls_lost
    parts += [f"{lost} calls lost"]
    parts += [f"{what} {max(took):.0f} ms" for what, took in outcome.took_ms.items()]
    told = f"{outcome.name}: {'held' if outcome.ok else 'NOT HELD'}; {', '.join(parts)} ({outcome.seconds:.0f} s)"
    made = outcome.json()
    return "\n".join([told, *(f"    broken: {text}" for text in made["broken"]), *(f"    {x}" for x in made["notes"])])


def row(outcome: Outcome) -> tuple[str, ...]:
    hit, others = outcome.hit, outcome.others
    lost = "" if outcome.skipped else str(hit.calls_lost + others.calls_lost)
    return (
        outcome.name,
        str(outcome.strikes or ""),
        lost,
        str(hit.callers or ""),
        _spread(hit.gap_ms),
        _spread(hit.recovery_ms),
        _spread(hit.words_lost_s, 2),
        _pace(others),
        f"{others.gap_ms.max:.0f}" if others.gap_ms else "",
        f"{outcome.busy_percent:.0f}" if outcome.busy_percent else "",
        verdict(outcome),
    )


def _spread(found: Spread | None, digits: int = 0) -> str:
    return f"{found.p95:.{digits}f}/{found.max:.{digits}f}" if found else ""


def _pace(others: Toll) -> str:
    before, during = others.pace_before_ms, others.pace_during_ms
    return f"{before:.2f}/{during:.2f}" if before is not None and during is not None else ""


def table(outcomes: Sequence[Outcome]) -> str:
    """As Markdown, with columns that are aligned for whoever reads it as text."""
    rows = [HEAD, *(row(outcome) for outcome in outcomes)]
    widths = [max(len(cells[column]) for cells in rows) for column in range(len(HEAD))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"
             for cells in rows]  # fmt: skip
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def page(outcomes: Sequence[Outcome], calls: int) -> str:
    """Everything that was found, as Markdown."""
    parts = [
        "# Chaos",
        f"{calls} calls that hear their own voice, over the stand-in Asterisk. For each fault, over all its strikes:"
        " what the callers heard who were served by what was struck, and everybody else. A gap is the longest time"
        " without a frame on the wire, the recovery the longest time without the caller's own voice; both include the"
        " usual 20 ms. For kill-stt, kill-llm and kill-tts, with a caller who talks, it is how much later the answer"
        " came.",
        table(outcomes),
    ]
    for outcome in outcomes:
        made = outcome.json()
        told = [f"- broken: {sentence}" for sentence in made["broken"]] + [f"- {note}" for note in made["notes"]]
        told += [f"- {what}: {spread['p95']:.0f} ms (p95)" for what, spread in made["took_ms"].items()]
        told += [f"- skipped: {outcome.skipped}"] if outcome.skipped else []
        parts += [f"## {outcome.name}", outcome.holds, "\n".join(told)]
    return "\n\n".join(part for part in parts if part) + "\n"


def write(outcomes: Sequence[Outcome], calls: int, out: Path) -> None:
    (out / "report.json").write_text(json.dumps([outcome.json() for outcome in outcomes], indent=1) + "\n")
    (out / "report.md").write_text(page(outcomes, calls))
