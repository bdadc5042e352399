"""What a gateway and its clients say to each other over their WebSocket: version 2 of the protocol, as structs.

`docs/gateway.md` tells it to those who write clients. Text frames are JSON objects with a `type`; binary frames are
audio:

    | stream u32 | sequence u32 | flags u32 | samples, 16 bits each |      all little-endian

A client numbers its streams itself, each for one direction of one call: `Attend.stream` is what the gateway hears,
`Speak.stream` what it says. The sequence counts a stream's frames from 0; for `Speak`, from its first. Flag 1
marks the last frame of a clause, which may be empty.

    client                             gateway
    Hello                      ---->
                               <----   Welcome, or Error and the end
    Attend                     ---->
                               <----   Attended
    Hear, audio ...            ---->
                               <----   Partial ...
    Finish                     ---->
                               <----   Heard
    Reserve                    ---->
                               <----   Reserved
    Prepare                    ---->
    Generate                   ---->
                               <----   Token ..., ToolWanted ..., Generated
    Speak                      ---->
                               <----   audio ..., Spoken
    Cancel                     ---->   ends a Generate or a Speak: nothing more comes of it
    Release                    ---->

Whatever cannot be done is answered with an `Error` that names the call, the utterance or the request. Fields that one
side does not know are left alone, so that newer ones can be added; a missing or wrong one is an error.
"""

import struct
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta

from ipc.messages import HeardWord
from ipc.thinking import PromptLine

PROTOCOL = 2

LARGEST_FRAME = 4 * 1024 * 1024
"""Bytes of one WebSocket message: 2 min of audio at 16 kHz. A larger one ends the connection with code 1009."""

LONGEST_TEXT = 5000
"""Characters that are spoken at once: some 5 min."""

Id = Annotated[str, Meta(min_length=1, max_length=200)]
Rate = Literal[8000, 16000]
Number = Annotated[int, Meta(ge=0, lt=1 << 32)]

Code = Literal[
    "bad_message", "unauthorized", "wrong_version", "too_many_calls", "unknown_call", "busy", "refused", "lost"
]
"""What kind of error it is.

bad_message      not JSON, no such type, a field missing or of the wrong type
unauthorized     the token is missing or wrong; the connection ends
wrong_version    this gateway speaks another version of the protocol; the connection ends
too_many_calls   this connection has as many calls as one may have
unknown_call     nothing of this call is open here
busy             no engine has room for it now: ask again later
refused          the engine cannot do that, and could not later: a grammar, a language, a rate
lost             what was being heard, answered or spoken broke off, and cannot be had again
"""

# Why the gateway ends a connection (RFC 6455, 7.4.2: 4000 to 4999 are for private use).
CLOSE_UNAUTHORIZED = 4001
CLOSE_VERSION = 4002
CLOSE_OLD_CLIENT = 4003
"""A client of the old protocol, where these are not served."""
CLOSE_SILENT = 4004
"""No first message came, where a token is wanted."""
CLOSE_SLOW = 4008
"""The client did not read what was sent to it."""
CLOSE_GOING = 1001
"""The gateway ends, or is started anew: connect again."""


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


class Frame(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag=_snake):
    """Base of all text frames. The type is the class's name: `ToolWanted` is `tool_wanted`."""


# -- client to gateway ------------------------------------------------------------------------------------------------


class Hello(Frame, frozen=True):
    """The first message. Answer: `Welcome`."""

    protocol: int
    token: str = ""
    """Where it was not in the handshake's header `Authorization: Bearer`."""
    client: str = ""
    """Who is calling, for the log."""


class Attend(Frame, frozen=True):
    """Open a recogniser for the call. Answer: `Attended`."""

    call: Id
    stream: Number
    rate: Rate
    language: str | None = None
    """Without it, that of the gateway's default agent."""
    grammar: str | None = None
    """JSGF; "" for free dictation; without it, that of the gateway's default agent."""
    strict: bool = False
    endpointing: Literal["client", "server"] = "client"
    """Who says where utterances begin and end. `server`: the gateway does, by voice activity, and numbers them from
    1."""


class Hear(Frame, frozen=True):
    """An utterance begins with the audio that follows. No answer but `Partial`s."""

    call: Id
    utterance: Number


class Finish(Frame, frozen=True):
    """The utterance ends with the audio that came before. Answer: `Heard`."""

    call: Id
    utterance: Number


class Reserve(Frame, frozen=True):
    """Keep room for the call's conversation in a language model. Answer: `Reserved`."""

    call: Id
    agent: str = ""
    """Name of an agent of the gateway's configuration, for models that follow a script; "" for its default one."""
    system: str = ""
    tools: tuple[str, ...] = ()


class Prepare(Frame, frozen=True):
    """The next question will probably begin so. No answer."""

    call: Id
    agent: str = ""
    system: str = ""
    lines: tuple[PromptLine, ...] = ()
    tools: tuple[str, ...] = ()


