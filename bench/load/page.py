"""The report as one self-contained HTML file: what was measured, against what, on which machine, and how it looks.

`render` takes what is in report.json, so a page can be made again from the file.
"""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from bench.load import plots
from bench.load.plots import Axis, Series

QUANTILES = (("p50", 1), ("p99", 2), ("p999", 3), ("max", 4))
NAMES = {"p50": "p50", "p99": "p99", "p999": "p99.9", "max": "max"}
MOST_HISTOGRAMS = 6
"""Lines in one plot that can still be told apart."""

STYLE = """
:root{--paper:#fbfaf7;--ink:#22252b;--soft:#686d78;--rule:#dcd9d0;--card:#fff;--good:#1d7a46;--bad:#b3261e;
--c1:#2a6fb0;--c2:#c8641b;--c3:#8d4a9e;--c4:#b3261e;--c5:#1d7a46;--c6:#7a7f8a}
@media(prefers-color-scheme:dark){:root{--paper:#16181c;--ink:#e6e4de;--soft:#9a9fa9;--rule:#33363d;--card:#1e2126;
--good:#5cc98b;--bad:#f2857c;--c1:#6fb1ee;--c2:#f0a35e;--c3:#cf96de;--c4:#f2857c;--c5:#5cc98b;--c6:#9a9fa9}}
body{background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,sans-serif;margin:2.5rem auto;max-width:1360px;
padding:0 1.5rem}
h1{font-size:1.6rem;margin:0 0 .2rem}h2{font-size:1.15rem;margin:2.4rem 0 .6rem}h3{font-size:.95rem;margin:0 0 .3rem}
p{margin:.3rem 0;max-width:75ch}.soft{color:var(--soft)}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:.86rem}
th,td{padding:.34rem .55rem;text-align:right;border-bottom:1px solid var(--rule);vertical-align:top}
th{color:var(--soft);font-weight:500}td.text,th.text{text-align:left}
.scroll{overflow-x:auto}.good{color:var(--good);font-weight:600}.bad{color:var(--bad);font-weight:600}
.facts{display:flex;flex-wrap:wrap;gap:.3rem 1.8rem;margin:.8rem 0}.facts b{font-weight:500}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(560px,100%),1fr));gap:1.2rem}
figure{background:var(--card);border:1px solid var(--rule);border-radius:8px;margin:0;padding:.9rem 1rem}
figcaption{font-size:.82rem;color:var(--soft);margin-top:.3rem}
svg{width:100%;height:auto;font:12px system-ui,sans-serif}
svg .mark{fill:var(--soft)}svg .title{fill:var(--ink)}svg .grid{stroke:var(--rule)}
svg .axis,svg .tick{stroke:var(--soft)}svg .line{fill:none;stroke-width:2;stroke-linejoin:round}
svg .dot,svg .bar{stroke:none}
""" + "".join(f".line.s{n}{{stroke:var(--c{n})}}.dot.s{n},.bar.s{n}{{fill:var(--c{n})}}" for n in range(1, 7))

Rung = Mapping[str, Any]


def render(report: Mapping[str, Any]) -> str:
    rungs: Sequence[Rung] = report["rungs"]
    named = [rung for rung in rungs if not _climbing(rung)]
    climbs = {kind: [rung for rung in rungs if rung["name"].startswith(kind)] for kind in ("alone-", "dense-")}
    sections = [_head(report["machine"], rungs), _summary(rungs), _criteria(rungs)]
    figures = [*_climb_plots(climbs), *_named_plots(named or rungs), *_worst_plots(rungs)]
    sections.append(f'<h2>Plots</h2><div class="plots">{"".join(figures)}</div>')
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Ringmaster: load ladder</title>'
        '<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">'
        f"<style>{STYLE}</style></head><body>{''.join(sections)}</body></html>\n"
    )


def _climbing(rung: Rung) -> bool:
    return str(rung["name"]).startswith(("alone-", "dense-"))


def _head(machine: Mapping[str, str], rungs: Sequence[Rung]) -> str:
    judged = [rung for rung in rungs if not _climbing(rung)]
    fine = sum(bool(rung["ok"]) for rung in judged)
    facts = dict(machine)
    if rungs:
        facts["generator"] = f"{rungs[0].get('generator_granted', '')}, arrivals timed by {rungs[0]['arrival_clock']}"
    shown = "".join(f'<span><span class="soft">{escape(key)}</span> <b>{escape(text)}</b></span>'
                    for key, text in facts.items())  # fmt: skip
    verdict = f'<b class="{"good" if fine == len(judged) else "bad"}">{fine} of {len(judged)} rungs fine.</b>'
    return (
        f"<h1>Ringmaster: load ladder</h1><p>{verdict} Callers speak on an exact 20 ms grid; every figure is what they"
        f' heard, by the time at which the kernel had it.</p><div class="facts">{shown}</div>'
    )


