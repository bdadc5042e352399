"""A Piper voice of true shape with random weights: what it says is noise, and it takes as long as a real one to say it.

    python -m bench.shapes.voice --out voice.onnx

The shape is that of Piper's medium quality (VITS; piper1-gpl, `train/vits/models.py`, and the defaults in
`lightning.py`): 15.7 million weights, and 22.7 million multiplications in the decoder for each of the 86 frames of a
second. Left out is what costs next to nothing: masks that are all ones, the text encoder's relative positions, and the
splines of the duration predictor. Phonemes last three frames and the padding between them two: the pace of speech.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from onnx import numpy_helper
from piper.phoneme_ids import DEFAULT_PHONEME_ID_MAP

from bench.shapes.voice_drawing import PIPER_INPUTS, PIPER_OUTPUT, SPEAKER_INPUT, Drawing

SYMBOLS = 256
PHONEME_FRAMES, PAD_FRAMES = 2.9, 1.9
"""Before they are rounded up."""
LOUDNESS = 0.15
"""Of the noise that it says, root mean square of full scale."""


@dataclass(frozen=True)
class Shape:
    """How wide and deep a voice is."""

    channels: int = 192
    filter: int = 768
    heads: int = 2
    layers: int = 6
    flows: int = 4
    flow_layers: int = 4
    decoder: int = 256
    upsample: tuple[tuple[int, int], ...] = ((8, 16), (8, 16), (4, 8))
    """Factor and kernel of each step."""
    blocks: tuple[tuple[int, tuple[int, int]], ...] = ((3, (1, 2)), (5, (2, 6)), (7, (3, 12)))
    """Kernel and dilations of the decoder's residual blocks, each of two convolutions."""
    speakers: int = 1
    speaker_channels: int = 512
    sample_rate: int = 22050

    @property
    def hop(self) -> int:
        """Samples of a frame."""
        return int(np.prod([factor for factor, _ in self.upsample]))


MEDIUM = Shape()


