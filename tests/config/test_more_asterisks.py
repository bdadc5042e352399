"""Several Asterisks: no two call-controls may take each other's calls."""

from pathlib import Path

import pytest

from config.load import load
from tests.config.test_load import configuration, told


def test_several_servers_and_several_applications_of_one(tmp_path: Path) -> None:
    text = """
asterisk: {host: localhost}
more_asterisks:
  branch: {host: 10.0.0.5, password: "${BRANCH_PASSWORD:-x}"}
  night: {host: localhost, app_name: night}
"""
    settings = load(configuration(tmp_path, text)).settings
    assert settings.more_asterisks["branch"].host == "10.0.0.5"
    assert settings.more_asterisks["branch"].app_name == settings.asterisk.app_name
    assert settings.more_asterisks["night"].app_name == "night"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "more_asterisks: {branch: {host: localhost}}",
            "more_asterisks.branch: this is the same server and application as `asterisk`; "
            "give it another `app_name`, or remove it.",
        ),
        (
            "more_asterisks: {a: {host: PBX.example}, b: {host: pbx.example}}",
            "more_asterisks.b: this is the same server and application as `more_asterisks.a`; "
            "give it another `app_name`, or remove it.",
        ),
        ("more_asterisks: {a: {port: 8089}, a: {port: 8090}}", "more_asterisks.a: this key is already set on line 1"),
        ("more_asterisks: {Branch Office: {}}", "more_asterisks.Branch Office: a key here must be text that matches"),
    ],
)
def test_what_would_not_work_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    [found] = told(configuration(tmp_path, text))
    assert problem in found
