"""Language models of true shape with random weights: they cost what the real ones cost, and need no download.

    python -m bench.shapes.llm qwen2.5-0.5b --out out/models-bench

Noise would be no answer that anybody can speak. So the weights are random but for one thing: a token's row of the
output matrix is the embedding of the token before it in `SENTENCE`. What the layers add is small beside the embedding
that goes through them, so after each word of the sentence the next one is by far the likeliest, by ordinary decoding:
no grammar, no hook, and every multiplication is done. Each answer is that one sentence, then the end.

Weights are Q4_0, the output matrix Q8_0, as in Qwen's own files of this size; those named `pure` are Q4_0 throughout,
as `llama-quantize --pure` makes them. That matters where several calls are answered: llama.cpp multiplies a Q8_0 matrix
with four tokens in almost four times the time that it takes for one (20 and 5.3 ms on two cores), a Q4_0 one in twice.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path

import gguf
import numpy as np
from numpy.typing import NDArray

from actors.llm import notation
from bench.tiny.llm import bpe, lessons
from bench.tiny.llm.bpe import PRINTABLE, Tokenizer
from bench.tiny.llm.chatml import END, SPECIAL, START, STOP, TEMPLATE
from bench.tiny.llm.corpus import Teacher
from config.load import SHIPPED, load

SENTENCE = (
    "Of", " course.", " We", " are", " open", " Monday", " to", " Friday,", " from", " eight", " in", " the",
    " morning", " until", " six", " at", " night.", " Which", " day", " would", " you", " like?",
)  # fmt: skip
"""No word twice: what comes next hangs on the last word alone."""

MERGES = 900
_BLOCK = 32
"""Weights that share a factor, in Q4_0 and Q8_0."""
Q4, Q8 = gguf.GGMLQuantizationType.Q4_0, gguf.GGMLQuantizationType.Q8_0
_EMBEDDED, _LAYER, _QUIET = 0.1, 0.005, 0.0002
"""Steps of the four-bit weights: of the embedding, of the layers, and of what they add to it. All layers together add
about a quarter of the embedding's size."""
_FORETOLD = 0.005
"""Step of the output's weights. The right token's logit is then about 20, all others' are below 4."""
_CHUNK = 8192
"""Rows of a matrix that are made at once."""

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Shape:
    """As in the model's own configuration."""

    name: str
    architecture: str
    layers: int
    width: int
    heads: int
    kv_heads: int
    inner: int
    vocabulary: int
    rope_base: float
    epsilon: float
    context: int
    output: gguf.GGMLQuantizationType = Q8

    @property
    def kv_width(self) -> int:
        return self.width // self.heads * self.kv_heads


# From the `config.json` of Qwen/Qwen2.5-0.5B-Instruct, Qwen/Qwen2.5-1.5B-Instruct, TinyLlama/TinyLlama-1.1B-Chat-v1.0.
SHAPES = {
    shape.name: shape
    for shape in (
        Shape("qwen2.5-0.5b", "qwen2", 24, 896, 14, 2, 4864, 151_936, 1e6, 1e-6, 32_768),
        Shape("qwen2.5-0.5b-pure", "qwen2", 24, 896, 14, 2, 4864, 151_936, 1e6, 1e-6, 32_768, Q4),
        Shape("tinyllama-1.1b", "llama", 22, 2048, 32, 4, 5632, 32_000, 1e4, 1e-5, 2048),
        Shape("qwen2.5-1.5b", "qwen2", 28, 1536, 12, 2, 8960, 151_936, 1e6, 1e-6, 32_768),
    )
}