def _figure(rung: Rung, path: str) -> float | None:
    found: Any = rung
    for key in path.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    return None if found is None else float(found)


def _cell(rung: Rung, path: str, digits: int) -> str:
    value = _figure(rung, path)
    return f"<td>{'' if value is None else f'{value:.{digits}f}'}</td>"


COLUMNS = (
    ("calls", "calls", 0),
    ("p50", "pace_error_ms.p50", 2),
    ("p99", "pace_error_ms.p99", 2),
    ("p99.9", "pace_error_ms.p999", 2),
    ("max", "pace_error_ms.max", 1),
    ("lost", "lost", 0),
    ("audio", "audio_ratio", 4),
    ("added latency p99", "added_latency_ms.p99", 1),
    ("first frame p99", "first_frame_ms.p99", 0),
    ("gone max", "gone_ms.max", 0),
    ("barge-in p99", "barge_in_ms.p99", 0),
    ("CPU %/call", "cpu_percent_per_call", 3),
    ("MB/call", "uss_mb_per_call", 2),
    ("MB/further call", "uss_mb_per_further_call", 2),
    ("machine busy %", "machine_busy_percent", 0),
    ("elsewhere %", "elsewhere_percent", 0),
    ("generator late p99", "generator_late_ms.p99", 2),
)


def _summary(rungs: Sequence[Rung]) -> str:
    head = "".join(f"<th>{name}</th>" for name, _, _ in COLUMNS)
    rows = []
    for rung in rungs:
        verdict = '<td class="text good">fine</td>' if rung["ok"] else f'<td class="text bad">{rung["limit"]}</td>'
        cells = "".join(_cell(rung, path, digits) for _, path, digits in COLUMNS)
        about = f"{rung['flow']}, {rung['provider']}"
        rows.append(
            f'<tr><td class="text">{escape(str(rung["name"]))}</td><td class="text">{escape(str(rung["title"]))}'
            f' <span class="soft">{about}</span></td>{verdict}{cells}</tr>'
        )
    return (
        '<h2>Rungs</h2><p class="soft">Times in ms. Pacing error: distance of a frame from its call\'s own 20 ms grid.'
        " MB is memory that no other process has; a further call's is without what runs before the first.</p>"
        f'<div class="scroll"><table><tr><th class="text">rung</th><th class="text">what</th>'
        f'<th class="text">bound by</th>{head}</tr>{"".join(rows)}</table></div>'
    )


def _criteria(rungs: Sequence[Rung]) -> str:
    rows = []
    for rung in rungs:
        if _climbing(rung):
            continue
        for one in rung["criteria"]:
            value = "not measured" if one["value"] is None else f"{one['value']:g}"
            verdict = '<td class="text good">met</td>' if one["met"] else '<td class="text bad">missed</td>'
            rows.append(f'<tr><td class="text">{escape(str(rung["name"]))}</td><td class="text">'
                        f"{escape(one['criterion'])}</td><td>{value}</td>{verdict}</tr>")  # fmt: skip
    if not rows:
        return ""
    return (
        '<h2>Criteria</h2><div class="scroll"><table style="width:auto"><tr><th class="text">rung</th>'
        f'<th class="text">criterion</th><th>was</th><th></th></tr>{"".join(rows)}</table></div>'
    )


def _plot(title: str, svg: str, caption: str = "") -> str:
    return f"<figure><h3>{escape(title)}</h3>{svg}<figcaption>{escape(caption)}</figcaption></figure>"


def _points(rungs: Sequence[Rung], path: str) -> list[tuple[float, float]]:
    found = [(float(rung["calls"]), _figure(rung, path)) for rung in rungs]
    return [(calls, value) for calls, value in found if value is not None]


def _climb_plots(climbs: Mapping[str, Sequence[Rung]]) -> list[str]:
    made = []
    for kind, title in (("alone-", "one process a call"), ("dense-", "many calls a process")):
        rungs = climbs[kind]
        if len(rungs) < 2:
            continue
        series = [Series(NAMES[name], colour, _points(rungs, f"pace_error_ms.{name}")) for name, colour in QUANTILES]
        own = Series("generator p99", 6, _points(rungs, "generator_late_ms.p99"), dashed=True)
        values = [value for one in (*series, own) for _, value in one.points]
        across = plots.linear_axis("calls", [float(rung["calls"]) for rung in rungs])
        up = plots.log_axis("pacing error, ms", values)
        made.append(_plot(f"Pacing error, {title}", plots.lines(title, across, up, [*series, own]), _end_of(rungs)))
    for title, unit, path in (
        ("CPU per call", "% of a core", "cpu_percent_per_call"),
        ("Private memory per call", "MB", "uss_mb_per_call"),
    ):
        pairs = (("one process a call", 1, climbs["alone-"]), ("many calls a process", 2, climbs["dense-"]))
        series = [Series(name, colour, _points(rungs, path)) for name, colour, rungs in pairs if len(rungs) > 1]
        if series:
            across = plots.linear_axis("calls", [calls for one in series for calls, _ in one.points])
            up = plots.linear_axis(f"{title}, {unit}", [value for one in series for _, value in one.points])
            made.append(_plot(title, plots.lines(title, across, up, series), "All processes of the system, by calls."))
    return made


