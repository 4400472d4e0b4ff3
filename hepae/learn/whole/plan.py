"""What becomes of each column of a tree: kept, bundled, coded with a bound, coded with a model. No I/O.

A column that would not come out smaller than its own baskets stays as it is. Small columns of a table share a
stream, because each stream costs a few bytes and is read as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

import msgspec
import numpy as np

from hepae import limits
from hepae.core.coding.integers import pack
from hepae.core.features import FeatureSpec
from hepae.core.plain import codec
from hepae.core.tables.columns import ColumnSpec
from hepae.core.tables.schema import Bundle, Framed, ModelCodec, PlainCodec, TreeSchema
from hepae.core.values.bounds import Bound
from hepae.core.values.lattice_fit import fit_lattice, require_feasible
from hepae.core.values.nested import Nested
from hepae.learn.whole.methods import best_methods
from hepae.learn.whole.paying import FRAME_BYTES, JSON_BYTES
from hepae.learn.whole.tables import Found

__all__ = ["Coded", "Planned", "feature_of", "planned", "worthwhile"]

STREAM_BYTES: Final = 1 << 14
"""A column that takes less in a chunk shares a stream: reading others with it costs less than a request."""

FEW_BYTES: Final = 1 << 14
"""A column that takes more in memory is not asked whether its lattice pays."""


@dataclass(frozen=True)
class Coded:
    """A model for some columns of one table: its SHA-256, the columns of its features and of its conditions."""

    sha256: str
    columns: tuple[int, ...]
    conditions: tuple[int, ...] = ()


@dataclass
class Planned:
    """How a tree is stored, and which methods its exact columns are packed with.

    Attributes
    ----------
    schema
        Tables, columns, codecs, streams.
    methods
        Methods that are tried, by column.
    """

    schema: TreeSchema
    methods: dict[int, tuple[int, ...]] = field(default_factory=dict)


def planned(
    found: Found,
    sample: Mapping[str, Nested],
    share: float,
    bounds: Mapping[str, Bound],
    models: Sequence[Coded] = (),
    lifted: Sequence[PlainCodec] = (),
    dither: bool = False,
    known: Mapping[int, tuple[int, ...]] = MappingProxyType({}),
) -> Planned:
    """The schema of a tree.

    Parameters
    ----------
    found
        Its tables and columns.
    sample
        Values of its columns for some entries.
    share
        Entries of a chunk over entries of the sample.
    bounds
        Bounds of the columns that are not exact, by name.
    models
        Models, each for columns of one table.
    lifted
        Codecs of columns that predict each other, each for one table (`hepae.learn.whole.lifted`).
    dither
        Whether the cells of lossy columns are filled evenly.
    known
        Methods of exact columns that need not be looked for.
    """
    codecs: list[ModelCodec | PlainCodec] = [ModelCodec(m.sha256, m.columns, m.conditions) for m in models]
    codecs += lifted
    modelled = {column for codec in codecs for column in codec.columns}
    codecs += _bounded(found, sample, bounds, modelled, dither)
    framed = [Framed(number, column) for number, codec in enumerate(codecs) for column in codec.columns]
    coded = {stream.column for stream in framed}
    exact = [number for number in range(len(found.columns)) if number not in coded]
    methods = {
        number: known.get(number) or best_methods(sample[name].values)
        for number in exact
        if (name := found.columns[number].name) in sample
    }
    streams: list[Bundle | Framed] = [*_bundles(found, exact, sample, share), *framed]
    parts = tuple(found.tables), tuple(found.columns), tuple(codecs), tuple(streams)
    schema = TreeSchema(limits.FORMAT_VERSION, *parts)
    return Planned(schema, methods)


def worthwhile(
    sample: Mapping[str, Nested], bounds: Mapping[str, Bound], scale: float, dither: bool = False
) -> dict[str, Bound]:
    """The bounds that make a file smaller. A column of few values is kept exactly: its lattice would take more.

    Parameters
    ----------
    sample
        Values of columns for some entries, by name.
    bounds
        Bounds of columns, by name.
    scale
        Entries of the tree over entries of the sample.
    dither
        Whether the cells of lossy columns are filled evenly.

    Raises
    ------
    BoundError
        If no lattice can keep a bound.
    """
    return {
        name: bound
        for name, bound in bounds.items()
        if (values := sample[name].values).ndim > 1  # exact in any case
        or scale * values.nbytes > FEW_BYTES
        or _saves(name, sample[name], bound, scale, dither)
    }


def _saves(name: str, column: Nested, bound: Bound, scale: float, dither: bool) -> bool:
    """Whether a bound saves more bytes of a column than its lattice takes."""
    feature = feature_of(name, column, bound, dither)
    exact = len(codec.encode(column.values, best_methods(column.values)))
    lossy = len(pack(feature.lattice.to_integers(column.values, bound)[0]))
    return scale * (exact - lossy) > JSON_BYTES * len(msgspec.json.encode(feature)) + FRAME_BYTES


def _bounded(
    found: Found,
    sample: Mapping[str, Nested],
    bounds: Mapping[str, Bound],
    modelled: set[int],
    dither: bool,
) -> list[PlainCodec]:
    """A codec for each table that has columns with bounds and no model."""
    codecs = []
    for table in range(len(found.tables)):
        columns = [
            number
            for number, column in enumerate(found.columns)
            if column.table == table and number not in modelled and column.name in bounds and not column.shape
        ]
        if columns:
            names = [found.columns[number].name for number in columns]
            features = [feature_of(name, sample[name], bounds[name], dither) for name in names]
            codecs.append(PlainCodec(tuple(columns), tuple(features)))
    return codecs


def _bundles(found: Found, exact: Sequence[int], sample: Mapping[str, Nested], share: float) -> list[Bundle]:
    """Streams of exact columns: those that are large by themselves, the small ones of a table together."""
    bundles: list[Bundle] = []
    for table in range(len(found.tables)):
        small: list[int] = []
        size = 0.0
        for number in exact:
            column = found.columns[number]
            if column.table != table:
                continue
            expected = share * _quick_size(column, sample)
            if expected >= STREAM_BYTES:
                bundles.append(Bundle((number,)))
                continue
            small.append(number)
            size += expected
            if size >= STREAM_BYTES:
                bundles.append(Bundle(tuple(small)))
                small, size = [], 0.0
        if small:
            bundles.append(Bundle(tuple(small)))
    return bundles


def _quick_size(column: ColumnSpec, sample: Mapping[str, Nested]) -> float:
    """Bytes of a column of the sample by the entropy of its values, without coding it; 0 for counts alone."""
    if column.name not in sample or not sample[column.name].values.size:
        return 0.0
    values = np.ascontiguousarray(sample[column.name].values).reshape(-1)
    _, counts = np.unique(values.view(f"u{values.dtype.itemsize}"), return_counts=True)
    shares = counts / counts.sum()
    return float(-(shares * np.log2(shares)).sum() * len(values) / 8)


def feature_of(name: str, column: Nested, bound: Bound, dither: bool) -> FeatureSpec:
    """A column as a feature, its lattice fitted to a sample.

    Raises
    ------
    BoundError
        If no lattice can keep the bound.
    """
    require_feasible(column.values, bound, name)
    lattice = fit_lattice(column.values, bound, dither)
    return FeatureSpec(name, name, column.values.dtype.name, "", bound, lattice, dither and lattice.dithers)
