"""What an Asterisk can do, and what is wrong with it, by its version."""

import pytest

from config.asterisk_versions import (
    AUDIOSOCKET,
    AUDIOSOCKET_DIGITS,
    BULK_VARIABLES,
    EXTERNAL_MEDIA,
    FLAWS,
    PROGRESS,
    RTP_FORMAT,
    SLIN16,
    UUID_FUNCTION,
    WEBSOCKET_CHANNEL,
    WEBSOCKET_JSON,
    WEBSOCKET_MARKS,
    Feature,
    Flaw,
    can,
    flaws,
    parse,
)


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
        ("19.8.1", False),
        ("GIT-master-1234567", True),
        ("", True),
    ],
)
def test_digits_come_through_the_media_leg_from_some_version_of_each_branch_on(version: str, sends: bool) -> None:
    assert can(version, AUDIOSOCKET_DIGITS) is sends


@pytest.mark.parametrize(
    ("feature", "first", "last_without"),
    [
        (EXTERNAL_MEDIA, ("16.6.0", "17.1.0", "18.0.0", "22.0.0"), ("16.5.1", "17.0.1", "13.38.3")),
        (AUDIOSOCKET, ("18.0.0", "20.0.0"), ("17.9.4", "16.30.1")),
        (SLIN16, ("20.17.0", "21.12.0", "22.7.0", "23.1.0", "24.0.0"), ("20.16.0", "21.11.0", "22.6.0", "23.0.0")),
        (RTP_FORMAT, ("20.6.0", "21.1.0", "22.0.0"), ("20.5.2", "21.0.2", "18.26.4")),
        (WEBSOCKET_CHANNEL, ("20.16.0", "21.11.0", "22.6.0", "23.0.0"), ("20.15.2", "21.10.2", "22.5.2", "18.26.4")),
        (WEBSOCKET_JSON, ("20.18.0", "22.8.0", "23.2.0"), ("20.17.0", "21.12.0", "22.7.0", "23.1.0")),
        (WEBSOCKET_MARKS, ("20.18.0", "22.8.0", "23.2.0"), ("20.17.0", "21.12.0", "22.7.0", "23.1.0")),
        (PROGRESS, ("20.16.0", "21.11.0", "22.6.0", "23.0.0"), ("20.15.2", "21.10.2", "22.5.2")),
        (BULK_VARIABLES, ("20.20.0", "22.10.0", "23.4.0"), ("20.19.0", "21.12.0", "22.9.0", "23.3.0")),
        (UUID_FUNCTION, ("20.12.0", "21.7.0", "22.2.0", "23.0.0"), ("20.11.1", "21.6.1", "22.1.1", "18.26.4")),
    ],
)
def test_each_feature_has_a_first_version_in_each_branch(
    feature: Feature, first: tuple[str, ...], last_without: tuple[str, ...]
) -> None:
    assert [version for version in first if not can(version, feature)] == []
    assert [version for version in last_without if can(version, feature)] == []


def test_a_feature_says_what_it_needs() -> None:
    assert str(WEBSOCKET_JSON) == "20.18, 22.8, 23.2 or later"


@pytest.mark.parametrize(
    ("version", "names"),
    [
        ("22.10.1", set()),
        ("22.11.0-rc1", set()),
        ("23.4.1", set()),
        ("20.20.1", set()),
        ("22.10.0", {"rest-over-websocket-read-only"}),
        ("22.9.0", {"rest-over-websocket-read-only", "audiosocket-comfort-noise", "hangup-deadlock"}),
        ("22.8.2", {"rest-over-websocket-read-only", "audiosocket-comfort-noise", "audiosocket-split-header"}),
        (
            "22.7.0",
            {
                "rest-over-websocket-read-only",
                "audiosocket-comfort-noise",
                "audiosocket-split-header",
                "websocket-crash",
            },
        ),
        ("22.3.0", {"audiosocket-comfort-noise", "audiosocket-nagle"}),
        (
            "20.19.0",
            {
                "rest-over-websocket-read-only",
                "audiosocket-comfort-noise",
                "audiosocket-ari-stall",
                "hangup-deadlock",
            },
        ),
        (
            "21.12.0",
            {
                "rest-over-websocket-read-only",
                "audiosocket-comfort-noise",
                "audiosocket-split-header",
                "websocket-crash",
            },
        ),
        ("18.26.4", {"audiosocket-comfort-noise", "audiosocket-nagle"}),
        ("certified-22.8-cert1", {"audiosocket-comfort-noise", "audiosocket-split-header"}),
        ("GIT-master-1234567", set()),
        ("", set()),
    ],
)
def test_what_is_known_to_be_wrong_with_a_version(version: str, names: set[str]) -> None:
    assert {flaw.name for flaw in flaws(version)} == names


def test_the_worst_is_said_first() -> None:
    order = ["security", "calls", "quality"]
    ranks = [order.index(flaw.severity) for flaw in FLAWS]
    assert ranks == sorted(ranks)


@pytest.mark.parametrize("flaw", FLAWS, ids=lambda flaw: str(flaw.name))
def test_an_operator_who_follows_the_remedy_is_rid_of_the_flaw(flaw: Flaw) -> None:
    named = [found for word in flaw.remedy.replace(",", " ").split() if (found := parse(word)) is not None]
    assert named, "the remedy names no version"
    assert [version for version in named if flaw.concerns(version)] == []
