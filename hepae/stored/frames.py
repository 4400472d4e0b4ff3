"""What restoring needs besides the tree: the bytes of a frame, and whoever has the codecs.

Which model a frame was coded with, it says itself; where models come from (`hepae.stored.models`) is handed in.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from hepae.core.bottleneck.codec import Bottleneck
from hepae.core.chunk import ChunkCodec
from hepae.root.columns import Jagged
from hepae.root.tree import TreeReader

__all__ = ["Codecs", "bytes_of"]


class Codecs(Protocol):
    """Whoever has the codecs of models, and what files refer to; `hepae.stored.models.ModelStore` does."""

    def reference(self, sha256: str, where: str) -> bytes:
        """What the model of a data set has of headers and schemas; parameters and errors as of `codec`."""

    def codec(self, start: str, where: str, exact: bool = False) -> ChunkCodec | Bottleneck:
        """The codec of the model whose SHA-256 starts with these hexadecimal digits.

        Parameters
        ----------
        start
            The digits.
        where
            What asks, for messages.
        exact
            For values that were restored before, which are kept bit for bit.

        Raises
        ------
        MissingModelError
            If the model is not at hand.
        """


def bytes_of(tree: TreeReader, branch: str, entry: int) -> bytes:
    """The bytes that an entry of a branch holds."""
    column = tree.read(branch, entry, entry + 1)
    values = column.values if isinstance(column, Jagged) else np.asarray(column)
    return values.astype(np.uint8).tobytes()
