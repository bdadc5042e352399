"""External media over RTP: which packets are believed, and what they sound like. Source: external-media document."""

from __future__ import annotations

import asyncio
import socket
import struct
from types import TracebackType

import pytest

from bench.asterisk import Asterisk, Dialplan, Phone, Stasis
from bench.asterisk.media.formats import FORMATS, swapped
from bench.asterisk.media.rtp import StrictSource, unpack
from bench.asterisk.sounds import tone
from tests.bench.asterisk.client import APP, Client, in_loop, within

DIALPLAN: Dialplan = {"inbound": {"1000": [Stasis(APP)]}}
EXPECTED, STRANGER = ("127.0.0.1", 4000), ("127.0.0.1", 5000)
MS = 1_000_000


class Agent:
    """The agent's RTP socket."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.sequence = 1000

    def __enter__(self) -> Agent:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    @property
    def address(self) -> str:
        return "{}:{}".format(*self.socket.getsockname())

    def send(self, to: tuple[str, int], payload_type: int, payload: bytes) -> None:
        header = struct.pack("!BBHII", 0x80, payload_type, self.sequence, self.sequence * 160, 1)
        self.sequence += 1
        self.socket.sendto(header + payload, to)

    async def receive(self) -> bytes:
        return bytes(await within(asyncio.get_running_loop().sock_recv(self.socket, 4096)))


async def leg(client: Client, agent: Agent, phone: Phone, form: str) -> tuple[str, int]:
    """Bridges the caller with an RTP leg; where the agent must send."""
    caller = await client.answered(phone)
    made = await client.post("/channels/externalMedia", app=APP, external_host=agent.address, format=form)
    assert made["channelvars"]["UNICASTRTP_LOCAL_ADDRESS"] == "127.0.0.1"
    port = int(made["channelvars"]["UNICASTRTP_LOCAL_PORT"])
    assert port % 2 == 0
    await client.event("StasisStart", channel=made["id"])
    await client.bridged(caller, made["id"])
    return "127.0.0.1", port


FORMS = [("ulaw", 0, 172), ("alaw", 8, 172), ("slin", 10, 332), ("slin16", 118, 652)]


@pytest.mark.parametrize(("form", "payload_type", "length"), FORMS)
@in_loop
async def test_asterisk_sends_each_format_with_its_payload_type(form: str, payload_type: int, length: int) -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client:
        with Agent() as agent:
            await leg(client, agent, asterisk.dial("1000"), form)
            packet = await agent.receive()
            assert (packet[0], packet[1], len(packet)) == (0x80, payload_type, length)


@in_loop
async def test_linear_sound_is_big_endian_both_ways() -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client:
        phone = asterisk.dial("1000", coded=False)
        with Agent() as agent:
            to = await leg(client, agent, phone, "slin")
            spoken = tone(440, 0.02)
            phone.send(spoken)
            while not any(packet := (await agent.receive())[12:]):
                pass
            assert packet == swapped(spoken)
            heard = phone.listen()
            agent.send(to, 11, swapped(spoken))
            assert (await within(heard.get())).pcm == spoken


@in_loop
async def test_what_was_never_negotiated_is_dropped_without_a_word() -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client:
        phone = asterisk.dial("1000", coded=False)
        with Agent() as agent:
            to = await leg(client, agent, phone, "slin16")
            heard = phone.listen()
            agent.send(to, 118, bytes(640))
            agent.send(to, 101, bytes(4))
            ulaw = FORMATS["ulaw"]
            agent.send(to, 0, ulaw.encode(tone(440, 0.02)))
            first = await within(heard.get())
            assert first.pcm == ulaw.decode(ulaw.encode(tone(440, 0.02)))


@in_loop
async def test_the_caller_hanging_up_does_not_end_the_media_leg() -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client:
        phone = asterisk.dial("1000")
        with Agent() as agent:
            await leg(client, agent, phone, "ulaw")
            phone.hang_up()
            await client.event("StasisEnd", channel=phone.id)
            assert [name for name in asterisk.channels if name != phone.id]


def test_the_expected_source_is_believed_at_once() -> None:
    strict = StrictSource(EXPECTED)
    assert strict.believes(EXPECTED, 7, strict._began_ns)


def test_a_stranger_must_send_four_packets_in_a_row_over_22_ms() -> None:
    strict = StrictSource(EXPECTED)
    start = strict._began_ns
    answers = [strict.believes(STRANGER, 100 + place, start + 20 * MS * place) for place in range(5)]
    assert answers == [False, False, False, True, True]
    hasty = StrictSource(EXPECTED)
    assert not any(hasty.believes(STRANGER, 100 + place, start + MS * place) for place in range(10))
    jumping = StrictSource(EXPECTED)
    assert not any(jumping.believes(STRANGER, 100 + 2 * place, start + 20 * MS * place) for place in range(10))


def test_after_five_seconds_nobody_else_is_believed() -> None:
    strict = StrictSource(EXPECTED)
    late = strict._began_ns + 6000 * MS
    assert strict.believes(EXPECTED, 1, strict._began_ns)
    assert not any(strict.believes(STRANGER, place, late + 20 * MS * place) for place in range(10))
    assert strict.believes(EXPECTED, 2, late)


def test_headers_are_read_with_all_that_rtp_allows() -> None:
    plain = struct.pack("!BBHII", 0x80, 0, 5, 0, 0)
    assert unpack(plain + b"sound") == (0, 5, b"sound")
    sources = struct.pack("!BBHII", 0x82, 0x80, 5, 0, 0) + bytes(8)
    assert unpack(sources + b"sound") == (0, 5, b"sound")
    extended = struct.pack("!BBHII", 0x90, 0, 5, 0, 0) + struct.pack("!HH", 1, 2) + bytes(8)
    assert unpack(extended + b"sound") == (0, 5, b"sound")
    padded = struct.pack("!BBHII", 0xA0, 0, 5, 0, 0) + b"sound" + b"\0\0\3"
    assert unpack(padded) == (0, 5, b"sound")
    assert unpack(plain[:11]) is None
    assert unpack(b"\x40" + plain[1:]) is None
