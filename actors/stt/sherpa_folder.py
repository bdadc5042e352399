"""Which kind of model lies in a folder, for sherpa-onnx, and with which files.

The library wants to be told, and ends the process where it is told wrong. A streaming model's own file says what it is:
its metadata have keys that no other kind has. They are searched for in the file's bytes, as ONNX writes them
(https://github.com/onnx/onnx/blob/main/onnx/onnx.proto, `StringStringEntryProto`), which needs no reader of ONNX.
"""

import mmap
import re
from dataclasses import dataclass
from pathlib import Path

SETUP = "run `ringmaster models setup`, or set engines.sherpa_onnx.model to the folder of a streaming model"

TRANSDUCER, ZIPFORMER2_CTC, NEMO_CTC = "transducer", "zipformer2_ctc", "nemo_ctc"
_CTC_KINDS = ((ZIPFORMER2_CTC, "encoder_dims", "T"), (NEMO_CTC, "cache_last_channel_dim1", "window_size"))
"""Kind, a key that only it has, and the key of how many frames it takes at once."""
_TRANSDUCER_TYPES = ("conformer", "ebranchformer", "lstm", "zipformer", "zipformer2")
SUBSAMPLING = 4
"""Of all models that come from icefall."""
BLANKS = ("<blk>", "<eps>", "<blank>")

_WORDS = re.compile(r"sherpa-onnx-streaming-|sherpa-onnx-|streaming-")
_LANGUAGE = re.compile(r"(?:^|-)(en|de|fr|es|it|pt|nl|ru|pl|zh|ko|ja|vi|th|bn)(?=-|$)")


class NotAModel(ValueError):
    """The folder is no model, or not a whole one. The text is for the operator."""


@dataclass(frozen=True, slots=True)
class SherpaFolder:
    """A folder with a model that the library can be told how to load."""

    path: Path
    kind: str
    files: tuple[Path, ...]
    """Encoder, decoder and joiner of a transducer, otherwise the one file."""
    tokens: Path
    chunk_frames: int
    """Frames of 10 ms that the model takes at once."""
    subsampling: int
    """Frames for which it puts out one token, or nothing."""
    language: str
    """As the folder's name says, such as "en"; "" where it says nothing, or more than one."""


def look_at(path: Path) -> SherpaFolder:
    """Raises `NotAModel`."""
    if not path.is_dir():
        raise NotAModel(f"{path} is not a folder: {SETUP}")
    tokens = path / "tokens.txt"
    if not tokens.is_file():
        raise NotAModel(f"{path} is not a model of sherpa-onnx, it lacks tokens.txt: {SETUP}")
    _check_tokens(tokens)
    parts = [_part(path, name) for name in ("encoder", "decoder", "joiner")]
    if all(parts):
        encoder, decoder, joiner = (part for part in parts if part)
        kind, chunk = _transducer(encoder)
        return SherpaFolder(path, kind, (encoder, decoder, joiner), tokens, chunk, SUBSAMPLING, _language(path))
    if any(parts):
        missing = next(name for name, part in zip(("encoder", "decoder", "joiner"), parts, strict=True) if not part)
        raise NotAModel(f"{path} is not a whole transducer, it lacks {missing}.onnx: {SETUP}")
    model = _part(path, "model") or _part(path, "")
    if model is None:
        raise NotAModel(f"{path} is not a model of sherpa-onnx, it has no .onnx file: {SETUP}")
    for kind, key, chunk_key in _CTC_KINDS:
        if _metadata(model, key):
            chunk, subsampling = _number(model, chunk_key), SUBSAMPLING
            if kind == NEMO_CTC:
                subsampling = _number(model, "subsampling_factor")
            return SherpaFolder(path, kind, (model,), tokens, chunk, subsampling, _language(path))
    raise NotAModel(f"{model} is no streaming model that this engine knows (a zipformer2 or NeMo CTC model): {SETUP}")


def _part(path: Path, name: str) -> Path | None:
    """The file of that name, the smaller one of two: an .int8.onnx computes twice as fast."""
    found = sorted(file for file in path.glob(f"{name}*.onnx") if file.is_file())
    small = [file for file in found if file.name.endswith(".int8.onnx")]
    return next(iter(small or found), None)


def _transducer(encoder: Path) -> tuple[str, int]:
    kind = _metadata(encoder, "model_type")
    if kind not in _TRANSDUCER_TYPES:
        raise NotAModel(
            f'{encoder} is no streaming transducer ({", ".join(_TRANSDUCER_TYPES)}), it calls itself "{kind}": {SETUP}'
        )
    return TRANSDUCER, _number(encoder, "T")


def _number(model: Path, key: str) -> int:
    value = _metadata(model, key)
    if not value.isdecimal():
        raise NotAModel(f"{model} is damaged or of another kind, its metadata have no {key}: {SETUP}")
    return int(value)


def _metadata(model: Path, key: str) -> str:
    """The value under the key; "" if there is none. Keys and values are shorter than 128 bytes: one byte of length."""
    entry = b"\x0a" + bytes([len(key)]) + re.escape(key.encode()) + b"\x12([\x00-\x7f])"
    if not model.stat().st_size:
        raise NotAModel(f"{model} is empty: {SETUP}")
    with model.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as whole:
        found = re.search(entry, whole, re.DOTALL)
        return whole[found.end() : found.end() + found[1][0]].decode(errors="replace") if found else ""


def _check_tokens(tokens: Path) -> None:
    """Each line is a symbol and a number, or a number for the space itself; the library ends the process otherwise."""
    symbols = set()
    for number, line in enumerate(tokens.read_text(errors="replace").splitlines(), 1):
        parts = line.split()
        if parts and (len(parts) > 2 or not parts[-1].isdecimal()):
            raise NotAModel(f"{tokens}, line {number}, is not a symbol and its number: {SETUP}")
        symbols.update(parts[:-1])
    if symbols.isdisjoint(BLANKS):
        raise NotAModel(f"{tokens} has none of {', '.join(BLANKS)}: {SETUP}")


def _language(path: Path) -> str:
    found = _LANGUAGE.findall(_WORDS.sub("", path.name.lower()))
    return found[0] if len(found) == 1 else ""
