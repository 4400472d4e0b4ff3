"""How ROOT compresses records: an algorithm, a level, and blocks of at most 16 MiB with 9-byte headers."""

from __future__ import annotations

import lzma
from dataclasses import dataclass
from typing import Final

import uproot

from hepae.errors import InputError, UnsupportedError

__all__ = ["BEST", "CODES", "LZMA_BEST", "STORED", "ZSTD_DEFAULT", "Compression", "require_whole", "unpack"]

DICTIONARIES: Final = (18, 20, 21, 22, 22, 23, 23, 24, 25, 26)
"""Binary logarithms of the bytes that the levels of LZMA look back (``xz(1)``, presets)."""


class FittingLZMA(uproot.LZMA):  # type: ignore[misc]
    """LZMA that looks back no further than its data reach: the bytes are as small, and level 9 does not set up 670 MB
    for a basket of a few kilobytes, which takes 60 ms.
    """

    def compress(self, data: bytes) -> bytes:
        """The blocks that any reader of LZMA takes."""
        window = min(max(len(data) - 1, 1 << 12).bit_length(), DICTIONARIES[self.level])
        filters = [{"id": lzma.FILTER_LZMA2, "preset": self.level, "dict_size": 1 << window}]
        return lzma.compress(data, filters=filters)


BEST = 9
"""The highest level of all algorithms."""
CODES = {"zlib": 1, "lzma": 2, "lz4": 4, "zstd": 5}
CLASSES = {"zlib": uproot.ZLIB, "lzma": FittingLZMA, "lz4": uproot.LZ4, "zstd": uproot.ZSTD}


@dataclass(frozen=True)
class Compression:
    """A compression setting, such as ``Compression("zstd", 5)``; level 0 stores."""

    algorithm: str = "zstd"
    level: int = 5

    def __post_init__(self) -> None:
        if self.algorithm not in CODES:
            raise UnsupportedError(
                f"no compression {self.algorithm!r}", expected=", ".join(CODES), hint="choose one of these"
            )

    @classmethod
    def of(cls, code: int, inherited: int = 101) -> Compression:
        """The setting that ROOT's number stands for.

        Parameters
        ----------
        code
            ``100 * algorithm + level``; a level alone, and algorithms that are no more, are zlib.
        inherited
            The number of the file, which a negative one stands for.

        Examples
        --------
        >>> Compression.of(207), Compression.of(-1, inherited=1)
        (Compression(algorithm='lzma', level=7), Compression(algorithm='zlib', level=1))
        """
        code = inherited if code < 0 else code
        names = {number: name for name, number in CODES.items()}
        return cls(names.get(code // 100, "zlib"), min(code % 100, BEST))

    @property
    def code(self) -> int:
        """ROOT's number for it: ``100 * algorithm + level``, 0 where nothing is compressed.

        Examples
        --------
        >>> Compression("lzma", 8).code
        208
        """
        return 100 * CODES[self.algorithm] + self.level if self.level else 0

    def pack(self, data: bytes) -> bytes:
        """The data as ROOT stores them: compressed blocks, or as they are where that is not smaller."""
        if not self.level or not data:
            return data
        # ROOT asks ZSTD for twice the level (RZipZSTD of core/zstd)
        level = 2 * self.level if self.algorithm == "zstd" else self.level
        return bytes(uproot.compression.compress(data, CLASSES[self.algorithm](level)))


STORED = Compression("zstd", 0)
ZSTD_DEFAULT = Compression("zstd", 5)
LZMA_BEST = Compression("lzma", 9)

BLOCK_HEADER = 9


def require_whole(packed: bytes, size: int, where: object) -> None:
    """Refuse compressed blocks that do not make up an object of that size.

    uproot would allocate what the key says and hand over what memory holds beyond the blocks.
    """
    place = total = 0
    while place + BLOCK_HEADER <= len(packed):
        compressed, unpacked = (
            int.from_bytes(packed[place + at : place + at + 3], "little") for at in (3, 6)
        )
        place, total = place + BLOCK_HEADER + compressed, total + unpacked
    if total != size:
        raise InputError(
            "a record is not as long as its key says", where=where, expected=f"{size} bytes", got=total
        )


def unpack(packed: bytes, size: int, where: object) -> bytes:
    """The bytes of compressed blocks, of which there must be ``size``.

    Raises
    ------
    InputError
        If the blocks make up another size, or cannot be decompressed.
    """
    require_whole(packed, size, where)
    chunk = uproot.source.chunk.Chunk.wrap(None, packed)
    try:
        out = uproot.compression.decompress(chunk, uproot.source.cursor.Cursor(0), {}, len(packed), size)
    except Exception as error:
        got = f"{type(error).__name__}: {error}"
        raise InputError(
            "a record cannot be decompressed", where=where, got=got, hint="is the file damaged?"
        ) from error
    return bytes(out.raw_data)
