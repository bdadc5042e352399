"""Ports for RTP: which one a call gets, when it may be had again, and what is said where there is none."""

import errno
import socket
import struct
from collections.abc import Iterator

import pytest

from config.media import ExternalMedia
from ipc.bus import Refused
from supervisor.rtp_ports import REST_S, PortBook, RtpPorts, far_end, port_of
from tests.supervisor.stage import free_udp_ports

# -- which port


def test_even_ports_come_first() -> None:
    book = PortBook(range(100, 106))
    assert [book.take(0.0) for _ in range(7)] == [100, 102, 104, 101, 103, 105, None]


def test_a_port_rests_after_its_call_and_the_one_that_was_free_for_longest_is_next() -> None:
    book = PortBook((100, 102, 104))
    assert book.take(0.0) == 100
    book.give_back(100, 1.0)
    assert [book.take(2.0), book.take(2.0), book.take(2.0)] == [102, 104, None]
    assert (book.in_use, book.resting) == (2, 1)
    assert book.take(1.0 + REST_S) == 100
    book.give_back(104, 20.0)
    book.give_back(102, 21.0)
    assert [book.take(40.0), book.take(40.0)] == [104, 102]


def test_a_port_of_a_predecessor_is_in_use_and_one_outside_the_range_is_forgotten_afterwards() -> None:
    book = PortBook((100, 102))
    book.hold(100)
    book.hold(7000)
    assert [book.take(0.0), book.take(0.0)] == [102, None]
    book.give_back(7000, 0.0)
    assert book.take(1000.0) is None
    book.give_back(100, 0.0)
    assert book.take(1000.0) == 100


# -- the sockets


@pytest.fixture
def opened() -> Iterator[list[socket.socket]]:
    made: list[socket.socket] = []
    yield made
    for one in made:
        one.close()


def ports(first: int, last: int, **more: object) -> RtpPorts:
    return RtpPorts(ExternalMedia(port_range=f"{first}-{last}", **more))  # type: ignore[arg-type]


def test_it_is_bound_before_anybody_is_told_and_what_comes_early_waits(opened: list[socket.socket]) -> None:
    first = free_udp_ports(2)
    opened.append(ports(first, first + 1).bind(0.0))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asterisk:
        asterisk.sendto(b"early", ("127.0.0.1", port_of(opened[0])))
    assert port_of(opened[0]) == first
    assert opened[0].recv(100) == b"early"
    assert opened[0].getsockopt(socket.IPPROTO_IP, socket.IP_TOS) == 0xB8
    assert not opened[0].getblocking()


def test_what_waits_is_bounded(opened: list[socket.socket]) -> None:
    first = free_udp_ports(2)
    opened.append(ports(first, first).bind(0.0))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asterisk:
        for number in range(2000):
            asterisk.sendto(struct.pack("!I", number) + bytes(168), ("127.0.0.1", first))
    kept = 0
    with pytest.raises(BlockingIOError):
        while opened[0].recv(1000):
            kept += 1
    assert 25 < kept < 500


def test_a_port_that_another_program_holds_is_passed_over(opened: list[socket.socket]) -> None:
    first = free_udp_ports(4)
    other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    opened.append(other)
    other.bind(("127.0.0.1", first))
    opened.append(ports(first, first + 3).bind(0.0))
    assert port_of(opened[1]) == first + 2


def test_where_all_are_in_use_the_operator_is_told_which_range_to_widen(opened: list[socket.socket]) -> None:
    first = free_udp_ports(4)
    narrow = ports(first, first + 1)
    opened.extend(narrow.bind(0.0) for _ in range(2))
    narrow.give_back(opened.pop(), 1.0)
    with pytest.raises(Refused, match=r"`external_media.port_range` .*1 are in calls and 1 rest after one") as refused:
        narrow.bind(2.0)
    assert refused.value.busy
    assert narrow.refused == {"rtp: no port": 1}
    opened.append(narrow.bind(1.0 + REST_S))


def test_an_address_that_is_not_ours_is_told_with_the_setting() -> None:
    with pytest.raises(Refused, match=r"192\.0\.2\.1 is no address of this machine.*rtp_host") as refused:
        ports(18950, 18951, rtp_host="192.0.2.1").bind(0.0)
    assert not refused.value.busy


def test_a_name_that_nobody_knows_is_told_when_it_is_needed() -> None:
    nowhere = ports(18950, 18951, rtp_host="no-such-host.invalid")
    with pytest.raises(Refused, match=r"no-such-host\.invalid"):
        nowhere.bind(0.0)


def test_where_no_more_files_may_be_opened_the_port_stays_free(
    opened: list[socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = free_udp_ports(2)
    one = ports(first, first)

    def full(*_: object) -> socket.socket:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patched:
        patched.setattr("supervisor.rtp_ports.socket.socket", full)
        with pytest.raises(Refused, match="Too many open files"):
            one.bind(0.0)
    opened.append(one.bind(0.0))


# -- Asterisk's end


@pytest.mark.parametrize(
    ("family", "host", "expected"),
    [
        (socket.AF_INET, "10.0.0.9", "10.0.0.9"),
        (socket.AF_INET, "::ffff:10.0.0.9", "10.0.0.9"),
        (socket.AF_INET6, "10.0.0.9", "::ffff:10.0.0.9"),
        (socket.AF_INET6, "2001:db8::9", "2001:db8::9"),
    ],
)
def test_the_far_end_is_written_as_the_socket_has_it(family: socket.AddressFamily, host: str, expected: str) -> None:
    with socket.socket(family, socket.SOCK_DGRAM) as bound:
        assert far_end(bound, host, 20000) == (expected, 20000)


@pytest.mark.parametrize(
    ("host", "port"), [("pbx", 20000), ("", 20000), ("0.0.0.0", 20000), ("10.0.0.9", 0), ("2001:db8::9", 20000)]
)
def test_an_end_to_which_nothing_can_be_sent_is_refused(host: str, port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound, pytest.raises(Refused, match="Asterisk's end"):
        far_end(bound, host, port)
