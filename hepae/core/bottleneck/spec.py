"""Parameters of the bottleneck codec, as the manifest records them, and how latents are stored."""

from __future__ import annotations

from typing import Final, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from hepae.arrays import Array
from hepae.core.bottleneck.scaling import Transform
from hepae.core.values.bounds import Bound

__all__ = ["BottleneckColumn", "BottleneckSpec", "LatentDtype", "LatentSpec"]

LatentDtype = Literal["float32", "float16", "uint16", "uint8"]

FLOAT16_LARGEST: Final = 65504.0


class BottleneckColumn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One feature of the bottleneck.

    Parameters
    ----------
    name, dtype, bound
        As in the feature's own specification.
    transform
        Into the network and out of it.
    drift
        How far the decoder's output may be from the writer's on another machine, in the network's units.
    step
        Distance of corrected values: absolute for ``abs``, a ratio for ``rel`` and ``bits``, a power of two for
        integers. Smaller than the bound alone would ask for, by the drift.
    frequent
        Bit patterns that have a code of their own.
    """

    name: str
    dtype: str
    bound: Bound
    transform: Transform
    drift: float
    step: float
    frequent: tuple[int, ...] = ()

    @property
    def is_integer(self) -> bool:
        """Whether the feature is an integer or a boolean."""
        return np.dtype(self.dtype).kind != "f"


class LatentSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How latents are stored.

    Parameters
    ----------
    dtype
        ``float32``, ``float16``, or fixed-point in ``uint16`` or ``uint8``.
    low, step
        For fixed-point, one per latent: the stored integer u means ``low + u * step`` in float32. Else empty.
    """

    dtype: LatentDtype
    low: tuple[float, ...] = ()
    step: tuple[float, ...] = ()

    @property
    def fixed_point(self) -> bool:
        """Whether latents are stored as integers."""
        return self.dtype.startswith("uint")

    @property
    def stored_dtype(self) -> str:
        """What the file holds: ROOT has no float16, so of those it holds the bits."""
        return "uint16" if self.dtype == "float16" else self.dtype

    def store(self, latents: NDArray[np.float32]) -> Array:
        """Latents [n, K] as they are stored."""
        if not self.fixed_point:
            floats = np.asarray(np.clip(latents, -FLOAT16_LARGEST, FLOAT16_LARGEST), self.dtype)
            return floats.view(self.stored_dtype)
        steps = (latents - np.asarray(self.low, np.float32)) / np.asarray(self.step, np.float32)
        return np.asarray(np.clip(np.rint(steps), 0, np.iinfo(self.dtype).max), self.dtype)

    def load(self, stored: Array) -> NDArray[np.float32]:
        """What the decoder is fed: float32[n, K], the same bits on every machine."""
        latents: NDArray[np.float32] = stored.view(self.dtype).astype(np.float32)
        return (
            latents * np.asarray(self.step, np.float32) + np.asarray(self.low, np.float32)
            if self.fixed_point
            else latents
        )


class BottleneckSpec(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="codec", tag="bottleneck"
):
    """Parameters of the bottleneck codec.

    Parameters
    ----------
    columns
        The features that go through the network, in its order.
    latents
        K, the number of latents.
    latent
        How they are stored.
    latents_only
        Whether there are no corrections, and no bound.
    architecture
        The networks in words, for the reader of a manifest.
    """

    columns: tuple[BottleneckColumn, ...]
    latents: int
    latent: LatentSpec
    latents_only: bool
    architecture: str = ""
