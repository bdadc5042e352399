"""RTP packets: what is stepped over, what is none, and the formats that Asterisk takes and sends."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.audio import rtp
from actors.audio.rtp import CODECS, NotRtp
from tests.actors.audio.far_end import ramp


def packet(first: int = 0x80, second: int = 0, rest: bytes = b"sound") -> memoryview:
    return memoryview(struct.pack(">BBHII", first, second, 7, 160, 99) + rest)


@given(
    st.integers(0, 127),
    st.booleans(),
    st.integers(0, 2**17),
    st.integers(0, 2**33),
    st.integers(0, 2**32 - 1),
    st.binary(),
)
def test_what_is_packed_is_parsed(
    kind: int, marker: bool, sequence: int, stamp: int, source: int, sound: bytes
) -> None:
    parsed = rtp.parse(memoryview(rtp.pack(kind, marker, sequence, stamp, source, sound)))
    assert parsed == (kind, marker, sequence % 2**16, stamp % 2**32, source, sound)


@pytest.mark.parametrize(
    ("given", "sound"),
    [
        (packet(), b"sound"),
        (packet(0x82, rest=bytes(8) + b"sound"), b"sound"),
        (packet(0x90, rest=struct.pack(">HH", 0xBEDE, 2) + bytes(8) + b"sound"), b"sound"),
        (packet(0xA0, rest=b"sound\0\0\3"), b"sound"),
        (packet(0xB1, rest=bytes(4) + struct.pack(">HH", 1, 0) + b"sound\1"), b"sound"),
        (packet(rest=b""), b""),
    ],
)
def test_sources_extensions_and_padding_are_stepped_over(given: memoryview, sound: bytes) -> None:
    assert rtp.parse(given).payload == sound


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (packet()[:11], "too short"),
        (memoryview(b""), "too short"),
        (packet(0x40), "wrong version"),
        (packet(0x8F), "header longer than the packet"),
        (packet(0x90, rest=b""), "header longer than the packet"),
        (packet(0x90, rest=struct.pack(">HH", 1, 65_535)), "header longer than the packet"),
        (packet(0xA0, rest=b"abc\xff"), "header longer than the packet"),
        (packet(0xA0, rest=b"abc\0"), "header longer than the packet"),
    ],
)
def test_what_is_no_rtp_is_said_to_be_none(given: memoryview, why: str) -> None:
    with pytest.raises(NotRtp, match=why):
        rtp.parse(given)


@given(st.binary(max_size=80))
def test_whatever_comes_it_is_a_packet_or_none(datagram: bytes) -> None:
    try:
        assert len(rtp.parse(memoryview(datagram)).payload) <= len(datagram) - 12
    except NotRtp as error:
        assert str(error) in ("too short", "wrong version", "header longer than the packet")


@pytest.mark.parametrize(
    ("codec", "payload_type", "bytes_sent"),
    [("ulaw", 0, 160), ("alaw", 8, 160), ("slin", 10, 320), ("slin16", 11, 320)],
)
def test_we_answer_in_what_asterisk_takes_always_at_8000_hz(codec: str, payload_type: int, bytes_sent: int) -> None:
    assert CODECS[codec].ours == payload_type
    assert len(CODECS[codec].encode(ramp(160))) == bytes_sent


def test_signed_linear_is_big_endian_on_the_wire() -> None:
    assert CODECS["slin"].encode(struct.pack("<hh", 1, -2)) == struct.pack(">hh", 1, -2)
    assert CODECS["slin16"].decode(struct.pack(">hh", 300, -300)) == struct.pack("<hh", 300, -300)


@pytest.mark.parametrize("name", ["ulaw", "alaw"])
def test_g_711_comes_back_nearly_as_it_was(name: str) -> None:
    codec = CODECS[name]
    back = struct.unpack("<160h", codec.decode(codec.encode(ramp(160, 5000))))
    assert all(abs(one - other) <= 160 for one, other in zip(back, range(5001, 5161), strict=True))
