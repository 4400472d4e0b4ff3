"""What ROOT objects mean, as uproot reads them: equal when their contents are, whoever wrote them.

A histogram that hadd or another version of ROOT wrote has other bytes (class versions, bits of the process that wrote
it) and the same members. Members that only one version of a class has do not count.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any, TypeAlias

import numpy as np
from uproot.containers import Container
from uproot.model import Model, UnknownClass, UnknownClassVersion

from hepae.files.verify.measure import same_bits
from hepae.files.verify.values import NotInterpretedError, interpreting

__all__ = ["Meaning", "bits_of", "first_difference", "meaning"]

Meaning: TypeAlias = Any
"""Numbers, texts, arrays, and lists and dicts of them."""

LASTING_BITS = 0x00FFDE00
"""Bits 9 to 23 of a `TObject` are for the class that derives from it (TObject.h); those below say how it was held in
memory, and so does 13, `kInvalidObject`."""

BACK = {"fParentTree", "fTree", "fDirectory"}
"""Members that point back to what holds the object."""

DEEPEST = 100
"""Objects in objects in objects: more are a damaged file, or one that holds itself."""


def meaning(found: Any, depth: int = 0) -> Meaning:
    """Members of an object by name, those of its bases among them, and its items.

    Of what uproot does not know, its bytes, as long as what it is in is in memory.

    Raises
    ------
    NotInterpretedError
        If uproot does not know the class of something in it.
    """
    if depth > DEEPEST:
        raise NotInterpretedError("an object in itself")
    if isinstance(found, UnknownClass | UnknownClassVersion):
        with interpreting(f"unknown class {found.classname}: "):
            return {"class": found.classname, "bytes": found.debug_array()[: found.num_bytes]}
    if isinstance(found, str):  # TString and TObjString are models too
        return str(found)
    if isinstance(found, Model):
        members = dict(_members(found, depth))
        items = list(found) if isinstance(found, Sequence) else None
        return {"class": found.classname, **members, **_items(items, depth)}
    if isinstance(found, Container | Mapping | Sequence | Set) and not isinstance(found, bytes):
        pairs = found.items() if isinstance(found, Mapping) else found
        return [meaning(one, depth + 1) for one in pairs]
    if found is None or isinstance(found, bytes | bool | int | float | np.ndarray | np.generic):
        return found
    raise NotInterpretedError(f"unknown {type(found).__name__}")


def bits_of(found: Model) -> int:
    """Those bits of a `TObject` that belong to what it is."""
    bits = found.member("@fBits", none_if_missing=True)
    return 0 if bits is None else int(bits) & LASTING_BITS


def first_difference(before: Meaning, after: Meaning, where: str = "") -> str:
    """Which member differs first, and how; empty where none does.

    Examples
    --------
    >>> first_difference({"fN": 3, "fSumw2": [1.0]}, {"fN": 3, "fSumw2": [1.5], "fNew": 0})
    'fSumw2: 1.0 before, 1.5 after'
    """
    if isinstance(before, dict) and isinstance(after, dict):
        for name in before:
            if name in after and (
                found := first_difference(before[name], after[name], f"{where}.{name}".lstrip("."))
            ):
                return found
        return ""
    if isinstance(before, list) and isinstance(after, list):
        if len(before) != len(after):
            return f"{where}: {len(before)} items before, {len(after)} after"
        return next(
            filter(None, (first_difference(*pair, where) for pair in zip(before, after, strict=True))), ""
        )
    if isinstance(before, np.ndarray) and isinstance(after, np.ndarray):
        return _arrays(before, after, where)
    floats = isinstance(before, float) and isinstance(after, float)
    same = struct.pack("d", before) == struct.pack("d", after) if floats else before == after
    return "" if same else f"{where}: {_shown(before)} before, {_shown(after)} after"


def _members(found: Model, depth: int) -> Iterator[tuple[str, Meaning]]:
    for base in found.bases:
        yield from _members(base, depth + 1) if isinstance(base, Model) else ()
        if isinstance(base, Sequence) and not isinstance(base, str):
            yield f"items of {getattr(base, 'classname', '')}", [meaning(one, depth + 1) for one in base]
    for name, value in found.members.items():
        if name == "@fBits":
            # a collection notes in its bits how it was locked and owned
            if not isinstance(found, Sequence):
                yield "bits", int(value) & LASTING_BITS
        elif not name.startswith("@") and name not in BACK:
            yield name, meaning(value, depth + 1)


def _items(items: list[Any] | None, depth: int) -> dict[str, Meaning]:
    return {} if items is None else {"items": [meaning(one, depth + 1) for one in items]}


def _arrays(before: np.ndarray[Any, Any], after: np.ndarray[Any, Any], where: str) -> str:
    if before.shape != after.shape or before.dtype.newbyteorder("=") != after.dtype.newbyteorder("="):
        return f"{where}: {before.dtype}{before.shape} before, {after.dtype}{after.shape} after"
    if before.dtype.hasobject or before.dtype.names:
        same = before.tolist() == after.tolist()
        return "" if same else f"{where}: other values"
    x, y = (np.asarray(v, v.dtype.newbyteorder("=")) for v in (before, after))
    different = np.flatnonzero(~same_bits(x, y).ravel())
    if not len(different):
        return ""
    first = int(different[0])
    values = f"{x.ravel()[first]} before, {y.ravel()[first]} after"
    return f"{where}[{first}]: {values}" + (f", and {len(different) - 1} more" if len(different) > 1 else "")


def _shown(value: Meaning) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
