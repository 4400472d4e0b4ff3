"""1-D convolutions along the features of wide collections, before the encoder's layers and after the decoder's."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

__all__ = ["KERNEL", "Convolutions"]

KERNEL = 3
"""Neighbouring features that a convolution sees."""


class Convolutions(nn.Module):
    """Convolutions that keep the number of features, from ``channels[0]`` channels to ``channels[-1]``.

    Parameters
    ----------
    channels
        Channels before the first convolution, and after each.
    features
        Length of the axis they run along.
    """

    def __init__(self, channels: Sequence[int], features: int) -> None:
        super().__init__()
        self.channels, self.features = tuple(channels), features
        self.layers = nn.ModuleList(
            nn.Conv1d(before, after, KERNEL, padding=KERNEL // 2)
            for before, after in zip(self.channels, self.channels[1:], strict=False)
        )

    @property
    def width(self) -> int:
        """Numbers an object before the convolutions."""
        return self.channels[0] * self.features

    @property
    def height(self) -> int:
        """Numbers an object after them."""
        return self.channels[-1] * self.features

    def opened(self, x: Tensor) -> Tensor:
        """[n, C F] as [n, C, F]."""
        return x.reshape(-1, self.channels[0], self.features)

    def closed(self, x: Tensor) -> Tensor:
        """[n, C, F] as [n, C F]."""
        return x.reshape(-1, self.height)
