"""Networks from PyTorch to ONNX: the graph is built layer by layer, so the same weights give the same bytes."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from hepae.errors import ModelRejectedError
from hepae.learn.bottleneck.convolution import KERNEL, Convolutions
from hepae.learn.bottleneck.networks import LEAK, Hidden, Stack
from hepae.learn.bottleneck.presets import Activation
from hepae.model.assembly import IR_VERSION, OPSET
from hepae.model.runtime import session

__all__ = ["Graph", "array_of", "export_stack"]

PARITY = 1e-4
"""Largest difference of ONNX Runtime from PyTorch, relative to the largest output (1 where that is smaller)."""


def export_stack(stack: Stack, source: str, target: str, sample: NDArray[np.float32]) -> onnx.ModelProto:
    """A network as an ONNX model, checked to give what PyTorch gives.

    Batch normalisation is folded into the weights; dropout is left out.

    Parameters
    ----------
    stack
        The network.
    source, target
        Names of input and output.
    sample
        Inputs float32[n, width] for the check.

    Raises
    ------
    ModelRejectedError
        If ONNX Runtime and PyTorch differ on the sample.
    """
    stack = stack.cpu().eval()
    graph = Graph()
    value = source
    if stack.before is not None:
        value = graph.convolved(stack.before, stack.activation, value, first=False)
    for layer in stack.hidden:
        value = graph.hidden(cast(Hidden, layer), value)
    value = graph.gemm(*_numbers(stack.head), value)
    if stack.after is not None:
        value = graph.convolved(stack.after, stack.activation, value, first=True)
    if stack.skip is not None:
        value = graph.add("Add", [value, graph.gemm(*_numbers(stack.skip), source)])
    graph.add("Identity", [value], target)
    model = _model(graph, (source, stack.width), (target, stack.height))
    _check_parity(stack, model, source, target, sample)
    return model


class Graph:
    """Nodes and initialisers in the making."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initialisers: list[onnx.TensorProto] = []

    def add(self, operator: str, inputs: list[str], output: str | None = None, **attributes: Any) -> str:
        output = output or f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def constant(self, array: NDArray[Any]) -> str:
        name = f"w{len(self.initialisers)}"
        self.initialisers.append(numpy_helper.from_array(np.ascontiguousarray(array, np.float32), name))
        return name

    def gemm(self, weight: NDArray[np.float64], bias: NDArray[np.float64], value: str) -> str:
        return self.add("Gemm", [value, self.constant(weight), self.constant(bias)], transB=1)

    def hidden(self, layer: Hidden, value: str) -> str:
        out = self.activated(layer.activation, self.gemm(*_folded(layer), value))
        return self.add("Add", [value, out]) if layer.residual else out

    def convolved(self, convolutions: Convolutions, activation: Activation, value: str, first: bool) -> str:
        """Convolutions, with the activation before each (``first``) or after each."""
        value = self.reshaped(value, 0, convolutions.channels[0], convolutions.features)
        for layer in convolutions.layers:
            convolution = cast(torch.nn.Conv1d, layer)
            if first:
                value = self.activated(activation, value)
            numbers = [self.constant(array_of(x)) for x in (convolution.weight, convolution.bias)]
            value = self.add(
                "Conv", [value, *numbers], kernel_shape=[KERNEL], pads=[KERNEL // 2, KERNEL // 2]
            )
            if not first:
                value = self.activated(activation, value)
        return self.reshaped(value, 0, convolutions.height)

    def reshaped(self, value: str, *sizes: int) -> str:
        """A size of 0 stands for what it was."""
        name = f"w{len(self.initialisers)}"
        self.initialisers.append(numpy_helper.from_array(np.array(sizes, np.int64), name))
        return self.add("Reshape", [value, name])

    def activated(self, activation: Activation, value: str) -> str:
        if activation == "silu":
            return self.add("Mul", [value, self.add("Sigmoid", [value])])
        if activation == "leaky_relu":
            return self.add("LeakyRelu", [value], alpha=LEAK)
        return self.add({"tanh": "Tanh", "elu": "Elu", "relu": "Relu"}[activation], [value])


def _numbers(linear: torch.nn.Linear) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return array_of(linear.weight), array_of(linear.bias)


def array_of(tensor: torch.Tensor | None) -> NDArray[np.float64]:
    """Numbers of a tensor, wherever it is."""
    assert tensor is not None
    return np.asarray(tensor.detach().cpu().numpy(), np.float64)


def _folded(layer: Hidden) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights and biases with the batch normalisation worked in."""
    weight, bias = _numbers(layer.linear)
    if layer.norm is None:
        return weight, bias
    norm = layer.norm
    factor = array_of(norm.weight) / np.sqrt(array_of(norm.running_var) + norm.eps)
    return weight * factor[:, None], (bias - array_of(norm.running_mean)) * factor + array_of(norm.bias)


def _model(graph: Graph, source: tuple[str, int], target: tuple[str, int]) -> onnx.ModelProto:
    ports = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", size]) for name, size in (source, target)
    ]
    body = helper.make_graph(graph.nodes, "network", ports[:1], ports[1:], graph.initialisers)
    model = helper.make_model(body, ir_version=IR_VERSION, opset_imports=[helper.make_opsetid("", OPSET)])
    onnx.checker.check_model(model, full_check=True)
    return model


def _check_parity(
    stack: Stack, model: onnx.ModelProto, source: str, target: str, sample: NDArray[np.float32]
) -> None:
    with torch.no_grad():
        expected = stack(torch.from_numpy(sample)).numpy()
    got = session(model.SerializeToString())(**{source: sample})[target]
    worst = float(np.abs(got - expected).max(initial=0.0))
    allowed = PARITY * max(1.0, float(np.abs(expected).max(initial=0.0)))
    if not worst <= allowed:
        raise ModelRejectedError(
            "the exported network differs from the trained one", expected=allowed, got=worst
        )
