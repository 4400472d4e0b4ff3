"""A model of a data set: one ONNX file whose manifest says how the tables of whole files predict each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from hepae.core.tables.dataset import DatasetManifest
from hepae.model.files import located, read_model, write_model
from hepae.model.kinds import Kind, operators

__all__ = ["DATASETS", "DatasetModel"]

DATASETS: Final = Kind("hepae_dataset", lambda _: operators())
"""Predictions are tables of the manifest: there is no network to run."""


class DatasetModel:
    """How whole files of a data set are stored. Made by `from_bytes` or `load`; pickled as its bytes.

    Attributes
    ----------
    data
        The ONNX file.
    manifest
        What is known of each tree.
    sha256
        Name of the model: hexadecimal digest of the file.
    """

    def __init__(self, data: bytes) -> None:
        from hepae.model.admission import admit  # imports onnx, which `import hepae` does not

        parts = admit(data, DATASETS)
        self.data, self.sha256 = data, parts.sha256
        self.manifest = DatasetManifest.from_json(parts.manifest)

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
    def of(cls, manifest: DatasetManifest) -> DatasetModel:
        """The model of a manifest."""
        from hepae.model.assembly import assemble

        return cls(assemble(manifest, {}, {}, DATASETS.key))

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
        return f"<DatasetModel {self.sha256[:12]} {', '.join(known.tree for known in self.manifest.trees)}>"
