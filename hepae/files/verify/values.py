"""Values of a column for a run of entries, in one form whatever file they come from. Pure, no I/O.

Awkward arrays, plain arrays and `Jagged` columns all become `Nested`, so that there is one comparison. Strings are one
more level over bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import awkward as ak
import numpy as np

from hepae.arrays import Array, Integers
from hepae.core.values.nested import Nested
from hepae.errors import CorruptionError, MissingModelError, ModelRejectedError
from hepae.root.columns import Column, Jagged

__all__ = ["NotInterpretedError", "entry_of", "interpreting", "of_awkward", "of_column"]


class NotInterpretedError(Exception):
    """Bytes have no meaning as numbers, or uproot fails to tell it: they are compared as bytes."""


@contextmanager
def interpreting(what: str = "") -> Iterator[None]:
    """Turn whatever goes wrong while something is read into a `NotInterpretedError`; but not what hepae refuses."""
    try:
        yield
    except (NotInterpretedError, CorruptionError, MissingModelError, ModelRejectedError):
        raise
    except Exception as error:
        text = str(error).strip().partition("\n")[0]
        raise NotInterpretedError(f"{what}{type(error).__name__}: {text}") from error


def entry_of(run: Nested, row: int) -> tuple[int, int]:
    """Entry that a row of values is in, and which row of that entry it is.

    Examples
    --------
    >>> entry_of(Nested((np.array([2, 0, 3]),), np.arange(5)), 3)
    (2, 1)
    >>> entry_of(Nested((np.array([1, 2]), np.array([3, 0, 2])), np.arange(5)), 4)
    (1, 1)
    """
    entry, first = row, row
    starts = np.arange(len(run.values) + 1)
    for counts in reversed(run.levels):
        edges = np.concatenate([[0], np.cumsum(counts)])
        entry = int(np.searchsorted(edges, entry, side="right")) - 1
        starts = starts[edges]
        first = int(starts[entry])
    return entry, row - first


def of_column(column: Column | Nested) -> Nested:
    """The values that a `TreeReader` gives.

    Examples
    --------
    >>> of_column(np.array(["a", "bcd"])).levels[0].tolist()
    [1, 3]
    """
    if isinstance(column, Nested):
        return column
    if isinstance(column, Jagged):
        return Nested((column.counts,), column.values)
    if column.dtype.kind == "U":
        texts = [text.encode("utf-8", "surrogateescape") for text in column.tolist()]
        lengths = np.array([len(text) for text in texts], np.int64)
        return Nested((lengths,), np.frombuffer(b"".join(texts), np.uint8))
    return Nested((), column)


def of_awkward(array: Any) -> dict[str, Nested]:
    """The columns that an awkward array is made of; a name is empty or, in records, ``.field.field``.

    Raises
    ------
    NotInterpretedError
        For unions and for records without fields, which have no columns.

    Examples
    --------
    >>> found = of_awkward(ak.Array([[{"x": 1.0}, {"x": 2.0}], []]))
    >>> found[".x"].levels[0].tolist(), found[".x"].values.tolist()
    ([2, 0], [1.0, 2.0])
    """
    found: dict[str, Nested] = {}
    _walk(ak.to_layout(array).to_packed(), "", (), found)
    if not found:
        raise NotInterpretedError("records without fields")
    return found


def _walk(layout: Any, name: str, levels: tuple[Integers, ...], found: dict[str, Nested]) -> None:
    """Go down an awkward layout, whose nodes are packed, to its flat buffers."""
    if layout.is_unknown:
        found[name] = Nested(levels, np.zeros(0))
    elif layout.is_numpy:
        found[name] = Nested(levels, _native(layout.data))
    elif layout.is_option:
        valid = np.asarray(~layout.mask_as_bool(valid_when=False)).astype(np.int64)
        _walk(layout.project().to_packed(), name, (*levels, valid), found)
    elif layout.is_indexed:
        _walk(layout.project().to_packed(), name, levels, found)
    elif layout.is_record:
        for field, content in zip(layout.fields, layout.contents, strict=True):
            _walk(content[: layout.length], f"{name}.{field}", levels, found)
    elif layout.is_regular:
        _walk_regular(layout, name, levels, found)
    elif layout.is_list:
        offsets = np.asarray(layout.offsets).astype(np.int64)
        _walk(layout.content[offsets[0] : offsets[-1]], name, (*levels, np.diff(offsets)), found)
    else:
        raise NotInterpretedError(f"{type(layout).__name__} has no columns")


def _walk_regular(layout: Any, name: str, levels: tuple[Integers, ...], found: dict[str, Nested]) -> None:
    """Fixed sizes over numbers are a shape; over anything else they are counts that are all the same."""
    inner = layout
    while inner.is_regular:
        inner = inner.content
    if inner.is_numpy:
        found[name] = Nested(levels, _native(layout.maybe_to_NumpyArray().data))
    else:
        sizes = np.full(layout.length, layout.size, np.int64)
        _walk(layout.content[: layout.length * layout.size], name, (*levels, sizes), found)


def _native(data: Any) -> Array:
    values = np.asarray(data)
    return np.ascontiguousarray(values, values.dtype.newbyteorder("="))
