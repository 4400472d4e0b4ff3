"""A model of a data set: one ONNX file whose manifest says how the tables of whole files predict each other."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from hepae.arrays import Array
from hepae.core.plain.codec import squeeze, unsqueeze
from hepae.core.tables.dataset import Dataset, DatasetManifest
from hepae.errors import CorruptionError, ModelRejectedError
from hepae.model.files import located, read_model, write_model
from hepae.model.kinds import Kind, operators

__all__ = ["DATASETS", "DatasetModel"]

DATASETS: Final = Kind("hepae_dataset", lambda _: operators())
"""Predictions are tables of integers in schemas: there is no network to run."""

TABLE: Final = "reference"


class DatasetModel:
    """How whole files of a data set are stored. Made by `from_bytes` or `load`; pickled as its bytes.

    Attributes
    ----------
    data
        The ONNX file.
    manifest
        What it was trained on, and what it says of each tree beside the reference.
    reference
        Headers of trees of the data set, and how these are stored: what files that refer to the model leave out.
    known
        What is known of each tree.
    sha256
        Name of the model: hexadecimal digest of the file.
    """

    def __init__(self, data: bytes) -> None:
        from hepae.model.admission import admit  # imports onnx, which `import hepae` does not

        parts = admit(data, DATASETS)
        self.data, self.sha256 = data, parts.sha256
        self.manifest = DatasetManifest.from_json(parts.manifest)
        self.reference = _reference(parts.tables, self.manifest.reference)
        self.known = Dataset.of(self.manifest, self.reference)

    @classmethod
    def from_bytes(cls, data: bytes) -> DatasetModel:
        """Admit and open a model.

        Raises
        ------
        ModelRejectedError
            If it is not a model of a data set that hepae made; see `hepae.model.admission`.
        """
        return cls(data)

    @classmethod
    def of(cls, manifest: DatasetManifest, reference: bytes) -> DatasetModel:
        """The model of a manifest and its reference."""
        from hepae.model.assembly import assemble

        table = np.frombuffer(squeeze(reference), np.uint8)
        return cls(assemble(manifest, {}, {TABLE: table}, DATASETS.key))

    @classmethod
    def load(cls, path: str | Path) -> DatasetModel:
        """Read a model file and open it."""
        data = read_model(path)
        with located(path):
            return cls(data)

    def save(self, path: str | Path, *, force: bool = False) -> None:
        """Write the model file; one that exists is replaced only with ``force``."""
        write_model(path, self.data, force=force)

    def __reduce__(self) -> tuple[Any, ...]:
        return DatasetModel, (self.data,)

    def __repr__(self) -> str:
        return f"<DatasetModel {self.sha256[:12]} {', '.join(known.tree for known in self.known.trees)}>"


def _reference(tables: Mapping[str, Array], size: int) -> bytes:
    """The reference of a model of so many bytes."""
    table = tables.get(TABLE)
    if table is None or len(tables) != 1 or table.dtype != np.uint8 or table.ndim != 1:
        raise ModelRejectedError("not the tables of a model of a data set", got=", ".join(tables) or "none")
    try:
        return unsqueeze(table.tobytes(), size)
    except CorruptionError as problem:
        raise ModelRejectedError("a reference that does not unpack", got=problem.what) from None
