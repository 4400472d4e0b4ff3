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
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hepae.core.masked.shapes import ACTIVATIONS, GRID, LOG_UNIT, SHIFT, grid
from hepae.learn.masked.export import CELL_SHIFT, LARGEST_WEIGHT, IntegerLayer, IntegerNetwork, radix

__all__ = ["CellNetworks", "Plan", "Size"]

WEIGHT_UNIT = float(1 << SHIFT)
SCALE = float(1 << (CELL_SHIFT - SHIFT))
"""Activations and inputs are integers over SCALE."""

CENTRE = 128
COARSENESS = 4
LARGEST_BIAS = 1 << 22
HALF = 0.5 / SCALE
BITS_PER_UNIT = SCALE / LOG_UNIT
"""Binary digits of probability for an output of 1 of the tables' network."""


@dataclass(frozen=True)
class Size:
    """Size of a network.

    Parameters
    ----------
    hidden
        Units of each hidden layer.
    levels
        Grid of cells.
    table_hidden, gap
        Hidden units of the tables' network, and how many bins apart it gives values.
    """

    hidden: tuple[int, ...] = (32, 32)
    levels: tuple[int, ...] = (12, 8)
    table_hidden: int = 24
    gap: int = 6


@dataclass(frozen=True)
class Plan:
    """What the networks of all features see and give.

    Parameters
    ----------
    mask : bool[features, inputs]
        Which inputs the network of each feature sees.
    interpolations
        For each feature [anchors, bins]: bins from anchors.
    size
        Size of each network.
    """

    mask: NDArray[np.bool_]
    interpolations: Sequence[NDArray[np.float32]]
    size: Size


