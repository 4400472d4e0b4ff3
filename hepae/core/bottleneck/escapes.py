"""Escapes of the bottleneck codec: values stored bit for bit, event by event, so that a skim keeps what it needs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hepae.arrays import Integers, Words
from hepae.core.values.objects import offsets, ranks
from hepae.errors import CorruptionError

__all__ = ["Escapes"]

RECORD = np.dtype([("rank", "<u4"), ("feature", "<u2"), ("bits", "<u8")])
"""One escape in the file, 14 bytes: place of the object in its event, place of the feature in the codec, value."""


@dataclass(frozen=True)
class Escapes:
    """Values that escape, ordered by object and then by feature.

    Attributes
    ----------
    objects : int64[m]
        Index of the object among all objects.
    features : int64[m]
        Index of the feature among the columns of the codec.
    bits : uint64[m]
        Bit pattern of the value, in its low bits.
    """

    objects: Integers
    features: Integers
    bits: Words

    def of(self, feature: int) -> tuple[Integers, Words]:
        """Objects and bit patterns of one feature."""
        chosen = self.features == feature
        return self.objects[chosen], self.bits[chosen]

    def to_bytes(self, counts: Integers) -> tuple[Integers, NDArray[np.uint8]]:
        """Bytes per event int64[n_events], and the bytes of all events one after the other.

        Parameters
        ----------
        counts
            Objects per event.
        """
        records = np.empty(len(self.objects), RECORD)
        records["rank"] = ranks(counts)[self.objects]
        records["feature"], records["bits"] = self.features, self.bits
        event = np.searchsorted(offsets(counts)[1:], self.objects, side="right")
        sizes = np.bincount(event, minlength=len(counts)).astype(np.int64) * RECORD.itemsize
        return sizes, records.view(np.uint8)

    @classmethod
    def from_bytes(cls, counts: Integers, sizes: Integers, flat: NDArray[np.uint8], columns: int) -> Escapes:
        """Read what `to_bytes` wrote.

        Parameters
        ----------
        counts, sizes
            Objects and bytes per event.
        flat
            The bytes.
        columns
            Number of columns of the codec.

        Raises
        ------
        CorruptionError
            If the bytes are no records, or a record is of an object or a feature that is not there.
        """
        whole = len(sizes) == len(counts) and not (sizes % RECORD.itemsize).any() and sizes.sum() == len(flat)
        if not whole:
            raise CorruptionError(
                "escapes that are not whole", expected=f"{RECORD.itemsize} bytes each", got=len(flat)
            )
        records = np.ascontiguousarray(flat).view(RECORD)
        event = np.repeat(np.arange(len(counts)), sizes // RECORD.itemsize)
        rank, features = records["rank"].astype(np.int64), records["feature"].astype(np.int64)
        if (rank >= counts[event]).any() or (features >= columns).any():
            raise CorruptionError("an escape of an object that is not there", where="escapes")
        objects = offsets(counts)[event] + rank
        if (np.diff(objects * columns + features) <= 0).any():
            raise CorruptionError("escapes out of order", where="escapes")
        return cls(objects, features, records["bits"].astype(np.uint64))
