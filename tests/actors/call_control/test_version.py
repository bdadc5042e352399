"""Which Asterisk sends digits through an AudioSocket channel."""

import pytest

from actors.call_control.version import sends_digits


@pytest.mark.parametrize(
    ("version", "sends"),
    [
        ("18.26.4", False),
        ("20.13.0", False),
        ("20.14.0", True),
        ("21.8.0", False),
        ("21.9.1", True),
        ("22.3.0", False),
        ("22.4.0", True),
        ("22.11.0-rc1", True),
        ("23.0.0", True),
        ("certified-20.7-cert5", False),
        ("certified-22.8-cert1", True),
        ("16.30.0", False),
        ("GIT-master-1234567", True),
        ("", True),
    ],
)
def test_digits_come_through_the_media_leg_from_some_version_of_each_branch_on(version: str, sends: bool) -> None:
    assert sends_digits(version) is sends