def _weights(values: Tensor) -> Tensor:
    """Weights on a grid coarser than it could be, which costs 0.05 % of the payload and saves a fifth of the model."""
    return _rounded(values, WEIGHT_UNIT / COARSENESS, LARGEST_WEIGHT // COARSENESS)


def _biases(values: Tensor) -> Tensor:
    return _rounded(values, WEIGHT_UNIT * SCALE, LARGEST_BIAS)


def _rounded(values: Tensor, unit: float, largest: float) -> Tensor:
    """Values on the grid of integers over ``unit``, clipped; the gradient passes straight through the rounding."""
    clipped = values.clamp(-largest / unit, largest / unit)
    return clipped + (torch.round(clipped * unit) / unit - clipped).detach()


class _Activation(torch.autograd.Function):
    """``clip(round(x), 0, 255)`` on the grid of activations; the gradient is that of the clip alone."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        rounded = (values * SCALE).add_(0.5).floor_().clamp_(0, ACTIVATIONS)
        ctx.save_for_backward((rounded > 0) & (rounded < ACTIVATIONS))
        return rounded.mul_(1 / SCALE)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (inside,) = ctx.saved_tensors
        return torch.as_tensor(gradients[0] * inside)


def _activation(values: Tensor) -> Tensor:
    return torch.as_tensor(_Activation.apply(values))  # type: ignore[no-untyped-call]


def _floored(values: Tensor, unit: float) -> Tensor:
    return values + (torch.floor(values * unit) / unit - values).detach()


class CellNetworks(nn.Module):
    """One network a feature, batched: from inputs to cells, and from cells to logits of bins."""

    mask: Tensor
    spread: Tensor
    closed: Tensor
    coordinates: Tensor
    tops: Tensor
    radix: Tensor

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.plan = plan
        features, inputs = plan.mask.shape
        sizes = [*plan.size.hidden, len(plan.size.levels)]
        self.register_buffer("mask", torch.tensor(plan.mask, dtype=torch.float32)[:, :, None])
        seen = self.mask.sum(1, keepdim=True).clamp(min=1)
        self.first = nn.Parameter(torch.randn(features, inputs, sizes[0]) / seen.sqrt())
        pairs = list(pairwise(sizes))
        self.weights = nn.ParameterList(
            [nn.Parameter(torch.randn(features, a, b) / (a / 2) ** 0.5) for a, b in pairs]
        )
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
        self.register_buffer("coordinates", torch.tensor(grid(plan.size.levels) / SCALE, dtype=torch.float32))
        self.register_buffer("tops", torch.tensor([n - 1.0 for n in plan.size.levels]))
        self.register_buffer("radix", torch.tensor(radix(plan.size.levels), dtype=torch.float32))
        width = plan.size.table_hidden
        self.hidden = nn.Parameter(torch.randn(features, len(plan.size.levels), width) * 0.7)
        self.hidden_bias = nn.Parameter((torch.rand(features, 1, width) * 2 - 0.7) * 1.2)
        self.out = nn.Parameter(torch.randn(features, width, anchors) * 0.3 / width**0.5)
        self.out_bias = nn.Parameter(torch.zeros(features, 1, anchors))

    def places(self, inputs: Tensor) -> Tensor:
        """Coordinates 0…level - 1 of the cells, [features, n, axes], of inputs 0…255 [n, inputs]."""
        features = len(self.first)
        x = (inputs - CENTRE) / SCALE
        first = _weights(self.first) * self.mask
        sums = (x @ first.permute(1, 0, 2).reshape(x.shape[1], -1)).view(len(x), features, -1).transpose(0, 1)
        biases = [_biases(bias) for bias in self.biases]
        sums = sums + biases[0]
        for weight, bias in zip(self.weights, biases[1:], strict=True):
            sums = torch.baddbmm(bias, _activation(sums), _weights(weight))
        shifted = sums + (self.tops + 1) / 2
        inside = torch.minimum(shifted.clamp(min=0), self.tops + 0.999)
        return inside + (torch.floor(inside) - inside).detach()

    def log_probabilities(self) -> tuple[Tensor, Tensor]:
        """Natural logarithms of the probabilities of bins in each cell, and how they change from cell to cell.

        Returns
        -------
        [features, cells, bins], [axes, features, cells, bins]
            The second without gradient.
        """
        hidden, out = _weights(self.hidden), _weights(self.out)
        sums = self.coordinates @ hidden + _biases(self.hidden_bias)
        given = _floored(torch.baddbmm(_biases(self.out_bias), _activation(sums), out) + HALF, SCALE)
        unit = float(BITS_PER_UNIT * np.log(2.0))
        logs = torch.log_softmax(torch.bmm(given, self.spread) * unit + self.closed, -1)
        with torch.no_grad():
            open_ = ((sums > 0) & (sums < ACTIVATIONS / SCALE)).float()
            shares, slopes = logs.exp(), []
            for axis, top in enumerate(self.tops.tolist()):
                step = 2 * GRID / SCALE / max(top, 1)
                slope = torch.bmm(torch.bmm(open_ * hidden[:, axis, None, :] * step, out), self.spread) * unit
                slopes.append(slope - (shares * slope).sum(-1, keepdim=True))
        return logs, torch.stack(slopes)

    def forward(self, inputs: Tensor, symbols: Tensor) -> Tensor:
        """Mean cost in bits of symbols [features, n], for inputs 0…255 [n, inputs]: [features].

        All objects in a cell share its table, so tables are made once for each cell, and so is the slope along which
        an object would like to move to another cell.
        """
        places = self.places(inputs)
        logs, slopes = self.log_probabilities()
        bins = logs.shape[-1]
        at = (places.detach() @ self.radix).long() * bins + symbols
        cost = -logs.flatten(1).gather(1, at)
        for axis, slope in enumerate(slopes):
            moved = places[..., axis] - places[..., axis].detach()
            cost = cost - slope.flatten(1).gather(1, at) * moved
        return cost.mean(1) / float(np.log(2.0))

    def first_integers(self, feature: int) -> NDArray[np.int64]:
        """Integer weights of the first layer of one feature, [inputs, units]."""
        return _weight_integers(self.first[feature])

    def network(self, feature: int, seen: NDArray[np.int64]) -> IntegerNetwork:
        """The exact-integer network of one feature, with the inputs ``seen`` alone."""
        first = self.first_integers(feature)[seen]
        bias = _bias_integers(self.biases[0][feature, 0])
        bias = bias - CENTRE * first.sum(0)
        layers = [(first, bias)]
        for weight, later in zip(self.weights, list(self.biases)[1:], strict=True):
            layers.append(
                (
                    _weight_integers(weight[feature]),
                    _bias_integers(later[feature, 0]),
                )
            )
        half = 1 << SHIFT >> 1
        built = [IntegerLayer(weight.T, bias + half) for weight, bias in layers[:-1]]
        weight, bias = layers[-1]
        middle = (np.array(self.plan.size.levels, np.int64) << CELL_SHIFT) // 2
        built.append(IntegerLayer(weight.T, bias + middle))
        return IntegerNetwork(tuple(built), self.plan.size.levels)

    def tables(self, feature: int) -> dict[str, NDArray[np.int64]]:
        """Integer weights of the tables' network of one feature, as `core.masked.shapes.log_tables` takes them."""
        anchors = self.plan.interpolations[feature].shape[0]
        return {
            "hidden": _weight_integers(self.hidden[feature]),
            "hidden_bias": _bias_integers(self.hidden_bias[feature, 0]),
            "out": _weight_integers(self.out[feature])[:, :anchors],
            "out_bias": _bias_integers(self.out_bias[feature, 0])[:anchors],
        }


def _weight_integers(values: Tensor) -> NDArray[np.int64]:
    return _integers(_weights(values), WEIGHT_UNIT)


def _bias_integers(values: Tensor) -> NDArray[np.int64]:
    return _integers(_biases(values), WEIGHT_UNIT * SCALE)


def _integers(values: Tensor, unit: float) -> NDArray[np.int64]:
    return np.rint(values.detach().numpy().astype(np.float64) * unit).astype(np.int64)
