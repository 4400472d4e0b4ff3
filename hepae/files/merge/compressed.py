"""Trees that are compressed: stored in one way in all files, their original headers good for all of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hepae.errors import SchemaError, UnsupportedError
from hepae.files.merge.branches import raise_maxima, require_same_branches
from hepae.files.merge.trees import JoinedTree, TreePart
from hepae.read.trees import compressed_of
from hepae.root.file.source import Source
from hepae.root.ttree.header import TreeHeader, parse_tree
from hepae.root.ttree.reader import TTreeReader
from hepae.stored.own_tables import Schemas
from hepae.stored.payload import MARKER
from hepae.stored.restore import ModelStore, models_of
from hepae.stored.titles import SUFFIX, parse_title

__all__ = ["raised_headers", "require_same_columns", "require_same_storage", "united_models"]


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
            hint="compress the plain files first (hepae compress), or decompress the others (hepae decompress)",
        )


def require_same_columns(path: str, parts: Sequence[TreePart]) -> None:
    """Refuse trees that are compressed as a whole and do not have the same branches, or replaced others of them.

    Raises
    ------
    SchemaError
        Naming a branch.
    """
    readers = {part: part.source.tree(path) for part in parts if part.header.entries}
    trees = {part: compressed_of(one.tree) for part, one in readers.items() if isinstance(one, TTreeReader)}
    whole = [(part, tree) for part, tree in trees.items() if tree is not None]
    for part, tree in whole[1:]:
        first_part, first = whole[0]
        headers = [
            parse_tree(one.header, f"{own.source.path}:{path}") for own, one in (whole[0], (part, tree))
        ]
        require_same_branches(
            headers[0],
            headers[1],
            hint="decompress the files, merge them with --fill, and compress what comes out",
        )
        for name in sorted(first.branches.keys() ^ tree.branches.keys()):
            has, lacks = (first_part, part) if name in first.branches else (part, first_part)
            raise SchemaError(
                "a branch is compressed in one file and as it was in another",
                where=f"{path}, {name}",
                got=f"compressed in {has.source.path}, not in {lacks.source.path}",
                hint="decompress the files, merge them, and compress what comes out",
            )


def storage_of(header: TreeHeader) -> str:
    """How a tree is stored, in words."""
    names = {branch.path for branch in header.branches}
    if MARKER in names:
        return "compressed as a whole"
    titles = (branch.title for branch in header.branches if branch.name.endswith(SUFFIX))
    found = sorted({f"{p.collection} by {p.codec}" for p in map(parse_title, titles) if p is not None})
    return f"compressed ({', '.join(found)})" if found else "plain"


def raised_headers(trees: Iterable[JoinedTree], of_files: Sequence[Schemas]) -> Schemas:
    """The schemas of all files, with original headers that know the largest counts of all entries behind them.

    ROOT reads no more objects than the leaf that counts them says there are at most.
    """
    schemas: Schemas = {}
    for schemas_of_file in of_files:
        schemas = {**schemas_of_file, **schemas}
    headers = [parse_tree(header, "hepae_schemas") for own in of_files for _, header in own.values()]
    raised = {}
    for sha256, (text, header) in schemas.items():
        own = parse_tree(header, "hepae_schemas")
        raise_maxima(own, [other for other in headers if other.name == own.name])
        raised[sha256] = text, own.lean()
    return raised
