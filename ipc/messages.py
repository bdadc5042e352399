"""Every message that one actor may send to another, and nothing else: typed, tagged, frozen, validated when decoded.

A **command** is answered: with the reply that its docstring names, or with `Refusal`. A **note** is not answered, but
arrives in order. An **event** goes to whoever subscribed, and may be lost. `ipc.bus` carries all three.

Units: times are CLOCK_MONOTONIC nanoseconds (one clock for all processes of a machine); ear positions are frames of
20 ms counted from the call's first; mouth positions are samples at the call's rate counted from the start of their
generation.
"""

from typing import Literal

import msgspec

EndReason = Literal["closed by peer", "unusable", "detached"]

Wire = Literal["audiosocket", "websocket", "rtp"]
"""How a call's audio comes in: a TCP connection that Asterisk makes to us, a WebSocket that we make to Asterisk, or a
UDP port of ours."""


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag=True, kw_only=True):
    """Base of all messages. The tag is the class's name."""


# -- replies ----------------------------------------------------------------------------------------------------------


class Done(Message, frozen=True):
    """The command has been carried out, or at least taken on."""


class Refusal(Message, frozen=True):
    """The command was understood and will not be carried out."""

    reason: str
    """For the operator: what happened, and what to do."""
    busy: bool = False
    """True when the same command may succeed later: no capacity, still starting."""


# -- to the supervisor ------------------------------------------------------------------------------------------------


class OpenCall(Message, frozen=True):
    """Take a warm audio actor, make the call's rings, expect its media connection. Answer: `CallOpened`."""

    call_id: str
    rate: int
    """Samples per second on the wire: 8000 or 16000."""
    media_uuid: str
    wire: Wire = "audiosocket"
    playback: Literal["stream", "file"] = "stream"
    """How the agent's speech leaves: over the media connection, or in files that Asterisk plays (`FileReady`)."""


class CallOpened(Message, frozen=True):
    segment: str
    """Name of the shared-memory segment that holds both rings."""
    audio_actor: str
    host: str = ""
    """With `rtp`: where Asterisk is to send its packets."""
    port: int = 0


class ExpectMedia(Message, frozen=True):
    """The next media connection of an open call is this one. Answer: `MediaAwaited`.

    With `audiosocket` it will carry the UUID; with `rtp` a port is bound for it; with `websocket` nothing happens until
    `ConnectMedia`.
    """

    call_id: str
    media_uuid: str
    wire: Wire = "audiosocket"


class MediaAwaited(Message, frozen=True):
    host: str = ""
    """With `rtp`: where Asterisk is to send its packets."""
    port: int = 0


class ConnectMedia(Message, frozen=True):
    """Asterisk's end of the awaited connection is there now. Answer: `Done` once the call's audio actor has it (of a
    `websocket`: once Asterisk has let us in), else `Refusal`. AudioSocket needs none of this: Asterisk comes to us."""

    call_id: str
    media_uuid: str
    host: str
    port: int
    path: str = ""
    """Of a `websocket`: the path on Asterisk's HTTP server, such as `/media/<connection id>`."""
    codec: str = ""
    """Of `rtp`: what Asterisk sends: ulaw, alaw, slin, slin16."""


class CloseCall(Message, frozen=True):
    """The call is over: end its audio actor, close its media, unlink its rings. Answer: `Done`, also when unknown."""

    call_id: str


class ListCalls(Message, frozen=True):
    """Which calls are open. Answer: `CallList`. Asked by an actor that has been restarted."""


