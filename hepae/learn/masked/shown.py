"""What the networks of the masked codec are shown: inputs and symbols of objects, and of their mirror images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hepae.arrays import Integers
from hepae.core.masked.inputs import Inputs
from hepae.core.masked.shapes import LEVELS
from hepae.core.prediction.predictors import Lookup
from hepae.learn.masked.coded import Coded

__all__ = ["Shown", "blurred"]


@dataclass(frozen=True)
class Shown:
    """What networks are shown of all objects.

    Attributes
    ----------
    levels : float32[images * n_objects, n_inputs]
        Inputs of the objects as they are, then those of their mirror images.
    symbols : int64[features, images * n_objects]
        Symbols.
    images
        How many times each object is there.
    """

    levels: Tensor
    symbols: Tensor
    images: int = 1

    @classmethod
    def of(cls, data: Coded, sources: Sequence[Lookup]) -> Shown:
        inputs = Inputs(sources, data.evaluation.context)
        every = np.arange(len(sources))
        inputs.fill(every.tolist())
        levels = inputs.rows(every, slice(None)).T.astype(np.float32)
        # what is outside the bins is coded apart whatever the network says
        symbols = [
            np.minimum(column, data.alphabets[name].n_bins - 1) for name, column in data.symbols.items()
        ]
        return cls(torch.from_numpy(levels), torch.from_numpy(np.stack(symbols)))

    def with_images(self, images: Sequence[Coded], sources: Sequence[Lookup]) -> Shown:
        """The same, and the images of the same objects."""
        every = [self, *(Shown.of(image, sources) for image in images)]
        levels, symbols = (
            torch.cat([one.levels for one in every]),
            torch.cat([one.symbols for one in every], 1),
        )
        return Shown(levels, symbols, len(every))

    def shuffled(self, objects: Integers, generator: torch.Generator) -> Tensor:
        """Rows of these objects in random order, each once, as it is or in one of the mirrors."""
        rows = torch.from_numpy(objects)[torch.randperm(len(objects), generator=generator)]
        if self.images == 1:
            return rows
        image = torch.randint(self.images, (len(rows),), generator=generator)
        return rows + image * (len(self.levels) // self.images)


def blurred(levels: Tensor, noise: float, generator: torch.Generator) -> Tensor:
    """Inputs of networks with noise of this standard deviation on them, still integers from 0 to 255."""
    if noise == 0:
        return levels
    return (levels + noise * torch.randn(levels.shape, generator=generator)).round_().clamp_(0, LEVELS - 1)
