"""Models for sherpa-onnx, made by hand, of 20 KB: they hear tones of four pitches, which are four pieces of words.

    500 Hz "▁lo"   700 Hz "w"   1500 Hz "▁hi"   2300 Hz "gh"

So 500 Hz and then 700 Hz is the word "low". The real library loads them as a streaming zipformer2, with CTC or as a
transducer, or as a NeMo CTC model: all that those need besides (states, metadata) is there and goes round unused.
The sums are one matrix: how far a tone's band of the spectrum stands out of the others.
"""

import math
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from actors.pcm import Pcm

RATE = 16000
TOKENS = ("<blk>", "▁lo", "w", "▁hi", "gh")
PITCHES_HZ = {"lo": (500.0,), "low": (500.0, 700.0), "hi": (1500.0,), "high": (1500.0, 2300.0)}
_TOKEN_HZ = (500.0, 700.0, 1500.0, 2300.0)
TONE_MS, PAUSE_MS = 160, 80
BANDS = 80
CHUNK, SUBSAMPLING, NEMO_SUBSAMPLING = 32, 4, 8
STANDS_OUT = 6.0
"""Natural logarithm of how much louder than the average band a tone's is. Noise reaches 3."""
WEIGHT = 4.0
NEVER = -1000.0


def tones(sentence: str, amplitude: float = 8000.0) -> Pcm:
    """The words as tones, 160 ms each, with a short silence around each."""
    pause = np.zeros(RATE * PAUSE_MS // 1000)
    time = np.arange(RATE * TONE_MS // 1000) / RATE
    pieces = [pause]
    for word in sentence.split():
        for pitch in PITCHES_HZ[word]:
            pieces += [amplitude * np.sin(2.0 * np.pi * pitch * time), pause]
    pcm: Pcm = np.rint(np.concatenate(pieces)).astype(np.int16)
    return pcm


def ctc(folder: Path, *, kind: str = "zipformer2") -> Path:
    """A folder with a CTC model of the kind: "zipformer2" or "nemo"."""
    folder.mkdir(parents=True)
    _tokens(folder)
    if kind == "zipformer2":
        _save(folder / "ctc-model.int8.onnx", _zipformer2_ctc(), _ZIPFORMER2)
    else:
        # NeMo counts its symbols without the blank, which is the last.
        (folder / "tokens.txt").write_text(
            "".join(f"{token} {number}\n" for number, token in enumerate([*TOKENS[1:], TOKENS[0]]))
        )
        _save(folder / "model.onnx", _nemo_ctc(), _NEMO)
    return folder


def transducer(folder: Path) -> Path:
    """A folder with encoder, decoder and joiner."""
    folder.mkdir(parents=True)
    _tokens(folder)
    _save(folder / "encoder-epoch-9.onnx", _zipformer2_encoder(), _ZIPFORMER2)
    _save(folder / "decoder-epoch-9.onnx", _decoder(), {"vocab_size": str(len(TOKENS)), "context_size": "2"})
    _save(folder / "joiner-epoch-9.onnx", _joiner(), {"joiner_dim": str(len(TOKENS))})
    return folder


def _tokens(folder: Path) -> None:
    (folder / "tokens.txt").write_text("".join(f"{token} {number}\n" for number, token in enumerate(TOKENS)))


_ZIPFORMER2 = {
    "model_type": "zipformer2",
    **dict.fromkeys(
        ("query_head_dims", "value_head_dims", "num_heads", "num_encoder_layers", "cnn_module_kernels"), "1"
    ),
    "encoder_dims": "4",
    "left_context_len": "1",
    "T": str(CHUNK),
    "decode_chunk_len": str(CHUNK),
}
_ZIPFORMER2_STATES = {
    "cached_key": ([1, 1, 1], TensorProto.FLOAT),
    "cached_nonlin": ([1, 1, 1, 3], TensorProto.FLOAT),
    "cached_val1": ([1, 1, 1], TensorProto.FLOAT),
    "cached_val2": ([1, 1, 1], TensorProto.FLOAT),
    "cached_conv1": ([1, 4, 0], TensorProto.FLOAT),
    "cached_conv2": ([1, 4, 0], TensorProto.FLOAT),
    "embed_states": ([1, 128, 3, 19], TensorProto.FLOAT),
    "processed_lens": ([1], TensorProto.INT64),
}
_NEMO = {
    "window_size": str(CHUNK),
    "chunk_shift": str(CHUNK),
    "subsampling_factor": str(NEMO_SUBSAMPLING),
    "vocab_size": str(len(TOKENS) - 1),
    **{f"cache_last_{part}_dim{number}": "1" for part in ("channel", "time") for number in (1, 2, 3)},
}


def _mel(hz: float) -> float:
    return 1127.0 * math.log1p(hz / 700.0)


def _slaney_mel(hz: float) -> float:
    """The scale of NeMo's models, straight up to 1000 Hz."""
    return hz * 0.015 if hz < 1000.0 else 15.0 + 27.0 * math.log(hz / 1000.0) / math.log(6.4)


def _band(pitch_hz: float, nemo: bool) -> int:
    """Which of 80 bands, equally wide on the scale, has this pitch in its middle."""
    scale, lowest_hz, highest_hz = (_slaney_mel, 0.0, 8000.0) if nemo else (_mel, 20.0, 7600.0)
    lowest, highest = scale(lowest_hz), scale(highest_hz)
    return round((scale(pitch_hz) - lowest) / ((highest - lowest) / (BANDS + 1))) - 1


def _classifier(nemo: bool) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weights (bands, tokens) and biases of each token's score; the blank's is 0. NeMo has the blank last."""
    weights = np.zeros((BANDS, len(TOKENS)), dtype=np.float32)
    for token, pitch in enumerate(_TOKEN_HZ, 1):
        weights[:, token] = -WEIGHT / BANDS
        weights[_band(pitch, nemo), token] += WEIGHT
    bias = np.full(len(TOKENS), -WEIGHT * STANDS_OUT, dtype=np.float32)
    bias[0] = 0.0
    return (np.roll(weights, -1, axis=1), np.roll(bias, -1)) if nemo else (weights, bias)


def _scores(source: str, result: str, *, nemo: bool = False) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """From features (1, CHUNK, BANDS) to scores (1, CHUNK / 4, tokens), of the mean of each four; NeMo has eights."""
    weights, bias = _classifier(nemo)
    nodes = [
        helper.make_node("Reshape", [source, "shape"], ["fours"]),
        helper.make_node("ReduceMean", ["fours"], ["means"], axes=[2], keepdims=0),
        helper.make_node("MatMul", ["means", "weights"], ["products"]),
        helper.make_node("Add", ["products", "bias"], [result]),
    ]
    together = NEMO_SUBSAMPLING if nemo else SUBSAMPLING
    shape = np.array([1, CHUNK // together, together, BANDS], dtype=np.int64)
    given = {"shape": shape, "weights": weights, "bias": bias}
    return nodes, [numpy_helper.from_array(value, name) for name, value in given.items()]


def _value(name: str, shape: list[int], kind: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


States = dict[str, tuple[list[int], int]]
"""Shape and type by name."""


def _round(states: States) -> tuple[list[onnx.NodeProto], list[onnx.ValueInfoProto], list[onnx.ValueInfoProto]]:
    """States that come out as they went in."""
    nodes = [helper.make_node("Identity", [name], [f"new_{name}"]) for name in states]
    inputs = [_value(name, *of) for name, of in states.items()]
    outputs = [_value(f"new_{name}", *of) for name, of in states.items()]
    return nodes, inputs, outputs


def _zipformer2_ctc() -> onnx.GraphProto:
    nodes, given = _scores("x", "scores")
    nodes.append(helper.make_node("LogSoftmax", ["scores"], ["log_probs"], axis=2))
    round_nodes, inputs, outputs = _round(_ZIPFORMER2_STATES)
    return helper.make_graph(
        [*nodes, *round_nodes],
        "tones",
        [_value("x", [1, CHUNK, BANDS]), *inputs],
        [_value("log_probs", [1, CHUNK // SUBSAMPLING, len(TOKENS)]), *outputs],
        given,
    )


def _zipformer2_encoder() -> onnx.GraphProto:
    nodes, given = _scores("x", "encoder_out")
    round_nodes, inputs, outputs = _round(_ZIPFORMER2_STATES)
    return helper.make_graph(
        [*nodes, *round_nodes],
        "tones",
        [_value("x", [1, CHUNK, BANDS]), *inputs],
        [_value("encoder_out", [1, CHUNK // SUBSAMPLING, len(TOKENS)]), *outputs],
        given,
    )


def _decoder() -> onnx.GraphProto:
    """The last token is not said again as long as its tone goes on."""
    never = NEVER * np.eye(len(TOKENS), dtype=np.float32)
    never[0] = 0.0
    nodes = [
        helper.make_node("Gather", ["y", "last"], ["token"], axis=1),
        helper.make_node("Gather", ["never", "token"], ["decoder_out"], axis=0),
    ]
    given = {"last": np.array(1, dtype=np.int64), "never": never}
    return helper.make_graph(
        nodes,
        "last",
        [_value("y", [1, 2], TensorProto.INT64)],
        [_value("decoder_out", [1, len(TOKENS)])],
        [numpy_helper.from_array(value, name) for name, value in given.items()],
    )


def _joiner() -> onnx.GraphProto:
    return helper.make_graph(
        [helper.make_node("Add", ["encoder_out", "decoder_out"], ["logit"])],
        "sum",
        [_value("encoder_out", [1, len(TOKENS)]), _value("decoder_out", [1, len(TOKENS)])],
        [_value("logit", [1, len(TOKENS)])],
    )


def _nemo_ctc() -> onnx.GraphProto:
    nodes, given = _scores("frames", "scores", nemo=True)
    states = {
        "cache_last_channel": ([1, 1, 1, 1], TensorProto.FLOAT),
        "cache_last_time": ([1, 1, 1, 1], TensorProto.FLOAT),
        "cache_last_channel_len": ([1], TensorProto.INT64),
    }
    round_nodes, inputs, outputs = _round(states)
    nodes = [
        helper.make_node("Transpose", ["audio_signal"], ["frames"], perm=[0, 2, 1]),
        *nodes,
        helper.make_node("LogSoftmax", ["scores"], ["log_probs"], axis=2),
        helper.make_node("Identity", ["length"], ["encoded_lengths"]),
    ]
    return helper.make_graph(
        [*nodes, *round_nodes],
        "tones",
        [_value("audio_signal", [1, BANDS, CHUNK]), _value("length", [1], TensorProto.INT64), *inputs],
        [
            _value("log_probs", [1, CHUNK // NEMO_SUBSAMPLING, len(TOKENS)]),
            _value("encoded_lengths", [1], TensorProto.INT64),
            *outputs,
        ],
        given,
    )


def _save(file: Path, graph: onnx.GraphProto, metadata: dict[str, str]) -> None:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    helper.set_model_props(model, metadata)
    onnx.checker.check_model(model)
    onnx.save(model, str(file))
