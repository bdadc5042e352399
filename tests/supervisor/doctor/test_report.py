"""Findings as an operator and as a script read them."""

import json

from supervisor.doctor import report
from supervisor.doctor.findings import Finding, Subject

PBX, HOUSE = Subject("Asterisk", "asterisk"), Subject("Machine", "machine")
GOOD = [PBX.ok(f"check{number}", f"thing {number} is fine", "seen") for number in range(20)]
ADVICE = HOUSE.advice("clock", "the clock is odd", "logs differ", "set it")
WARNING = PBX.warning("modules", "a module is missing", "less choice", "load it\nand keep it loaded", "not in the list")
ERROR = PBX.error("password", "the password is wrong", "no call works", "correct it", "401")


def test_what_matters_is_read_last() -> None:
    lines = report.render([ERROR, *GOOD, WARNING, ADVICE], colours=False).splitlines()
    assert lines[-1] == "23 checks: 1 error, 1 warning, 1 advice, 20 fine. First of all: the password is wrong."
    told = [line for line in lines if line.startswith(("advice:", "WARNING:", "ERROR:"))]
    assert told == [
        "advice: the clock is odd",
        "WARNING: a module is missing",
        "ERROR: the password is wrong",
    ]
    at = lines.index("ERROR: the password is wrong")
    assert lines[at + 1 : at + 4] == ["     seen: 401", "  matters: no call works", "       do: correct it"]
    assert at > len(lines) - 7


def test_lines_to_paste_stay_lines() -> None:
    lines = report.render([WARNING], colours=False).splitlines()
    assert "       do: load it" in lines
    assert "           and keep it loaded" in lines


def test_everything_that_was_looked_at_stands_under_its_subject() -> None:
    lines = report.render([GOOD[0], ADVICE, GOOD[1]], colours=False).splitlines()
    assert lines[:6] == [
        "Asterisk",
        "       ok  thing 0 is fine (seen)",
        "       ok  thing 1 is fine (seen)",
        "",
        "Machine",
        "   advice  the clock is odd",
    ]


def test_no_line_is_too_long_to_read_but_for_those_to_paste() -> None:
    long = PBX.ok("long", "a word " * 60, "and evidence " * 30)
    assert all(len(line) <= report.WIDTH for line in report.render([long], colours=False).splitlines()[:-1])


def test_advice_is_fine_and_a_warning_is_not() -> None:
    assert report.is_fine([*GOOD, ADVICE])
    assert not report.is_fine([*GOOD, WARNING])
    assert report.summary([*GOOD, ADVICE]) == "21 checks: 1 advice, 20 fine. Nothing stands against taking calls."


def test_json_has_everything() -> None:
    told = json.loads(report.as_json([GOOD[0], ERROR]))
    assert (told["fine"], told["worst"]) == (False, "error")
    assert told["counts"] == {"ok": 1, "advice": 0, "warning": 0, "error": 1}
    assert told["findings"][1] == {
        "check": "asterisk.password",
        "subject": "Asterisk",
        "level": "error",
        "what": "the password is wrong",
        "why": "no call works",
        "remedy": "correct it",
        "evidence": "401",
    }


def test_colours_are_only_for_terminals() -> None:
    findings: list[Finding] = [ERROR]
    assert "\x1b" not in report.render(findings, colours=False)
    assert "\x1b[31m" in report.render(findings, colours=True)
