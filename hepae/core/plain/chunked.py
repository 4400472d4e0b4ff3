"""Lattice integers of a chunk without a model: each column packed by itself. For bounds where no model pays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from hepae.arrays import Columns, Integers
from hepae.core.coding.integers import pack, unpack
from hepae.core.features import FeatureSpec
from hepae.core.native import NativeCodec
from hepae.core.prediction.context import Memory
from hepae.core.prediction.ranks import Ranked, RankOrder

__all__ = ["Plain"]


class Plain:
    """A chunked codec (`hepae.core.chunk.IntegerCodec`) that predicts nothing."""

    def encode(self, counts: Integers, integers: dict[str, Integers], events: Columns) -> dict[str, bytes]:
        """One payload for each feature, whose integers are taken out."""
        return {name: pack(integers.pop(name)) for name in list(integers)}

    def decode(
        self,
        counts: Integers,
        payloads: Mapping[str, bytes],
        events: Columns,
        features: Sequence[str],
        memory: Memory | None = None,
    ) -> Iterator[tuple[str, Ranked]]:
        """The integers of the features asked for, in event order: a row is an event of one object here."""
        order = RankOrder(np.ones(int(counts.sum()), np.int64))
        for name in features:
            yield name, Ranked(unpack(payloads[name], order.n_objects), order)

    def ancestors(self, feature: str) -> tuple[str, ...]:
        """None: nothing else is needed."""
        return ()

    def given(self, feature: str) -> frozenset[str]:
        """None."""
        return frozenset()

    def predicts(self, feature: str) -> bool:
        """Nothing is predicted."""
        return False

    def is_plain(self, feature: str, payload: bytes) -> bool:
        """Every payload is."""
        return True

    def native(self, features: Sequence[FeatureSpec], conditions: Sequence[str], model: bytes) -> NativeCodec:
        """What decodes the same in native code."""
        return NativeCodec(features, None, {}, conditions, model)
