"""The networks of the masked codec in PyTorch: fake quantisation, so that what is trained is what is exported.

Weights and activations are rounded to the integers of the exported network in every forward pass, with
straight-through gradients. The networks of all features are trained side by side as one batched module: only the
first layers differ, in which inputs they may see.

A network maps inputs to a point of a small grid (finite scalar quantisation, F. Mentzer et al., arXiv:2309.15505), and
a second one maps that point to the logarithms of a coding table: the first runs for every object, the second only
once for each cell when the model is loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hepae.codecs.shapes import ACTIVATIONS, GRID, LOG_UNIT, SHIFT
from hepae.train.export_integer import CELL_SHIFT, LARGEST_WEIGHT, IntegerLayer, IntegerNetwork

__all__ = ["CellNetworks", "Plan"]

WEIGHT_UNIT = float(1 << SHIFT)
SCALE = float(1 << (CELL_SHIFT - SHIFT))
"""Activations and inputs are integers over SCALE."""

CENTRE = 128
LARGEST_BIAS = 1 << 22
HALF = 0.5 / SCALE
BITS_PER_UNIT = SCALE / LOG_UNIT
"""Binary digits of probability for an output of 1 of the tables' network."""


@dataclass(frozen=True)
class Plan:
    """Shape of the networks.

    Parameters
    ----------
    mask : bool[features, inputs]
        Which inputs the network of each feature sees.
    interpolations
        For each feature [anchors, bins]: bins from anchors.
    hidden
        Units of each hidden layer.
    levels
        Grid of cells.
    table_hidden
        Hidden units of the tables' network.
    """

    mask: NDArray[np.bool_]
    interpolations: Sequence[NDArray[np.float32]]
    hidden: tuple[int, ...]
    levels: tuple[int, ...]
    table_hidden: int


def _rounded(values: Tensor, unit: float, largest: float) -> Tensor:
    """Values on the grid of integers over ``unit``, clipped; the gradient passes straight through the rounding."""
    clipped = values.clamp(-largest / unit, largest / unit)
    return clipped + (torch.round(clipped * unit) / unit - clipped).detach()


def _floored(values: Tensor, unit: float) -> Tensor:
    return values + (torch.floor(values * unit) / unit - values).detach()


