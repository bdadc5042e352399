"""What is told of faults, from outcomes that were made up."""

import json
from pathlib import Path

from bench.chaos import report
from bench.chaos.heard import Limits
from bench.chaos.trial import Outcome
from tests.bench.chaos.test_heard import account


def outcome(**changes: object) -> Outcome:
    made = Outcome("kill-something", "Nobody notices.", Limits(gap_ms=300.0), strikes=2)
    made.accounts = [account(gap_ms=120.0), account(gap_ms=480.0), account(hit=False)]
    made.took_ms["replaced"] += [200.0, 400.0]
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def test_a_broken_limit_is_in_the_line_the_table_and_the_object() -> None:
    made = outcome()
    made.judge()
    assert not made.ok
    assert report.line(made).startswith("kill-something: NOT HELD; 2 strikes, 2 callers hit, gap 480/480 ms")
    assert "broken: the gap is 480 ms (p95), and 300 ms are allowed" in report.line(made)
    assert report.row(made)[-1] == "NO"
    assert made.json()["ok"] is False


def test_a_generator_that_was_late_itself_accuses_nobody() -> None:
    made = outcome(accounts=[account(hit=False, during=50.0)], fit=False)
    made.judge()
    assert made.ok
    assert made.notes == [
        "the generator was late itself, so this says nothing: the pacing of the others went from 0.10 to 50.00 ms (p99)"
    ]


def test_the_same_sentence_is_told_once_with_how_often_it_came() -> None:
    made = outcome(accounts=[], broken=["a new call was not served"] * 3)
    assert made.json()["broken"] == ["a new call was not served (3 times)"]


def test_what_is_skipped_says_why_and_is_no_failure() -> None:
    made = Outcome("shm-full", "Holds.", Limits(), skipped="needs root")
    assert report.line(made) == "shm-full: skipped, needs root"
    assert made.ok
    assert report.row(made)[-1] == "skipped"


def test_the_table_is_markdown_with_a_row_for_each(tmp_path: Path) -> None:
    report.write([outcome(), outcome(name="another")], 50, tmp_path)
    page = (tmp_path / "report.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("|")]
    assert len(rows) == 4, "the head, the rule, two faults"
    assert len({line.count("|") for line in rows}) == 1
    assert "- replaced: 400 ms (p95)" in page
    objects = json.loads((tmp_path / "report.json").read_text())
    assert [made["name"] for made in objects] == ["kill-something", "another"]
    assert objects[0]["hit"]["gap_ms"] == {"p50": 480.0, "p95": 480.0, "max": 480.0}
