"""Taggers from PyTorch to ONNX, layer by layer."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from hepae.arrays import Floats
from hepae.errors import ModelRejectedError
from hepae.lab.tagging.networks import (
    CLASSES,
    FIRST_INPUT,
    HEADS,
    MIRRORED,
    TYPICAL,
    ConstituentNetwork,
    ImageNetwork,
    TaggerNetwork,
)
from hepae.learn.bottleneck.export import PARITY, Graph, array_of
from hepae.model.assembly import IR_VERSION, OPSET
from hepae.model.runtime import session

__all__ = ["export_tagger"]

LOGITS = "logits"
BEFORE_THE_FIRST = np.iinfo(np.int64).min
"""Where a slice that goes backwards ends, in ONNX."""


def export_tagger(network: TaggerNetwork, sample: dict[str, NDArray[np.float32]]) -> onnx.ModelProto:
    """A tagger as an ONNX model with the output ``logits`` [n, 2], checked to give what PyTorch gives.

    Raises
    ------
    ModelRejectedError
        If ONNX Runtime and PyTorch differ on the sample.
    """
    graph = _TaggerGraph()
    if isinstance(network, ImageNetwork):
        graph.of_images(network)
    else:
        graph.of_constituents(network, *(sample["constituents"].shape[1:]))
    inputs = [_port(name, array.shape[1:]) for name, array in sample.items()]
    body = helper.make_graph(graph.nodes, "network", inputs, [_port(LOGITS, (CLASSES,))], graph.initialisers)
    model = helper.make_model(body, ir_version=IR_VERSION, opset_imports=[helper.make_opsetid("", OPSET)])
    onnx.checker.check_model(model, full_check=True)
    _check_parity(network, model, sample)
    return model


def _port(name: str, shape: tuple[int, ...]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", *shape])


class _TaggerGraph(Graph):
    """The layers of either network."""

    def of_images(self, network: ImageNetwork) -> None:
        value = self.add("Mul", ["images", self._buffer(network, "scale_images")])
        value = self.add("Concat", [value, self._mirrored(value)], axis=0)
        for place, layer in enumerate(network.convolutions):
            assert isinstance(layer, nn.Conv2d)
            numbers = [self.constant(part) for part in _numbers(layer)]
            size, pad = list(layer.kernel_size), int(layer.padding[0])
            value = self.add("Conv", [value, *numbers], kernel_shape=size, pads=[pad] * 4)
            value = self.add("Relu", [value])
            if place % 2:
                value = self.add("MaxPool", [value], kernel_shape=[2, 2], strides=[2, 2])
        both = self._dense(network.after, self.reshaped(value, 0, -1), "relu")
        halves = self.reshaped(both, 2, -1, CLASSES)
        total = self.add("ReduceSum", [halves, self._integers(0)], keepdims=0)
        self.add("Mul", [total, self.constant(np.array(0.5))], LOGITS)

    def of_constituents(self, network: ConstituentNetwork, constituents: int, features: int) -> None:
        present, share, rest = (
            self._columns("constituents", *edges) for edges in ((0, 1), (1, 2), (FIRST_INPUT, features))
        )
        h = self._standardised(network, "constituents", rest)
        for layer in network.each[:-1]:
            h = self.activated("silu", self._each(layer, h))
        h = self._each(network.each[-1], h)
        absent = self.add("Sub", [present, self.constant(np.ones(1))])
        penalty = self.add("Mul", [absent, self.constant(np.array([1e4]))])
        weights = self.add("Softmax", [self.add("Add", [self._each(network.attention, h), penalty])], axis=1)
        # heads are parts of the width: each weight is repeated over its part
        repeat = np.repeat(np.eye(HEADS), network.width // HEADS, axis=1)
        spread = self.add("MatMul", [weights, self.constant(repeat)])
        pooled = [
            self.add("Mul", [self._pooled(h, present), self.constant(np.array(1 / TYPICAL))]),
            self._pooled(h, share),
            self._pooled(h, spread),
            self._standardised(network, "jets", "jets"),
        ]
        self.add("Identity", [self._dense(network.after, self.add("Concat", pooled, axis=1), "silu")], LOGITS)

    def _dense(self, layers: Iterable[nn.Module], value: str, activation: str) -> str:
        *hidden, last = layers
        for layer in hidden:
            value = self.gemm(*_numbers(layer), value)
            value = self.activated("relu" if activation == "relu" else "silu", value)
        return self.gemm(*_numbers(last), value)

    def _each(self, layer: nn.Module, value: str) -> str:
        """A linear map of the last of three axes."""
        weight, bias = _numbers(layer)
        return self.add("Add", [self.add("MatMul", [value, self.constant(weight.T)]), self.constant(bias)])

    def _pooled(self, value: str, weights: str) -> str:
        """Sum over constituents."""
        return self.add("ReduceSum", [self.add("Mul", [value, weights]), self._integers(1)], keepdims=0)

    def _columns(self, value: str, first: int, last: int) -> str:
        return self.add("Slice", [value, self._integers(first), self._integers(last), self._integers(2)])

    def _mirrored(self, images: str) -> str:
        """Images with the last pixel along `MIRRORED` first."""
        ends = [self._integers(number) for number in (-1, BEFORE_THE_FIRST, MIRRORED, -1)]
        return self.add("Slice", [images, *ends])

    def _standardised(self, network: ConstituentNetwork, name: str, value: str) -> str:
        centred = self.add("Sub", [value, self._buffer(network, f"mean_{name}")])
        return self.add("Mul", [centred, self._buffer(network, f"scale_{name}")])

    def _buffer(self, network: nn.Module, name: str) -> str:
        return self.constant(array_of(network.get_buffer(name)))

    def _integers(self, *numbers: int) -> str:
        name = f"w{len(self.initialisers)}"
        self.initialisers.append(numpy_helper.from_array(np.array(numbers, np.int64), name))
        return name


def _numbers(layer: nn.Module) -> tuple[Floats, Floats]:
    assert isinstance(layer, nn.Linear | nn.Conv2d)
    return array_of(layer.weight), array_of(layer.bias)


@torch.no_grad()
def _check_parity(
    network: TaggerNetwork, model: onnx.ModelProto, sample: dict[str, NDArray[np.float32]]
) -> None:
    expected = network({name: torch.from_numpy(array) for name, array in sample.items()}).numpy()
    got = session(model.SerializeToString())(**sample)[LOGITS]
    worst = float(np.abs(got - expected).max(initial=0.0))
    allowed = PARITY * max(1.0, float(np.abs(expected).max(initial=0.0)))
    if not worst <= allowed:
        raise ModelRejectedError(
            "the exported tagger differs from the trained one", expected=allowed, got=worst
        )
