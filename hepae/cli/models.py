"""What `hepae train` and `hepae inspect` say of a model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hepae.core.tables.dataset import KnownTree
from hepae.model.dataset import DATASETS, DatasetModel
from hepae.model.files import located, read_model
from hepae.model.model import Model

__all__ = ["dataset_facts", "load_model", "model_facts", "predicted_columns"]


def load_model(path: str | Path) -> Model | DatasetModel:
    """Read a model file of either kind that compresses, and open it.

    Raises
    ------
    ModelRejectedError
        If it is of neither kind.
    """
    from hepae.model.admission import manifest_key  # imports onnx, which `import hepae` does not

    data = read_model(path)
    with located(path):
        return DatasetModel(data) if manifest_key(data) == DATASETS.key else Model.from_bytes(data)


def model_facts(model: Model, path: Path) -> dict[str, Any]:
    """Of a model of a collection."""
    manifest = model.manifest
    facts = {
        "model": str(path),
        "sha256": model.sha256,
        "bytes": len(model.data),
        "codec": manifest.codec_name,
        "collection": manifest.collection,
        "features": ", ".join(f"{feature.name} ({feature.bound})" for feature in manifest.features),
        "trained on": f"{manifest.training.events} events, {manifest.training.objects} objects",
    }
    if manifest.training.history:
        facts["validation loss"] = f"{manifest.training.history[-1][1]:.4g}"
    return facts


def dataset_facts(
    model: DatasetModel, path: Path, trees: Sequence[KnownTree] | None = None
) -> dict[str, Any]:
    """Of a model of whole files; of all its trees, or of some."""
    manifest = model.manifest
    facts = {
        "model": str(path),
        "sha256": model.sha256,
        "bytes": len(model.data),
        "trained on": f"{manifest.training.events:,} entries, {manifest.training.objects:,} values",
    }
    return facts | {
        f"tree {known.tree}": _said(known) for known in (model.known.trees if trees is None else trees)
    }


def _said(known: KnownTree) -> str:
    """Tables, columns, predictions and bounds of a tree, in a line."""
    linked = sum(bool(codec.linked) for codec in known.codecs)
    bounds = sorted({str(bound) for bound in known.bounds.values() if bound.kind != "exact"})
    lossy = f"; bounds {', '.join(bounds)}" if bounds else "; everything exact"
    columns = len(known.columns) - len(known.own)
    return (
        f"{len(known.schema.tables):,} tables, {columns:,} columns, {len(known.predicted):,} predicted; "
        f"{linked:,} tables linked to others{lossy}"
    )


def predicted_columns(known: KnownTree) -> list[dict[str, Any]]:
    """Of each predicted column bits of a row by itself and predicted, what it looks at, how many are read with it."""
    names = [column.name for column in known.columns]
    unknown = [(None, None)] * len(known.predicted)
    return [
        {
            "tree": known.tree,
            "column": names[n],
            "bits_alone": alone,
            "bits_predicted": predicted,
            "predicted_from": [names[one] for one in known.schema.needs[n]],
            "columns_read": len(known.schema.closure(n)),
        }
        for n, (alone, predicted) in zip(known.predicted, known.bits or unknown, strict=True)
    ]
