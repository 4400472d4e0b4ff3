"""What else a physicist could do: each alternative as encode and decode of one column, under the same bound.

Every alternative gets the bound in the form that serves it best, and is verified like hepae itself.

Methods: mantissa rounding as CMS NanoAOD does it for relative bounds, to multiples of a power of two for absolute ones
(Zender's bit grooming by value); SZ3 (Liang et al., IEEE TBD 2022) and ZFP (Lindstrom, IEEE TVCG 2014), on logarithms
where the bound is relative; the lattice of hepae bit-packed, as RNTuple's quantised reals are; pcodec and OpenZL
(Collet et al., arXiv:2510.03203) on that lattice.
"""

from __future__ import annotations

import lzma
import math
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from pcodec import ChunkConfig, DeltaSpec, standalone

from hepae.arrays import Array, Integers
from hepae.core.coding.integers import LEVEL
from hepae.core.values.bounds import Bound
from hepae.core.values.lattice import Integer, Lattice
from hepae.extras import needed

__all__ = ["ALTERNATIVES", "Alternative", "available"]


@dataclass(frozen=True)
class Packed:
    """An encoded column: bytes that count, and what a file would know anyway (dtype, length, lattice)."""

    data: bytes
    dtype: np.dtype[Any]
    length: int
    known: Any = None


@dataclass(frozen=True)
class Alternative:
    """A method: its name, and how it encodes and decodes a column."""

    name: str
    encode: Callable[[Array, Bound, Lattice], Packed]
    decode: Callable[[Packed], Array]


def rounded(values: Array, bound: Bound) -> Array:
    """Values with as many low mantissa bits zero as the bound allows; others as they are."""
    if values.dtype.kind != "f" or bound.kind == "exact":
        return values
    with np.errstate(over="ignore", invalid="ignore"):
        if bound.kind == "abs":
            quantum = 2.0 ** math.floor(math.log2(2 * bound.size))
            near = np.asarray(np.rint(values.astype(np.float64) / quantum) * quantum, values.dtype)
        else:
            near = _short_mantissa(values, bound)
    return np.where(np.isfinite(values), near, values).astype(values.dtype)


def _short_mantissa(values: Array, bound: Bound) -> Array:
    kept = math.ceil(-math.log2(bound.relative)) - 1
    spare = max(0, np.finfo(values.dtype).nmant - kept)
    width = f"u{values.dtype.itemsize}"
    bits = np.ascontiguousarray(values).view(width).astype(np.uint64)
    half, mask = np.uint64((1 << spare) >> 1), np.uint64(~((1 << spare) - 1) & (2**64 - 1))
    return np.asarray(((bits + half) & mask).astype(width).view(values.dtype))


def bytes_of(
    name: str, compress: Callable[[bytes], bytes], decompress: Callable[[bytes], bytes], split: bool
) -> Alternative:
    """A general-purpose compressor on rounded values, as they are or byte by byte."""

    def encode(values: Array, bound: Bound, lattice: Lattice) -> Packed:
        raw = np.ascontiguousarray(rounded(values, bound)).view(np.uint8)
        if split:
            raw = np.ascontiguousarray(raw.reshape(-1, values.dtype.itemsize).T)
        return Packed(compress(raw.tobytes()), values.dtype, len(values))

    def decode(packed: Packed) -> Array:
        raw = np.frombuffer(decompress(packed.data), np.uint8)
        if split:
            raw = np.ascontiguousarray(raw.reshape(packed.dtype.itemsize, -1).T)
        return raw.reshape(-1).view(packed.dtype)

    return Alternative(name, encode, decode)


def unrounded(alternative: Alternative, name: str) -> Alternative:
    """The same compressor on the values as they are."""

    def encode(values: Array, bound: Bound, lattice: Lattice) -> Packed:
        return alternative.encode(values, EXACT, lattice)

    return Alternative(name, encode, alternative.decode)


def on_lattice(
    name: str,
    to_bytes: Callable[[Integers], bytes],
    to_integers: Callable[[bytes, int], Integers],
) -> Alternative:
    """A codec of integers on hepae's lattice, one column at a time."""

    def encode(values: Array, bound: Bound, lattice: Lattice) -> Packed:
        q, escaped = lattice.to_integers(values, bound)
        return Packed(to_bytes(q) + escaped.tobytes(), values.dtype, len(values), (lattice, len(escaped)))

    def decode(packed: Packed) -> Array:
        lattice, escapes = packed.known
        cut = len(packed.data) - escapes * packed.dtype.itemsize
        escaped = np.frombuffer(packed.data[cut:], f"u{packed.dtype.itemsize}")
        return np.asarray(lattice.to_values(to_integers(packed.data[:cut], packed.length), escaped))

    return Alternative(name, encode, decode)


ToBytes = Callable[[Array, float], bytes]
ToFloats = Callable[[bytes, np.dtype[Any], int], Array]


