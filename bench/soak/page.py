"""The series of a soak as one HTML file without anything from elsewhere."""

from collections.abc import Mapping, Sequence
from html import escape

from bench.soak.series import Slope

WIDTH, HEIGHT, PAD = 420, 120, 6

STYLE = """
body { font: 14px/1.4 system-ui, sans-serif; margin: 2em; max-width: 70em; color: #222; background: #fff }
main { display: grid; grid-template-columns: repeat(auto-fill, minmax(430px, 1fr)); gap: 1em }
figure { margin: 0 } figcaption { font-weight: 600 } small { color: #666; font-weight: 400 }
svg { width: 100%; background: #f6f6f6 } polyline { fill: none; stroke: #2563a8; stroke-width: 1.5 }
text { font: 11px system-ui, sans-serif; fill: #666 } pre { background: #f6f6f6; padding: 1em; overflow: auto }
@media (prefers-color-scheme: dark) {
  body { color: #ddd; background: #181818 } svg, pre { background: #222 } polyline { stroke: #7ab3ef }
  small, text { color: #aaa; fill: #aaa }
}
"""


def page(title: str, at_s: Sequence[float], found: Mapping[str, Sequence[float]], slopes: Mapping[str, Slope],
         summary: str) -> str:  # fmt: skip
    """`summary` is text, in lines."""
    figures = "\n".join(_figure(name, at_s, values, slopes.get(name)) for name, values in found.items())
    return (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n'
        f"<style>{STYLE}</style>\n<h1>{escape(title)}</h1>\n<pre>{escape(summary)}</pre>\n<main>\n{figures}\n</main>\n"
        "</html>\n"
    )


def _figure(name: str, at_s: Sequence[float], values: Sequence[float], found: Slope | None) -> str:
    told = f" <small>{found.per_minute:+.2f} ± {found.uncertainty:.2f} a minute</small>" if found else ""
    return f"<figure><figcaption>{escape(name)}{told}</figcaption>{chart(at_s, values)}</figure>"


def chart(at_s: Sequence[float], values: Sequence[float]) -> str:
    """A line from the lowest to the highest value, both of which are written beside it."""
    low, high = min(values, default=0.0), max(values, default=0.0)
    span, end = (high - low) or 1.0, (at_s[-1] if at_s else 0.0) or 1.0
    points = " ".join(
        f"{PAD + (WIDTH - 2 * PAD) * at / end:.1f},{HEIGHT - PAD - (HEIGHT - 2 * PAD) * (value - low) / span:.1f}"
        for at, value in zip(at_s, values, strict=True)
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img"><polyline points="{points}"/>'
        f'<text x="{PAD}" y="14">{high:g}</text><text x="{PAD}" y="{HEIGHT - PAD}">{low:g}</text>'
        f'<text x="{WIDTH - PAD}" y="{HEIGHT - PAD}" text-anchor="end">{end / 60:.1f} min</text></svg>'
    )
