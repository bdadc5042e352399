"""Kaldi's binary files, written from Python: what Vosk reads as `am/final.mdl`.

The format, as Kaldi's public sources read it (https://github.com/kaldi-asr/kaldi, `base/io-funcs-inl.h`,
`matrix/kaldi-matrix.cc`, `hmm/transition-model.cc`, `hmm/hmm-topology.cc`, `nnet3/nnet-nnet.cc`,
`nnet3/nnet-simple-component.cc`, `nnet3/am-nnet-simple.cc`): the file begins with "\\0B"; a token ends with one
space; a number is preceded by its size in bytes; all is little-endian. A matrix is "FM ", rows, columns, then its rows.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]
"""For an affine component: outputs by inputs."""
Vector = NDArray[np.float32]

LEARNING_RATE = 0.001
"""Nobody trains these files any further, but the field has to be there."""


class KaldiFile:
    """Bytes of a file that grows."""

    def __init__(self) -> None:
        self.bytes = bytearray(b"\0B")

    def tokens(self, *tokens: str) -> Self:
        for token in tokens:
            self.bytes += token.encode() + b" "
        return self

    def text(self, text: str) -> Self:
        self.bytes += text.encode()
        return self

    def int32(self, *numbers: int) -> Self:
        for number in numbers:
            self.bytes += struct.pack("<bi", 4, number)
        return self

    def float32(self, number: float) -> Self:
        self.bytes += struct.pack("<bf", 4, number)
        return self

    def float64(self, number: float) -> Self:
        self.bytes += struct.pack("<bd", 8, number)
        return self

    def flag(self, value: bool) -> Self:
        self.bytes += b"T" if value else b"F"
        return self

    def integers(self, numbers: Sequence[int]) -> Self:
        self.bytes += struct.pack("<bi", 4, len(numbers)) + struct.pack(f"<{len(numbers)}i", *numbers)
        return self

    def vector(self, values: Vector) -> Self:
        self.tokens("FV").int32(len(values))
        self.bytes += values.astype("<f4").tobytes()
        return self

    def matrix(self, values: Matrix) -> Self:
        self.tokens("FM").int32(*values.shape)
        self.bytes += np.ascontiguousarray(values, dtype="<f4").tobytes()
        return self


@dataclass(frozen=True, slots=True)
class Affine:
    """weights x + bias."""

    weights: Matrix
    bias: Vector


@dataclass(frozen=True, slots=True)
class Linear:
    """weights x: half of a factorised layer."""

    weights: Matrix


@dataclass(frozen=True, slots=True)
class Relu:
    dim: int


@dataclass(frozen=True, slots=True)
class LogSoftmax:
    dim: int


@dataclass(frozen=True, slots=True)
class Same:
    """Gives what it is given: a node for a sum, which other descriptors cannot hold."""

    dim: int


Component = Affine | Linear | Relu | LogSoftmax | Same


@dataclass
class Network:
    """An nnet3 network: components by name, and lines that say what goes in where.

    A descriptor is what nnet3 calls so: `Append(Offset(input, -1), input)`, `Sum(a, b)`, the name of a node.
    """

    input_dim: int
    lines: list[str] = field(default_factory=list)
    components: dict[str, Component] = field(default_factory=dict)

    def add(self, name: str, component: Component, descriptor: str) -> str:
        """A node of the same name; the name."""
        self.components[name] = component
        self.lines.append(f"component-node name={name} component={name} input={descriptor}")
        return name

    def write(self, file: KaldiFile, output: str) -> None:
        """The network, whose result is that descriptor."""
        file.tokens("<Nnet3>").text("\n")
        lines = [f"input-node name=input dim={self.input_dim}", *self.lines]
        lines.append(f"output-node name=output input={output} objective=linear")
        file.text("".join(line + "\n" for line in lines) + "\n")
        file.tokens("<NumComponents>").int32(len(self.components))
        self.write_components(file)
        file.tokens("</Nnet3>")

    def write_components(self, file: KaldiFile) -> None:
        for name, component in self.components.items():
            file.tokens("<ComponentName>", name)
            _component(file, component)


def _component(file: KaldiFile, component: Component) -> None:
    match component:
        case Affine(weights, bias):
            file.tokens("<AffineComponent>", "<LearningRate>").float32(LEARNING_RATE)
            file.tokens("<LinearParams>").matrix(weights).tokens("<BiasParams>").vector(bias)
            file.tokens("</AffineComponent>")
        case Linear(weights):
            file.tokens("<LinearComponent>", "<LearningRate>").float32(LEARNING_RATE)
            file.tokens("<Params>").matrix(weights).tokens("<UseNaturalGradient>").flag(False)
            file.tokens("<RankInOut>").int32(1, 1).tokens("<Alpha>").float32(4.0)
            file.tokens("<NumSamplesHistory>").float32(2000.0).tokens("<UpdatePeriod>").int32(4)
            file.tokens("</LinearComponent>")
        case Relu(dim):
            _nonlinear(file, "RectifiedLinearComponent", dim)
        case LogSoftmax(dim):
            _nonlinear(file, "LogSoftmaxComponent", dim)
        case Same(dim):
            file.tokens("<NoOpComponent>", "<Dim>").int32(dim).tokens("<BackpropScale>").float32(1.0)
            file.tokens("</NoOpComponent>")


def _nonlinear(file: KaldiFile, kind: str, dim: int) -> None:
    nothing = np.zeros(0, dtype=np.float32)
    file.tokens(f"<{kind}>", "<Dim>").int32(dim)
    file.tokens("<ValueAvg>").vector(nothing).tokens("<DerivAvg>").vector(nothing)
    file.tokens("<Count>").float64(0.0).tokens(f"</{kind}>")


def model(tuples: Sequence[tuple[int, int, int]], stay: float, network: Network, output: str, priors: Vector) -> bytes:
    """`final.mdl`: transition model and network.

    `tuples` are (phone, pdf of its first frame, pdf of the others), one for each phone from 1. Every phone has one
    state, in which it stays with probability `stay`. `priors` are divided out of what the network says.
    """
    file = KaldiFile()
    phones = [phone for phone, _, _ in tuples]
    file.tokens("<TransitionModel>", "<Topology>")
    file.integers(phones).integers([-1] + [0] * max(phones))
    # -1: the pdfs of the first frame and of the others differ. Then 1 topology of 2 states: classes 0 and 1, to itself
    # or on; and the end, which has no class (-1) and leads nowhere.
    file.int32(-1, 1, 2, 0, 1, 2, 0).float32(stay).int32(1).float32(1.0 - stay).int32(-1, -1, 0)
    file.tokens("</Topology>", "<Tuples>").int32(len(tuples))
    for phone, first, later in tuples:
        file.int32(phone, 0, first, later)
    logs = np.log(np.array([1.0] + [stay, 1.0 - stay] * len(tuples), dtype=np.float32))
    file.tokens("</Tuples>", "<LogProbs>").vector(logs).tokens("</LogProbs>", "</TransitionModel>")
    network.write(file, output)
    file.tokens("<LeftContext>").int32(0).tokens("<RightContext>").int32(0)  # Kaldi computes them itself
    file.tokens("<Priors>").vector(priors)
    return bytes(file.bytes)


def stays(phone: int) -> int:
    """The transition-id with which a phone, from 1, stays where it is."""
    return 2 * phone - 1


def enters(phone: int) -> int:
    """The transition-id of a phone's first frame."""
    return 2 * phone
