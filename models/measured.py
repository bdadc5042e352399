"""What was measured on this machine: how fast its engines are with the models that were chosen.

`<folder>/measured.json`, written by `ringmaster models setup` from what `python -m actors.<role>.measure MODEL --json`
prints. A field that a measurement did not give is 0: it is not known.
"""

from pathlib import Path

import msgspec

from models.files import write

MEASURED = "measured.json"


class Stt(msgspec.Struct, frozen=True, kw_only=True):
    """A recogniser, on one core."""

    engine: str = ""
    model: str = ""
    """The model's name in the registry, or its path."""
    real_time_factor: float = 0.0
    """Seconds of computing for a second of speech."""
    calls_per_core: float = 0.0
    """Callers who talk at once that one core keeps up with."""
    load_s: float = 0.0
    memory_mb: float = 0.0
    """Of one process with the model loaded."""


class Llm(msgspec.Struct, frozen=True, kw_only=True):
    """A language model, with the threads and batches that were the fastest."""

    engine: str = ""
    model: str = ""
    threads: int = 0
    """Threads that write tokens."""
    tokens_per_s: float = 0.0
    """Of one answer, with these threads."""
    batch_threads: int = 0
    """Threads that read prompts."""
    batch: int = 0
    """Tokens of prompts read in one step."""
    prompt_tokens_per_s: float = 0.0
    """Read so."""
    sequences: int = 0
    """Answers written at once in the measurement of `batched_tokens_per_s`; 0: not measured."""
    batched_tokens_per_s: float = 0.0
    """Of all these answers together."""
    load_s: float = 0.0
    memory_mb: float = 0.0


class Tts(msgspec.Struct, frozen=True, kw_only=True):
    """A synthesiser."""

    engine: str = ""
    model: str = ""
    threads: int = 0
    real_time_factor: float = 0.0
    """Seconds of computing for a second of speech, with these threads."""
    first_audio_ms: float = 0.0
    """Until the first samples of a clause of about twelve words."""
    load_s: float = 0.0
    memory_mb: float = 0.0


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What `measured.json` holds. A role that has not been measured is None."""

    cpu: str = ""
    """The processor's name, and the cores that there were: figures of another machine are worth nothing."""
    cores: int = 0
    at: str = ""
    """When, in ISO 8601."""
    stt: Stt | None = None
    llm: Llm | None = None
    tts: Tts | None = None


def read(folder: Path) -> Measured | None:
    """None where nothing was measured yet, or where the file makes no sense: then the rules of thumb hold."""
    try:
        return msgspec.json.decode((folder / MEASURED).read_bytes(), type=Measured)
    except (OSError, msgspec.DecodeError):
        return None


def save(folder: Path, measured: Measured) -> None:
    """Replaces the file whole. Raises OSError."""
    write(folder / MEASURED, msgspec.json.format(msgspec.json.encode(measured), indent=2) + b"\n")