def _end_of(rungs: Sequence[Rung]) -> str:
    last = rungs[-1]
    return f"Ends at {last['calls']} calls" + (f", bound by {last['limit']}." if last["limit"] else ", still fine.")


def _named_plots(rungs: Sequence[Rung]) -> list[str]:
    made = []
    with_gaps = [rung for rung in rungs if rung.get("plots", {}).get("gaps")][:MOST_HISTOGRAMS]
    if with_gaps:
        edges = with_gaps[0]["plots"]["gap_edges_ms"]
        series = []
        for colour, rung in enumerate(with_gaps, 1):
            total = sum(rung["plots"]["gaps"]) or 1
            shares = [(float(at), 100.0 * count / total) for at, count in enumerate(rung["plots"]["gaps"])]
            series.append(Series(str(rung["name"]), colour, shares))
        across = Axis("gap between frames, ms (longer ones than 40 are not shown)", 0.0, 40.0)
        shown = [number for number, edge in enumerate(edges[1:]) if edge <= across.high]
        series = [Series(one.name, one.colour, one.points[: len(shown)]) for one in series]
        up = plots.log_axis("share of frames, %", [100.0], least=0.001)
        up.low, up.high = 0.0005, 100.0
        svg = plots.steps("gaps", across, up, edges[: len(shown) + 1], series)
        made.append(_plot("Gaps between frames that follow each other", svg, "20 ms is the grid; logarithmic upwards."))
    made += _range_plots(rungs)
    return made


def _range_plots(rungs: Sequence[Rung]) -> list[str]:
    made = []
    echoing = [rung for rung in rungs if _figure(rung, "added_latency_ms.p50") is not None]
    if echoing:
        bars = [[(_figure(rung, f"added_latency_ms.{name}") or 0.0) for name in ("p50", "p99")] for rung in echoing]
        up = plots.linear_axis("added latency, ms", [value for pair in bars for value in pair])
        groups = [
            (f"up to {name}", colour, [(0.0, pair[at]) for pair in bars])
            for at, (name, colour) in enumerate((("p50", 1), ("p99", 2)))
        ]
        svg = plots.ranges("latency", up, [str(rung["name"]) for rung in echoing], groups)
        made.append(_plot("Added latency", svg, "From speaking a mark to hearing it back, by way of the whole agent."))
    measured = [rung for rung in rungs if _figure(rung, "pace_error_ms.p99") is not None]
    if measured:
        values = [_figure(rung, f"{path}.p99") or 0.0 for rung in measured for path in
                  ("pace_error_ms", "generator_late_ms")]  # fmt: skip
        up = plots.log_axis("p99, ms", values)
        groups = [
            (name, colour, [(up.low, _figure(rung, f"{path}.p99") or up.low) for rung in measured])
            for name, colour, path in (
                ("the agent's pacing error", 1, "pace_error_ms"),
                ("the generator's own lateness", 6, "generator_late_ms"),
            )
        ]
        svg = plots.ranges("generator", up, [str(rung["name"]) for rung in measured], groups)
        made.append(
            _plot("The generator beside the agent", svg, "Arrivals are timed by the kernel: the generator's lateness is"
                  " in what it says, not in what it measures.")
        )  # fmt: skip
    return made


def _worst_plots(rungs: Sequence[Rung]) -> list[str]:
    """Of the two rungs with the largest errors."""
    with_worst = [rung for rung in rungs if rung.get("plots", {}).get("worst")]
    with_worst.sort(key=lambda rung: -(_figure(rung, "pace_error_ms.max") or 0.0))
    made = []
    for rung in with_worst[:2]:
        worst = rung["plots"]["worst"]
        series = [
            Series("worst of all calls, each 10 ms", 6, worst["all_calls"], dots=False),
            Series("the call with the worst frame", 4, worst["worst_call"]),
        ]
        values = [value for one in series for _, value in one.points]
        across = Axis("time around the worst frame, ms", -500.0, 500.0)
        up = plots.linear_axis("pacing error, ms", values, low=None)
        caption = f"Rung {rung['name']}, {worst['at_s']} s into the measuring; above 0 is late."
        made.append(_plot("The worst second", plots.lines("worst second", across, up, series), caption))
    return made
