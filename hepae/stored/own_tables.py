"""What hepae keeps of its own beside the trees of a file: tables of models and of schemas, by SHA-256."""

from __future__ import annotations

from collections.abc import Mapping

from hepae.root.file.source import MODELS_TREE, SCHEMAS_TREE, Source
from hepae.root.file.writer import RootWriter
from hepae.stored.layout import model_plan, model_rows
from hepae.stored.schemas import read_schemas, schema_plan, schema_rows

__all__ = ["Schemas", "schemas_of", "write_models", "write_schemas"]

Schemas = dict[str, tuple[bytes, bytes]]
"""JSON and original header, by SHA-256."""


def schemas_of(source: Source) -> Schemas:
    """The schemas of a file, none where nothing is compressed as a whole."""
    known = any(key.path == SCHEMAS_TREE for key in source.keys)
    return read_schemas(source.tree(SCHEMAS_TREE)) if known else {}


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
