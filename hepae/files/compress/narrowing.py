"""Which columns of a file are compressed: all, or those that patterns, tables and trees name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from types import MappingProxyType

from hepae.core.tables.columns import ColumnInfo
from hepae.core.values.objects import Collection
from hepae.errors import BoundError, CollectionError, InputError, nearest
from hepae.files.compress.bounds import Idle, Pairs, idle_match, short_name
from hepae.input.columns import ColumnSource
from hepae.root.file.source import Source

__all__ = ["ALL", "Narrowing", "narrowing_of", "refuse_for_a_collection", "require_lossy"]


@dataclass(frozen=True)
class Narrowing:
    """What is compressed; everything else keeps its baskets. Empty where nothing was said.

    Attributes
    ----------
    only, skip
        Patterns over names of columns, with or without the prefix of their table. A column is compressed that matches
        one of ``only``, if there are any, and none of ``skip``.
    collections
        Tables all of whose columns are meant, beside those of ``only``.
    trees
        Paths of trees; None for all.
    """

    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    collections: tuple[str, ...] = ()
    trees: tuple[str, ...] | None = None

    def kept(
        self, trees: Mapping[str, ColumnSource], source: Source, idle: Idle = MappingProxyType({})
    ) -> dict[str, set[str]]:
        """The branches of each tree that stay as they are, by path.

        Parameters
        ----------
        trees
            The columns of each tree that could be compressed.
        source
            The file, whose trees know their collections.
        idle
            Branches of trees without entries.

        Raises
        ------
        InputError
            If a pattern or a tree names nothing.
        CollectionError
            If a collection is in no tree.
        """
        where = source.path
        self._require_trees([*trees, *idle], where)
        named = {path: columns for path, columns in trees.items() if self.trees is None or path in self.trees}
        infos = [info for columns in named.values() for info in columns.infos]
        for pattern in (*self.only, *self.skip):
            if not any(_matches(pattern, info) for info in infos) and not idle_match(pattern, idle):
                raise InputError("matches no column", where=where, got=pattern, hint=_near(pattern, infos))
        known = {path: source.tree(path).collections() for path in named} if self.collections else {}
        members = {
            path: _members(columns.infos, known.get(path, {}), self.collections)
            for path, columns in named.items()
        }
        for name in self.collections:
            if not any(name in found for found in members.values()) and not idle_match(f"{name}[_.]*", idle):
                every = sorted({one for collections in known.values() for one in collections})
                raise CollectionError(
                    f"no collection {name!r}", where=where, hint=nearest(name, every) or None
                )
        chosen = {
            path: self._chosen(
                columns.infos, {branch for found in members[path].values() for branch in found}
            )
            for path, columns in named.items()
        }
        return {
            path: {info.branch for info in columns.infos} - chosen.get(path, set())
            for path, columns in trees.items()
        }

    def _require_trees(self, trees: Sequence[str], where: str) -> None:
        for path in self.trees or ():
            if path not in trees:
                raise InputError(
                    "no such tree with columns to compress",
                    where=where,
                    got=path,
                    expected=", ".join(trees) or None,
                    hint=nearest(path, trees) or None,
                )

    def _chosen(self, infos: Sequence[ColumnInfo], members: set[str]) -> set[str]:
        """Paths of the branches that are compressed: none of which a column is to stay."""
        every = not self.only and not self.collections
        chosen = {
            info.branch
            for info in infos
            if every or info.branch in members or any(_matches(pattern, info) for pattern in self.only)
        }
        return chosen - {
            info.branch for info in infos if any(_matches(pattern, info) for pattern in self.skip)
        }


ALL = Narrowing()
"""Nothing was said: everything is compressed."""


def narrowing_of(
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    collections: Sequence[str] = (),
    trees: str | Sequence[str] | None = None,
) -> Narrowing:
    """What is compressed, as a user says it.

    Examples
    --------
    >>> narrowing_of(only=["Jet_*"], trees="Events").trees
    ('Events',)
    """
    for words in (only, skip):
        if isinstance(words, str) or not all(isinstance(word, str) for word in words):
            raise InputError("not a list of patterns", got=repr(words))
    named = (trees,) if isinstance(trees, str) else trees
    return Narrowing(tuple(only), tuple(skip), tuple(collections), None if named is None else tuple(named))


def refuse_for_a_collection(
    only: Sequence[str], skip: Sequence[str], dither: bool, tree: str | Sequence[str] | None
) -> None:
    """Refuse what means nothing where one collection of one tree is compressed."""
    several = not isinstance(tree, str) and len(tree or ()) > 1
    said = {"only": bool(only), "skip": bool(skip), "dither": dither, "several trees": several}
    useless = [name for name, given in said.items() if given]
    if useless:
        raise InputError(
            "options that do nothing for one collection",
            got=", ".join(useless),
            hint="leave out the collection, the model and the recipe to compress the whole file; "
            "dither of a collection is a choice of its recipe",
        )


def require_lossy(dither: bool, bounds: Pairs, where: object) -> None:
    """Refuse dither where every bound is exact: it would do nothing."""
    if dither and all(bound.kind == "exact" for _, bound in bounds):
        raise BoundError("dither where everything is exact", where=where, hint="give floats a bound")


def _matches(pattern: str, info: ColumnInfo) -> bool:
    return fnmatchcase(info.name, pattern) or fnmatchcase(short_name(info), pattern)


def _near(pattern: str, infos: Sequence[ColumnInfo]) -> str | None:
    return nearest(pattern, [name for info in infos for name in (info.name, short_name(info))]) or None


def _members(
    infos: Sequence[ColumnInfo], known: Mapping[str, Collection], collections: Sequence[str]
) -> dict[str, set[str]]:
    """Branches of each collection: those that its counter counts, and those of its prefix."""
    found: dict[str, set[str]] = {}
    for name in collections:
        counted = {feature.branch for feature in known[name].features} if name in known else set()
        members = {
            info.branch
            for info in infos
            if {info.branch, info.name} & counted
            or (info.depth and info.name.startswith((f"{name}_", f"{name}.")))
        }
        if members:
            found[name] = members
    return found
