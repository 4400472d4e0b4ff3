"""A second writer of baskets, from ``docs/format/v1.md`` §17.5 alone: entry by entry, slow and simple."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

Entry = list[Any]
"""What an entry has of a column: a row, or lists of rows as deep as the column has levels."""


def entries_of(levels: tuple[np.ndarray, ...], values: np.ndarray) -> Entry:
    """Nested lists, outermost level first."""
    rows: Entry = list(values)
    for counts in reversed(levels):
        left = iter(rows)
        rows = [[next(left) for _ in range(count)] for count in counts.tolist()]
    return rows


def number_bytes(field: dict[str, Any], value: Any) -> bytes:
    """One row of a column."""
    array = np.asarray(value)
    if (field.get("coding") or {}).get("type") == "truncated":
        return b"".join(int(n).to_bytes(3, "big") for n in array.ravel())
    return array.astype(np.dtype(field["dtype"]).newbyteorder(">")).tobytes()


def row_bytes(fields: list[dict[str, Any]], row: list[Any]) -> bytes:
    """A row, constants included; ``row`` has what is no constant."""
    left = iter(row)
    return b"".join(
        number_bytes(field, next(left)) if field["dtype"] else bytes.fromhex(field["constant"])
        for field in fields
    )


def text_bytes(letters: list[int]) -> bytes:
    size = len(letters)
    return (bytes([size]) if size < 255 else struct.pack(">Bi", 255, size)) + bytes(int(n) for n in letters)


def element_bytes(layout: dict[str, Any], depth: int, parts: list[Any]) -> bytes:
    """An element of a collection; ``parts`` has it for each column."""
    if depth:
        rows = list(zip(*parts, strict=True))
        inner = (element_bytes(layout, depth - 1, list(row)) for row in rows)
        return struct.pack(">i", len(rows)) + b"".join(inner)
    return text_bytes(parts[0]) if layout.get("text") else row_bytes(layout["fields"], parts)


def entry_bytes(layout: dict[str, Any], parts: list[Any]) -> bytes:
    """An entry; ``parts`` has what each column has of it."""
    kind = layout["type"]
    if kind == "scalar":
        return row_bytes(layout["fields"], parts)
    if kind == "counted":
        rows = list(zip(*parts, strict=True))
        flag = bytes([bool(rows)]) if layout.get("flagged") else b""
        return flag + b"".join(row_bytes(layout["fields"], list(row)) for row in rows)
    if kind == "leaves":
        return b"".join(
            b"".join(number_bytes(leaf["field"], row) for row in (part if leaf.get("counter") else [part]))
            for leaf, part in zip(layout["leaves"], parts, strict=True)
        )
    if kind == "memberwise":
        body, left = bytes.fromhex(layout["versions"]) + struct.pack(">I", len(parts[0])), list(parts)
        for group in layout["groups"]:
            own, left = left[: (n := sum(bool(f["dtype"]) for f in group))], left[n:]
            body += b"".join(row_bytes(group, list(row)) for row in zip(*own, strict=True))
        return struct.pack(">I", 0x40000000 + len(body)) + body
    if layout.get("blank") and not parts[0]:
        return b""
    elements = list(zip(*parts, strict=True)) if layout.get("counter") else [tuple(parts)]
    body = b"".join(element_bytes(layout, layout["depth"], list(element)) for element in elements)
    if not layout.get("header"):
        return body
    body = struct.pack(">H", layout.get("version", 9)) + body
    return struct.pack(">I", 0x40000000 + len(body)) + body
