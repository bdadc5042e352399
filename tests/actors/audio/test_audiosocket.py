"""Frames on the wire: cut out of the stream however it arrives, made for Asterisk, and refused with a remedy."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.audio import audiosocket
from actors.audio.audiosocket import AUDIO_KINDS, Frame, Unusable

FRAMES = st.lists(st.builds(Frame, st.integers(0, 255), st.binary(max_size=700)), max_size=12)


def on_the_wire(*frames: Frame) -> bytes:
    return b"".join(struct.pack(">BH", frame.kind, len(frame.payload)) + frame.payload for frame in frames)


def received(stream: bytes) -> list[Frame]:
    return list(audiosocket.frames(memoryview(stream)))


@settings(max_examples=200, deadline=None)
@given(FRAMES, st.lists(st.integers(1, 900), max_size=20))
def test_frames_come_out_whole_and_in_order_however_the_stream_is_cut(sent: list[Frame], pieces: list[int]) -> None:
    stream = on_the_wire(*sent)
    got: list[Frame] = []
    held = b""
    while stream:
        size = pieces.pop(0) if pieces else len(stream)
        held, stream = held + stream[:size], stream[size:]
        for frame in received(held):
            got.append(frame)
            held = held[audiosocket.HEADER_BYTES + len(frame.payload) :]
    assert got == sent
    assert held == b""


@settings(max_examples=200, deadline=None)
@given(FRAMES, st.integers(0, 8000))
def test_the_beginning_of_a_frame_is_no_frame(sent: list[Frame], cut: int) -> None:
    stream = on_the_wire(*sent)[:cut]
    got = received(stream)
    assert got == sent[: len(got)]
    assert len(got) == len(sent) or len(stream) < len(on_the_wire(*sent[: len(got) + 1]))


def test_the_largest_frame_that_there_can_be_fits() -> None:
    largest = Frame(0x10, bytes(0xFFFF))
    assert len(on_the_wire(largest)) == audiosocket.LARGEST_FRAME
    assert received(on_the_wire(largest)) == [largest]


def test_a_frame_is_a_copy_and_outlives_the_buffer() -> None:
    buffer = bytearray(on_the_wire(Frame(0x10, b"ab")))
    (frame,) = audiosocket.frames(memoryview(buffer))
    buffer[:] = bytes(len(buffer))
    assert frame.payload == b"ab"


@pytest.mark.parametrize(
    ("rate", "header"), [(8000, "10 01 40"), (16000, "12 02 80"), (24000, "13 03 c0"), (48000, "16 07 80")]
)
def test_twenty_milliseconds_for_asterisk_begin_with_their_kind_and_big_endian_length(rate: int, header: str) -> None:
    assert audiosocket.audio_header(rate, rate // 50 * 2).hex(" ") == header


def test_the_terminate_frame_is_three_zeros() -> None:
    assert audiosocket.TERMINATE_FRAME == b"\0\0\0"


@pytest.mark.parametrize("rate", AUDIO_KINDS)
def test_audio_at_the_calls_rate_is_taken(rate: int) -> None:
    audiosocket.check_audio(Frame(AUDIO_KINDS[rate], bytes(320)), rate)


@pytest.mark.parametrize(
    ("theirs", "ours", "remedy"),
    [
        (16000, 8000, r"audio at 16000 Hz on a call of 8000 Hz: dial with c\(slin\), or set audiosocket\.format"),
        (8000, 16000, r"audio at 8000 Hz on a call of 16000 Hz: dial with c\(slin16\), or set audiosocket\.format"),
        (48000, 8000, r"dial with c\(slin\)"),
    ],
)
def test_audio_at_another_rate_is_refused_with_both_rates_and_what_to_change(
    theirs: int, ours: int, remedy: str
) -> None:
    with pytest.raises(Unusable, match=remedy):
        audiosocket.check_audio(Frame(AUDIO_KINDS[theirs], bytes(320)), ours)


@pytest.mark.parametrize("kind", [0x01, 0x02, 0x04, 0x0F, 0x17, 0x18, 0x47, 0xFE])
def test_a_kind_that_no_asterisk_sends_in_a_call_of_ours_is_refused_by_name(kind: int) -> None:
    with pytest.raises(Unusable, match=rf"unknown kind 0x{kind:02x} with 5 bytes: not an Asterisk"):
        audiosocket.check_audio(Frame(kind, b"GET /"), 8000)


@pytest.mark.parametrize("size", [0, 1, 319])
def test_audio_that_is_no_whole_number_of_samples_is_refused(size: int) -> None:
    with pytest.raises(Unusable, match=f"audio frame of {size} bytes"):
        audiosocket.check_audio(Frame(0x10, bytes(size)), 8000)


@pytest.mark.parametrize("key", "0123456789*#ABCD")
def test_every_key_is_a_digit(key: str) -> None:
    assert audiosocket.digit(Frame(audiosocket.DTMF, key.encode())) == key
    assert audiosocket.digit(Frame(audiosocket.DTMF, key.lower().encode())) == key


@pytest.mark.parametrize("payload", [b"", b"E", b"12", b"\x00", b"\xb9", b" "])
def test_what_is_on_no_telephone_is_no_digit(payload: bytes) -> None:
    with pytest.raises(Unusable, match="which is no digit"):
        audiosocket.digit(Frame(audiosocket.DTMF, payload))
