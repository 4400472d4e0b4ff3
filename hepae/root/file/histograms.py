"""Histograms added to each other as they are stored: contents, errors, statistics. Pure functions of nodes.

Source: ``TH1Merger`` and ``TProfileHelper::Merge`` of ROOT 6, for histograms with equal axes.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

import numpy as np

from hepae.arrays import Array
from hepae.errors import UnsupportedError
from hepae.root.file.nodes import NUMBERS, Collection, Numbers, Record, Streamed, Table, target

__all__ = ["add_histogram", "is_histogram"]

HISTOGRAM = re.compile(r"TH[123][CSILFD]|TProfile[23]?D?|TProfile")
DTYPES = {"C": ">i1", "S": ">i2", "I": ">i4", "L": ">i8", "L64": ">i8", "F": ">f4", "D": ">f8"}
AXES = ("fXaxis", "fYaxis", "fZaxis")
SUMS = re.compile(r"fEntries|fTsumw\w*")
"""Members that add up."""
ERRORS = ("fSumw2", "fBinEntries", "fBinSumw2")
"""Arrays of doubles, one for each bin, beside the contents."""


def is_histogram(classname: str) -> bool:
    """Whether objects of a class can be added.

    Examples
    --------
    >>> is_histogram("TH2F"), is_histogram("TProfile2D"), is_histogram("TH2Poly"), is_histogram("TGraph")
    (True, True, False, False)
    """
    return HISTOGRAM.fullmatch(classname) is not None


def add_histogram(total: Streamed, other: Streamed, where: object) -> None:
    """Add a histogram to another of the same class.

    Parameters
    ----------
    total
        What is added to; it is changed.
    other
        What is added.
    where
        For messages.

    Raises
    ------
    UnsupportedError
        If their axes differ, or entries wait in a buffer for axes that are not known yet.
    """
    sum_, one = record_of(total, where), record_of(other, where)
    for record in (sum_, one):
        require_no_buffer(record, where)
    for name in AXES:
        if axis(sum_, name) != axis(one, name):
            raise UnsupportedError("histograms with different axes", where=where, got=name)
    expand_errors(sum_, one)
    for name in (*(n for n in contents_of(sum_)), *ERRORS):
        if sum_.find(name) is not None:
            put_array(sum_, name, added(array(sum_, name), array(one, name), where))
    for name in sums_in(sum_):
        sum_.put(name, sum_.number(name) + one.number(name))


def record_of(node: Streamed, where: object) -> Record:
    if node.record is None or node.record.base("TH1") is None:
        raise UnsupportedError("nothing is known of the class of a histogram", where=where, got=node.tag.name)
    return node.record


def require_no_buffer(record: Record, where: object) -> None:
    """Refuse a histogram whose first entries are not in bins yet."""
    part = record.part("fBuffer") if record.find("fBuffer") else None
    if isinstance(part, Table) and len(part.raw) and part.values[0] != 0:
        raise UnsupportedError(
            "entries of a histogram wait in its buffer",
            where=where,
            hint="call BufferEmpty() on it before it is written",
        )


def axis(record: Record, name: str) -> object:
    """Bins, edges and labels of an axis."""
    held = record.part(name)
    if not isinstance(held, Record):
        return None
    labels = target(held.part("fLabels")) if held.find("fLabels") else None
    edges = held.part("fXbins")
    return (
        held.number("fNbins"),
        held.number("fXmin"),
        held.number("fXmax"),
        edges if isinstance(edges, bytes) else None,
        None if labels is None else texts(labels),
    )


def texts(labels: Streamed) -> list[tuple[str, int]]:
    """The labels of bins, and of which."""
    held = labels.parts[0] if labels.parts else None
    items = held.items if isinstance(held, Collection) else []
    nodes = [node.record for node in map(target, items) if node is not None]
    return [(record.text("fString"), bin_of(record)) for record in nodes if record is not None]


def bin_of(label: Record) -> int:
    """The bin of a label: the identity of its ``TObject``."""
    raw = label.part("TObject")
    return struct.unpack_from(">I", raw, 2)[0] if isinstance(raw, bytes) else 0


def contents_of(record: Record) -> Iterator[str]:
    """The base that holds the contents."""
    for name in NUMBERS:
        if record.find(name) is not None:
            yield name


def dtype_of(name: str) -> np.dtype[np.generic]:
    return np.dtype(DTYPES[name.removeprefix("TArray")] if name.startswith("TArray") else ">f8")


def array(record: Record, name: str) -> Array:
    """An array of numbers, empty where there is none."""
    raw = record.part(name) if record.find(name) is not None else b""
    return np.frombuffer(raw[4:], dtype_of(name)) if isinstance(raw, bytes) else np.zeros(0)


def put_array(record: Record, name: str, values: Array) -> None:
    record.put(name, struct.pack(">i", len(values)) + values.astype(dtype_of(name)).tobytes())


def added(one: Array, other: Array, where: object) -> Array:
    """The sum in the type of the contents; integers stop at its ends, as ROOT's do."""
    if len(one) != len(other):
        raise UnsupportedError("histograms with different numbers of bins", where=where)
    native = one.dtype.newbyteorder("=")
    if native.kind == "f":
        total: Array = one.astype(native) + other.astype(native)
        return total
    ends = np.iinfo(native)
    least = ends.min + 1 if native.itemsize < 8 else ends.min
    sums = one.astype(np.int64) + other.astype(np.int64)
    clipped: Array = np.clip(sums, least, ends.max)
    return clipped


def expand_errors(one: Record, other: Record) -> None:
    """Where only one of two has squares of weights, those of the other are its contents: weights were 1."""
    for has, lacks in ((one, other), (other, one)):
        for name in ("fSumw2", "fBinSumw2"):
            if has.find(name) is not None and len(array(has, name)) and not len(array(lacks, name)):
                source = "fBinEntries" if name == "fBinSumw2" else next(contents_of(lacks))
                put_array(lacks, name, array(lacks, source).astype(np.float64))


def sums_in(record: Record) -> Iterator[str]:
    """Members that add up, of all bases."""
    for name, at in record.names.items():
        if isinstance(record.parts[at], Numbers) and SUMS.fullmatch(name):
            yield name
    for base in record.bases():
        yield from sums_in(base)