class FloatCompressor:
    """A compressor of floats under an absolute bound: of logarithms for relative bounds; all else goes to pcodec.

    Parameters
    ----------
    encode
        Floats and their absolute bound to bytes.
    decode
        Bytes, dtype and length to floats.
    """

    def __init__(self, encode: ToBytes, decode: ToFloats) -> None:
        self._encode, self._decode = encode, decode

    def encode(self, values: Array, bound: Bound, lattice: Lattice) -> Packed:
        """One column."""
        if values.dtype.kind != "f" or bound.kind == "exact":
            return FALLBACK.encode(values, bound, lattice)
        if bound.kind == "abs":
            return Packed(self._encode(values, _inside(values, bound.size)), values.dtype, len(values), "abs")
        signs = FALLBACK.encode(np.sign(values).astype(np.int8), EXACT, SIGNS)
        magnitude = np.abs(values[values != 0]).astype(np.float64)
        logs = self._encode(np.log(magnitude), _log_bound(values, bound)) if len(magnitude) else b""
        # a column of one sign says so in no bytes
        own = signs.data if len(magnitude) < len(values) or (values < 0).any() else b""
        return Packed(own + logs, values.dtype, len(values), (signs, len(own), len(magnitude)))

    def decode(self, packed: Packed) -> Array:
        """The inverse."""
        if packed.known == "abs":
            return self._decode(packed.data, packed.dtype, packed.length)
        if isinstance(packed.known[0], Lattice):
            return FALLBACK.decode(packed)
        signs, own, magnitudes = packed.known
        values = FALLBACK.decode(signs).astype(packed.dtype)
        if magnitudes:
            logs = self._decode(packed.data[own:], np.dtype(np.float64), magnitudes)
            values[values != 0] *= np.exp(logs).astype(packed.dtype)
        return values


EXACT = Bound("exact")
SIGNS = Lattice("int8", Integer())


def _inside(values: Array, size: float) -> float:
    """An absolute bound less the rounding of restored values to their dtype."""
    largest = float(np.abs(values[np.isfinite(values)]).max(initial=0.0))
    return size * (1 - 1e-6) - largest * float(np.finfo(values.dtype).eps)


def _log_bound(values: Array, bound: Bound) -> float:
    return math.log1p(bound.relative - float(np.finfo(values.dtype).eps)) * (1 - 1e-6)


def bits_packed(q: Integers) -> bytes:
    """Integers in as many bits as their range needs, then ZSTD."""
    low = int(q.min(initial=0)) if len(q) else 0
    width = max(int(q.max(initial=0)) - low, 1).bit_length() if len(q) else 1
    bits = ((q - low)[:, None] >> np.arange(width)) & 1
    return (
        low.to_bytes(8, "little", signed=True)
        + bytes([width])
        + _zstd(np.packbits(bits.astype(np.uint8)).tobytes())
    )


def bits_unpacked(data: bytes, length: int) -> Integers:
    """The inverse of `bits_packed`."""
    low, width = int.from_bytes(data[:8], "little", signed=True), data[8]
    bits = np.unpackbits(np.frombuffer(_unzstd(data[9:]), np.uint8), count=length * width).reshape(
        length, width
    )
    return np.asarray(low + (bits.astype(np.int64) << np.arange(width)).sum(axis=1))


def _zstd(data: bytes) -> bytes:
    import cramjam

    return bytes(cramjam.zstd.compress(data, level=5))


def _unzstd(data: bytes) -> bytes:
    import cramjam

    return bytes(cramjam.zstd.decompress(data))


def _lz4(data: bytes) -> bytes:
    import lz4.block

    return bytes(lz4.block.compress(data, mode="high_compression", compression=4))


def _unlz4(data: bytes) -> bytes:
    import lz4.block

    return bytes(lz4.block.decompress(data))


def _lzma(data: bytes) -> bytes:
    return lzma.compress(data, preset=9)


def _zlib(data: bytes) -> bytes:
    return zlib.compress(data, 6)


def _sz3() -> Alternative:
    import pysz

    def encode(values: Array, size: float) -> bytes:
        config = pysz.szConfig()
        config.errorBoundMode = pysz.szErrorBoundMode.ABS
        config.absErrorBound = size
        return bytes(pysz.sz.compress(np.ascontiguousarray(values), config)[0].tobytes())

    def decode(data: bytes, dtype: np.dtype[Any], length: int) -> Array:
        return np.asarray(pysz.sz.decompress(np.frombuffer(data, np.uint8), dtype, (length,))[0])

    compressor = FloatCompressor(encode, decode)
    return Alternative("SZ3", compressor.encode, compressor.decode)


def _zfp() -> Alternative:
    import zfpy

    def encode(values: Array, size: float) -> bytes:
        return bytes(zfpy.compress_numpy(np.ascontiguousarray(values), tolerance=size))

    def decode(data: bytes, dtype: np.dtype[Any], length: int) -> Array:
        return np.asarray(zfpy.decompress_numpy(data))

    compressor = FloatCompressor(encode, decode)
    return Alternative("ZFP", compressor.encode, compressor.decode)