def write(shape: Shape, path: Path, seed: int = 1) -> None:
    """Replaces the file as a whole."""
    beside = path.with_suffix(".part")
    tokenizer = _tokenizer()
    writer = gguf.GGUFWriter(str(beside), shape.architecture)
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_name(f"{shape.name}, random weights")
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.inner)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_rope_dimension_count(shape.width // shape.heads)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_layer_norm_rms_eps(shape.epsilon)
    writer.add_vocab_size(shape.vocabulary)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q4_0)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    _add_tokens(writer, tokenizer, shape.vocabulary)
    before = _before(tokenizer, shape.vocabulary, seed)
    parts = tensors(shape)
    for name, (dimensions, kind, _) in parts.items():
        _announce(writer, name, dimensions, kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for name, (dimensions, kind, step) in parts.items():
        if name == "output":
            writer.write_tensor_data(_output(dimensions, shape.output, before, seed))
        else:
            writer.write_tensor_data(_random(name, dimensions, kind, step, seed))
    writer.close()
    beside.replace(path)


def tensors(shape: Shape) -> dict[str, tuple[tuple[int, ...], gguf.GGMLQuantizationType | None, float]]:
    """By name, in the order of the file: dimensions, kind (None for plain numbers), and step of the weights."""
    d, kv = shape.width, shape.kv_width
    found: dict[str, tuple[tuple[int, ...], gguf.GGMLQuantizationType | None, float]] = {
        "token_embd": ((shape.vocabulary, d), Q4, _EMBEDDED),
        "output": ((shape.vocabulary, d), shape.output, _FORETOLD),
        "output_norm": ((d,), None, 1.0),
    }
    for layer in range(shape.layers):
        at = f"blk.{layer}."
        found |= {
            f"{at}attn_norm": ((d,), None, 1.0),
            f"{at}attn_q": ((d, d), Q4, _LAYER),
            f"{at}attn_k": ((kv, d), Q4, _LAYER),
            f"{at}attn_v": ((kv, d), Q4, _LAYER),
            f"{at}attn_output": ((d, d), Q4, _QUIET),
            f"{at}ffn_norm": ((d,), None, 1.0),
            f"{at}ffn_gate": ((shape.inner, d), Q4, _LAYER),
            f"{at}ffn_up": ((shape.inner, d), Q4, _LAYER),
            f"{at}ffn_down": ((d, shape.inner), Q4, _QUIET),
        }
        if shape.architecture == "qwen2":
            found |= {f"{at}attn_{part}.bias": ((size,), None, 0.0) for part, size in (("q", d), ("k", kv), ("v", kv))}
    return found


def _announce(
    writer: gguf.GGUFWriter, name: str, dimensions: tuple[int, ...], kind: gguf.GGMLQuantizationType | None
) -> None:
    full = name if name.endswith(".bias") else f"{name}.weight"
    if kind is None:
        writer.add_tensor_info(full, dimensions, np.dtype(np.float32), 4 * dimensions[0])
    else:
        width = dimensions[1] // _BLOCK * bytes_of(kind)
        size = dimensions[0] * width
        writer.add_tensor_info(full, (dimensions[0], width), np.dtype(np.uint8), size, raw_dtype=kind)


def bytes_of(kind: gguf.GGMLQuantizationType) -> int:
    """Of one block: a factor (f16) and its weights."""
    return 2 + (_BLOCK // 2 if kind == Q4 else _BLOCK)


def _random(
    name: str, dimensions: tuple[int, ...], kind: gguf.GGMLQuantizationType | None, step: float, seed: int
) -> NDArray[np.float32] | Bytes:
    if kind is None:
        return np.full(dimensions, step, np.float32)
    rows, width = dimensions
    data = np.empty((rows, width // _BLOCK, 2 + _BLOCK // 2), np.uint8)
    data[..., :2] = _factor(step)
    for start in range(0, rows, _CHUNK):
        data[start : start + _CHUNK, :, 2:] = _nibbles(name, start, min(_CHUNK, rows - start), width, seed)
    return data.reshape(rows, -1)


def _nibbles(name: str, start: int, rows: int, width: int, seed: int) -> Bytes:
    """Random four-bit weights, two a byte: [rows, blocks, 16]. The same for the same arguments."""
    chance = np.random.default_rng((seed, start, *name.encode()))
    numbers: Bytes = _EVEN[chance.integers(0, 256, (rows, width // _BLOCK, _BLOCK // 2), np.uint8)]
    return numbers


_EVEN = np.array([(low or 8) | (high or 8) << 4 for high in range(16) for low in range(16)], np.uint8)
"""Weights go from -8 to 7 steps. With 0 for -8 their mean is 0: otherwise every layer would add the same, and more and
more of it."""


def _factor(step: float) -> Bytes:
    return np.array([step], np.float16).view(np.uint8)


def _output(
    dimensions: tuple[int, ...], kind: gguf.GGMLQuantizationType, before: NDArray[np.int64], seed: int
) -> Bytes:
    """Row n is the embedding of the token that comes before n. A four-bit weight is its number less 8, times the step:
    so it is exactly an eight-bit one."""
    rows, width = dimensions
    blocks = width // _BLOCK
    embedded = np.empty((rows, blocks, _BLOCK // 2), np.uint8)
    for start in range(0, rows, _CHUNK):
        embedded[start : start + _CHUNK] = _nibbles("token_embd", start, min(_CHUNK, rows - start), width, seed)
    data = np.empty((rows, blocks, bytes_of(kind)), np.uint8)
    data[..., :2] = _factor(_FORETOLD)
    for start in range(0, rows, _CHUNK):
        packed = embedded[before[start : start + _CHUNK]]
        if kind == Q4:
            data[start : start + _CHUNK, :, 2:] = packed
            continue
        # The first half of a block is in the low four bits, the second in the high ones.
        both = np.concatenate((packed & 15, packed >> 4), axis=-1).astype(np.int8) - 8
        data[start : start + _CHUNK, :, 2:] = both.view(np.uint8)
    return data.reshape(rows, -1)


def _tokenizer() -> Tokenizer:
    """One that knows the demo agent's words, and the sentence's."""
    agent = load(SHIPPED).agents["front-desk"]
    spoken = lessons.texts(agent, list(islice(Teacher(agent).lessons(1), 300)))
    return bpe.learn(spoken, MERGES, SPECIAL)


def _words() -> list[str]:
    """The sentence's tokens, in printable form. Nothing else is ever written with them."""
    return ["".join(PRINTABLE[byte] for byte in word.encode()) for word in SENTENCE]


def _texts(tokenizer: Tokenizer, vocabulary: int) -> Iterator[str]:
    """All tokens: the tokenizer's, those words that it lacks, and as many that never occur as the shape has."""
    known = [*tokenizer.texts, *(word for word in _words() if word not in tokenizer.numbers)]
    yield from known
    for number in range(vocabulary - len(known)):
        yield f"Ġunused{number}"


def _add_tokens(writer: gguf.GGUFWriter, tokenizer: Tokenizer, vocabulary: int) -> None:
    kinds = {END: gguf.TokenType.CONTROL, START: gguf.TokenType.CONTROL, STOP: gguf.TokenType.CONTROL}
    kinds |= {notation.BEGIN: gguf.TokenType.USER_DEFINED, notation.END: gguf.TokenType.USER_DEFINED}
    texts = list(_texts(tokenizer, vocabulary))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(texts)
    writer.add_token_types([kinds.get(text, gguf.TokenType.NORMAL) for text in texts])
    writer.add_token_merges([f"{first} {second}" for first, second in tokenizer.merges])
    writer.add_eos_token_id(tokenizer.numbers[STOP])
    writer.add_pad_token_id(tokenizer.numbers[END])
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)


def _before(tokenizer: Tokenizer, vocabulary: int, seed: int) -> NDArray[np.int64]:
    """For each token the one that comes before it. An answer begins behind the line break of the prompt's end."""
    numbers = {text: number for number, text in enumerate(_texts(tokenizer, vocabulary))}
    chain = [numbers[text] for text in (PRINTABLE[ord("\n")], *_words(), STOP)]
    before = np.random.default_rng(seed).permutation(vocabulary)
    # No other token follows one of these, which would then be as likely as the right one.
    before[np.isin(before, chain)] = numbers[END]
    for earlier, later in pairwise(chain):
        before[later] = earlier
    return before


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.shapes.llm", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("shape", choices=sorted(SHAPES))
    parser.add_argument("--out", type=Path, default=Path("out/models-bench"), help="folder for the file")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / f"{options.shape}.gguf"
    write(SHAPES[options.shape], path)
    print(f"{path}: {path.stat().st_size / 1e6:.0f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
