"""Trees that are compressed: stored in one way in all files, models united."""

from __future__ import annotations

from collections.abc import Sequence

from hepae.errors import SchemaError, UnsupportedError
from hepae.files.merge.trees import TreePart
from hepae.root.file.source import Source
from hepae.root.ttree.header import TreeHeader
from hepae.stored.models import ModelStore, models_of
from hepae.stored.payload import MARKER
from hepae.stored.titles import SUFFIX, parse_title

__all__ = ["require_same_storage", "united_models"]


def united_models(sources: Sequence[Source]) -> ModelStore:
    """All models, embedded wherever one of the files has them embedded, and what each compresses.

    Raises
    ------
    UnsupportedError
        If two models share the four bytes by which events name them.
    """
    models: dict[str, bytes] = {}
    blocks: dict[str, dict[str, None]] = {}
    for store in map(models_of, sources):
        for sha256, data in store.embedded.items():
            models[sha256] = models.get(sha256) or data
        for sha256, text in store.compressed.items():
            blocks.setdefault(sha256, {}).update(dict.fromkeys(text.split("\n\n")))
    if len({sha256[:8] for sha256 in models}) < len(models):
        raise UnsupportedError("two models with one short name", got=", ".join(models))
    return ModelStore(
        models, compressed={sha256: "\n\n".join(filter(None, own)) for sha256, own in blocks.items()}
    )


def require_same_storage(path: str, parts: Sequence[TreePart]) -> None:
    """Refuse a tree that is compressed in some files, and plain or compressed otherwise in others.

    Raises
    ------
    SchemaError
        Naming the files.
    """
    stored = {part: storage_of(part.header) for part in parts if part.header.entries}
    ways = dict.fromkeys(stored.values())
    if len(ways) > 1:
        of_each = [next(part for part in stored if stored[part] == way) for way in ways]
        raise SchemaError(
            "a tree is stored in different ways",
            where=path,
            got="; ".join(f"{way} in {part.source.path}" for way, part in zip(ways, of_each, strict=True)),
            hint="compress the plain files first (hepae compress --only '*'), or decompress the others",
        )


def storage_of(header: TreeHeader) -> str:
    """How a tree is stored, in words."""
    names = {branch.path for branch in header.branches}
    if MARKER in names:
        return "compressed as a whole"
    titles = (branch.title for branch in header.branches if branch.name.endswith(SUFFIX))
    found = sorted({f"{p.collection} by {p.codec}" for p in map(parse_title, titles) if p is not None})
    return f"compressed ({', '.join(found)})" if found else "plain"
