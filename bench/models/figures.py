"""What was measured, and what must hold: one line each."""

from collections.abc import Sequence
from typing import Any

import msgspec


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One measured value."""

    row: str
    """The measurement that it comes from, as `--only` names it."""
    name: str
    value: float
    unit: str
    at_most: float | None = None
    at_least: float | None = None
    note: str = ""

    @property
    def holds(self) -> bool | None:
        """None where nothing is asked of it."""
        if self.at_most is not None:
            return self.value <= self.at_most
        if self.at_least is not None:
            return self.value >= self.at_least
        return None

    @property
    def must(self) -> str:
        """What is asked of it, in words."""
        if self.at_most is not None:
            return f"<= {self.at_most:g} {self.unit}"
        return f">= {self.at_least:g} {self.unit}" if self.at_least is not None else ""

    def json(self) -> dict[str, Any]:
        return {**msgspec.to_builtins(self), "holds": self.holds}


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which this share of them is; 0 without any."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def table(figures: Sequence[Figure]) -> str:
    """All of them, in columns."""
    rows = [
        (figure.row, figure.name, _number(figure.value), figure.unit, figure.must, _verdict(figure), figure.note)
        for figure in figures
    ]
    head = ("row", "what", "value", "", "must be", "", "")
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    return "\n".join(
        "  ".join(
            text.rjust(width) if column == 2 else text.ljust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (head, *rows)
    )


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _verdict(figure: Figure) -> str:
    return {True: "holds", False: "MISSED", None: ""}[figure.holds]
