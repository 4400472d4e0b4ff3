"""A network as C++: one statement a node, for one object at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from hepae.errors import UnsupportedError

__all__ = ["NetworkCode", "array", "number"]

UNARY = {
    "Abs": "std::abs({x})",
    "Exp": "std::exp({x})",
    "Identity": "{x}",
    "Neg": "-{x}",
    "Relu": "relu({x})",
    "Sigmoid": "sigmoid({x})",
    "Sqrt": "std::sqrt({x})",
    "Tanh": "std::tanh({x})",
}
SLOPED = {"Elu": ("elu({x}, {alpha})", 1.0), "LeakyRelu": ("leaky_relu({x}, {alpha})", 0.01)}
BINARY = {"Add": "+", "Sub": "-", "Mul": "*", "Div": "/"}


def number(value: Any, dtype: str = "float32") -> str:
    """A C++ literal with the same bits.

    Examples
    --------
    >>> number(np.float32(0.1)), number(1.0, "float64"), number(np.float32(1e-5))
    ('0.1f', '1.0', '1e-05f')
    """
    return f"{np.dtype(dtype).type(value)!s}{'f' if dtype == 'float32' else ''}"


def array(kind: str, name: str, values: NDArray[Any], dtype: str) -> str:
    """The definition of a constant array, in lines that an editor can show."""
    words = [number(value, dtype) for value in values.ravel().tolist()]
    lines = [", ".join(words[at : at + 12]) for at in range(0, len(words), 12)]
    body = ",\n    ".join(lines)
    return f"{kind} {name}[{len(words)}] = {{\n    {body}}};"


class NetworkCode:
    """Statements and weights of a network with one input and one output.

    Parameters
    ----------
    data
        ONNX model of the network.

    Attributes
    ----------
    statements, weights : list of str
        Lines of the function's body, and definitions of constants.

    Raises
    ------
    UnsupportedError
        If a node does what has no counterpart here.
    """

    def __init__(self, data: bytes) -> None:
        graph = onnx.load_model_from_string(data).graph
        self._constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
        self._values: dict[str, tuple[str, int]] = {}
        self.statements: list[str] = []
        self.weights: list[str] = []
        self._values[graph.input[0].name] = "x", _width(graph.input[0])
        for node in graph.node:
            self._add(node)
        result, size = self._values[graph.output[0].name]
        self.statements.append(f"std::copy({result}, {result} + {size}, y);")

    def _add(self, node: onnx.NodeProto) -> None:
        given = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
        if node.op_type in ("Gemm", "MatMul"):
            self._affine(node, given)
        elif node.op_type in UNARY:
            self._each(node, UNARY[node.op_type].format(x=self._operand(node.input[0], node)))
        elif node.op_type in SLOPED:
            text, slope = SLOPED[node.op_type]
            alpha = number(given.get("alpha", slope))
            self._each(node, text.format(x=self._operand(node.input[0], node), alpha=alpha))
        elif node.op_type in BINARY:
            left, right = (self._operand(name, node) for name in node.input)
            self._each(node, f"{left} {BINARY[node.op_type]} {right}")
        else:
            raise _unsupported(node)

    def _affine(self, node: onnx.NodeProto, given: Mapping[str, Any]) -> None:
        plain = given.get("alpha", 1.0) == given.get("beta", 1.0) == 1.0 and not given.get("transA", 0)
        source, weight = node.input[0], self._constants.get(node.input[1])
        if not plain or source not in self._values or weight is None or weight.ndim != 2:
            raise _unsupported(node)
        weight = weight.T if given.get("transB", 0) else weight
        bias = self._constants[node.input[2]] if len(node.input) > 2 else np.zeros(1)
        bias = np.broadcast_to(bias.ravel(), weight.shape[1:])
        value, size = self._values[source]
        name = self._value(node.output[0], weight.shape[1])
        self.weights.append(array("inline static constexpr float", f"w_{name}", weight, "float32"))
        self.weights.append(array("inline static constexpr float", f"b_{name}", bias, "float32"))
        self.statements.append(f"affine<{size}, {weight.shape[1]}>({value}, w_{name}, b_{name}, {name});")

    def _each(self, node: onnx.NodeProto, text: str) -> None:
        size = max(self._values[name][1] for name in node.input if name in self._values)
        name = self._value(node.output[0], size)
        self.statements.append(f"for (std::size_t i = 0; i < {size}; ++i) {name}[i] = {text};")

    def _value(self, output: str, size: int) -> str:
        name = f"v{len(self._values)}"
        self._values[output] = name, size
        self.statements.append(f"float {name}[{size}];")
        return name

    def _operand(self, name: str, node: onnx.NodeProto) -> str:
        if name in self._values:
            return f"{self._values[name][0]}[i]"
        constant = self._constants[name]
        if constant.size == 1:
            return number(constant.ravel()[0])
        if constant.ndim > 2 or constant.size != constant.shape[-1]:
            raise _unsupported(node)
        place = f"c{len(self.weights)}"
        self.weights.append(array("inline static constexpr float", place, constant, "float32"))
        return f"{place}[i]"


def _width(port: onnx.ValueInfoProto) -> int:
    return int(port.type.tensor_type.shape.dim[1].dim_value)


def _unsupported(node: onnx.NodeProto) -> UnsupportedError:
    return UnsupportedError(
        "a node of the decoder that has no C++ counterpart",
        where=node.name,
        got=node.op_type,
        hint="use `hepae export-onnx`",
    )
