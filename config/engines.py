"""The settings of single engines, of the models that they load, and of the server that lends them to others. Part of
`config.schema`."""

import os
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

from config.keeping import state_directory
from config.secret import Secret

Name = Annotated[str, Meta(min_length=1)]

# An engine's name is that of its module in actors/<role>/.
SttEngineName = Literal["pocketsphinx", "vosk", "sherpa_onnx", "gateway"]
LlmEngineName = Literal["scripted", "llama_cpp", "openai_compatible", "gateway"]
TtsEngineName = Literal["espeak", "piper", "gateway"]

Role = Literal["stt", "llm", "tts"]


class Models(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where models are, and where they come from: `ringmaster models setup` chooses and fetches them."""

    directory: str = ""
    """Folder of the models and of what was chosen and measured. Empty: `models` in `$STATE_DIRECTORY`, which systemd
    sets, or in `~/.local/state/ringmaster`."""
    tier: str = "auto"
    """Hardware tier, as `ringmaster tiers` lists them, which says how many actors of each role there are, on which
    cores and with how many threads; `auto`: the one that fits this machine."""
    language: Annotated[str, Meta(pattern="^[a-z]{2}(-[a-z0-9]+)*$")] = "en-us"
    """Language in which the models that are chosen understand and speak."""
    mirrors: tuple[Name, ...] = ()
    """Base addresses (`https://...`) or folders that are asked first, with the file's name added, for every file."""
    from_directory: str = ""
    """A folder that has the files already (another machine's, a USB stick): nothing is fetched from the network."""

    @property
    def folder(self) -> Path:
        """The folder that is meant."""
        return Path(self.directory).expanduser() if self.directory else state_directory() / "models"


class Pocketsphinx(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The recogniser that needs no download. It hears only what the agent's phrases expect."""

    threshold: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.5
    """Least confidence at which an utterance counts as understood: 0 believes everything, 1 nothing."""
    garbage: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.1
    """How readily speech is taken for something that the agent's phrases do not hold: 0 forces all of it into one."""
    beam: Annotated[float, Meta(gt=0.0, le=1.0)] = 1e-54
    """How unlikely beside the best a reading may be and still be followed; 1e-48 takes a third less time."""
    dictionary: str = ""
    """Path of a pronunciation file (CMU format) with words that the model's own lacks, such as names."""


class Vosk(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The recogniser `vosk`: streaming dictation on a CPU, many languages."""

    model: str = ""
    """Folder of a model. Empty: what `ringmaster models setup` chose."""
    threshold: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.0
    """Least mean confidence of its words at which an utterance counts as understood. For an agent that hears its script
    only, 0.8 keeps most other sentences from being taken for one of it."""


class SherpaOnnx(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The recogniser `sherpa_onnx`: streaming transducers and CTC models (zipformer and others) on ONNX Runtime."""

    model: str = ""
    """Folder of a model. Empty: what `ringmaster models setup` chose."""
    threads: Annotated[int, Meta(ge=1, le=64)] = 1
    """Threads of one actor."""


class LlamaCpp(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The language model engine `llama_cpp`: any GGUF file, several calls at once. 0 and -1 mean: as measured on this
    machine by `ringmaster models setup`, or as the hardware tier says."""

    model: str = ""
    """Path of a GGUF file. Empty: what `ringmaster models setup` chose."""
    threads: Annotated[int, Meta(ge=0, le=256)] = 0
    """Threads that write tokens; 0: as measured."""
    batch_threads: Annotated[int, Meta(ge=0, le=256)] = 0
    """Threads that read prompts; 0: as measured."""
    batch: Annotated[int, Meta(ge=0, le=4096)] = 0
    """Most tokens of prompts that are read in one step, between which others' tokens come; 0: as measured."""
    calls: Annotated[int, Meta(ge=0, le=64)] = 0
    """Calls that one actor serves at once; each has a memory (KV cache) of its own. 0: as the hardware tier says."""
    context: Annotated[int, Meta(ge=256, le=131_072)] = 4096
    """Tokens that one call's conversation may have with the agent's prompt; older turns are forgotten beyond that."""
    max_tokens: Annotated[int, Meta(ge=1, le=4096)] = 96
    """Most tokens of one answer."""
    temperature: Annotated[float, Meta(ge=0.0, le=2.0)] = 0.2
    """How freely it chooses its words; 0 always takes the likeliest."""
    top_p: Annotated[float, Meta(gt=0.0, le=1.0)] = 0.85
    """It chooses among the likeliest words that have together this probability."""
    repeat_penalty: Annotated[float, Meta(ge=1.0, le=2.0)] = 1.05
    """How much words that were just used are avoided; 1 is not at all."""
    stop: tuple[Name, ...] = ()
    """Texts that end an answer, besides the model's own."""
    system_prompt: str = ""
    """Put before every agent's own prompt."""
    gpu_layers: Annotated[int, Meta(ge=-2, le=999)] = -2
    """Layers that the graphics card computes; -1 is all, -2 as the hardware tier says."""
    weights: Literal["auto", "own", "shared"] = "auto"
    """`own`: each actor has a copy in the order that suits this processor, and reads prompts twice as fast; `shared`:
    all actors use the file's own pages. `auto` is `own` where the copies take less than two fifths of the memory."""
    mlock: bool = False
    """Keep the model in memory, never swapped out."""
    infer_timeout_s: Annotated[float, Meta(gt=0, le=600)] = 20.0
    """Seconds after which an answer that is not complete ends where it is."""
    kv_cache: Literal["f16", "q8_0"] = "f16"
    """How exactly a call's memory is kept; `q8_0` takes half the space."""
    thinking: bool = False
    """Let models that can think before they speak do so. A caller waits in silence meanwhile."""


class OpenAiCompatible(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The language model engine `openai_compatible`: any server with `/v1/chat/completions`, such as vLLM, llama.cpp's
    server or Ollama."""

    base_url: Name = "http://127.0.0.1:8000/v1"
    """Address up to and with `/v1`."""
    api_key: Secret = Secret()
    """Sent as `Authorization: Bearer`, where the server wants one."""
    model: str = ""
    """The model's name there; empty: the first that the server lists."""
    calls: Annotated[int, Meta(ge=1, le=1000)] = 32
    """Most answers at once from one actor."""
    max_tokens: Annotated[int, Meta(ge=1, le=4096)] = 96
    """Most tokens of one answer."""
    temperature: Annotated[float, Meta(ge=0.0, le=2.0)] = 0.2
    """How freely it chooses its words."""
    connect_timeout_s: Annotated[float, Meta(gt=0, le=60)] = 2.0
    """Seconds for the connection to be made."""
    timeout_s: Annotated[float, Meta(gt=0, le=600)] = 20.0
    """Seconds without a token after which an answer ends where it is."""


class Piper(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The synthesiser `piper`: neural voices on a CPU. It is GPL-3.0, and runs in processes of its own."""

    model: str = ""
    """Path of a voice, `<name>.onnx`, with `<name>.onnx.json` beside it. Empty: what `ringmaster models setup`
    chose."""
    threads: Annotated[int, Meta(ge=0, le=64)] = 0
    """Threads of one actor; 0: as the hardware tier says."""
    volume: Annotated[float, Meta(gt=0.0, le=2.0)] = 0.7
    """Loudness; 1 is full scale, which is hot for a telephone."""
    noise_scale: Annotated[float, Meta(ge=-1.0, le=2.0)] = -1.0
    """How much the voice varies; -1: as the voice was made."""
    noise_w_scale: Annotated[float, Meta(ge=-1.0, le=2.0)] = -1.0
    """How much its pace varies; -1: as the voice was made."""


class Engines(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of single engines. Engines that are not listed have none."""

    pocketsphinx: Pocketsphinx = Pocketsphinx()
    """The engine `pocketsphinx`."""
    vosk: Vosk = Vosk()
    """The engine `vosk`."""
    sherpa_onnx: SherpaOnnx = SherpaOnnx()
    """The engine `sherpa_onnx`."""
    llama_cpp: LlamaCpp = LlamaCpp()
    """The engine `llama_cpp`."""
    openai_compatible: OpenAiCompatible = OpenAiCompatible()
    """The engine `openai_compatible`."""
    piper: Piper = Piper()
    """The engine `piper`."""


class Local(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The local AI server that `ringmaster up --role engine` uses in place of engines of its own."""

    ws_url: Name = "ws://127.0.0.1:8765"
    """Its address; `wss://` where a proxy before it speaks TLS."""
    token: Secret = Secret()
    """The other side's `gateway.token`."""
    connect_timeout_s: Annotated[float, Meta(gt=0, le=60)] = 2.0
    """Seconds for the connection to be made."""
    response_timeout_s: Annotated[float, Meta(gt=0, le=600)] = 5.0
    """Seconds for the first answer to a request."""


class Gateway(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The local AI server: a WebSocket through which others use this machine's engines (`ringmaster up --role
    ai-server`, or `enabled`)."""

    enabled: bool = False
    """Serve others also where the whole system runs here."""
    host: Name = "127.0.0.1"
    """Address to listen on."""
    port: Annotated[int, Meta(ge=1, le=65535)] = 8765
    """TCP port to listen on."""
    token: Secret = Secret()
    """What clients must show; empty: nothing, which is refused on any address but loopback."""
    allow_v1: bool = True
    """Serve clients of the old protocol too. It has no authentication: with a token they are refused."""
    max_clients: Annotated[int, Meta(ge=1, le=10_000)] = 200
    """Most connections at once."""
    idle_stt_ms: Annotated[int, Meta(ge=100, le=60_000)] = 3000
    """Milliseconds without audio after which what a client of the old protocol said counts as said."""
    max_waiting_kb: Annotated[int, Meta(ge=16, le=65_536)] = 1024
    """Kilobytes that wait for a slow client before it is cut off."""


def environment_path(role: Role) -> str:
    """What the environment says of a role's model: `LOCAL_STT_MODEL_PATH` and so on; "" where it says nothing."""
    return os.environ.get(f"LOCAL_{role.upper()}_MODEL_PATH", "")
