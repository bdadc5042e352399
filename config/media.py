"""The settings of how audio travels between Asterisk and us, besides AudioSocket's own. Part of `config.schema`."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

Port = Annotated[int, Meta(ge=1, le=65535)]
Name = Annotated[str, Meta(min_length=1)]
Transport = Literal["audiosocket", "audiosocket_external", "websocket", "rtp"]


class MediaSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """By which transports a call's audio may travel."""

    transports: Annotated[tuple[Transport, ...], Meta(min_length=1)] = (
        "audiosocket",
        "audiosocket_external",
        "websocket",
        "rtp",
    )
    """The first that this Asterisk can do is used; when it fails the call goes on over the next, and its caller stays.
    `audiosocket`: a channel that we originate (module chan_audiosocket). `audiosocket_external`: the same
    connection, made by ARI's externalMedia. `websocket`: chan_websocket (22.6, 21.11, 20.16 and later). `rtp`:
    externalMedia over RTP."""
    connect_s: Annotated[float, Meta(ge=1, le=60)] = 8.0
    """Seconds in which a media leg must have come up; then the next is tried."""


class ExternalMedia(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """ExternalMedia over RTP: one UDP port a call, of our own."""

    rtp_host: Name = "127.0.0.1"
    """Address to which the ports are bound."""
    advertise_host: str = ""
    """Address under which Asterisk reaches us, where that is another one (containers, NAT); empty: `rtp_host`."""
    port_range: Annotated[str, Meta(pattern="^[0-9]{2,5}-[0-9]{2,5}$")] = "18080-18279"
    """First and last UDP port, such as `18080-18279`. A call takes one."""
    codec: Literal["ulaw", "alaw", "slin"] = "ulaw"
    """Audio of calls at 8000 Hz. All three work in both directions with every Asterisk. A call at 16000 Hz hears
    Asterisk at 16000 Hz (slin16) and answers at 8000 Hz, for Asterisk takes no more."""
    jitter_buffer_ms: Annotated[int, Meta(ge=20, le=500)] = 60
    """Most milliseconds by which packets may come late or out of order and still be heard. The buffer is as short as
    the line allows: it grows with what it sees and shrinks again."""
    lock_remote_endpoint: bool = True
    """Take packets only from the address and port that Asterisk names in its channel variables. False also takes those
    from another port of the same host."""


class Streaming(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the agent's speech is buffered on its way to the caller, when whoever makes it is slow or comes in bursts."""

    chunk_size_ms: Annotated[int, Meta(ge=20, le=20)] = 20
    """Milliseconds of one frame on the wire. Asterisk's clock has 20, so nothing else is possible."""
    min_start_ms: Annotated[int, Meta(ge=0, le=2000)] = 0
    """Milliseconds of speech that must have been made before its first goes out (start delay); a clause that is
    complete starts at once, however short. 0 is right for engines that are faster than speech, and it grows by itself
    for those that are not: by each hole that the caller has heard in the middle of a clause."""
    low_watermark_ms: Annotated[int, Meta(ge=0, le=2000)] = 80
    """After a hole, a clause goes on once so many milliseconds of it are waiting; after its second hole twice as many,
    after the third four times, up to `jitter_buffer_ms`. A start delay that always left more than this waiting is
    shortened again, little by little."""
    jitter_buffer_ms: Annotated[int, Meta(ge=20, le=4000)] = 400
    """The longest start delay that adaptive buffering may come to, for a provider that comes in bursts."""
    provider_grace_ms: Annotated[int, Meta(ge=0, le=5000)] = 500
    """A hole of so many milliseconds counts as starvation; shorter ones are filled with silence and only make the next
    start later. Speech that stops in the middle, with less waiting than the start delay, is heard after that time, too
    (after the start delay, where that is longer)."""
    fallback_timeout_ms: Annotated[int, Meta(ge=500, le=60_000)] = 8000
    """When a reply stays dry for so long in the middle, what follows of this call is played from files."""
    starvations: Annotated[int, Meta(ge=1, le=100)] = 3
    """So many starvations within 30 s, and what follows of this call is played from files, each reply once it is
    complete (or `file_chunk_ms` of it are)."""
    file_fallback: bool = True
    """Whether a call that starves goes over to files. They need `media_directory`, Asterisk's link to it, its module
    res_stasis_snoop, and a call over ARI by another transport than `rtp`; where one is missing, the call is streamed
    on. `downstream_mode: file` uses them for every call from the start."""
    file_chunk_ms: Annotated[int, Meta(ge=500, le=60_000)] = 8000
    """The longest file: a longer reply is played in several."""
    media_directory: Name = "/mnt/asterisk_media/ai-generated"
    """Where the files are written; a memory file system (tmpfs) is best. Asterisk's sounds directory must have a link
    `ai-generated` to it: `ringmaster doctor` says how."""
    media_uri: Name = "sound:ai-generated"
    """How Asterisk calls that directory."""
    keepalive_interval_ms: Annotated[int, Meta(ge=1000, le=60_000)] = 5000
    """Milliseconds between two pings on a WebSocket media connection. AudioSocket and RTP carry a frame every 20 ms,
    and need none."""
    connection_timeout_ms: Annotated[int, Meta(ge=500, le=60_000)] = 5000
    """Milliseconds within which Asterisk must have answered our WebSocket."""


class AudioProfile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Audio settings that a call asks for by name: channel variable `AI_AUDIO_PROFILE`."""

    format: Literal["", "auto", "slin", "slin16"] = ""
    """As `audiosocket.format`; empty: what is said there."""
    transports: tuple[Transport, ...] = ()
    """As `media.transports`; empty: what is said there."""
    playback: Literal["", "stream", "file"] = ""
    """As `downstream_mode`; empty: what is said there."""
