"""Whom the log is told of when somebody knocks who may not, and how often."""

import logging

import pytest

from supervisor.allowed_hosts import MOST_TOLD, TELL_EVERY_S, AllowedHosts


def test_an_empty_list_allows_everybody() -> None:
    assert "192.0.2.7" in AllowedHosts([])
    assert "192.0.2.7" not in AllowedHosts(["10.0.0.0/8"])


def test_the_log_is_told_once_a_minute_of_each_address_with_the_remedy(caplog: pytest.LogCaptureFixture) -> None:
    hosts = AllowedHosts(["10.0.0.1"])
    for now in (0.0, 1.0, TELL_EVERY_S - 1, TELL_EVERY_S, TELL_EVERY_S + 1):
        hosts.tell("::ffff:192.0.2.7", now)
    hosts.tell("192.0.2.8", 1.0)
    told = [record.getMessage() for record in caplog.records]
    assert [text.split()[3] for text in told] == ["192.0.2.7", "192.0.2.7", "192.0.2.8"]
    assert "audiosocket.allowed_hosts" in told[0]


def test_a_flood_of_addresses_neither_fills_the_log_nor_the_memory(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    hosts = AllowedHosts(["10.0.0.1"])
    for number in range(10 * MOST_TOLD):
        hosts.tell(f"2001:db8::{number:x}", 0.0)
    assert len(caplog.records) == MOST_TOLD
    hosts.tell("192.0.2.7", TELL_EVERY_S)
    assert len(caplog.records) == MOST_TOLD + 1
