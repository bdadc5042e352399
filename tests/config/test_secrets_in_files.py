"""`${file:/path}`: a secret from a file, and what is said when that fails: never the secret."""

import os
from pathlib import Path

import pytest

from config.load import load
from config.problem import ConfigError
from tests.config.test_load import configuration, told


def test_a_password_may_come_from_a_file_without_its_line_end(tmp_path: Path) -> None:
    file = tmp_path / "ari"
    file.write_text("swördfish \n")
    settings = load(configuration(tmp_path, f"asterisk: {{password: '${{file:{file}}}'}}")).settings
    assert settings.asterisk.password.reveal() == "swördfish "


def test_a_file_is_read_only_where_it_is_asked_for(tmp_path: Path) -> None:
    settings = load(configuration(tmp_path, "asterisk: {username: '$${file:/etc/passwd}'}")).settings
    assert settings.asterisk.username == "${file:/etc/passwd}"


@pytest.mark.parametrize(
    ("name", "held", "words"),
    [
        ("missing", None, "cannot be read (No such file or directory)"),
        ("binary", b"\xff\xfe", "is not UTF-8 text"),
        ("huge", b"x" * 5000, "holds more than 4096 bytes"),
    ],
)
def test_a_file_that_is_of_no_use_is_named(tmp_path: Path, name: str, held: bytes | None, words: str) -> None:
    file = tmp_path / name
    if held is not None:
        file.write_bytes(held)
    [problem] = told(configuration(tmp_path, f"asterisk: {{password: '${{file:{file}}}'}}"))
    assert words in problem and name in problem


def test_a_relative_path_is_refused(tmp_path: Path) -> None:
    [problem] = told(configuration(tmp_path, "asterisk: {password: '${file:secrets/ari}'}"))
    assert "not the whole path" in problem


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_this_user_may_not_read_is_named(tmp_path: Path) -> None:
    file = tmp_path / "ari"
    file.write_text("swordfish")
    file.chmod(0)
    [problem] = told(configuration(tmp_path, f"asterisk: {{password: '${{file:{file}}}'}}"))
    assert "Permission denied" in problem


@pytest.mark.parametrize("key", ["port", "scheme", "verify_tls"])
def test_a_secret_in_the_wrong_place_is_not_shown(tmp_path: Path, key: str) -> None:
    file = tmp_path / "ari"
    file.write_text("swordfish")
    with pytest.raises(ConfigError) as refusal:
        load(configuration(tmp_path, f"asterisk: {{{key}: '${{file:{file}}}'}}"))
    assert "swordfish" not in str(refusal.value)
    assert f"what `${{file:{file}}}` holds" in str(refusal.value)
