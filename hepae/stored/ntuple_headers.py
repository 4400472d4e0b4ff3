"""What is kept of the header of an RNTuple that is compressed."""

from __future__ import annotations

from collections.abc import Iterable

from hepae.errors import CorruptionError
from hepae.root.file.reading import reading
from hepae.root.rntuple.envelopes import Footer, NTupleHeader
from hepae.root.rntuple.schema import Schema
from hepae.root.rntuple.united import field_paths

__all__ = ["envelope_length", "original_of", "original_schema", "require_alike"]


def original_of(header: bytes, extension: Schema) -> bytes:
    """What is kept of a header and of what its footer adds: two envelopes.

    Parameters
    ----------
    header
        The envelope of the header, uncompressed.
    extension
        What the footer adds.
    """
    return header + Footer(header[-8:], extension).pack()


def original_schema(data: bytes, where: str) -> tuple[NTupleHeader, Schema]:
    """Header and extension that were kept.

    Raises
    ------
    CorruptionError
        If they are damaged.
    """
    with reading(f"{where}, original header"):
        length = envelope_length(data)
        header = NTupleHeader.parse(data[:length], where)
        footer = Footer.parse(data[length:], where)
        if footer.checksum != data[length - 8 : length]:
            raise CorruptionError("an original header and what was added to another", where=where)
        (header.schema + footer.extension).check()
    return header, footer.extension


def require_alike(headers: Iterable[bytes], where: str) -> None:
    """Refuse chunks of RNTuples whose columns have other numbers or types, as merging others' files may make them.

    Raises
    ------
    CorruptionError
        If there are any.
    """
    kinds = [_columns(header, where) for header in dict.fromkeys(headers)]
    if any(kind != kinds[0] for kind in kinds):
        raise CorruptionError(
            "chunks of RNTuples with different columns",
            where=where,
            hint="decompress the files, merge them, and compress what comes out",
        )


def _columns(header: bytes, where: str) -> list[tuple[object, ...]]:
    """What a number of a column means: the path and type of its field, and the type of its elements."""
    original, extension = original_schema(header, where)
    whole = original.schema + extension
    paths = field_paths(whole)
    return [
        (paths[c.field], whole.fields[c.field].type_name, c.kind, c.bits, c.representation, c.low, c.high)
        for c in whole.columns
    ]


def envelope_length(data: bytes) -> int:
    """Bytes of the envelope that data begin with: the upper 48 bits of its first 8 bytes."""
    return int.from_bytes(data[:8], "little") >> 16
