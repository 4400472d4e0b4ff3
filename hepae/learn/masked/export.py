"""Exact-integer networks to ONNX: plain float operators on integer values, built directly.

The graph is written with `onnx.helper` rather than traced from PyTorch: it has six operators a layer, and nothing in
it depends on a version of PyTorch. Weights are int8 initialisers, cast and divided by ``2**SHIFT`` when the session
starts. Every value is a multiple of ``2**-SHIFT`` with less than 24 bits, so that float32 holds it exactly and sums
come out the same in any order; `headroom` proves it from the weights, and a network without it is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from hepae.core.masked.shapes import ACTIVATIONS, LEVELS, SHIFT
from hepae.errors import ModelRejectedError

__all__ = ["CELL_SHIFT", "EXACT", "IntegerLayer", "IntegerNetwork", "export", "headroom", "radix"]

EXACT: Final = 1 << 24
"""Integers below are exact in float32."""

CELL_SHIFT: Final = 11
OPSET: Final = 17
IR_VERSION: Final = 8
LARGEST_WEIGHT: Final = 127


@dataclass(frozen=True)
class IntegerLayer:
    """Integer weights [outputs, inputs], |w| <= 127, and biases [outputs]."""

    weight: NDArray[np.int64]
    bias: NDArray[np.int64]


@dataclass(frozen=True)
class IntegerNetwork:
    """A network from inputs 0…255 to the number of a cell.

    Parameters
    ----------
    layers
        All but the last give ``clip(floor((w·x + b) / 2**SHIFT), 0, 255)``; the last gives the coordinates of the
        cell, ``clip(floor((w·x + b) / 2**CELL_SHIFT), 0, level - 1)``.
    levels
        Size of the grid along each of its axes.
    """

    layers: tuple[IntegerLayer, ...]
    levels: tuple[int, ...]

    def evaluate(self, levels: NDArray[np.uint8]) -> NDArray[np.int64]:
        """The cells of inputs [n_inputs, n] in integer arithmetic, int64[n]: what every other evaluation must give."""
        x = levels.astype(np.int64)
        for layer in self.layers[:-1]:
            x = np.clip((layer.weight @ x + layer.bias[:, None]) >> SHIFT, 0, ACTIVATIONS)
        last = self.layers[-1]
        place = (last.weight @ x + last.bias[:, None]) >> CELL_SHIFT
        place = np.clip(place, 0, np.array(self.levels)[:, None] - 1)
        return np.asarray(radix(self.levels) @ place, np.int64)


def radix(levels: Sequence[int]) -> NDArray[np.int64]:
    """What each coordinate counts for; the last varies fastest."""
    return np.array([int(np.prod(levels[k + 1 :])) for k in range(len(levels))], np.int64)


def headroom(network: IntegerNetwork) -> list[int]:
    """Largest magnitude that a sum of each layer can reach, in any order of summation.

    Raises
    ------
    ModelRejectedError
        If it reaches 2**24 in some layer, or a weight is beyond ±127.
    """
    reach, largest = [], LEVELS - 1
    for number, layer in enumerate(network.layers):
        if np.abs(layer.weight).max(initial=0) > LARGEST_WEIGHT:
            raise ModelRejectedError(
                "a weight is too large", where=f"layer {number}", expected=LARGEST_WEIGHT
            )
        sums = np.abs(layer.weight).sum(1) * largest + np.abs(layer.bias)
        reach.append(int(sums.max(initial=0)))
        if reach[-1] >= EXACT:
            raise ModelRejectedError(
                "a sum could leave the exact integers of float32",
                where=f"layer {number}",
                expected=f"below {EXACT}",
                got=reach[-1],
                hint="train with smaller weights",
            )
        largest = ACTIVATIONS
    return reach


def export(network: IntegerNetwork) -> onnx.ModelProto:
    """The ONNX model of a network: input ``levels`` uint8[n_inputs, n], output ``cell`` int32[1, n].

    Raises
    ------
    ModelRejectedError
        If a sum could become inexact; see `headroom`.
    """
    headroom(network)
    graph = _Graph()
    graph.constant("unit", np.float32(2.0**-SHIFT))
    graph.constant("zero", np.float32(0))
    graph.constant("top", np.float32(ACTIVATIONS))
    x = graph.node("Cast", ["levels"], "x", to=TensorProto.FLOAT)
    for number, layer in enumerate(network.layers[:-1]):
        x = graph.node("Clip", [_layer(graph, x, layer, number, 0), "zero", "top"], f"a{number}")
    last = len(network.layers) - 1
    place = _layer(graph, x, network.layers[-1], last, CELL_SHIFT - SHIFT)
    graph.constant("last", (np.array(network.levels, np.float32) - 1)[:, None])
    place = graph.node("Min", [graph.node("Max", [place, "zero"], "low"), "last"], "place")
    graph.constant("radix", radix(network.levels).astype(np.float32)[None, :])
    graph.node("Cast", [graph.node("MatMul", ["radix", place], "number")], "cell", to=TensorProto.INT32)
    inputs = network.layers[0].weight.shape[1]
    return graph.model(inputs)


def _layer(graph: _Graph, x: str, layer: IntegerLayer, number: int, shift: int) -> str:
    """Floor of a layer's sums over 2**(SHIFT + shift)."""
    graph.constant(f"w{number}", layer.weight.astype(np.int8))
    graph.constant(f"b{number}", (layer.bias / 2.0**SHIFT).astype(np.float32)[:, None])
    weight = graph.node("Cast", [f"w{number}"], f"f{number}", to=TensorProto.FLOAT)
    weight = graph.node("Mul", [weight, "unit"], f"v{number}")
    sums = graph.node("Add", [graph.node("MatMul", [weight, x], f"m{number}"), f"b{number}"], f"s{number}")
    if shift:
        graph.constant("step", np.float32(2.0**-shift))
        sums = graph.node("Mul", [sums, "step"], f"t{number}")
    return graph.node("Floor", [sums], f"r{number}")


class _Graph:
    """Nodes and initialisers in the making."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._initialisers: list[onnx.TensorProto] = []

    def constant(self, name: str, value: NDArray[np.generic] | np.generic) -> None:
        self._initialisers.append(numpy_helper.from_array(np.asarray(value), name))

    def node(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self._nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def model(self, inputs: int) -> onnx.ModelProto:
        graph = helper.make_graph(
            self._nodes,
            "cell",
            [helper.make_tensor_value_info("levels", TensorProto.UINT8, [inputs, "n"])],
            [helper.make_tensor_value_info("cell", TensorProto.INT32, [1, "n"])],
            self._initialisers,
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
        )
        onnx.checker.check_model(model)
        return model
