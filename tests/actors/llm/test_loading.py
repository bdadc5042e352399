"""Files that are no language models, and machines on which none can run: each gets one sentence with the remedy."""

import struct
from pathlib import Path

import gguf
import pytest

from actors.catalogue import Unusable
from actors.llm import loading
from actors.llm.llama_cpp import LlamaCpp
from config.engines import LlamaCpp as Settings
from config.load import SHIPPED, load
from tests.actors.llm.test_contract import TINY

SETTINGS = Settings(threads=1, calls=1, context=1024)


def pairs(path: Path, architecture: str, **numbers: int) -> Path:
    """A GGUF file of these pairs and no tensors."""
    writer = gguf.GGUFWriter(path, architecture)
    for key, value in numbers.items():
        writer.add_uint32(key.replace("__", "."), value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def refused(path: Path, settings: Settings = SETTINGS) -> str:
    with pytest.raises(Unusable) as refusal:
        LlamaCpp(path, settings)
    sentence = str(refusal.value)
    assert path.name in sentence or "context" in sentence
    return sentence


def test_a_file_of_another_kind(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(b"PK\x03\x04 a zip file")
    assert "no GGUF file" in refused(tmp_path / "model.gguf")


def test_a_file_that_is_empty_or_not_there(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").touch()
    assert "no GGUF file" in refused(tmp_path / "model.gguf")
    assert "cannot be read" in refused(tmp_path / "other.gguf")


@pytest.mark.parametrize("share", [0.2, 0.6, 0.99])
def test_a_file_that_was_cut_off(tmp_path: Path, share: float) -> None:
    whole = TINY.read_bytes()
    (tmp_path / "model.gguf").write_bytes(whole[: int(len(whole) * share)])
    assert "cannot be used" in refused(tmp_path / "model.gguf")


def test_a_file_whose_head_is_damaged(tmp_path: Path) -> None:
    damaged = bytearray(TINY.read_bytes())
    damaged[16:24] = struct.pack("<Q", 1 << 40)  # so many pairs
    (tmp_path / "model.gguf").write_bytes(damaged)
    assert "cannot be used" in refused(tmp_path / "model.gguf")


def test_a_projector_of_pictures_and_a_model_of_embeddings(tmp_path: Path) -> None:
    assert "no language model but a clip one" in refused(pairs(tmp_path / "mmproj.gguf", "clip"))
    assert "which writes no text" in refused(pairs(tmp_path / "bge.gguf", "qwen3", qwen3__pooling_type=1))


def test_a_part_of_a_model(tmp_path: Path) -> None:
    assert "one of 3 parts" in refused(pairs(tmp_path / "model.gguf", "llama", split__count=3))


def test_an_architecture_that_this_llama_cpp_does_not_know(tmp_path: Path) -> None:
    assert "a newer llama-cpp-python may" in refused(pairs(tmp_path / "model.gguf", "tomorrow"))


def test_a_model_too_large_for_the_memory(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match=r"there are 100 MB: take a smaller model, or lower"):
        loading.check_memory(TINY, 4096, exact=True, available_mb=100)
    loading.check_memory(TINY, 4096, exact=True, available_mb=400)


def test_a_context_too_large_for_the_memory() -> None:
    tokens = 1 << 40
    with pytest.raises(Unusable, match="tokens of conversations"):
        loading.check_memory(TINY, tokens, exact=False)


def test_a_processor_that_lacks_what_the_library_was_built_for() -> None:
    built_for = "CPU : SSE3 = 1 | AVX = 1 | AVX2 = 1 | AVX512 = 0 | REPACK = 1 |"
    with pytest.raises(Unusable, match="a processor with AVX2, which this one lacks: build it here"):
        loading.check_processor(built_for, frozenset(("sse3", "avx")))
    loading.check_processor(built_for, frozenset(("sse3", "avx", "avx2")))
    loading.check_processor(built_for, frozenset())


def test_instructions_that_leave_no_room_to_talk() -> None:
    with pytest.raises(Unusable, match="the instructions and tools of the agent front-desk take"):
        LlamaCpp(TINY, Settings(threads=1, calls=1, context=300), dict(load(SHIPPED).agents))


def test_what_the_settings_say_is_taken_and_what_they_leave_open_is_a_number() -> None:
    given = loading.resolve(Settings(threads=3, batch_threads=5, batch=7, calls=9, gpu_layers=11))
    assert given == loading.Resolved(3, 5, 7, 9, 11)
    found = loading.resolve(Settings())
    assert found.threads >= 1 and found.batch_threads >= 1 and found.calls >= 1 and found.batch >= 1
    assert found.gpu_layers == 0


@pytest.mark.parametrize(
    ("weights", "actors", "memory_mb", "own"),
    [
        ("auto", 2, 50, True),
        ("auto", 2, 49, False),
        ("auto", 4, 50, False),
        ("own", 4, 1, True),
        ("shared", 1, 999, False),
    ],
)
def test_each_actor_has_a_copy_of_the_weights_where_there_is_memory_for_all(
    tmp_path: Path, weights: str, actors: int, memory_mb: int, own: bool
) -> None:
    model = tmp_path / "model.gguf"
    with model.open("wb") as file:
        file.truncate(10 << 20)
    assert loading.copies(model, weights, actors, memory_mb) is own
