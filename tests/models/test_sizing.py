"""What models take in memory: by their files, by the registry, by what was measured."""

import struct
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from config.engines import Engines
from config.schema import Settings
from models import gguf, sizing
from models.measured import Measured, Stt

MB = 1 << 20


def settings(folder: Path, **engines: dict[str, Any]) -> Settings:
    whole = Settings(active_pipeline="local")
    own = Engines()
    for name, values in engines.items():
        own = structs.replace(own, **{name: structs.replace(getattr(own, name), **values)})
    return structs.replace(whole, engines=own, models=structs.replace(whole.models, directory=str(folder)))


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def head(path: Path, pairs: dict[str, int | str | list[int]], weights: int = 0, family: str = "qwen2") -> Path:
    """A GGUF file with these pairs before its vocabulary, and so many bytes behind."""
    body = b""
    for key, value in ({"general.architecture": family} | pairs).items():
        body += text(key)
        if isinstance(value, str):
            body += struct.pack("<I", 8) + text(value)
        elif isinstance(value, list):
            body += struct.pack("<IIQ", 9, 4, len(value)) + b"".join(struct.pack("<I", one) for one in value)
        else:
            body += struct.pack("<II", 4, value)
    body += text("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, 1) + text("hello")
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, len(pairs) + 2) + body + bytes(weights))
    return path


QWEN = {
    "qwen2.block_count": 24,
    "qwen2.embedding_length": 896,
    "qwen2.attention.head_count": 14,
    "qwen2.attention.head_count_kv": 2,
}
"""Qwen2.5-0.5B: 24 layers, 2 heads of 64 for keys and as many for values, 2 bytes each."""


def test_what_a_token_keeps_is_read_from_the_models_head(tmp_path: Path) -> None:
    assert gguf.cache_bytes_per_token(head(tmp_path / "a.gguf", QWEN)) == 24 * 2 * (64 + 64) * 2


def test_heads_of_an_own_width_and_layers_that_differ_are_counted(tmp_path: Path) -> None:
    own = QWEN | {"qwen2.attention.key_length": 128, "qwen2.attention.value_length": 96}
    assert gguf.cache_bytes_per_token(head(tmp_path / "a.gguf", own)) == 24 * 2 * (128 + 96) * 2
    mixed = {**QWEN, "qwen2.attention.head_count_kv": [4] * 3 + [0] * 21}
    assert gguf.cache_bytes_per_token(head(tmp_path / "b.gguf", mixed)) == 12 * (64 + 64) * 2


@pytest.mark.parametrize("cut", [0, 3, 10, 30, 60, 120])
def test_a_file_that_is_cut_off_says_nothing(cut: int, tmp_path: Path) -> None:
    whole = head(tmp_path / "a.gguf", QWEN).read_bytes()
    (tmp_path / "cut.gguf").write_bytes(whole[:cut])
    assert gguf.cache_bytes_per_token(tmp_path / "cut.gguf") == 0


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04" + bytes(100), b"GGUF" + b"\xff" * 200, b"GGUF" + bytes(100)])
def test_a_file_of_another_kind_says_nothing(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.gguf").write_bytes(content)
    assert gguf.head(tmp_path / "a.gguf") == {}


def test_a_language_models_weights_are_shared_and_its_caches_are_not(tmp_path: Path) -> None:
    model = head(tmp_path / "a.gguf", QWEN, weights=3 * MB)
    mine = settings(tmp_path, llama_cpp={"model": str(model), "context": 8192})
    size = sizing.sizes(mine, "TINY_CPU", None)["llm"]
    assert (size.name, size.shared_mb, size.call_mb) == ("a.gguf", 3, 96)
    half = settings(tmp_path, llama_cpp={"model": str(model), "context": 8192, "kv_cache": "q8_0"})
    assert sizing.sizes(half, "TINY_CPU", None)["llm"].call_mb == 51


def test_a_recogniser_is_a_folder_and_each_actor_has_all_of_it(tmp_path: Path) -> None:
    for name in ("am/final.mdl", "graph/HCLr.fst"):
        (tmp_path / "vosk" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "vosk" / name).write_bytes(bytes(5 * MB))
    mine = settings(tmp_path, vosk={"model": str(tmp_path / "vosk")})
    size = sizing.sizes(mine, "TINY_CPU", None)["stt"]
    assert (size.shared_mb, size.weights_mb, size.actor_mb) == (0, 10, 170)
    seen = Measured(stt=Stt(engine="vosk", model=str(tmp_path / "vosk"), memory_mb=333.3))
    assert sizing.sizes(mine, "TINY_CPU", seen)["stt"].actor_mb == 333
    other = Measured(stt=Stt(engine="sherpa_onnx", model=str(tmp_path / "vosk"), memory_mb=333.3))
    assert sizing.sizes(mine, "TINY_CPU", other)["stt"].actor_mb == 170


def test_before_the_first_setup_it_is_the_tiers_models_that_are_reckoned_with(tmp_path: Path) -> None:
    tiny = sizing.sizes(settings(tmp_path), "TINY_CPU", None)
    large = sizing.sizes(settings(tmp_path), "HEAVY_CPU", None)
    assert tiny["llm"].name == "Qwen3-0.6B-Q4_K_M"
    assert tiny["llm"].call_mb == 114_688 * 4096 >> 20
    assert large["llm"].shared_mb > 40 * tiny["llm"].shared_mb


def test_engines_that_load_no_model_need_next_to_nothing(tmp_path: Path) -> None:
    mine = structs.replace(settings(tmp_path), active_pipeline="embedded")
    assert all(size.actor_mb < 100 and not size.shared_mb for size in sizing.sizes(mine, "TINY_CPU", None).values())
