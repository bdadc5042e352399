"""The page: whole, well-formed, self-contained, and it says what the report says."""

import copy
import re
import xml.etree.ElementTree as ElementTree
from typing import Any

from bench.load import page
from bench.load.plots import Axis, Series, lines, log_axis

RUNG: dict[str, Any] = {
    "name": "a",
    "title": "100 calls <one process each>",
    "calls": 100,
    "flow": "ari",
    "provider": "loopback",
    "ok": True,
    "limit": "",
    "arrival_clock": "kernel",
    "generator_granted": "fifo:30",
    "pace_error_ms": {"p50": 0.01, "p99": 0.2, "p999": 1.5, "max": 5.0},
    "generator_late_ms": {"p50": 0.1, "p99": 0.3, "p999": 0.4, "max": 2.0},
    "added_latency_ms": {"p50": 22.0, "p99": 23.0, "p999": 24.0, "max": 25.0},
    "cpu_percent_per_call": 0.5,
    "uss_mb_per_call": 3.2,
    "criteria": [{"criterion": "pace_error_ms.p99 <= 1", "value": 0.2, "met": True}],
    "plots": {
        "gap_edges_ms": [0, 19, 21, 40, 100],
        "gaps": [1, 500, 2, 0],
        "worst": {"at_s": 3.0, "worst_call": [[-20, 0.1], [0, 5.0]], "all_calls": [[-20, 0.2], [0, 5.0]]},
    },
}


def report() -> dict[str, Any]:
    failed = copy.deepcopy(RUNG) | {"name": "b", "ok": False, "limit": "pacing"}
    failed["criteria"][0] |= {"met": False, "value": None}
    climbs = [
        copy.deepcopy(RUNG) | {"name": f"{kind}-{calls}", "calls": calls}
        for kind in ("alone", "dense")
        for calls in (25, 50)
    ]
    unfit = {key: RUNG[key] for key in ("title", "calls", "flow", "provider", "arrival_clock", "generator_late_ms")}
    unfit |= {"name": "u", "ok": False, "limit": "generator", "criteria": [], "plots": {}}
    return {"machine": {"cores": "2 of 2"}, "rungs": [copy.deepcopy(RUNG), failed, unfit, *climbs]}


def test_every_plot_is_well_formed_and_has_titles_with_units() -> None:
    plots = re.findall(r"<svg.*?</svg>", page.render(report()), re.S)
    assert len(plots) == 9
    for plot in plots:
        tree = ElementTree.fromstring(plot)
        titles = [text.text or "" for text in tree.iter("text") if text.get("class") == "title"]
        assert len(titles) == 2
        assert any(unit in " ".join(titles) for unit in (", ms", ", %", ", MB")), titles


def test_the_page_says_what_is_fine_and_what_bound_the_rest() -> None:
    text = page.render(report())
    assert "1 of 3 rungs fine." in text
    assert '<td class="text bad">pacing</td>' in text and '<td class="text bad">generator</td>' in text
    assert "not measured" in text
    assert "100 calls &lt;one process each&gt;" in text


def test_the_page_needs_nothing_else() -> None:
    text = page.render(report())
    assert not re.search(r"<script|<link|https?://|url\(", text)
    assert "prefers-color-scheme:dark" in text


def test_a_report_of_one_rung_is_a_page_too() -> None:
    assert "1 of 1 rungs fine." in page.render({"machine": {}, "rungs": [RUNG]})


def test_a_logarithmic_axis_has_whole_decades_around_all_values() -> None:
    axis = log_axis("pacing error, ms", [0.03, 7.0])
    assert (axis.low, axis.high) == (0.01, 10.0)
    assert [name for _, name in axis.marks()] == ["0.01", "0.02", "0.05", "0.1", "0.2", "0.5", "1", "2", "5", "10"]
    drawn = lines("x", Axis("calls", 0, 10), axis, [Series("p50", 1, [(0, 0.01), (10, 10.0)])])
    assert 'points="64.0,272.0 624.0,34.0"' in drawn
