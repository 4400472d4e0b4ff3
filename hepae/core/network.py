"""What a codec sees of a network: named arrays in, named arrays out. The codecs do not know what runs it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from hepae.arrays import Array

__all__ = ["Network", "Shape"]

Shape = tuple[int | None, ...]
"""Size of each axis; None for one that follows the batch."""


class Network(Protocol):
    """A network that is ready to run.

    Attributes
    ----------
    inputs, outputs
        Shape of each named array.
    """

    @property
    def inputs(self) -> Mapping[str, Shape]: ...

    @property
    def outputs(self) -> Mapping[str, Shape]: ...

    def __call__(self, **inputs: Array) -> dict[str, Array]:
        """Outputs by name for inputs by name."""
        ...
