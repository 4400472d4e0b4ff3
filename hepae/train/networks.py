"""The autoencoder in PyTorch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hepae.train.presets import Activation, Architecture

__all__ = ["LEAK", "Autoencoder", "Hidden", "Stack"]

LEAK = 0.1
"""Slope of LeakyReLU below zero, as in the literature on jets."""


class Hidden(nn.Module):
    """Linear map, batch normalisation, activation, dropout, and the input added where the width stays."""

    def __init__(self, width: int, units: int, architecture: Architecture) -> None:
        super().__init__()
        self.linear = nn.Linear(width, units)
        self.norm = nn.BatchNorm1d(units) if architecture.batch_norm else None
        self.activation: Activation = architecture.activation
        self.dropout = architecture.dropout
        self.residual = architecture.residual and width == units

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.linear(x)
        if self.norm is not None:
            y = self.norm(y)
        y = _activated(y, self.activation)
        if self.dropout:
            y = nn.functional.dropout(y, self.dropout, self.training)
        return x + y if self.residual else y


class Stack(nn.Module):
    """Hidden layers and a linear one, with or without a linear map beside them."""

    def __init__(self, width: int, layers: Sequence[int], height: int, architecture: Architecture) -> None:
        super().__init__()
        widths = [width, *layers]
        self.hidden = nn.ModuleList(
            Hidden(before, after, architecture) for before, after in zip(widths, layers, strict=False)
        )
        self.head = nn.Linear(widths[-1], height)
        self.skip = nn.Linear(width, height) if architecture.skip else None

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for hidden in self.hidden:
            y = hidden(y)
        out: Tensor = self.head(y)
        return out if self.skip is None else out + self.skip(x)


class Autoencoder(nn.Module):
    """Encoder and decoder, mirrored."""

    def __init__(self, features: int, architecture: Architecture) -> None:
        super().__init__()
        latents, layers = architecture.bottleneck(features), architecture.layers
        self.encoder = Stack(features, layers, latents, architecture)
        self.decoder = Stack(latents, layers[::-1], features, architecture)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.decoder(self.encoder(x))
        return y

    @torch.no_grad()
    def begin_linear(self, x: NDArray[np.float32]) -> None:
        """Let the linear maps begin as the principal components of the sample [n, F], and the networks as zero."""
        encoder, decoder = self.encoder, self.decoder
        if encoder.skip is None or decoder.skip is None or len(x) == 0:
            return
        mean = x.mean(axis=0, dtype=np.float64)
        centred = x - mean
        _, axes = np.linalg.eigh(centred.T @ centred / len(x))
        leading = axes[:, ::-1][:, : encoder.skip.out_features]
        leading = leading * np.where(leading.sum(axis=0) < 0, -1.0, 1.0)  # eigenvectors come with either sign
        for head in (encoder.head, decoder.head):
            head.weight.zero_()
            head.bias.zero_()
        for skip, matrix, constant in (
            (encoder.skip, leading.T, -mean @ leading),
            (decoder.skip, leading, mean),
        ):
            skip.weight.zero_()
            skip.weight[: matrix.shape[0], : matrix.shape[1]] = torch.from_numpy(np.ascontiguousarray(matrix))
            skip.bias.zero_()
            skip.bias[: len(constant)] = torch.from_numpy(np.ascontiguousarray(constant))


def _activated(x: Tensor, activation: Activation) -> Tensor:
    if activation == "tanh":
        return torch.tanh(x)
    if activation == "leaky_relu":
        return nn.functional.leaky_relu(x, LEAK)
    if activation == "elu":
        return nn.functional.elu(x)
    return nn.functional.silu(x) if activation == "silu" else torch.relu(x)