class Generate(Frame, frozen=True):
    """Answer the last line. Answer: `Token`s and `ToolWanted`s, then `Generated`."""

    call: Id
    request: Id
    """Never used again on this connection."""
    agent: str = ""
    system: str = ""
    lines: tuple[PromptLine, ...] = ()
    tools: tuple[str, ...] = ()


class Speak(Frame, frozen=True):
    """Speak a clause. Answer: audio, then `Spoken`. Clauses of one call are spoken one after the other."""

    call: Id
    request: Id
    stream: Number
    text: Annotated[str, Meta(max_length=LONGEST_TEXT)]
    rate: Rate = 8000
    voice: str = ""
    words_per_minute: Annotated[int, Meta(ge=20, le=1000)] = 165
    pitch: Annotated[int, Meta(ge=0, le=99)] = 50


class Cancel(Frame, frozen=True):
    """Nobody wants the rest of this answer, or of this clause. No answer: what is on its way still comes."""

    request: Id


class Release(Frame, frozen=True):
    """The call is over: its recogniser, its room and its voice are given back. No answer."""

    call: Id


# -- gateway to client ------------------------------------------------------------------------------------------------


class Welcome(Frame, frozen=True):
    protocol: int
    server: str
    """Name and version of the program."""
    engines: dict[str, str]
    """By role (`stt`, `llm`, `tts`), the engine's name."""
    ready: tuple[str, ...] = ()
    """Roles of which an actor is ready at this moment. The others may be loading their models."""


class Attended(Frame, frozen=True):
    call: str


class SpeechStarted(Frame, frozen=True):
    """An utterance began, by the gateway's own account (`endpointing: server`)."""

    call: str
    utterance: int


class Partial(Frame, frozen=True):
    """The best guess at the utterance so far."""

    call: str
    utterance: int
    text: str


class Heard(Frame, frozen=True):
    """What was said in the utterance; "" when nothing was, or nothing that was understood."""

    call: str
    utterance: int
    text: str
    confidence: float
    words: tuple[HeardWord, ...] = ()
    """Of an engine that can tell them apart; times are from the utterance's first sample."""
    lost_ms: int = 0
    """Audio of it that no recogniser has heard, because none could be had in time."""


class Reserved(Frame, frozen=True):
    call: str


class Token(Frame, frozen=True):
    request: str
    text: str


class ToolWanted(Frame, frozen=True):
    request: str
    name: str
    arguments: dict[str, str]


class Generated(Frame, frozen=True):
    """The answer is complete."""

    request: str


class SpokenWord(msgspec.Struct, frozen=True):
    start: int
    """Offset in the clause's text, in characters."""
    length: int
    sample: int
    """Where it begins, from the clause's first sample."""


class Spoken(Frame, frozen=True):
    """All of the clause's audio has been sent."""

    request: str
    samples: int
    words: tuple[SpokenWord, ...] = ()


class Error(Frame, frozen=True):
    code: Code
    text: str
    """For a person: what happened, and what to do."""
    call: str = ""
    request: str = ""
    utterance: int = -1


ToGateway = Hello | Attend | Hear | Finish | Reserve | Prepare | Generate | Speak | Cancel | Release
ToClient = (
    Welcome | Attended | SpeechStarted | Partial | Heard | Reserved | Token | ToolWanted | Generated | Spoken | Error
)

_encoder = msgspec.json.Encoder()
_to_gateway: msgspec.json.Decoder[ToGateway] = msgspec.json.Decoder(ToGateway)
_to_client: msgspec.json.Decoder[ToClient] = msgspec.json.Decoder(ToClient)


class _Head(msgspec.Struct):
    type: str = ""


class Ill(ValueError):
    """A frame that is none of ours. The text says why, and names the field."""


def encode(frame: Frame) -> str:
    return _encoder.encode(frame).decode()


def from_client(text: str | bytes) -> ToGateway:
    """Raises `Ill`."""
    try:
        return _to_gateway.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Ill(str(error)) from error


def type_of(text: str | bytes) -> str:
    """What kind of frame it claims to be, whatever else is in it; "" for none."""
    try:
        return msgspec.json.decode(text, type=_Head).type
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""


def from_gateway(text: str | bytes) -> ToClient:
    """Raises `Ill`."""
    try:
        return _to_client.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Ill(str(error)) from error


# -- audio ------------------------------------------------------------------------------------------------------------

_HEAD = struct.Struct("<III")
_FINAL = 1


class Audio(NamedTuple):
    stream: int
    sequence: int
    final: bool
    pcm: bytes


def pack_audio(stream: int, sequence: int, pcm: bytes, *, final: bool = False) -> bytes:
    return _HEAD.pack(stream, sequence, _FINAL if final else 0) + pcm


def unpack_audio(body: bytes) -> Audio:
    """Raises `Ill`."""
    if len(body) < _HEAD.size or (len(body) - _HEAD.size) % 2:
        raise Ill(
            f"a binary frame has a head of {_HEAD.size} bytes, then whole samples of 16 bits: {len(body)} bytes came"
        )
    stream, sequence, flags = _HEAD.unpack_from(body)
    return Audio(stream, sequence, bool(flags & _FINAL), body[_HEAD.size :])