def _blosc2() -> Alternative:
    import blosc2

    def encode(values: Array, bound: Bound, lattice: Lattice) -> Packed:
        filters = [blosc2.Filter.SHUFFLE, blosc2.Filter.BYTEDELTA]
        options = {
            "codec": blosc2.Codec.ZSTD,
            "clevel": 9,
            "filters": filters,
            "typesize": values.dtype.itemsize,
        }
        packed = blosc2.compress2(np.ascontiguousarray(rounded(values, bound)), **options)
        return Packed(packed, values.dtype, len(values))

    def decode(packed: Packed) -> Array:
        return np.frombuffer(blosc2.decompress2(packed.data), packed.dtype)

    return Alternative("rounded + blosc2", encode, decode)


def narrowest(q: Integers) -> Array:
    """Integers in the narrowest type that holds them."""
    dtypes = (np.dtype(np.int16), np.dtype(np.int32), np.dtype(np.int64))
    return q.astype(next(dtype for dtype in dtypes if np.array_equal(q, q.astype(dtype))))


def pcodec_bytes(q: Integers) -> bytes:
    """A column of integers in pcodec's own format, in the narrowest type that holds them."""
    config = ChunkConfig(compression_level=LEVEL, delta_spec=DeltaSpec.no_op())
    return bytes(standalone.simple_compress(narrowest(q), config))


def pcodec_integers(data: bytes, n: int) -> Integers:
    """What `pcodec_bytes` coded."""
    return np.asarray(standalone.simple_decompress(data), np.int64)


def openzl_bytes(column: Array) -> bytes:
    """A column of numbers by OpenZL's general graph for numbers."""
    import openzl.ext as openzl

    compressor, context = openzl.Compressor(), openzl.CCtx()
    compressor.select_starting_graph(openzl.graphs.Compress()(compressor))
    context.ref_compressor(compressor)
    context.set_parameter(openzl.CParam.FormatVersion, openzl.MAX_FORMAT_VERSION)
    context.set_parameter(openzl.CParam.CompressionLevel, OPENZL_LEVEL)
    numbers = np.ascontiguousarray(column).view(f"u{column.dtype.itemsize}")
    return bytes(context.compress([openzl.Input(openzl.Type.Numeric, numbers)]))


def openzl_numbers(data: bytes) -> Array:
    """What `openzl_bytes` coded, as unsigned integers of the same width."""
    import openzl.ext as openzl

    return np.asarray(openzl.DCtx().decompress(data)[0].content.as_nparray())


def _openzl() -> Alternative:
    def decode(data: bytes, n: int) -> Integers:
        numbers = openzl_numbers(data)
        return numbers.view(f"i{numbers.dtype.itemsize}").astype(np.int64)

    return on_lattice("lattice + OpenZL", lambda q: openzl_bytes(narrowest(q)), decode)


OPENZL_LEVEL = 7
"""The level from which its general graph makes columns smaller; 9 and 15 give the same bytes on jets."""

FALLBACK = on_lattice("lattice + pcodec", pcodec_bytes, pcodec_integers)

_ZLIB = bytes_of("rounded + ZLIB", _zlib, zlib.decompress, split=False)
_LZMA = bytes_of("rounded + LZMA-9", _lzma, lzma.decompress, split=False)
_ZSTD = bytes_of("rounded + ZSTD", _zstd, _unzstd, split=False)
_LZ4 = bytes_of("rounded + LZ4", _lz4, _unlz4, split=False)

ALTERNATIVES: Mapping[str, Callable[[], Alternative]] = {
    "raw": lambda: unrounded(bytes_of("raw", bytes, bytes, split=False), "raw"),
    "ZLIB": lambda: unrounded(_ZLIB, "ZLIB"),
    "LZMA-9": lambda: unrounded(_LZMA, "LZMA-9"),
    "ZSTD": lambda: unrounded(_ZSTD, "ZSTD"),
    "LZ4": lambda: unrounded(_LZ4, "LZ4"),
    "rounded + ZLIB": lambda: _ZLIB,
    "rounded + LZMA-9": lambda: _LZMA,
    "rounded + ZSTD": lambda: _ZSTD,
    "rounded + LZ4": lambda: _LZ4,
    "rounded, split + ZSTD": lambda: bytes_of("rounded, split + ZSTD", _zstd, _unzstd, split=True),
    "rounded, split + LZMA-9": lambda: bytes_of(
        "rounded, split + LZMA-9", _lzma, lzma.decompress, split=True
    ),
    "rounded + blosc2": _blosc2,
    "ZFP": _zfp,
    "SZ3": _sz3,
    "lattice, bit-packed + ZSTD": lambda: on_lattice(
        "lattice, bit-packed + ZSTD", bits_packed, bits_unpacked
    ),
    "lattice + OpenZL": _openzl,
    "lattice + pcodec": lambda: FALLBACK,
}


def available() -> list[Alternative]:
    """All alternatives.

    Raises
    ------
    MissingExtraError
        If a package that one of them needs is not there.
    """
    with needed("one of the alternatives"):
        return [make() for make in ALTERNATIVES.values()]
