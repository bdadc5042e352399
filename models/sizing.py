"""How much memory each role's model takes: measured, or estimated from the size of its files."""

from pathlib import Path

import msgspec
from msgspec import structs

from config.engines import Role
from config.schema import Settings
from models import gguf, shelf
from models.measured import Measured
from models.registry import Model, Unknown, registry

HEAVY: dict[Role, frozenset[str]] = {
    "stt": frozenset({"vosk", "sherpa_onnx"}),
    "llm": frozenset({"llama_cpp"}),
    "tts": frozenset({"piper"}),
}
"""Engines that load a model and compute much. The others need a few MB, or have somebody else compute for them."""

CACHE_Q8 = 34 / 64
"""Memory of a cache in q8_0 beside one in f16: 32 values are 34 bytes instead of 64."""

CACHE_PER_TOKEN = 64 << 10
"""Bytes, where a model does not say: about the middle between a 0.5 B model (12 kB) and a 4 B one (147 kB)."""

LLM_BUFFERS_MB = 400
"""Of an actor that runs llama.cpp, besides weights and cache: the interpreter, and what is computed in between. With a
0.5 B model and a vocabulary of 152,000 words it was 320 MB."""


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """MB of memory."""

    name: str = ""
    """Of the model, as the operator knows it."""
    shared_mb: int = 0
    """Once for all actors of the role: weights that are mapped."""
    actor_mb: int = 60
    """Each actor."""
    call_mb: int = 0
    """Each call that an actor can hold, whether there is one or not."""
    weights_mb: int = 0
    """Of the model's files."""


Sizes = dict[Role, Size]


def sizes(settings: Settings, tier: str, measured: Measured | None) -> Sizes:
    """Of the engines of the active pipeline, by role. tier: whose models they are where none have been set up yet."""
    pipeline = settings.pipelines[settings.active_pipeline]
    found: Sizes = {}
    for role, heavy in HEAVY.items():
        engine: str = getattr(pipeline, role)
        found[role] = _size(settings, role, engine, tier, measured) if engine in heavy else Size()
    return found


def fitting(settings: Settings, measured: Measured | None) -> Measured | None:
    """What of the measurement was measured with the engines and models that are in use: other models have other
    figures."""
    if measured is None:
        return None
    pipeline = settings.pipelines[settings.active_pipeline]
    kept: dict[str, None] = {}
    for role in HEAVY:
        known, engine = getattr(measured, role), getattr(pipeline, role)
        path = _path(settings, role, engine) if engine in HEAVY[role] else None
        if known is None or path is None or known.engine != engine or not is_of(known.model, settings, role, path):
            kept[role] = None
    return structs.replace(measured, **kept)


def _size(settings: Settings, role: Role, engine: str, tier: str, measured: Measured | None) -> Size:
    path = _path(settings, role, engine)
    if path is None:
        return _of_registry(settings, role, tier)
    weights = _files_mb(path)
    if role == "llm":
        cache = gguf.cache_bytes_per_token(path) or CACHE_PER_TOKEN
        call_mb = _call_mb(settings, cache)
        return Size(name=path.name, shared_mb=weights, actor_mb=LLM_BUFFERS_MB, call_mb=call_mb, weights_mb=weights)
    known = getattr(fitting(settings, measured), role, None)
    # A recogniser unpacks its graph, a voice's weights are copied in the order in which they are used: twice the files.
    return Size(name=path.name, actor_mb=int(known.memory_mb) if known else 2 * weights + 150, weights_mb=weights)


def _of_registry(settings: Settings, role: Role, tier: str) -> Size:
    """What `ringmaster models setup` would choose."""
    try:
        model: Model = registry().bundle(tier, settings.models.language)[role]
    except Unknown:
        return Size(actor_mb=300)
    weights = model.bytes >> 20
    if role != "llm":
        return Size(name=model.name, actor_mb=model.memory_mb, weights_mb=weights)
    call_mb = _call_mb(settings, model.kv_bytes or CACHE_PER_TOKEN)
    buffers = max(LLM_BUFFERS_MB, model.memory_mb - weights)
    return Size(name=model.name, shared_mb=weights, actor_mb=buffers, call_mb=call_mb, weights_mb=weights)


def _path(settings: Settings, role: Role, engine: str) -> Path | None:
    """Where the model lies; None where there is none."""
    try:
        return shelf.path_of(settings.models, role, getattr(settings.engines, engine).model)
    except shelf.NoModel:
        return None


def _call_mb(settings: Settings, cache: int) -> int:
    """cache: bytes of one token at 16 bits."""
    llama = settings.engines.llama_cpp
    return max(1, round(cache * llama.context * (CACHE_Q8 if llama.kv_cache == "q8_0" else 1.0)) >> 20)


def is_of(model: str, settings: Settings, role: Role, path: Path) -> bool:
    """Whether a measurement's model is the one at this path: it is named by the registry's name, or by its path."""
    if model in (str(path), path.name, path.stem):
        return True
    try:
        chosen = shelf.choice(settings.models)
    except shelf.NoModel:
        return False
    mine = chosen.models.get(role) if chosen else None
    return mine is not None and mine.name == model and settings.models.folder / mine.path == path


def _files_mb(path: Path) -> int:
    """Of a file, or of all files of a folder."""
    try:
        files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
        return max(1, sum(file.stat().st_size for file in files) >> 20)
    except OSError:
        return 1
