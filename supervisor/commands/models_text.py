"""What `ringmaster models` prints: tables for people, objects for programs."""

import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from models import install, tiers
from models.machine import Machine
from models.measured import Llm, Measured, Stt, Tts
from models.registry import Expectations, Model, Registry
from models.setup import Outcome, Row, Selection
from models.shelf import Choice

WIDTH = 120


def selection(chosen: Selection, folder: Path, measured: Measured | None = None) -> str:
    """The machine, the tier, and a table of the models; with what was measured of them."""
    rows = [
        (
            row.role,
            row.name,
            _size(row.model.bytes) if row.model else "",
            row.model.licence if row.model else "",
            "there" if row.path.exists() and (row.there or measured) else "to fetch" if row.model else "missing",
            row.why + _measured(row, measured),
        )
        for row in chosen.rows
    ]
    return "\n".join(
        (
            _machine(chosen.machine),
            *textwrap.wrap(f"Tier {chosen.choice.name}: {_why(chosen.choice)}.", WIDTH),
            *_beyond(chosen),
            f"Models go to {folder}.",
            "",
            table(("role", "model", "size", "licence", "", "why"), rows),
            "",
        )
    )


def _measured(row: Row, measured: Measured | None) -> str:
    """A figure that says something to people, with its comma; "" where this model was not measured."""
    found = getattr(measured, row.role, None)
    if found is None or found.model not in (row.name, str(row.path)):
        return ""
    match found:
        case Stt():
            return f"; one core keeps up with {found.calls_per_core:.0f} who speak at once"
        case Llm():
            return f"; writes {found.tokens_per_s:.0f} tokens a second here"
        case Tts():
            return f"; its first sound comes after {found.first_audio_ms:.0f} ms here"
    return ""


def expectation(claimed: Expectations, answer_ms: float, calls: int, silence_ms: float) -> str:
    """Measured figures where there are some, else the tier's own and where they come from."""
    if answer_ms:
        text = (
            f"Expected, by what was measured here: the first sound of an answer {answer_ms / 1000:.1f} s after the"
            f" caller's last ({silence_ms / 1000:.1f} s of which show that the turn is over), {_calls(calls)} at once."
        )
    else:
        text = (
            f"Expected, not measured here: an answer after {claimed.answer_s:.1f} s, {_calls(claimed.calls)} at once."
            f" {claimed.note}"
        )
    return "\n".join(textwrap.wrap(text, WIDTH))


def outcome_json(outcome: Outcome, claimed: Expectations, answer_ms: float, calls: int, folder: Path) -> dict[str, Any]:
    chosen = outcome.selection
    return {
        "folder": str(folder),
        "tier": chosen.choice.name,
        "why": chosen.choice.why,
        "language": chosen.language,
        "models": [
            {
                "role": row.role,
                "name": row.name,
                "path": str(row.path),
                "bytes": row.model.bytes if row.model else 0,
                "licence": row.model.licence if row.model else "",
                "there": row.path.exists(),
                "why": row.why,
                "files": _files(row.model) if row.model else [],
            }
            for row in chosen.rows
        ],
        "expected": {
            "answer_s": round(answer_ms / 1000, 2) if answer_ms else claimed.answer_s,
            "calls": calls or claimed.calls,
            "basis": "measured" if answer_ms else claimed.basis,
        },
        "measured": msgspec.to_builtins(outcome.measured) if outcome.measured else None,
        "complaints": outcome.complaints,
    }


def listing(known: Registry, folder: Path, choice: Choice | None, *, everything: bool) -> list[dict[str, Any]]:
    """Those that are here, or all that there are. Looks at sizes only."""
    chosen = {item.name: role for role, item in choice.models.items()} if choice else {}
    rows = []
    for model in known.models:
        there = install.present(folder, model, whole=False) is not None
        if not there and not everything and model.name not in chosen:
            continue
        rows.append(
            {
                "role": model.role,
                "name": model.name,
                "engine": model.engine,
                "there": there,
                "chosen": model.name in chosen,
                "bytes": model.bytes,
                "licence": model.licence,
                "languages": list(model.languages),
                "verified": "sha256" if model.files[0].sha256 else "md5" if model.files[0].md5 else "size",
                "notes": model.notes,
                "files": _files(model),
            }
        )
    return rows


def _files(model: Model) -> list[dict[str, Any]]:
    """For whoever fetches them by other means."""
    return [
        {"name": file.name, "urls": [file.url, *file.mirrors], "bytes": file.bytes, "sha256": file.sha256}
        for file in model.files
    ]


def listing_table(rows: Iterable[dict[str, Any]]) -> str:
    return table(
        ("role", "model", "", "size", "licence", "language", "checked by", "notes"),
        [
            (
                row["role"],
                row["name"],
                "in use"
                if row["chosen"] and row["there"]
                else "gone"
                if row["chosen"]
                else "here"
                if row["there"]
                else "",
                _size(row["bytes"]),
                row["licence"],
                ", ".join(row["languages"]) or "many",
                row["verified"],
                row["notes"],
            )
            for row in rows
        ],
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as they need be; the last one wraps."""
    every = [head, *rows]
    widths = [max(len(row[at]) for row in every) for at in range(len(head) - 1)]
    indent = sum(widths) + 2 * len(widths)
    lines = []
    for row in every:
        start = "".join(f"{cell:{width}}  " for cell, width in zip(row, widths, strict=False))
        last = textwrap.wrap(row[-1], max(24, WIDTH - indent)) or [""]
        lines.append((start + last[0]).rstrip())
        lines.extend(" " * indent + more for more in last[1:])
    return "\n".join(lines)


def _machine(machine: Machine) -> str:
    cards = ", ".join(f"{card.name} with {card.memory_mb / 1024:.0f} GB" for card in machine.gpus) or "no graphics card"
    cores = f"{machine.physical} physical core" + ("s" if machine.physical != 1 else "")
    return f"This machine: {machine.cpu or machine.architecture}, {cores}, {machine.memory_mb / 1024:.1f} GB, {cards}."


def _why(choice: tiers.Choice) -> str:
    if not choice.forced:
        return choice.why
    lack = next((verdict.why for verdict in choice.verdicts if verdict.name == choice.name and not verdict.fits), "")
    return "as you wish" + (f", though it does not fit: {lack}" if lack else "")


def _beyond(chosen: Selection) -> list[str]:
    """Why not the next stronger tier; and, where there is a graphics card, why none of those that would use it."""
    if chosen.choice.forced:
        return []
    names = [verdict.name for verdict in chosen.choice.verdicts]
    stronger = chosen.choice.verdicts[names.index(chosen.choice.name) + 1 :]
    shown = stronger if chosen.machine.gpus else stronger[:1]
    return [line for each in shown for line in textwrap.wrap(f"Not {each.name}: {each.why}.", WIDTH)]


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def _calls(count: int) -> str:
    return f"{count} call{'s' if count != 1 else ''}"
