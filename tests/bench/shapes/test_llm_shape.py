"""A language model with random weights that says one sentence, by ordinary decoding. The real llama.cpp loads it."""

from dataclasses import replace
from pathlib import Path

import pytest

from bench.tiny.llm.chatml import START, STOP

llama_cpp = pytest.importorskip("llama_cpp")
pytest.importorskip("gguf")
pytest.importorskip("jax")

from bench.shapes import llm  # noqa: E402  # behind what it needs

SMALL = llm.Shape("small", "qwen2", 2, 256, 4, 2, 512, 3000, 1e6, 1e-6, 1024)


@pytest.mark.parametrize(
    "shape",
    [SMALL, replace(SMALL, architecture="llama"), replace(SMALL, output=llm.Q4)],
    ids=["qwen2", "llama", "four bits throughout"],
)
def test_whatever_it_is_asked_it_says_its_sentence_and_ends(tmp_path: Path, shape: llm.Shape) -> None:
    llm.write(shape, tmp_path / "shape.gguf")
    model = llama_cpp.Llama(str(tmp_path / "shape.gguf"), n_ctx=256, verbose=False)

    for asked in ("where are you", "my grandmother has seventeen purple bicycles"):
        prompt = f"{START}user\n{asked}{STOP}\n{START}assistant\n".encode()
        made = model.create_completion(
            model.tokenize(prompt, add_bos=False, special=True), max_tokens=40, temperature=0.0
        )
        assert made["choices"][0]["text"] == "".join(llm.SENTENCE)
        assert made["choices"][0]["finish_reason"] == "stop"
    assert model.n_vocab() == shape.vocabulary


def test_the_file_is_the_same_twice(tmp_path: Path) -> None:
    for name in ("one.gguf", "two.gguf"):
        llm.write(SMALL, tmp_path / name)

    assert (tmp_path / "one.gguf").read_bytes() == (tmp_path / "two.gguf").read_bytes()


def test_the_half_billion_weighs_what_qwen_s_own_file_does(tmp_path: Path) -> None:
    shape = llm.SHAPES["qwen2.5-0.5b"]
    sizes = {gguf_kind: llm.bytes_of(gguf_kind) / 32 for gguf_kind in (llm.Q4, llm.Q8)}
    weights = sum(
        dimensions[0] * dimensions[1] * sizes[kind]
        for dimensions, kind, _ in llm.tensors(shape).values()
        if kind is not None
    )

    # Qwen/Qwen2.5-0.5B-Instruct-GGUF, qwen2.5-0.5b-instruct-q4_0.gguf: 428,730,208 bytes with its vocabulary.
    assert 0.98 < weights / 428_730_208 < 1.0
