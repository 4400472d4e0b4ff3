"""Names of what hepae keeps for itself in a file."""

from typing import Final

__all__ = ["BACKUPS_TREE", "MODELS_TREE", "OWN_TREES", "PAYLOAD", "SCHEMAS_TREE", "TITLES_TREE"]

MODELS_TREE: Final = "hepae_models"
SCHEMAS_TREE: Final = "hepae_schemas"
BACKUPS_TREE: Final = "hepae_backups"
TITLES_TREE: Final = "hepae_titles"
"""Titles of the fields of RNTuples, of files whose fields have no descriptions: read, not written any more."""

OWN_TREES: Final = (MODELS_TREE, SCHEMAS_TREE, BACKUPS_TREE, TITLES_TREE)
"""What hepae keeps for itself: models and schemas by SHA-256, headers of older cycles of trees, titles of fields."""

PAYLOAD: Final = "__hepae"
"""At the end of the name of a payload tree, after that of the tree."""
