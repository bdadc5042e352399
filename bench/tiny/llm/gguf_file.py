"""Writes the tiny model as a GGUF file that llama.cpp loads.

Names, keys and types are those of the GGUF specification (github.com/ggml-org/ggml, docs/gguf.md) for the architecture
`llama`. Matrices are Q8_0: blocks of 32 weights, each 8 bits, with one factor (f16).
"""

from collections.abc import Mapping
from pathlib import Path

import gguf
import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from actors.llm import notation
from bench.tiny.llm.bpe import Tokenizer
from bench.tiny.llm.chatml import END, START, STOP, TEMPLATE
from bench.tiny.llm.net import EPSILON, Shape

NAME = "front-desk-tiny"
CONTEXT = 4096


def write(path: Path, shape: Shape, tokenizer: Tokenizer, weights: Mapping[str, NDArray[np.float32]]) -> None:
    """Replaces the file as a whole."""
    beside = path.with_suffix(".part")
    writer = gguf.GGUFWriter(str(beside), "llama")
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_name(NAME)
    writer.add_description("Answers like the script of Ringmaster's demo agent. Made by bench/tiny/llm; for tests.")
    writer.add_license("mit")
    writer.add_languages(["en"])
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.inner)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.heads)
    writer.add_rope_dimension_count(shape.width // shape.heads)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_layer_norm_rms_eps(EPSILON)
    writer.add_vocab_size(shape.vocabulary)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    _add_tokenizer(writer, tokenizer)
    for name, value in weights.items():
        if value.ndim == 2:
            packed = gguf.quants.quantize(np.asarray(value, np.float32), gguf.GGMLQuantizationType.Q8_0)
            writer.add_tensor(f"{name}.weight", packed, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
        else:
            writer.add_tensor(f"{name}.weight", np.asarray(value, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    beside.replace(path)


def read(path: Path) -> dict[str, jax.Array]:
    """The weights of such a file."""
    return {
        tensor.name.removesuffix(".weight"): jnp.asarray(gguf.quants.dequantize(tensor.data, tensor.tensor_type))
        for tensor in gguf.GGUFReader(path).tensors
    }


def _add_tokenizer(writer: gguf.GGUFWriter, tokenizer: Tokenizer) -> None:
    kinds = {END: gguf.TokenType.CONTROL, START: gguf.TokenType.CONTROL, STOP: gguf.TokenType.CONTROL}
    # Text for whoever reads the answer, and yet one token: as Qwen has them.
    kinds |= {notation.BEGIN: gguf.TokenType.USER_DEFINED, notation.END: gguf.TokenType.USER_DEFINED}
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(list(tokenizer.texts))
    writer.add_token_types([kinds.get(text, gguf.TokenType.NORMAL) for text in tokenizer.texts])
    writer.add_token_merges([f"{first} {second}" for first, second in tokenizer.merges])
    writer.add_eos_token_id(tokenizer.numbers[STOP])
    writer.add_pad_token_id(tokenizer.numbers[END])
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)
