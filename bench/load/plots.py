"""Plots as inline SVG: axes with titles and units, lines, bars, a legend. No scripts; colours come from the page.

Colours are classes (`s1` to `s6`), so that one style sheet serves light and dark.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape

WIDTH, HEIGHT = 640, 320
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 34, 48
LEGEND_CHARACTER, LEGEND_MARK = 6.6, 30
"""Width of a character at 12 px, and of what stands before a name."""
DECADE_MARKS = (1, 2, 5)

Point = tuple[float, float]


@dataclass(frozen=True)
class Series:
    """dashed: it is beside the point, such as the generator's own figures."""

    name: str
    colour: int
    points: Sequence[Point]
    dashed: bool = False
    dots: bool = True


@dataclass
class Axis:
    """One direction: values to pixels, and where its marks are."""

    title: str
    low: float
    high: float
    log: bool = False
    names: Sequence[str] = field(default_factory=tuple)
    """For an axis of categories: those at 0, 1, 2 ..."""

    def place(self, value: float) -> float:
        """From 0 to 1."""
        if self.log:
            return (math.log10(max(value, self.low)) - math.log10(self.low)) / (
                math.log10(self.high) - math.log10(self.low)
            )
        return (value - self.low) / (self.high - self.low)

    def marks(self) -> list[tuple[float, str]]:
        if self.names:
            return list(enumerate(self.names))
        if self.log:
            decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            values = [mark * 10.0**decade for decade in decades for mark in DECADE_MARKS]
            if len(values) > 16:
                values = [10.0**decade for decade in decades]
            return [(value, f"{value:g}") for value in values if self.low * 0.999 <= value <= self.high * 1.001]
        step = _step(self.high - self.low)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [(number * step, f"{number * step:g}") for number in range(first, last + 1)]


def _step(span: float) -> float:
    """A round distance that makes four to eight marks."""
    rough = span / 6
    decade = 10.0 ** math.floor(math.log10(rough))
    return float(next(mark * decade for mark in (1, 2, 5, 10) if mark * decade >= rough))


def log_axis(title: str, values: Sequence[float], least: float = 0.01) -> Axis:
    """Whole decades around all values."""
    positive = [max(value, least) for value in values] or [least, 1.0]
    low = 10.0 ** math.floor(math.log10(min(positive)))
    high = 10.0 ** math.ceil(math.log10(max(positive)) + 1e-9)
    return Axis(title, low, high if high > low else low * 10, log=True)


def linear_axis(title: str, values: Sequence[float], low: float | None = 0.0) -> Axis:
    """From `low` (None: the least value) to a little above the largest."""
    least = min(values, default=0.0) if low is None else low
    most = max(values, default=1.0)
    room = (most - least) * 0.06 or 1.0
    return Axis(title, least - (room if low is None else 0.0), most + room)


def lines(title: str, across: Axis, up: Axis, series: Sequence[Series]) -> str:
    """Lines with dots; a series of one point is a dot."""

    def draw(x: Callable[[float], float], y: Callable[[float], float]) -> str:
        parts = []
        for one in series:
            points = [(x(a), y(b)) for a, b in one.points]
            if len(points) > 1:
                path = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
                dash = ' stroke-dasharray="5 4"' if one.dashed else ""
                parts.append(f'<polyline class="line s{one.colour}" points="{path}"{dash}/>')
            if one.dots or len(points) == 1:
                parts += [f'<circle class="dot s{one.colour}" cx="{a:.1f}" cy="{b:.1f}" r="3"/>' for a, b in points]
        return "".join(parts)

    return _frame(title, across, up, draw, [(one.name, one.colour, one.dashed) for one in series])


def steps(title: str, across: Axis, up: Axis, edges: Sequence[float], series: Sequence[Series]) -> str:
    """Histograms as outlines: `points` of a series are (number of the bin, value)."""

    def draw(x: Callable[[float], float], y: Callable[[float], float]) -> str:
        parts = []
        for one in series:
            path = [f"M{x(edges[0]):.1f},{y(up.low):.1f}"]
            for number, value in one.points:
                place = int(number)
                path.append(f"L{x(edges[place]):.1f},{y(value):.1f} L{x(edges[place + 1]):.1f},{y(value):.1f}")
            path.append(f"L{x(edges[-1]):.1f},{y(up.low):.1f}")
            parts.append(f'<path class="line s{one.colour}" d="{" ".join(path)}"/>')
        return "".join(parts)

    return _frame(title, across, up, draw, [(one.name, one.colour, False) for one in series])


def ranges(title: str, up: Axis, names: Sequence[str], groups: Sequence[tuple[str, int, Sequence[Point]]]) -> str:
    """For each name a bar from one value to another, side by side for each group."""
    across = Axis("rung", -0.5, len(names) - 0.5, names=names)

    def draw(x: Callable[[float], float], y: Callable[[float], float]) -> str:
        parts = []
        width = min(26.0, 0.7 * (WIDTH - LEFT - RIGHT) / max(1, len(names)) / max(1, len(groups)))
        for which, (_, colour, bars) in enumerate(groups):
            for place, (low, high) in enumerate(bars):
                left = x(place) + (which - len(groups) / 2) * width
                tall = max(2.0, y(low) - y(high))
                parts.append(
                    f'<rect class="bar s{colour}" x="{left + 1:.1f}" y="{y(low) - tall:.1f}" width="{width - 2:.1f}"'
                    f' height="{tall:.1f}" rx="2"/>'
                )
        return "".join(parts)

    return _frame(title, across, up, draw, [(name, colour, False) for name, colour, _ in groups])


def _frame(
    title: str,
    across: Axis,
    up: Axis,
    draw: Callable[[Callable[[float], float], Callable[[float], float]], str],
    legend: Sequence[tuple[str, int, bool]],
) -> str:
    wide, tall = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def x(value: float) -> float:
        return LEFT + wide * across.place(value)

    def y(value: float) -> float:
        return TOP + tall * (1 - up.place(value))

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">']
    for value, name in up.marks():
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>')
        parts.append(f'<text class="mark" x="{LEFT - 8}" y="{y(value) + 4:.1f}" text-anchor="end">{name}</text>')
    for value, name in across.marks():
        parts.append(
            f'<line class="tick" x1="{x(value):.1f}" x2="{x(value):.1f}" y1="{TOP + tall}" y2="{TOP + tall + 4}"/>'
        )
        parts.append(
            f'<text class="mark" x="{x(value):.1f}" y="{TOP + tall + 17}" text-anchor="middle">{escape(name)}</text>'
        )
    parts.append(f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{TOP + tall}" y2="{TOP + tall}"/>')
    parts.append(
        f'<text class="title" x="{LEFT + wide / 2}" y="{HEIGHT - 8}" text-anchor="middle">{escape(across.title)}</text>'
    )
    parts.append(
        f'<text class="title" transform="translate(15 {TOP + tall / 2}) rotate(-90)" text-anchor="middle">'
        f"{escape(up.title)}</text>"
    )
    parts.append(draw(x, y))
    at = float(LEFT)
    for name, colour, dashed in legend:
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        parts.append(f'<line class="line s{colour}" x1="{at}" x2="{at + 18}" y1="16" y2="16"{dash}/>')
        parts.append(f'<text class="mark" x="{at + 23}" y="20">{escape(name)}</text>')
        at += LEGEND_MARK + LEGEND_CHARACTER * len(name) + 8
    return "".join([*parts, "</svg>"])
