"""What is kept of the header of an RNTuple that is compressed."""

from __future__ import annotations

from hepae.errors import CorruptionError
from hepae.root.file.reading import reading
from hepae.root.rntuple.envelopes import Footer, NTupleHeader
from hepae.root.rntuple.schema import Schema

__all__ = ["envelope_length", "original_of", "original_schema"]


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


def envelope_length(data: bytes) -> int:
    """Bytes of the envelope that data begin with: the upper 48 bits of its first 8 bytes."""
    return int.from_bytes(data[:8], "little") >> 16
