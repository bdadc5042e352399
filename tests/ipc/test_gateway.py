"""The frames between a gateway and its clients: as they are on the wire, and as they are documented."""

import json
from pathlib import Path
from typing import get_args

import pytest

from ipc import gateway as wire
from ipc.messages import HeardWord
from ipc.thinking import PromptLine

DOCUMENT = (Path(__file__).parents[2] / "docs" / "gateway.md").read_text()

FRAMES: list[wire.Frame] = [
    wire.Hello(protocol=2, token="t", client="c"),
    wire.Attend(call="a", stream=1, rate=8000),
    wire.Generate(call="a", request="r", lines=(PromptLine("caller", "hello"),), tools=("transfer",)),
    wire.Speak(call="a", request="r", stream=2, text="Good morning."),
]
ANSWERS: list[wire.Frame] = [
    wire.Heard(call="a", utterance=1, text="yes", confidence=0.5, words=(HeardWord("yes", 20, 300, 0.5),)),
    wire.ToolWanted(request="r", name="transfer", arguments={"destination": "person"}),
    wire.Spoken(request="r", samples=8, words=(wire.SpokenWord(0, 4, 2),)),
    wire.Error(code="busy", text="full", call="a"),
]


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: type(frame).__name__)
def test_what_a_client_sends_is_what_the_gateway_reads(frame: wire.Frame) -> None:
    assert wire.from_client(wire.encode(frame)) == frame


@pytest.mark.parametrize("frame", ANSWERS, ids=lambda frame: type(frame).__name__)
def test_what_the_gateway_sends_is_what_a_client_reads(frame: wire.Frame) -> None:
    assert wire.from_gateway(wire.encode(frame)) == frame


def test_types_are_written_as_they_are_documented() -> None:
    for kind in get_args(wire.ToGateway) + get_args(wire.ToClient):
        tag = kind.__struct_config__.tag
        assert f'"type": "{tag}"' in DOCUMENT or f"`{tag}`" in DOCUMENT, tag
        for field in kind.__struct_fields__:
            assert f'"{field}"' in DOCUMENT or f"`{field}`" in DOCUMENT or f"`{field}: " in DOCUMENT, (tag, field)
    assert json.loads(wire.encode(ANSWERS[1]))["type"] == "tool_wanted"


def test_codes_are_documented() -> None:
    for code in get_args(wire.Code):
        assert f"| `{code}` |" in DOCUMENT
    for number in (name for name in vars(wire) if name.startswith("CLOSE_")):
        assert str(vars(wire)[number]) in DOCUMENT


def test_fields_of_a_later_version_are_left_alone() -> None:
    assert wire.from_client('{"type": "cancel", "request": "r", "mood": "good"}') == wire.Cancel(request="r")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('{"type": "attend", "call": "a", "stream": 1, "rate": 44100}', "rate"),
        ('{"type": "attend", "call": "", "stream": 1, "rate": 8000}', "call"),
        ('{"type": "finish", "call": "a"}', "utterance"),
        ('{"type": "welcome", "protocol": 2, "server": "", "engines": {}}', "welcome"),
        ("{", "truncated"),
        ('"\ud800"', ""),
    ],
)
def test_what_is_wrong_is_named(text: str, names: str) -> None:
    with pytest.raises(wire.Ill) as error:
        wire.from_client(text.encode(errors="surrogatepass"))
    assert names in str(error.value)


def test_what_a_frame_claims_to_be_is_known_also_where_it_is_wrong() -> None:
    assert wire.type_of('{"type": "hello"}') == "hello"
    assert wire.type_of("nonsense") == wire.type_of("[1]") == wire.type_of(b"\xff") == ""


def test_audio_carries_its_stream_its_place_and_its_end() -> None:
    body = wire.pack_audio(7, 3, b"\x01\x02\x03\x04", final=True)
    assert body[:12] == b"\x07\0\0\0\x03\0\0\0\x01\0\0\0"
    assert wire.unpack_audio(body) == wire.Audio(7, 3, True, b"\x01\x02\x03\x04")
    assert not wire.unpack_audio(wire.pack_audio(7, 3, b"")).final


@pytest.mark.parametrize("body", [b"", b"\0" * 11, b"\0" * 13])
def test_half_a_sample_or_no_head_is_an_error(body: bytes) -> None:
    with pytest.raises(wire.Ill, match=f"{len(body)} bytes came"):
        wire.unpack_audio(body)
