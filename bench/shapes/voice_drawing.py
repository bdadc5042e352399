"""ONNX graphs written down as formulas: each operation is one call, which gives the name of what it computes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET = 15
"""As Piper's own exporter."""
IR_VERSION = 8

Value = tuple[str, int, Sequence[int | str]]
"""Name, element type and shape of an input or output."""

PIPER_INPUTS: tuple[Value, ...] = (
    ("input", TensorProto.INT64, ("batch_size", "phonemes")),
    ("input_lengths", TensorProto.INT64, ("batch_size",)),
    ("scales", TensorProto.FLOAT, (3,)),
)
"""Of every Piper voice; one with several speakers has `SPEAKER_INPUT` too."""
SPEAKER_INPUT: Value = ("sid", TensorProto.INT64, ("batch_size",))
PIPER_OUTPUT: Value = ("output", TensorProto.FLOAT, ("batch_size", 1, "time"))


class Drawing:
    """One graph that grows. Inputs are names, or numbers and arrays, which become constants."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._weights: dict[str, onnx.TensorProto] = {}
        self._constants: dict[tuple[str, bytes, tuple[int, ...]], str] = {}

    def __call__(
        self, kind: str, *inputs: Any, name: str = "", outputs: int = 1, result: str = "", **attributes: Any
    ) -> Any:
        """Adds an operation; gives the name of its output, or a tuple of names where it has several.
        `result` is the output's own name."""
        names = [value if isinstance(value, str) else self.constant(value) for value in inputs]
        name = name or f"/{kind}_{len(self._nodes)}"
        made = [result] if result else [f"{name}_output_{number}" for number in range(outputs)]
        self._nodes.append(helper.make_node(kind, names, made, name=name, **attributes))
        return made[0] if outputs == 1 else tuple(made)

    def constant(self, value: Any) -> str:
        """The name of a constant; the same one for the same value. Python's integers are int64 and its other numbers
        float32; arrays stay as they are."""
        array = np.asarray(value)
        if isinstance(value, int | list | tuple):
            array = array.astype(np.int64)
        elif type(value) is float:
            array = array.astype(np.float32)
        key = (array.dtype.str, array.tobytes(), array.shape)
        if key not in self._constants:
            self._constants[key] = self.weight(f"constant_{len(self._constants)}", array)
        return self._constants[key]

    def weight(self, name: str, array: NDArray[Any]) -> str:
        """A constant with a name of its own."""
        assert name not in self._weights
        self._weights[name] = numpy_helper.from_array(np.ascontiguousarray(array), name)
        return name

    def model(
        self,
        inputs: Sequence[Value],
        outputs: Sequence[Value],
        producer: str,
        properties: Mapping[str, str] | None = None,
    ) -> onnx.ModelProto:
        """The whole, checked."""
        graph = helper.make_graph(
            self._nodes,
            "main_graph",
            [helper.make_tensor_value_info(*value) for value in inputs],
            [helper.make_tensor_value_info(*value) for value in outputs],
            list(self._weights.values()),
        )
        opset = helper.make_opsetid("", OPSET)
        model = helper.make_model(graph, producer_name=producer, opset_imports=[opset], ir_version=IR_VERSION)
        helper.set_model_props(model, dict(properties or {}))
        onnx.checker.check_model(model)
        return model
