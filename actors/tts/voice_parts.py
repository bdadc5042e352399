"""A Piper voice cut in two, so that a clause is heard while most of it is still being computed.

    phoneme ids -> [ text encoder, durations, flow ] -> latent [1, C, F] -> [ decoder (HiFi-GAN) ] -> samples
                              front                                                  back

The front has to see the whole clause and takes about a quarter of the time. The decoder is convolutions only: a stretch
of frames, with a few more on either side, gives the same samples as all of them at once. So the front is run once and
the back a stretch at a time. Piper's exporter writes one graph; where it is cut is found by its form: the input of the
last convolution before the first transposed one. A voice of another form is left whole.

How long each phoneme lasts is in the graph too, as the output of its only `Ceil`, and is made an output here: as
`piper.patch_voice_with_alignment` does to the file.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

OUTPUT = "output"


class NoOnnx(ValueError):
    """The file is not what its name says."""


@dataclass(frozen=True)
class Parts:
    """Serialised models."""

    front: bytes
    """The whole voice where there is no `back`."""
    back: bytes | None
    latent: str
    """What the front gives and the back takes; "" without a back."""
    durations: str
    """The output of the front that says how many frames each id lasts; "" where the graph does not tell."""


def cut(file: Path, *, in_two: bool = True) -> Parts:
    """Raises `NoOnnx`, and OSError."""
    try:
        model = onnx.load(str(file))
    except DecodeError as error:
        raise NoOnnx("it is no ONNX file, or not all of one") from error
    graph = model.graph
    producers = {name: node for node in graph.node for name in node.output}
    ceils = [node.output[0] for node in graph.node if node.op_type == "Ceil"]
    durations = ceils[0] if len(ceils) == 1 else ""
    extra = [durations] if durations else []
    latent = _latent(graph, producers) if in_two else ""
    if latent:
        back = _part(model, producers, [OUTPUT], latent)
        if {value.name for value in back.graph.input} <= {latent, "sid"}:
            front = _part(model, producers, [latent, *extra], "")
            return Parts(front.SerializeToString(), back.SerializeToString(), latent, durations)
    for name in extra:
        if name not in {value.name for value in graph.output}:
            graph.output.append(onnx.ValueInfoProto(name=name))
    return Parts(model.SerializeToString(), None, "", durations)


def _latent(graph: Any, producers: dict[str, Any]) -> str:
    """What the decoder's first convolution reads; "" where the graph has no such decoder."""
    first = next((node for node in graph.node if node.op_type == "ConvTranspose"), None)
    if first is None:
        return ""
    node = producers.get(first.input[0])
    while node is not None:
        if node.op_type == "Conv":
            return str(node.input[0])
        if node.op_type == "LeakyRelu":
            node = producers.get(node.input[0])
        elif node.op_type == "Add":  # the speaker is added, by a convolution of one point
            node = next(
                (made for name in node.input if (made := producers.get(name)) is not None and _wide(made)), None
            )
        else:
            return ""
    return ""


def _wide(node: Any) -> bool:
    shape = next((list(attribute.ints) for attribute in node.attribute if attribute.name == "kernel_shape"), [])
    return node.op_type == "Conv" and shape[:1] > [1]


def _read_by(node: Any) -> list[str]:
    """The names that an operation reads, also inside of its branches."""
    inner = [part for attribute in node.attribute for part in (attribute.g, *attribute.graphs)]
    return [*filter(None, node.input), *(name for graph in inner for part in graph.node for name in _read_by(part))]


def _part(model: Any, producers: dict[str, Any], outputs: list[str], given: str) -> Any:
    """The model that computes `outputs`, from `given` if that is not ""."""
    needed: set[str] = set()
    open_names = list(outputs)
    while open_names:
        name = open_names.pop()
        if name in needed:
            continue
        needed.add(name)
        if name != given and name in producers:
            open_names += _read_by(producers[name])
    part = onnx.ModelProto()
    part.ir_version = model.ir_version
    part.opset_import.extend(model.opset_import)
    part.graph.name = model.graph.name
    part.graph.node.extend(
        node for node in model.graph.node if given not in node.output and any(name in needed for name in node.output)
    )
    part.graph.initializer.extend(weight for weight in model.graph.initializer if weight.name in needed)
    # The front keeps all inputs, also those that nothing reads: they are what a voice is known by.
    part.graph.input.extend(value for value in model.graph.input if value.name in needed or not given)
    if given:
        part.graph.input.append(onnx.helper.make_tensor_value_info(given, onnx.TensorProto.FLOAT, [1, None, None]))
    known = {value.name: value for value in model.graph.output}
    part.graph.output.extend(known.get(name) or onnx.ValueInfoProto(name=name) for name in outputs)
    return part