class CellNetworks(nn.Module):
    """One network a feature, batched: from inputs to cells, and from cells to logits of bins."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.plan = plan
        features, inputs = plan.mask.shape
        sizes = [*plan.hidden, len(plan.levels)]
        self.register_buffer("mask", torch.tensor(plan.mask, dtype=torch.float32)[:, :, None])
        seen = self.mask.sum(1, keepdim=True).clamp(min=1)
        self.first = nn.Parameter(torch.randn(features, inputs, sizes[0]) / seen.sqrt())
        pairs = list(zip(sizes[:-1], sizes[1:], strict=True))
        self.weights = nn.ParameterList([nn.Parameter(torch.randn(features, a, b) / (a / 2) ** 0.5) for a, b in pairs])
        self.biases = nn.ParameterList([nn.Parameter(torch.zeros(features, 1, b)) for b in sizes])
        anchors = max(matrix.shape[0] for matrix in plan.interpolations)
        bins = max(matrix.shape[1] for matrix in plan.interpolations)
        spread = torch.zeros(features, anchors, bins)
        closed = torch.full((features, 1, bins), -1e9)
        for number, matrix in enumerate(plan.interpolations):
            spread[number, : matrix.shape[0], : matrix.shape[1]] = torch.tensor(matrix)
            closed[number, 0, : matrix.shape[1]] = 0
        self.register_buffer("spread", spread)
        self.register_buffer("closed", closed)
        axes = [2 * GRID * np.arange(n) // max(n - 1, 1) - GRID for n in plan.levels]
        most = max(plan.levels)
        coordinates = torch.zeros(len(plan.levels), most)
        for number, axis in enumerate(axes):
            coordinates[number, : len(axis)] = torch.tensor(axis / SCALE, dtype=torch.float32)
        self.register_buffer("coordinates", coordinates)
        self.register_buffer("tops", torch.tensor([n - 1.0 for n in plan.levels]))
        width = plan.table_hidden
        self.hidden = nn.Parameter(torch.randn(features, len(plan.levels), width) * 0.7)
        self.hidden_bias = nn.Parameter((torch.rand(features, 1, width) * 2 - 0.7) * 1.2)
        self.out = nn.Parameter(torch.randn(features, width, anchors) * 0.3 / width**0.5)
        self.out_bias = nn.Parameter(torch.zeros(features, 1, anchors))

    def places(self, inputs: Tensor) -> Tensor:
        """Coordinates 0…level - 1 of the cells, [features, n, axes], of inputs 0…255 [n, inputs]."""
        features = len(self.first)
        x = (inputs - CENTRE) / SCALE
        first = _rounded(self.first, WEIGHT_UNIT, LARGEST_WEIGHT) * self.mask
        sums = (x @ first.permute(1, 0, 2).reshape(x.shape[1], -1)).view(len(x), features, -1).transpose(0, 1)
        biases = [_rounded(bias, WEIGHT_UNIT * SCALE, LARGEST_BIAS) for bias in self.biases]
        sums = sums + biases[0]
        for weight, bias in zip(self.weights, biases[1:], strict=True):
            active = _floored(sums + HALF, SCALE).clamp(0, ACTIVATIONS / SCALE)
            sums = torch.baddbmm(bias, active, _rounded(weight, WEIGHT_UNIT, LARGEST_WEIGHT))
        shifted = sums + (self.tops + 1) / 2
        inside = torch.minimum(shifted.clamp(min=0), self.tops + 0.999)
        return inside + (torch.floor(inside) - inside).detach()

    def logits(self, places: Tensor) -> Tensor:
        """Natural logits of bins, [features, n, bins], of the cells at these coordinates."""
        # the grid is linear but for the rounding of its coordinates, whose gradient is that of the line
        number = places.detach().long()
        exact = torch.stack([self.coordinates[axis][number[..., axis]] for axis in range(number.shape[-1])], -1)
        slope = places * (2 * GRID / SCALE) / self.tops.clamp(min=1)
        at = slope + (exact - slope).detach()
        hidden = _rounded(self.hidden, WEIGHT_UNIT, LARGEST_WEIGHT)
        bias = _rounded(self.hidden_bias, WEIGHT_UNIT * SCALE, LARGEST_BIAS)
        active = _floored(torch.baddbmm(bias, at, hidden) + HALF, SCALE).clamp(0, ACTIVATIONS / SCALE)
        out = _rounded(self.out, WEIGHT_UNIT, LARGEST_WEIGHT)
        out_bias = _rounded(self.out_bias, WEIGHT_UNIT * SCALE, LARGEST_BIAS)
        given = _floored(torch.baddbmm(out_bias, active, out) + HALF, SCALE)
        return torch.bmm(given, self.spread) * float(BITS_PER_UNIT * np.log(2.0)) + self.closed

    def forward(self, inputs: Tensor) -> Tensor:
        """Natural logits of bins, [features, n, bins], for inputs 0…255 [n, inputs]."""
        return self.logits(self.places(inputs))

    def first_integers(self, feature: int) -> NDArray[np.int64]:
        """Integer weights of the first layer of one feature, [inputs, units]."""
        return _integers(self.first[feature], WEIGHT_UNIT, LARGEST_WEIGHT)

    def network(self, feature: int, seen: NDArray[np.int64]) -> IntegerNetwork:
        """The exact-integer network of one feature, with the inputs ``seen`` alone."""
        first = self.first_integers(feature)[seen]
        bias = _integers(self.biases[0][feature, 0], WEIGHT_UNIT * SCALE, LARGEST_BIAS)
        bias = bias - CENTRE * first.sum(0)
        layers = [(first, bias)]
        for weight, later in zip(self.weights, list(self.biases)[1:], strict=True):
            layers.append(
                (
                    _integers(weight[feature], WEIGHT_UNIT, LARGEST_WEIGHT),
                    _integers(later[feature, 0], WEIGHT_UNIT * SCALE, LARGEST_BIAS),
                )
            )
        half = 1 << SHIFT >> 1
        built = [IntegerLayer(weight.T, bias + half) for weight, bias in layers[:-1]]
        weight, bias = layers[-1]
        middle = (np.array(self.plan.levels, np.int64) << CELL_SHIFT) // 2
        built.append(IntegerLayer(weight.T, bias + middle))
        return IntegerNetwork(tuple(built), self.plan.levels)

    def tables(self, feature: int) -> dict[str, NDArray[np.int64]]:
        """Integer weights of the tables' network of one feature, as `hepae.codecs.shapes.log_tables` takes them."""
        anchors = self.plan.interpolations[feature].shape[0]
        return {
            "hidden": _integers(self.hidden[feature], WEIGHT_UNIT, LARGEST_WEIGHT),
            "hidden_bias": _integers(self.hidden_bias[feature, 0], WEIGHT_UNIT * SCALE, LARGEST_BIAS),
            "out": _integers(self.out[feature], WEIGHT_UNIT, LARGEST_WEIGHT)[:, :anchors],
            "out_bias": _integers(self.out_bias[feature, 0], WEIGHT_UNIT * SCALE, LARGEST_BIAS)[:anchors],
        }


def _integers(values: Tensor, unit: float, largest: int) -> NDArray[np.int64]:
    scaled = np.rint(values.detach().numpy().astype(np.float64) * unit)
    return np.clip(scaled, -largest, largest).astype(np.int64)
