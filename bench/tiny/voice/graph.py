"""The tiny voice as an ONNX graph: the network of `network.py`, and a source and a filter that make sound of it.

    harmonics: each is a cosine, as loud as the envelope says at its frequency, its phase the sum of the pitch
    breath: frames of 20 ms whose bins are as loud as the envelope says, with phases by chance, added overlapping

Chance is a formula (the fraction of a large sine), so that with no `noise_scale` the same words are the same samples.
`noise_scale` lets the pitch waver, `noise_w` the durations, `length_scale` stretches them: as in Piper's voices.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from bench.shapes.voice_drawing import PIPER_INPUTS, PIPER_OUTPUT, SPEAKER_INPUT, Drawing
from bench.tiny.voice import network, sound

HARMONICS = 100
BINS = 161
BREATH = 320
"""Samples of one frame of breath, which overlaps the next by half."""
WAVER = 0.04
"""Of the pitch, at `noise_scale` 1, as the standard deviation of its logarithm before it is smoothed over 150 ms."""
UNEVEN = 0.1
"""The same of durations, at `noise_w` 1."""
LEVEL = 2.0
"""Brings espeak's loudness to that of a Piper voice: peaks of a sentence between 0.5 and 1."""
SHARPER = 2.0
"""By so much the network is surer of what is voiced than it says: breath in a vowel sounds hoarse."""

Speakers = Sequence[tuple[float, float]]
"""Of each speaker: what the pitch and the formants are multiplied by."""


def draw(
    weights: Mapping[str, NDArray[np.float32]], silent: NDArray[np.float32], speakers: Speakers
) -> onnx.ModelProto:
    """The voice; with more than one speaker it has the input `sid`. `silent` [SYMBOLS] is 1 for ids without time."""
    draw = Drawing()
    for name, weight in weights.items():
        draw.weight(name, weight)
    noise, length, uneven = (draw("Gather", "scales", number) for number in range(3))
    understood, frames = _read_ids(draw, silent, length, uneven)
    features = _say_frames(draw, understood, frames)
    pitch_factor, formants = 1.0, 1.0
    if len(speakers) > 1:
        pitch_factor, formants = (
            draw("Gather", np.array([speaker[part] for speaker in speakers], np.float32), "sid") for part in (0, 1)
        )
    envelope, voicing, pitch = _features(draw, features, noise, pitch_factor)
    wave = draw("Add", _harmonics(draw, envelope, voicing, pitch, formants), _breath(draw, envelope, voicing, formants))
    draw("Tanh", draw("Unsqueeze", draw("Mul", wave, LEVEL), [0, 1]), result="output")
    inputs = [*PIPER_INPUTS, SPEAKER_INPUT] if len(speakers) > 1 else PIPER_INPUTS
    return draw.model(inputs, [PIPER_OUTPUT], "ringmaster bench.tiny.voice")


