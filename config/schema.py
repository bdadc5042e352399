"""The settings of `config/ai-agent.yaml`: this file is the documentation of every key.

One struct is one section. The text under a field is what `docs/configuration.md` says of it; `config/reference.py`
makes that page. The structs are made by `config.load.load`, which checks types, ranges and names and says where a
mistake is. An agent's own file is in `config/agent.py`.
"""

import os
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from config.engines import Engines, Gateway, LlmEngineName, Local, Models, SttEngineName, TtsEngineName
from config.keeping import Failure, History, Outbound, Recording
from config.media import AudioProfile, ExternalMedia, MediaSettings, Streaming
from config.secret import Secret

Port = Annotated[int, Meta(ge=1, le=65535)]
Core = Annotated[int, Meta(ge=0, le=1023)]
Nice = Annotated[int, Meta(ge=-20, le=19)]
Name = Annotated[str, Meta(min_length=1)]
CallControlName = Annotated[str, Meta(pattern="^[a-z][a-z0-9-]{0,15}$")]

ProviderName = Literal["", "loopback", "speaker"]


class Asterisk(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to reach Asterisk's REST interface (ARI). Its side is `http.conf` and `ari.conf`."""

    host: Name = "127.0.0.1"
    """Host name or address of Asterisk's HTTP server."""
    port: Port = 8088
    """TCP port of Asterisk's HTTP server (`bindport` in `http.conf`)."""
    scheme: Literal["http", "https"] = "http"
    """`https` where Asterisk's HTTP server has TLS switched on."""
    ca_file: str = ""
    """Path of the certificate (PEM) that Asterisk's is to be checked against, for one that was made by itself; empty:
    those that this machine trusts."""
    verify_tls: bool = True
    """Check Asterisk's certificate. Without it, `https` hides the password from listeners and not from impostors."""
    username: str = "asterisk"
    """Name of the ARI user: the section's name in `ari.conf`."""
    password: Secret = Secret()
    """The ARI user's `password` in `ari.conf`. It is never shown. Best from the environment
    (`${ASTERISK_ARI_PASSWORD}`) or from a file (`${file:/run/secrets/ari}`)."""
    app_name: Name = "asterisk-ai-voice-agent"
    """Name of the Stasis application, as the dialplan's `Stasis(...)` calls it."""


class AudioSocket(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where Asterisk brings the calls' audio to: the AudioSocket server."""

    host: Name = "127.0.0.1"
    """Address to listen on. Anything but loopback lets every host that reaches it talk to the agent."""
    port: Port = 8090
    """TCP port to listen on."""
    advertise_host: str = ""
    """Address under which Asterisk reaches us, where that is not `host` (containers, NAT); empty: `host`."""
    allowed_hosts: tuple[Name, ...] = ()
    """Addresses or networks (`10.0.0.0/24`) from which connections are taken; empty: from everybody who reaches the
    port. AudioSocket has no password."""
    format: Literal["auto", "slin", "slin16"] = "auto"
    """Audio of calls that call-control sets up: `slin` is 8000 Hz, `slin16` is 16000 Hz, both 16-bit signed linear.
    `auto` is 16000 Hz where the caller's codec has more than 8000 Hz and this Asterisk can bring it, else 8000."""
    direct_calls: bool = True
    """Serve calls that come straight from the dialplan's `AudioSocket(uuid,host:port)`, with no ARI at all. When false,
    a connection whose UUID call-control does not expect is closed."""
    uuid_timeout_ms: Annotated[int, Meta(ge=100, le=60_000)] = 2000
    """Milliseconds within which a new connection must have sent its UUID."""
    max_waiting: Annotated[int, Meta(ge=1, le=4096)] = 64
    """Most connections that may wait at once for their UUID or for an audio actor; more are closed."""


class Audio(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The audio actors: one process a call, which keeps the 20 ms clock."""

    warm: Annotated[int, Meta(ge=0, le=64)] = 2
    """Audio actors kept ready for the next calls."""
    max_calls: Annotated[int, Meta(ge=1, le=1000)] = 16
    """Most calls at once; further callers are sent on in the dialplan with `AGENT_STATUS=BUSY`."""
    calls_per_process: Annotated[int, Meta(ge=1, le=500)] = 1
    """Most calls that one audio actor serves. 1 is isolation: the death of a process is missed by one caller, briefly.
    More is density: less memory and less switching, and a death is missed by all callers of that process."""
    priority: Annotated[int, Meta(ge=0, le=99)] = 20
    """Real-time priority (SCHED_FIFO) of the audio actors, where the system allows it; 0 never asks for it."""
    cores: tuple[Core, ...] | Literal["auto", "any"] = "auto"
    """CPU cores that the audio actors may use, as numbers from 0, or `any`; `auto`: as the hardware tier says."""
    catch_up_frames: Annotated[int, Meta(ge=0, le=50)] = 5
    """Most frames of 20 ms that a late pacer sends at once to get back onto its grid."""


class Actor(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The processes of one role that computes little."""

    count: Annotated[int, Meta(ge=0, le=64)] = 0
    """Processes of this role; 0: as the hardware tier says (`ringmaster tiers`)."""
    cores: tuple[Core, ...] | Literal["auto", "any"] = "auto"
    """CPU cores that they may use, as numbers from 0, or `any`; `auto`: as the hardware tier says, which may give each
    process its own."""
    nice: Nice = 0
    """Their niceness: higher yields to others. Below 0 needs the right to ask for it."""


class ConversationActor(Actor, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The processes that take turns: callers wait for them."""

    count: Annotated[int, Meta(ge=1, le=64)] = 1
    """Processes of this role. One holds the turns of hundreds of calls."""
    nice: Nice = -5
    """Their niceness: below the others', so that no other program makes a caller wait. Where that is not allowed: 0."""


class ModelActor(Actor, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The processes of one role that computes much: one model a process."""

    nice: Nice = 5
    """Their niceness: above the others', so that the models yield to the audio and to the turns."""
    spread: Literal["auto", "evenly", "first"] = "auto"
    """Which process serves a call: each in turn (`evenly`), or the `first` that has room, so that the others stand by
    for when it dies. `auto`: as the hardware tier says, by whether they compute on the same cores."""


class Restart(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often an actor may die before its pool is left at the capacity that remains."""

    intensity: Annotated[int, Meta(ge=0, le=100)] = 5
    """Most restarts of one role within `period_s`."""
    period_s: Annotated[float, Meta(gt=0, le=3600)] = 60.0
    """Seconds over which restarts are counted."""


class Actors(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The processes that think: how many of each, on which cores, and when one counts as dead."""

    conversation: ConversationActor = ConversationActor()
    """Turn-taking and tools. One process serves many calls."""
    stt: ModelActor = ModelActor()
    """Speech recognition."""
    llm: ModelActor = ModelActor()
    """Language models."""
    tts: ModelActor = ModelActor()
    """Speech synthesis."""
    restart: Restart = Restart()
    """Limits on restarts, for each role by itself."""
    stall_s: Annotated[float, Meta(gt=0, le=600)] = 10.0
    """Seconds without progress after which an actor that is still alive is killed and started again."""


class Pipeline(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Three engines that together hold a conversation."""

    stt: SttEngineName
    """Engine that recognises what the caller says."""
    llm: LlmEngineName
    """Engine that decides what to answer."""
    tts: TtsEngineName
    """Engine that speaks the answer."""


class BargeIn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The caller speaks while the agent does."""

    enabled: bool = True
    """When false, the agent finishes what it says and what the caller says meanwhile is not answered."""
    min_speech_ms: Annotated[int, Meta(ge=20, le=5000)] = 140
    """Milliseconds of the caller's speech that make the agent fall silent."""
    protect_greeting_ms: Annotated[int, Meta(ge=0, le=60_000)] = 0
    """Milliseconds from the start of the greeting during which the caller cannot interrupt it."""


class NoInput(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The caller says nothing."""

    after_s: Annotated[float, Meta(ge=1, le=300)] = 8.0
    """Seconds of silence, counted from the end of the agent's speech, after which the agent prompts."""
    max_prompts: Annotated[int, Meta(ge=0, le=10)] = 2
    """Prompts in a row; after the last one and one more silence the agent says goodbye and hangs up."""


class Turns(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who may speak, and when a turn is over."""

    end_silence_ms: Annotated[int, Meta(ge=100, le=5000)] = 400
    """Milliseconds of silence that end the caller's turn. Lower answers sooner and cuts slow speakers off."""
    unclear_end_silence_ms: Annotated[int, Meta(ge=100, le=10_000)] = 700
    """The same, while nothing intelligible has been heard in this turn."""
    barge_in: BargeIn = BargeIn()
    """What happens when the caller interrupts."""
    no_input: NoInput = NoInput()
    """What happens when the caller is silent."""
    max_turn_s: Annotated[float, Meta(ge=1, le=600)] = 30.0
    """Seconds after which the caller's turn is ended even if they still speak."""
    max_call_s: Annotated[int, Meta(ge=10, le=86_400)] = 1800
    """Seconds after which the agent says goodbye and hangs up."""
    filler_after_ms: Annotated[int, Meta(ge=0, le=60_000)] = 1500
    """Milliseconds after the end of the caller's turn at which, with no answer yet, the filler is said; 0 never."""
    refuse_above_ms: Annotated[int, Meta(ge=0, le=60_000)] = 0
    """Milliseconds from the caller's last sample to the answer's first. While a quarter of the turns of the last 20 s
    took longer, and at least three did, further callers are sent on in the dialplan with `AGENT_STATUS=BUSY`; 0 never.
    `ringmaster bench capacity` recommends a value."""


class Vad(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How speech is told from silence, frame by frame (20 ms)."""

    aggressiveness: Annotated[int, Meta(ge=0, le=3)] = 2
    """WebRTC's detector: 0 takes most sounds for speech, 3 the fewest."""
    start_frames: Annotated[int, Meta(ge=1, le=50)] = 3
    """Frames of speech in a row that begin an utterance."""
    margin_db: Annotated[float, Meta(ge=0, le=40)] = 8.0
    """Decibels by which speech must be louder than the line's noise."""
    floor_dbfs: Annotated[float, Meta(ge=-96, le=0)] = -55.0
    """Level (dB of full scale) below which nothing is speech, however quiet the line."""


class Destination(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A place in the dialplan."""

    context: Name
    """Context, such as FreePBX's `from-internal`."""
    extension: Name
    """Extension within the context."""
    priority: Annotated[int, Meta(ge=1)] = 1
    """Priority within the extension."""
    title: str = ""
    """What agents call it when they speak of it, such as `the practice`; empty: its name."""
    mode: Literal["blind", "attended"] = "blind"
    """`blind` sends the caller there and is done. `attended` calls there first, tells the person who is calling and
    why, and connects them when they accept; else the caller stays with the agent."""
    ring_s: Annotated[int, Meta(ge=5, le=300)] = 30
    """Seconds for which it rings, of an attended transfer."""
    decide_s: Annotated[int, Meta(ge=3, le=120)] = 20
    """Seconds in which the person must have accepted, once they have answered."""
    device: str = ""
    """Device whose state says whether somebody can answer, such as `PJSIP/200`; empty: the extension's hint."""
    check: bool = False
    """Ask for that state first, and let the agent say so when nobody can answer (busy, not reachable)."""
    variables: dict[Name, str] = field(default_factory=dict)
    """Channel variables that the caller's channel gets before it goes there."""


class Transfers(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where calls can be sent on to."""

    destinations: dict[Name, Destination] = field(default_factory=dict)
    """Destinations by the names that agents use for them."""
    music_class: str = ""
    """Music on hold for callers who wait, as `musiconhold.conf` names it; empty: Asterisk's default."""
    voicemail: str = ""
    """Name of the destination to which the tool `voicemail` sends callers; empty: there is none."""
    on_failure: Destination | None = None
    """Where a call goes that no engine can serve any more. Without it, it goes on in the dialplan after `Stasis()`."""


class Agents(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the agents are described, and which one answers."""

    directory: Name = "agents"
    """Folder with one YAML file per agent, relative to this file."""
    default_agent: Name = "front-desk"
    """Name of the agent that answers calls for which the dialplan names none."""


def _run_directory() -> str:
    """`${XDG_RUNTIME_DIR:-/tmp}/ringmaster`"""
    return f"{os.environ.get('XDG_RUNTIME_DIR') or '/tmp'}/ringmaster"


class Run(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the running system keeps on disk, and what it says."""

    directory: Name = field(default_factory=_run_directory)
    """Folder for sockets and the calls' journals; made if it is not there. One running system needs one of its own."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least important messages that are still logged."""


def _pipelines() -> dict[Name, Pipeline]:
    """`embedded`: the engines `pocketsphinx`, `scripted` and `espeak`; `local`: `vosk`, `llama_cpp` and `piper`"""
    return {
        "embedded": Pipeline(stt="pocketsphinx", llm="scripted", tts="espeak"),
        "local": Pipeline(stt="vosk", llm="llama_cpp", tts="piper"),
    }


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file. Every section may be left out; its defaults then hold."""

    asterisk: Asterisk = Asterisk()
    """How to reach Asterisk."""
    more_asterisks: dict[CallControlName, Asterisk] = field(default_factory=dict)
    """Further servers, or further applications of the same one, by a short name of your own. Each has a call-control of
    its own, `call-control.<name>`."""
    audiosocket: AudioSocket = AudioSocket()
    """Where the audio comes in."""
    media: MediaSettings = MediaSettings()
    """By which transports it comes."""
    external_media: ExternalMedia = ExternalMedia()
    """RTP."""
    streaming: Streaming = Streaming()
    """How the agent's speech is buffered."""
    downstream_mode: Literal["stream", "file"] = "stream"
    """How the agent's speech reaches the caller: `stream` as it is made, `file` played by Asterisk from files."""
    audio_profiles: dict[Name, AudioProfile] = field(default_factory=dict)
    """Audio settings by name, for calls that ask for them (`AI_AUDIO_PROFILE`)."""
    audio: Audio = Audio()
    """The audio actors."""
    actors: Actors = Actors()
    """The other actors."""
    pipelines: dict[Name, Pipeline] = field(default_factory=_pipelines)
    """Pipelines by name."""
    active_pipeline: Name = "embedded"
    """Name of the pipeline that serves calls."""
    default_provider: ProviderName = ""
    """A provider that holds the whole conversation instead of a pipeline: `loopback` gives callers their own voice
    back, `speaker` talks without end and can be interrupted, both for tests of the line; "" uses `active_pipeline`."""
    engines: Engines = Engines()
    """Settings of single engines."""
    models: Models = Models()
    """The models that engines load."""
    gateway: Gateway = Gateway()
    """The local AI server that this machine is to others."""
    local: Local = Local()
    """The local AI server that another machine is to this one."""
    turns: Turns = Turns()
    """Turn-taking."""
    vad: Vad = Vad()
    """Voice activity detection."""
    transfers: Transfers = Transfers()
    """Where calls can be sent on to."""
    failure: Failure = Failure()
    """What a caller hears when nothing else can be done for them."""
    outbound: Outbound = Outbound()
    """Calls that the agent makes."""
    agents: Agents = Agents()
    """The agents."""
    history: History = History()
    """The call history."""
    recording: Recording = Recording()
    """Recordings of calls."""
    run: Run = Run()
    """The running system."""
