"""RFC 6455 frames: cut out of the stream however it arrives, masked on the way out, refused with a reason."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.audio import websocket
from actors.audio.websocket import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Unusable


def unmasked(frame: bytes) -> tuple[int, bytes]:
    """A client's frame, as a server reads it: its first byte and its payload."""
    assert frame[1] & 0x80, "a client's frames are masked"
    length, at = frame[1] & 0x7F, 2
    if length == 126:
        length, at = struct.unpack_from(">H", frame, 2)[0], 4
    mask, payload = frame[at : at + 4], frame[at + 4 :]
    assert len(payload) == length
    return frame[0], bytes(byte ^ mask[number % 4] for number, byte in enumerate(payload))


def theirs(kind: int, payload: bytes) -> bytes:
    return websocket.their_header(kind, len(payload)) + payload


@given(st.sampled_from([TEXT, BINARY, CLOSE, PING, PONG]), st.binary(max_size=700))
def test_a_server_reads_what_we_pack(kind: int, payload: bytes) -> None:
    assert unmasked(websocket.pack(kind, payload)) == (0x80 | kind, payload)


def test_the_mask_is_another_one_each_time() -> None:
    assert len({websocket.pack(BINARY, bytes(320)) for _ in range(20)}) == 20


@settings(max_examples=150, deadline=None)
@given(st.lists(st.binary(max_size=700), max_size=8), st.lists(st.integers(1, 400), max_size=20))
def test_frames_come_out_whole_and_in_order_however_the_stream_is_cut(sent: list[bytes], pieces: list[int]) -> None:
    stream = b"".join(theirs(BINARY, payload) for payload in sent)
    got: list[bytes] = []
    held = b""
    while stream:
        size = pieces.pop(0) if pieces else len(stream)
        held, stream = held + stream[:size], stream[size:]
        for frame in websocket.frames(memoryview(held)):
            got.append(frame.payload)
            held = held[frame.size :]
    assert got == sent and held == b""


def test_fragments_are_told_from_whole_messages() -> None:
    stream = memoryview(b"\x02\x02ab" + b"\x00\x01c" + b"\x80\x00")
    assert [(frame.kind, frame.final, frame.payload) for frame in websocket.frames(stream)] == [
        (BINARY, False, b"ab"),
        (CONTINUATION, False, b"c"),
        (CONTINUATION, True, b""),
    ]


@pytest.mark.parametrize(
    ("stream", "why"),
    [
        (b"\x83\x00", "0x83"),
        (b"\x8b\x00", "0x8b"),
        (b"\xc2\x00", "0xc2"),
        (b"\x82\x84abcdabcd", "masked"),
        (b"\x89\x7e\x01\x00", "too long or in parts"),
        (b"\x09\x00", "too long or in parts"),
        (b"\x82\x7f" + bytes(8), "more than 65535 bytes"),
    ],
)
def test_what_no_server_may_send_is_refused_as_soon_as_it_begins(stream: bytes, why: str) -> None:
    with pytest.raises(Unusable, match=why):
        list(websocket.frames(memoryview(stream)))