def _convolve(draw: Drawing, x: str, name: str, kernel: int) -> str:
    return str(draw("Conv", x, name, f"{name}_bias", kernel_shape=[kernel], pads=[kernel // 2] * 2))


def _read_ids(draw: Drawing, silent: NDArray[np.float32], length: str, uneven: str) -> tuple[str, str]:
    """What was understood of each id [1, HIDDEN, N], and its frames [N]."""
    x = draw("Transpose", draw("Gather", "table", "input"), perm=[0, 2, 1])
    x = draw("Relu", _convolve(draw, x, "ids_1", network.IDS_KERNEL))
    x = draw("Relu", _convolve(draw, x, "ids_2", network.IDS_KERNEL_2))
    frames = draw("Softplus", _convolve(draw, x, "duration", 1))
    by_chance = draw("Exp", draw("Mul", draw("RandomNormalLike", frames), draw("Mul", uneven, UNEVEN)))
    frames = draw("Mul", draw("Mul", frames, by_chance), length)
    frames = draw("Mul", frames, draw("Unsqueeze", draw("Gather", 1 - silent, "input"), [1]))
    # As in the real ones the only Ceil of the graph: by it Piper's own tools find the durations.
    frames = draw("Ceil", frames, name="/Ceil")
    return x, draw("Squeeze", frames, [0, 1])


def _say_frames(draw: Drawing, understood: str, frames: str) -> str:
    """[1, OUTPUTS, F]."""
    ends = draw("CumSum", frames, 0)
    count = draw("Max", draw("ReduceSum", frames, [0], keepdims=0), 1.0)
    number = draw("Range", 0.0, count, 1.0)
    passed = draw("LessOrEqual", draw("Unsqueeze", ends, [0]), draw("Unsqueeze", number, [1]))
    owner = draw("ReduceSum", draw("Cast", passed, to=onnx.TensorProto.INT64), [1], keepdims=0)
    last = draw("Sub", draw("Size", frames), 1)
    owner = draw("Min", owner, last)
    since = draw("Sub", number, draw("Gather", draw("Sub", ends, frames), owner))
    length = draw("Max", draw("Gather", frames, owner), 1.0)
    left = draw("Sub", draw("Sub", length, 1.0), since)
    share = draw("Div", draw("Add", since, 0.5), length)
    place = [
        share,
        draw("Mul", share, share),
        draw("Sin", draw("Mul", share, float(np.pi))),
        draw("Exp", draw("Mul", since, -1 / 3)),
        draw("Exp", draw("Mul", left, -1 / 3)),
    ]
    rows = [draw("Unsqueeze", row, [0, 1]) for row in place]
    x = draw("Concat", draw("Gather", understood, owner, axis=2), *rows, axis=1)
    x = draw("Relu", _convolve(draw, x, "frames_1", 1))
    x = draw("Add", x, draw("Relu", _convolve(draw, x, "frames_2", network.FRAMES_KERNEL)))
    return _convolve(draw, x, "out", 1)


def _features(draw: Drawing, features: str, noise: str, pitch_factor: Any) -> tuple[str, str, str]:
    """ln of the envelope [F, GRID_SIZE], voicing [F, 4], and the pitch [F, 1] in Hz."""
    rows = draw("Squeeze", draw("Transpose", features, perm=[0, 2, 1]), [0])
    sizes = [sound.GRID_SIZE, len(sound.VOICED_AT), 1]
    envelope, voicing, pitch = draw("Split", rows, sizes, outputs=3, axis=1)
    to_ln = float(np.log(10))
    envelope = draw("Add", draw("Mul", envelope, network.SPREAD * to_ln), network.MIDDLE * to_ln)
    voicing = draw("Sigmoid", draw("Mul", voicing, SHARPER))
    flutter = draw("Unsqueeze", draw("Transpose", draw("RandomNormalLike", pitch), perm=[1, 0]), [0])
    flutter = draw("AveragePool", flutter, kernel_shape=[15], pads=[7, 7])
    flutter = draw("Transpose", draw("Squeeze", flutter, [0]), perm=[1, 0])
    flutter = draw("Mul", flutter, draw("Mul", noise, WAVER))
    pitch = draw("Add", draw("Add", draw("Mul", pitch, network.PITCH_SPREAD), network.PITCH_MIDDLE), flutter)
    pitch = draw("Mul", draw("Clip", draw("Exp", pitch), 60.0, 220.0), pitch_factor)
    return envelope, voicing, pitch


def _grid_weights(draw: Drawing, hertz: Any, points: NDArray[np.float64]) -> str:
    """How much each point of a grid counts at these frequencies: [..., points]; straight lines between them."""
    place = draw("Mul", draw("Log", draw("Add", draw("Mul", hertz, 1 / sound.WARP), 1.0)), _scale())
    apart = draw("Abs", draw("Sub", draw("Unsqueeze", place, [-1]), points.astype(np.float32)))
    steps = np.diff(points).mean()
    return str(draw("Relu", draw("Sub", 1.0, draw("Mul", apart, float(1 / steps)))))


def _scale() -> float:
    return float((sound.GRID_SIZE - 1) / np.log1p(sound.HIGHEST / sound.WARP))


def _voiced_matrix(hertz: NDArray[np.float64]) -> NDArray[np.float32]:
    """[4, len(hertz)]: how much each band's voicing counts at these frequencies."""
    at = sound.grid_position(hertz)
    knots = sound.grid_position(np.array(sound.VOICED_AT))
    rows = [np.interp(at, knots, row) for row in np.eye(len(knots))]
    return np.array(rows, np.float32)


def _harmonics(draw: Drawing, envelope: str, voicing: str, pitch: str, formants: Any) -> str:
    """[T]."""
    grid = np.arange(sound.GRID_SIZE, dtype=np.float64)
    numbers = np.arange(1, HARMONICS + 1, dtype=np.float32)
    hertz = draw("Mul", pitch, numbers[None])
    weights = _grid_weights(draw, draw("Div", hertz, formants), grid)
    loud = draw("Squeeze", draw("MatMul", weights, draw("Unsqueeze", envelope, [2])), [2])
    # Voicing is read on the same grid: [F, 4] to the grid's points, and from there to the harmonics.
    on_grid = draw("MatMul", voicing, _voiced_matrix(sound.grid_hertz()))
    voiced = draw("Squeeze", draw("MatMul", weights, draw("Unsqueeze", on_grid, [2])), [2])
    power = draw("Mul", draw("Mul", draw("Exp", loud), draw("Mul", pitch, 2.0)), voiced)
    heard = draw("Cast", draw("Less", hertz, sound.HIGHEST), to=onnx.TensorProto.FLOAT)
    amplitude = draw("Mul", draw("Sqrt", power), heard)
    rows = draw("Unsqueeze", draw("Transpose", amplitude, perm=[1, 0]), [0])
    ramp = 1 - np.abs(np.arange(2 * sound.FRAME) + 0.5 - sound.FRAME) / sound.FRAME
    kernel = draw("Expand", ramp.astype(np.float32)[None, None], [HARMONICS, 1, 2 * sound.FRAME])
    half = sound.FRAME // 2
    rows = draw(
        "ConvTranspose",
        rows,
        kernel,
        kernel_shape=[2 * sound.FRAME],
        strides=[sound.FRAME],
        pads=[half, half],
        group=HARMONICS,
    )
    cycles = draw("Cast", draw("Mul", pitch, 1 / sound.RATE), to=onnx.TensorProto.DOUBLE)
    cycles = draw("Expand", cycles, [1, sound.FRAME])
    cycles = draw("CumSum", draw("Reshape", cycles, [-1]), 0)
    part = draw("Cast", draw("Sub", cycles, draw("Floor", cycles)), to=onnx.TensorProto.FLOAT)
    # Phases that differ by a square law: a peak of all harmonics at once would be cut off by the limiter.
    phases = (-0.5 * numbers**2 / HARMONICS * 0.3)[:, None].astype(np.float32)
    angle = draw("Add", draw("Mul", draw("Unsqueeze", part, [0]), numbers[:, None]), phases)
    waves = draw("Cos", draw("Mul", angle, float(2 * np.pi)))
    return str(draw("Squeeze", draw("ReduceSum", draw("Mul", rows, waves), [1], keepdims=0), [0]))


def _breath(draw: Drawing, envelope: str, voicing: str, formants: Any) -> str:
    """[T]."""
    bins = np.arange(BINS, dtype=np.float64) * sound.RATE / BREATH
    weights = _grid_weights(draw, draw("Div", bins.astype(np.float32), formants), np.arange(float(sound.GRID_SIZE)))
    loud = draw("MatMul", envelope, draw("Transpose", weights, perm=[1, 0]))
    unvoiced = draw("Sub", 1.0, draw("MatMul", voicing, _voiced_matrix(bins)))
    heard = ((bins > 60) & (bins < sound.HIGHEST)).astype(np.float32)
    power = draw("Mul", draw("Mul", draw("Exp", loud), draw("Max", unvoiced, 0.0)), 2 * sound.RATE / BREATH * heard)
    gain = draw("Sqrt", power)
    count = draw("Cast", draw("Size", gain), to=onnx.TensorProto.DOUBLE)
    numbers = draw("Range", np.float64(0), count, np.float64(1))
    chance = draw("Mul", draw("Sin", draw("Mul", numbers, np.float64(12.9898))), np.float64(43758.5453))
    chance = draw("Cast", draw("Sub", chance, draw("Floor", chance)), to=onnx.TensorProto.FLOAT)
    angle = draw("Mul", draw("Reshape", chance, draw("Shape", gain)), float(2 * np.pi))
    # The matrices of the inverse transform are computed when the voice is loaded: they would be half the file.
    turns = draw("Mod", draw("Mul", np.arange(BINS)[:, None], np.arange(BREATH)[None]), BREATH)
    turns = draw("Mul", draw("Cast", turns, to=onnx.TensorProto.FLOAT), float(2 * np.pi / BREATH))
    real = draw("MatMul", draw("Mul", gain, draw("Cos", angle)), draw("Cos", turns))
    imaginary = draw("MatMul", draw("Mul", gain, draw("Sin", angle)), draw("Sin", turns))
    window = np.sin(np.pi * (np.arange(BREATH) + 0.5) / BREATH).astype(np.float32)
    frames = draw("Mul", draw("Sub", real, imaginary), window)
    early, late = draw("Split", frames, [sound.FRAME, sound.FRAME], outputs=2, axis=1)
    early = draw("Pad", early, [0, 0, 1, 0])
    late = draw("Pad", late, [1, 0, 0, 0])
    wave = draw("Reshape", draw("Add", early, late), [-1])
    half = sound.FRAME // 2
    return str(draw("Slice", wave, [half], [-half], [0]))
