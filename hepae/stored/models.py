"""Models at hand for what a file holds: its own, those given, and those in the directories of ``HEPAE_MODEL_PATH``."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path

import numpy as np

from hepae import limits
from hepae.core.bottleneck.codec import Bottleneck
from hepae.core.chunk import ChunkCodec
from hepae.core.decode import chunk_codec, codec_of
from hepae.core.locks import ForkSafeLock
from hepae.errors import CorruptionError, HepaeError, MissingModelError
from hepae.model.dataset import DatasetModel
from hepae.model.model import Model
from hepae.root.columns import Jagged
from hepae.root.file.source import MODELS_TREE, Source
from hepae.stored.frames import bytes_of
from hepae.stored.mixed import compressed_by_model, merged_with_plain

__all__ = ["MODEL_PATH", "AnyModel", "ModelStore", "at_hand", "model_sizes", "models_of"]

AnyModel = Model | DatasetModel


MODEL_PATH = "HEPAE_MODEL_PATH"
"""Environment variable: directories (separated as in PATH) with models for files that hold them by reference."""

_at_hand: ContextVar[tuple[AnyModel, ...]] = ContextVar("at_hand", default=())


@contextmanager
def at_hand(models: Iterable[AnyModel]) -> Iterator[None]:
    """Have models at hand for every file that is opened inside: some are opened by uproot, which knows no models."""
    token = _at_hand.set((*_at_hand.get(), *models))
    try:
        yield
    finally:
        _at_hand.reset(token)


class ModelStore:
    """Models at hand: those of a file, those given, and those in the directories of ``HEPAE_MODEL_PATH``.

    Parameters
    ----------
    embedded
        ONNX bytes by SHA-256 (hexadecimal), as found in the file; empty bytes for models kept by reference.
    given
        Models that the user gave.
    compressed
        What each compresses in the file, by SHA-256 (`hepae.stored.mixed`).
    """

    def __init__(
        self,
        embedded: dict[str, bytes] | None = None,
        given: Iterable[AnyModel] = (),
        compressed: dict[str, str] | None = None,
    ) -> None:
        self.embedded, self.compressed = embedded or {}, compressed or {}
        known = [*given, *_at_hand.get()]
        self._open = {model.sha256: model for model in known if isinstance(model, Model)}
        self._datasets = {model.sha256: model for model in known if isinstance(model, DatasetModel)}
        self._codecs: dict[str, ChunkCodec | Bottleneck] = {}
        self._lock = ForkSafeLock()

    def find(self, start: str, where: str) -> Model:
        """The model whose SHA-256 starts with these hexadecimal digits.

        Raises
        ------
        MissingModelError
            If it is not at hand.
        """
        with self._lock:
            for sha256, model in self._open.items():
                if sha256.startswith(start):
                    return model
            data = self._data(start)
            if data is None:
                raise self._missing(start, where)
            model = Model.from_bytes(data)
            if not model.sha256.startswith(start):
                raise CorruptionError(
                    "a model does not have its SHA-256", where=where, expected=f"{start}…", got=model.sha256
                )
            self._open[model.sha256] = model
            return model

    def reference(self, sha256: str, where: str) -> bytes:
        """The reference of the model of a data set.

        Raises
        ------
        MissingModelError
            If it is not at hand.
        ModelRejectedError
            If it is no such model.
        """
        with self._lock:
            if sha256 in self._datasets:
                return self._datasets[sha256].reference
            data = self._data(sha256)
            if data is None:
                raise self._missing(sha256, where)
            return _reference(data)

    def lies_there(self, start: str) -> bool:
        """Whether the model whose SHA-256 starts so is in the file, or in a folder of ``HEPAE_MODEL_PATH``."""
        return self._data(start) is not None

    def codec(self, start: str, where: str, exact: bool = False) -> ChunkCodec | Bottleneck:
        """The codec of that model, made once; ``exact`` as in `hepae.core.decode.chunk_codec`, made anew."""
        with self._lock:
            model = self.find(start, where)
            if exact:
                return chunk_codec(model, exact)
            if model.sha256 not in self._codecs:
                self._codecs[model.sha256] = codec_of(model)
            return self._codecs[model.sha256]

    def _missing(self, start: str, where: str) -> HepaeError:
        """The error that says which model it is, where it was looked for, and where it could come from."""
        if not int(start, 16):
            # what ROOT writes for entries of a file without the branch
            return merged_with_plain(where, "the name of a model in every entry")
        name = next((sha256 for sha256 in self.embedded if sha256.startswith(start)), f"{start}…")
        inside = [sha256[:8] for sha256, data in self.embedded.items() if data]
        given = [sha256[:8] for sha256 in (*self._open, *self._datasets) if sha256 not in self.embedded]
        looked = [
            f"in the file ({', '.join(inside) or 'no model'})",
            f"among those given ({', '.join(given) or 'none'})",
            f"in the folders of {MODEL_PATH} ({os.environ.get(MODEL_PATH) or 'not set'})",
        ]
        return MissingModelError(
            "the model of this payload is not at hand",
            where=where,
            expected=f"SHA-256 {name}",
            got=f"others: looked {', '.join(looked)}",
            hint="whoever compressed the file has it: `hepae train` wrote it, or `hepae compress --out-dir` into "
            f"hepae-records; give it with --model, or put it into a folder named in {MODEL_PATH}",
        )

    def _data(self, start: str) -> bytes | None:
        for sha256, data in self.embedded.items():
            if sha256.startswith(start) and data:
                return data
        for folder in filter(None, os.environ.get(MODEL_PATH, "").split(os.pathsep)):
            for path in sorted(Path(folder).glob("*.onnx")):
                data = path.read_bytes() if path.stat().st_size <= limits.MAX_MODEL_BYTES else b""
                if hashlib.sha256(data).hexdigest().startswith(start):
                    return data
        return None


@lru_cache(maxsize=4)
def _reference(data: bytes) -> bytes:
    """Of a model file: many files of a data set refer to it."""
    return DatasetModel.from_bytes(data).reference


def models_of(source: Source, given: Iterable[AnyModel] = ()) -> ModelStore:
    """The models that a file carries, and those given.

    Raises
    ------
    CorruptionError
        If the bytes of a model in the file do not have the SHA-256 that the file says.
    """
    embedded: dict[str, bytes] = {}
    compressed: dict[str, str] = {}
    if source.has_models:
        tree = source.tree(MODELS_TREE)
        limits.check("models in a file", tree.num_entries, limits.MAX_MODELS_PER_FILE, source.path)
        for entry in range(tree.num_entries):
            name = np.asarray(tree.read("sha256", entry, entry + 1)).astype(np.uint8).tobytes().hex()
            data = bytes_of(tree, "onnx", entry)
            if data and hashlib.sha256(data).hexdigest() != name:
                raise CorruptionError(
                    "a model does not have its SHA-256",
                    where=source.path,
                    expected=name,
                    got=hashlib.sha256(data).hexdigest(),
                )
            embedded[name] = data or embedded.get(name, b"")
        compressed = compressed_by_model(tree)
    return ModelStore(embedded, given, compressed)


def model_sizes(source: Source) -> dict[str, int]:
    """Models in a file: SHA-256 and bytes, 0 for those kept by reference."""
    if not source.has_models:
        return {}
    table = source.tree(MODELS_TREE)
    limits.check("models in a file", table.num_entries, limits.MAX_MODELS_PER_FILE, source.path)
    names = np.asarray(table.read("sha256", 0, table.num_entries)).astype(np.uint8)
    onnx = table.read("onnx", 0, table.num_entries)
    sizes = onnx.counts if isinstance(onnx, Jagged) else np.zeros(len(names), np.int64)
    return {name.tobytes().hex(): int(size) for name, size in zip(names, sizes, strict=True)}
