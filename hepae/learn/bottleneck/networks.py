"""The autoencoder in PyTorch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hepae.learn.bottleneck.convolution import Convolutions
from hepae.learn.bottleneck.presets import Activation, Architecture
from hepae.learn.bottleneck.variational import divergence, drawn

__all__ = ["LEAK", "Autoencoder", "Hidden", "Stack"]

LEAK = 0.1
"""Slope of LeakyReLU below zero, as in the literature on jets."""

FIRST_LOG_VARIANCE = -10.0
"""Variational encoders begin sure of themselves, or the decoder would learn the mean of all objects first."""


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
    """Hidden layers and a linear one, with or without convolutions before or after, and a linear map beside them.

    Parameters
    ----------
    width, height
        Numbers in and out.
    layers
        Hidden units.
    architecture
        The rest.
    before, after
        Convolutions at either end.
    variational
        Whether there is a second output: the logarithm of a variance.
    """

    def __init__(
        self,
        width: int,
        layers: Sequence[int],
        height: int,
        architecture: Architecture,
        before: Convolutions | None = None,
        after: Convolutions | None = None,
        variational: bool = False,
    ) -> None:
        super().__init__()
        self.width, self.height, self.activation = width, height, architecture.activation
        self.before, self.after = before, after
        widths = [width if before is None else before.height, *layers]
        self.hidden = nn.ModuleList(
            Hidden(units, more, architecture) for units, more in zip(widths, layers, strict=False)
        )
        self.head = nn.Linear(widths[-1], height if after is None else after.width)
        self.log_variance = nn.Linear(widths[-1], height) if variational else None
        if self.log_variance is not None:
            nn.init.constant_(self.log_variance.bias, FIRST_LOG_VARIANCE)
        self.skip = nn.Linear(width, height) if architecture.shortcut else None

    def forward(self, x: Tensor) -> Tensor:
        return self._out(x, self._hidden(x))

    def distribution(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and logarithm of the variance, for variational encoders."""
        y = self._hidden(x)
        assert self.log_variance is not None
        return self._out(x, y), self.log_variance(y)

    def _hidden(self, x: Tensor) -> Tensor:
        y = x
        if self.before is not None:
            y = self.before.opened(y)
            for convolution in self.before.layers:
                y = _activated(convolution(y), self.activation)
            y = self.before.closed(y)
        for hidden in self.hidden:
            y = hidden(y)
        return y

    def _out(self, x: Tensor, y: Tensor) -> Tensor:
        out: Tensor = self.head(y)
        if self.after is not None:
            out = self.after.opened(out)
            for convolution in self.after.layers:
                out = convolution(_activated(out, self.activation))
            out = self.after.closed(out)
        return out if self.skip is None else out + self.skip(x)


class Autoencoder(nn.Module):
    """Encoder and decoder, mirrored."""

    def __init__(self, features: int, architecture: Architecture) -> None:
        super().__init__()
        latents, layers = architecture.bottleneck(features), architecture.layers
        before = after = None
        if architecture.convolutions:
            before = Convolutions((1, *architecture.convolutions), features)
            after = Convolutions((*architecture.convolutions[::-1], 1), features)
        self.beta = architecture.beta
        self.encoder = Stack(
            features, layers, latents, architecture, before, variational=self.beta is not None
        )
        self.decoder = Stack(latents, layers[::-1], features, architecture, after=after)
        self._divergence: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        self._divergence = None
        if self.beta is None or not self.training:
            plain: Tensor = self.decoder(self.encoder(x))
            return plain
        mean, log_variance = self.encoder.distribution(x)
        self._divergence = divergence(mean, log_variance)
        y: Tensor = self.decoder(drawn(mean, log_variance))
        return y

    def penalty(self) -> Tensor | float:
        """What the last forward pass in training adds to the loss: beta times the divergence."""
        return 0.0 if self._divergence is None or self.beta is None else self.beta * self._divergence

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