class _Voice:
    """Draws one voice."""

    def __init__(self, shape: Shape, seed: int) -> None:
        self.shape = shape
        self.draw = Drawing()
        self._drawn = np.random.default_rng(seed)
        self.weights = 0

    def _weight(self, name: str, *shape: int, gain: float = 1.0) -> str:
        values = self._drawn.standard_normal(shape, dtype=np.float32) * gain / np.sqrt(np.prod(shape[1:]))
        self.weights += values.size
        return self.draw.weight(name, values.astype(np.float32))

    def convolve(self, x: str, name: str, inside: int, outside: int, kernel: int = 1, **options: Any) -> str:
        gain, dilation, group = options.get("gain", 1.0), options.get("dilation", 1), options.get("group", 1)
        pad = (kernel - 1) * dilation // 2
        weight = self._weight(f"{name}.weight", outside, inside // group, kernel, gain=gain)
        bias = self.draw.weight(f"{name}.bias", np.zeros(outside, np.float32))
        attributes: dict[str, Any] = {
            "kernel_shape": [kernel],
            "dilations": [dilation],
            "pads": [pad, pad],
            "group": group,
        }
        return str(self.draw("Conv", x, weight, bias, name=f"/{name.replace('.', '/')}/Conv", **attributes))

    def normalise(self, x: str) -> str:
        """Over the channels of [1, C, N]."""
        draw = self.draw
        centred = draw("Sub", x, draw("ReduceMean", x, axes=[1]))
        spread = draw("Sqrt", draw("Add", draw("ReduceMean", draw("Mul", centred, centred), axes=[1]), 1e-5))
        return str(draw("Div", centred, spread))

    def gelu(self, x: str) -> str:
        draw = self.draw
        return str(draw("Mul", draw("Mul", x, 0.5), draw("Add", draw("Erf", draw("Mul", x, 2**-0.5)), 1.0)))

    # -- text encoder

    def encode(self) -> str:
        """[1, channels, N]."""
        draw, wide = self.draw, self.shape.channels
        table = self._weight("enc_p.emb.weight", SYMBOLS, wide, gain=wide**0.5)
        x = draw("Transpose", draw("Gather", table, "input"), perm=[0, 2, 1])
        for layer in range(self.shape.layers):
            x = self.normalise(draw("Add", x, self._attend(x, f"enc_p.encoder.attn_layers.{layer}")))
            name = f"enc_p.encoder.ffn_layers.{layer}"
            y = draw("Relu", self.convolve(x, f"{name}.conv_1", wide, self.shape.filter, 3))
            x = self.normalise(draw("Add", x, self.convolve(y, f"{name}.conv_2", self.shape.filter, wide, 3)))
        return str(x)

    def _attend(self, x: str, name: str) -> str:
        draw, wide, heads = self.draw, self.shape.channels, self.shape.heads
        query, key, value = (self.convolve(x, f"{name}.conv_{part}", wide, wide) for part in "qkv")
        split = [1, heads, wide // heads, -1]
        query = draw("Transpose", draw("Reshape", query, split), perm=[0, 1, 3, 2])
        likeness = draw("MatMul", query, draw("Mul", draw("Reshape", key, split), (wide / heads) ** -0.5))
        value = draw("Transpose", draw("Reshape", value, split), perm=[0, 1, 3, 2])
        seen = draw("MatMul", draw("Softmax", likeness, axis=-1), value)
        joined = draw("Reshape", draw("Transpose", seen, perm=[0, 1, 3, 2]), [1, wide, -1])
        return self.convolve(joined, f"{name}.conv_o", wide, wide)

    # -- durations

    def durations(self, x: str) -> str:
        """Frames of each id, [1, 1, N]: the work of the predictor, and a fixed result."""
        draw, wide = self.draw, self.shape.channels
        for part in ("convs", "flows.1.convs", "flows.3.convs", "flows.5.convs"):
            x = self.convolve(x, f"dp.{part}.pre", wide, wide)
            for layer in range(3):
                name = f"dp.{part}.{layer}"
                y = self.convolve(x, f"{name}.sep", wide, wide, 3, group=wide, dilation=3**layer)
                y = self.gelu(self.normalise(y))
                y = self.gelu(self.normalise(self.convolve(y, f"{name}.1x1", wide, wide)))
                x = draw("Add", x, y)
        learned = draw("Mul", draw("Tanh", self.convolve(x, "dp.proj", wide, 1)), 1e-3)
        table = np.full(SYMBOLS, PHONEME_FRAMES, np.float32)
        table[DEFAULT_PHONEME_ID_MAP["_"]] = PAD_FRAMES
        fixed = draw("Unsqueeze", draw("Gather", draw("Log", table), "input"), [1])
        frames = draw("Exp", draw("Add", learned, fixed))
        return str(draw("Ceil", draw("Mul", frames, draw("Gather", "scales", 1)), name="/Ceil"))

    def spread(self, x: str, frames: str) -> str:
        """What the encoder says of each id, for each of its frames, with noise: [1, channels, F]."""
        draw, wide = self.draw, self.shape.channels
        stats = self.convolve(x, "enc_p.proj", wide, 2 * wide)
        mean, spread = draw("Split", stats, [wide, wide], outputs=2, axis=1)
        ends = draw("CumSum", frames, 2)
        count = draw("ReduceMax", ends, axes=[0, 1, 2], keepdims=0)
        number = draw("Unsqueeze", draw("Range", 0.0, count, 1.0), [0, 2])
        begun = draw("GreaterOrEqual", number, draw("Sub", ends, frames))
        path = draw("Cast", draw("And", begun, draw("Less", number, ends)), to=1)
        mean, spread = (
            draw("Transpose", draw("MatMul", path, draw("Transpose", part, perm=[0, 2, 1])), perm=[0, 2, 1])
            for part in (mean, spread)
        )
        noise = draw("Mul", draw("RandomNormalLike", mean), draw("Exp", draw("Tanh", spread)))
        return str(draw("Add", mean, draw("Mul", noise, draw("Gather", "scales", 0))))

    # -- flow

    def flow(self, z: str) -> str:
        draw, wide, half = self.draw, self.shape.channels, self.shape.channels // 2
        for flow in reversed(range(self.shape.flows)):
            z = draw("Slice", z, [wide], [-wide - 1], [1], [-1])
            kept, moved = draw("Split", z, [half, half], outputs=2, axis=1)
            x = self.convolve(kept, f"flow.flows.{2 * flow}.pre", half, wide)
            x = self._wavenet(x, f"flow.flows.{2 * flow}.enc")
            x = self.convolve(x, f"flow.flows.{2 * flow}.post", wide, half, gain=0.3)
            z = draw("Concat", kept, draw("Sub", moved, x), axis=1)
        return str(z)

    def _wavenet(self, x: str, name: str) -> str:
        draw, wide = self.draw, self.shape.channels
        out = ""
        for layer in range(self.shape.flow_layers):
            inside = self.convolve(x, f"{name}.in_layers.{layer}", wide, 2 * wide, 5)
            tanh, sigmoid = draw("Split", inside, [wide, wide], outputs=2, axis=1)
            acted = draw("Mul", draw("Tanh", tanh), draw("Sigmoid", sigmoid))
            last = layer == self.shape.flow_layers - 1
            both = self.convolve(acted, f"{name}.res_skip_layers.{layer}", wide, wide if last else 2 * wide)
            if not last:
                kept, both = draw("Split", both, [wide, wide], outputs=2, axis=1)
                x = draw("Add", x, kept)
            out = draw("Add", out, both) if out else both
        return out

    # -- decoder

    def decode(self, z: str) -> str:
        """Samples [1, 1, T]."""
        draw, wide = self.draw, self.shape.decoder
        x = self.convolve(z, "dec.conv_pre", self.shape.channels, wide, 7)
        if self.shape.speakers > 1:
            speaker = self._weight("emb_g.weight", self.shape.speakers, self.shape.speaker_channels)
            speaker = draw("Unsqueeze", draw("Gather", speaker, "sid"), [2])
            x = draw("Add", x, self.convolve(speaker, "dec.cond", self.shape.speaker_channels, wide, gain=3.0))
        for step, (factor, kernel) in enumerate(self.shape.upsample):
            x = draw("LeakyRelu", x, alpha=0.1)
            # Each sample is the sum of so many of the kernel's taps, whence the gain.
            gain = (wide * kernel / (wide // 2 * kernel / factor)) ** 0.5
            weight = self._weight(f"dec.ups.{step}.weight", wide, wide // 2, kernel, gain=gain)
            pad = (kernel - factor) // 2
            name = f"/dec/ups.{step}/ConvTranspose"
            options: dict[str, Any] = {"kernel_shape": [kernel], "strides": [factor]}
            x = draw("ConvTranspose", x, weight, name=name, pads=[pad, pad], **options)
            wide //= 2
            x = self._mixed(x, step, wide)
        x = draw("LeakyRelu", x, alpha=0.01)
        return str(draw("Tanh", self.convolve(x, "dec.conv_post", wide, 1, 7, gain=LOUDNESS), name="/dec/Tanh"))

    def _mixed(self, x: str, step: int, wide: int) -> str:
        """The mean of the residual blocks."""
        draw = self.draw
        total = ""
        for number, (kernel, dilations) in enumerate(self.shape.blocks):
            y = x
            for layer, dilation in enumerate(dilations):
                name = f"dec.resblocks.{step * len(self.shape.blocks) + number}.convs.{layer}"
                inner = draw("LeakyRelu", y, alpha=0.1)
                y = draw("Add", y, self.convolve(inner, name, wide, wide, kernel, dilation=dilation, gain=0.5))
            total = draw("Add", total, y) if total else y
        return str(draw("Div", total, float(len(self.shape.blocks))))


def card(shape: Shape) -> dict[str, Any]:
    """The JSON beside the voice."""
    return {
        "audio": {"sample_rate": shape.sample_rate, "quality": "medium"},
        "espeak": {"voice": "en-us"},
        "language": {"code": "en_US"},
        "inference": {"noise_scale": 0.667, "length_scale": 1.0, "noise_w": 0.8},
        "phoneme_type": "espeak",
        "phoneme_id_map": DEFAULT_PHONEME_ID_MAP,
        "num_symbols": SYMBOLS,
        "num_speakers": shape.speakers,
        "speaker_id_map": {f"p{number}": number for number in range(shape.speakers)} if shape.speakers > 1 else {},
        "hop_length": shape.hop,
        "dataset": "random weights of true shape: it says noise",
    }


def make(file: Path, shape: Shape = MEDIUM, seed: int = 1) -> int:
    """Writes `file` and its JSON; gives the number of weights."""
    voice = _Voice(shape, seed)
    x = voice.encode()
    z = voice.flow(voice.spread(x, voice.durations(x)))
    # The exporter leaves the mask in front of the decoder.
    voice.draw("Identity", voice.decode(voice.draw("Mul", z, 1.0)), result="output")
    inputs = [*PIPER_INPUTS, SPEAKER_INPUT] if shape.speakers > 1 else PIPER_INPUTS
    model = voice.draw.model(inputs, [PIPER_OUTPUT], "ringmaster bench.shapes.voice")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(model.SerializeToString())
    file.with_name(f"{file.name}.json").write_text(json.dumps(card(shape), ensure_ascii=False))
    return sum(numpy_helper.to_array(weight).size for weight in model.graph.initializer)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.shapes.voice", description="Makes a voice of true shape.")
    parser.add_argument("--out", type=Path, required=True, help="the file to write, `<name>.onnx`")
    parser.add_argument("--seed", type=int, default=1, help="of the weights (default: %(default)s)")
    options = parser.parse_args()
    weights = make(options.out, seed=options.seed)
    print(f"{options.out}: {weights / 1e6:.1f} million weights, {options.out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
