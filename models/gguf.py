"""What the head of a GGUF file says of a model's memory: read without loading it, and without any library.

Source: ggml, docs/gguf.md. Numbers are little-endian. "GGUF", version (u32), tensors (u64), pairs (u64), then the
pairs: a key (u64 length, bytes), a type (u32), a value.
"""

import struct
from pathlib import Path
from typing import BinaryIO

_NUMBERS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_STRING, _ARRAY = 8, 9

MOST_PAIRS = 4096
"""More than any model has; a file with more is none."""
MOST_BYTES = 1 << 20
"""Of one text, or numbers of one array, that is read; what is longer is a vocabulary, and none of ours."""

Value = int | float | str | list[int | float]


def head(path: Path) -> dict[str, Value]:
    """The pairs before the vocabulary, by key. Empty where it is no GGUF file of version 2 or later, or is cut off."""
    found: dict[str, Value] = {}
    try:
        with path.open("rb") as file:
            if file.read(4) != b"GGUF" or _number(file, "<I") < 2:
                return {}
            _number(file, "<Q")
            pairs = int(_number(file, "<Q"))
            for _ in range(min(pairs, MOST_PAIRS)):
                key = _text(file)
                if key.startswith("tokenizer."):
                    break
                value = _value(file, int(_number(file, "<I")))
                if value is None:
                    break
                found[key] = value
    except (OSError, ValueError, struct.error):
        return found
    return found


def cache_bytes_per_token(path: Path) -> int:
    """Memory (KV cache, f16) that one token of a conversation takes: keys and values of every layer. 0 where the head
    does not say so."""
    pairs = head(path)
    family = pairs.get("general.architecture", "")
    layers, heads = pairs.get(f"{family}.block_count"), pairs.get(f"{family}.attention.head_count")
    shared = pairs.get(f"{family}.attention.head_count_kv", heads)
    width = pairs.get(f"{family}.embedding_length")
    if not isinstance(layers, int) or shared is None or isinstance(shared, str):
        return 0
    usual = width // heads if isinstance(width, int) and isinstance(heads, int) and heads else 0
    key = pairs.get(f"{family}.attention.key_length", usual)
    value = pairs.get(f"{family}.attention.value_length", usual)
    if not isinstance(key, int) or not isinstance(value, int):
        return 0
    # Some models have another number of heads in each layer.
    all_heads = sum(shared) if isinstance(shared, list) else layers * shared
    return int(all_heads) * (key + value) * 2


def _number(file: BinaryIO, form: str) -> int | float:
    number: int | float = struct.unpack(form, file.read(struct.calcsize(form)))[0]
    return number


def _text(file: BinaryIO) -> str:
    length = int(_number(file, "<Q"))
    if length > MOST_BYTES:
        raise ValueError("no text is so long")
    return file.read(length).decode(errors="replace")


def _value(file: BinaryIO, kind: int) -> Value | None:
    """None for what is too long, or of a kind that we do not know."""
    if kind in _NUMBERS:
        return _number(file, _NUMBERS[kind])
    if kind == _STRING:
        return _text(file)
    if kind == _ARRAY:
        inner, length = int(_number(file, "<I")), int(_number(file, "<Q"))
        if inner in _NUMBERS and length <= MOST_BYTES:
            return [_number(file, _NUMBERS[inner]) for _ in range(length)]
        if inner == _STRING and length <= MOST_PAIRS:
            for _ in range(length):
                _text(file)
            return []
    return None