class OpenedCall(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    call_id: str
    segment: str
    rate: int
    media_uuid: str
    audio_actor: str
    opened_ns: int = 0
    """When it was opened (CLOCK_MONOTONIC); 0 from a supervisor that does not say."""
    owner: str = ""
    """Who opened it: the call-control to which it belongs."""
    wire: Wire = "audiosocket"
    connected: bool = True
    """Its media connection is there."""


class CallList(Message, frozen=True):
    calls: tuple[OpenedCall, ...]


class Problem(Message, frozen=True):
    """Note to the supervisor: the sender cannot work as it should. An empty text takes the last one back."""

    text: str


# -- between the supervisor and an audio actor, over their own socket pair (`ipc.descriptors`) -------------------------


class AttachMedia(Message, frozen=True):
    """Take over this media connection and these rings. With it come the descriptors: media socket, then the bells."""

    call_id: str
    segment: str
    wire: Wire = "audiosocket"
    codec: str = ""
    """Of `rtp`: what Asterisk sends: ulaw, alaw, slin, slin16."""
    peer_host: str = ""
    """Of `rtp`: the address from which packets are taken, and to which ours go."""
    peer_port: int = 0
    playback: Literal["stream", "file"] = "stream"


class DetachMedia(Message, frozen=True):
    """The call is over: send the terminate frame, close the connection, forget the rings."""

    call_id: str


class MediaEnded(Message, frozen=True):
    """The audio actor's last word on a connection, unasked or after `DetachMedia`."""

    call_id: str
    reason: EndReason
    detail: str = ""


# -- playback from files: audio actor -> supervisor -> the call's call-control, and back -------------------------------


class FileReady(Message, frozen=True):
    """Note: this much of the agent's speech is in a file that Asterisk can play. A call's files are played in order."""

    call_id: str
    playback_id: str
    """Ours, never used again: also the playback's id in Asterisk, and the file's name without its ending."""
    generation: int
    samples: int


class FilesDropped(Message, frozen=True):
    """Note: the caller has interrupted: nothing of an older generation than this is to be heard any more."""

    call_id: str
    generation: int


class FileHeard(Message, frozen=True):
    """Note back: Asterisk plays the file, is done with it (also when it was stopped), or cannot play it."""

    call_id: str
    playback_id: str
    state: Literal["playing", "done", "failed"]


# -- to call-control --------------------------------------------------------------------------------------------------


class OfferMedia(Message, frozen=True):
    """A media connection came with a UUID that nobody expects: a call straight from the dialplan application.

    Answer: `Done` once the call has been opened under this UUID, else `Refusal`.
    """

    media_uuid: str


class HangUp(Message, frozen=True):
    """End the call now. Answer: `Done`."""

    call_id: str
    reason: str


class Transfer(Message, frozen=True):
    """Hand the caller to a destination of the configuration. Answer: `Done` once Asterisk has taken it on."""

    call_id: str
    destination: str
    """"" is `transfers.on_failure`: for an agent that has nothing left to answer with."""
    announced: bool = False
    """With destination "": the agent has told the caller itself that it cannot go on."""


# -- to conversation --------------------------------------------------------------------------------------------------


class StartCall(Message, frozen=True):
    """Hold the conversation of this call. Answer: `Done` once engines are reserved and the greeting is on its way."""

    call_id: str
    segment: str
    agent: str
    """Name of an agent of the configuration; "" for the default one."""
    caller_number: str
    caller_name: str
    arrived_ns: int
    """When the call reached us: StasisStart, or the media connection of a direct call."""
    provider: str = ""
    """A provider or a pipeline by name (`AI_PROVIDER`); "" for what the configuration says."""
    outbound: bool = False
    """We are calling: the agent waits for a person to answer (`outbound`) before it speaks."""
    variables: dict[str, str] = {}
    """For the agent: what the dialplan or whoever placed the call said about it."""


class EndCall(Message, frozen=True):
    """The caller is gone. Answer: `Done` once the journal is closed and the engines are released."""

    call_id: str
    cause: str


class CallNote(Message, frozen=True):
    """Note: something happened to the call outside the conversation; it belongs in the journal."""

    call_id: str
    what: str
    detail: dict[str, str] = {}


# -- to an STT actor, and back ----------------------------------------------------------------------------------------


class Attend(Message, frozen=True):
    """Open a recogniser for the call. Answer: `Done`."""

    call_id: str
    segment: str
    language: str
    grammar: str
    """JSGF text, or "" for free dictation."""
    strict: bool = False
    """Nothing but the grammar is to be heard, also by an engine that could take dictation."""


class Hear(Message, frozen=True):
    """An utterance began: follow the ear from this frame on. Answer: `Done`.

    An utterance that is under way on the same call is dropped. The ear keeps 30 s, so the frame may lie in the past.
    """

    call_id: str
    utterance: int
    from_frame: int


class Partial(Message, frozen=True):
    """Note back: the best guess at the utterance up to this frame."""

    call_id: str
    utterance: int
    text: str
    to_frame: int


class Finish(Message, frozen=True):
    """The utterance ended before this frame. Answer: `Heard`."""

    call_id: str
    utterance: int
    to_frame: int


class HeardWord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    text: str
    start_ms: int
    """From the utterance's first frame."""
    end_ms: int
    confidence: float


class Heard(Message, frozen=True):
    text: str
    confidence: float
    frames: int
    """How many the recogniser was given."""
    lost: int
    """How many of the utterance's frames the ear no longer held."""
    took_ns: int
    """From taking the command to the final text."""
    words: tuple[HeardWord, ...] = ()
    """Of an engine that can tell them apart."""


class Release(Message, frozen=True):
    """The call needs this STT, LLM or TTS actor no more. Answer: `Done`, also when unknown."""

    call_id: str


# -- to a TTS actor, and back -----------------------------------------------------------------------------------------


class Speak(Message, frozen=True):
    """Speak one clause into the call's mouth. Answer: `Done`; then `Speaking`, perhaps `Placed`, and `Spoken` as notes.

    Clauses of one call are spoken in the order in which they came. A clause whose generation has been flushed is given
    up at once, without a word.
    """

    call_id: str
    segment: str
    generation: int
    clause: int
    text: str
    voice: str
    words_per_minute: int
    pitch: int


class Speaking(Message, frozen=True):
    """Note back: the clause's first samples are in the mouth."""

    call_id: str
    generation: int
    clause: int
    written_ns: int


class WordAt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    start: int
    """Offset in the clause's text, in characters."""
    length: int
    sample: int
    """Where it begins, counted from the start of the generation."""


class Placed(Message, frozen=True):
    """Note back: how the clause lies in the generation, of one that has to wait until the mouth has room for its end.

    Who interrupts it now has heard some of its words.
    """

    call_id: str
    generation: int
    clause: int
    first_sample: int
    samples: int
    """Of the whole clause."""
    words: tuple[WordAt, ...]


class Spoken(Message, frozen=True):
    """Note back: all of the clause is in the mouth."""

    call_id: str
    generation: int
    clause: int
    first_sample: int
    samples: int
    words: tuple[WordAt, ...]


# -- events -----------------------------------------------------------------------------------------------------------


class ActorChanged(Message, frozen=True):
    """Event of the supervisor."""

    name: str
    role: str
    state: Literal["starting", "ready", "dead", "degraded"]
    pid: int
    reason: str = ""


class MediaChanged(Message, frozen=True):
    """Event of the supervisor: the media connection of a call."""

    call_id: str
    state: Literal["attached", "moved", "lost"]
    """`moved`: a new audio actor took over the same socket and rings. `lost`: the peer closed it, or was unusable."""
    reason: str = ""
    media_uuid: str = ""
    """Of the connection."""


class Journaled(Message, frozen=True):
    """Event of a conversation actor: a record was appended to a call's journal."""

    call_id: str
    record: str
    """One JSON object, as in the file (`ipc.journal`)."""
