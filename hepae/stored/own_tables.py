"""What hepae keeps of its own beside the trees of a file: tables of models and of schemas, by SHA-256."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from hepae.root.columns import Column
from hepae.root.file.compression import LZMA_BEST
from hepae.root.file.source import MODELS_TREE, SCHEMAS_TREE
from hepae.root.file.writer import RootWriter
from hepae.root.ttree.plan import NewBranch
from hepae.stored.blobs import blob_column
from hepae.stored.schemas import Schemas, schema_plan, schema_rows

__all__ = [
    "model_plan",
    "model_rows",
    "write_models",
    "write_schemas",
]


def model_plan() -> list[NewBranch]:
    """The table of models: a row for each."""
    return [
        NewBranch("sha256", "uint8", "SHA-256 of the model", None, (32,)),
        NewBranch("nonnx", "int32"),
        NewBranch(
            "onnx",
            "uint8",
            "the model, an ONNX file; empty where it is kept by reference",
            "nonnx",
            (),
            LZMA_BEST,
        ),
        NewBranch("compressed", "str", "trees and their branches that the model compresses, a line each"),
    ]


def model_rows(models: Mapping[str, bytes], compressed: Mapping[str, str]) -> dict[str, Column]:
    """Rows of the table of models, from ONNX bytes and from what each compresses, by SHA-256."""
    names = np.frombuffer(bytes.fromhex("".join(models)), np.uint8).reshape(-1, 32)
    return {
        "sha256": names,
        "onnx": blob_column(list(models.values())),
        "compressed": np.array([compressed.get(sha256, "") for sha256 in models], dtype=np.str_),
    }


def write_models(out: RootWriter, models: Mapping[str, bytes], compressed: Mapping[str, str]) -> None:
    """The table of models, from ONNX bytes and what each compresses, by SHA-256."""
    out.done.add(MODELS_TREE)
    table = out.new_tree(MODELS_TREE, model_plan(), "models of hepae, by SHA-256")
    table.append(model_rows(models, compressed))
    table.finish()


def write_schemas(out: RootWriter, schemas: Schemas) -> None:
    """The table of schemas, where there are any."""
    out.done.add(SCHEMAS_TREE)
    if schemas:
        table = out.new_tree(SCHEMAS_TREE, schema_plan(), "how hepae stores trees, by SHA-256")
        table.append(schema_rows(schemas))
        table.finish()
