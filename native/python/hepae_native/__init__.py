"""Decoders of hepae in C++, in the build for this processor; hepae uses them where they are installed."""

from contextlib import suppress

from hepae_native import _any as _decoders

if _decoders.has_avx2():
    with suppress(ImportError):  # not built for this platform
        from hepae_native import _avx2 as _decoders

Chunk, Codec, CorruptionError = _decoders.Chunk, _decoders.Codec, _decoders.CorruptionError
unpack = _decoders.unpack

__all__ = ["Chunk", "Codec", "CorruptionError", "unpack"]
