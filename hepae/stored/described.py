"""What a file says of its compressed trees, by reference to models or in full."""

from __future__ import annotations

from hepae.root.file.source import SCHEMAS_TREE, Source
from hepae.stored.models import models_of
from hepae.stored.schemas import Schemas, read_schemas

__all__ = ["schemas_of"]


def schemas_of(source: Source) -> Schemas:
    """The schemas of a file, none where nothing is compressed as a whole."""
    known = any(key.path == SCHEMAS_TREE for key in source.keys)
    return read_schemas(source.tree(SCHEMAS_TREE), models_of(source).reference) if known else {}
