"""Whether a file and a model of a data set agree, and what is different: asked before anything is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from hepae.core.tables.columns import ColumnInfo
from hepae.core.tables.dataset import Dataset, KnownTree
from hepae.core.values.bounds import EXACT, keeps
from hepae.errors import SchemaError
from hepae.files.compress.bounds import Asked
from hepae.files.compress.outcome import AnyColumns
from hepae.input.events import is_csv
from hepae.model.dataset import DatasetModel

__all__ = ["Differences", "agreed", "agreed_dither", "differences", "require_whole", "type_of"]


MOST_NAMED: Final = 8
"""Differences that a message names."""


def require_whole(model: DatasetModel, where: object, **said: object) -> None:
    """Refuse a model of a data set together with what is of one collection.

    Parameters
    ----------
    model, where
        The model, and what is to be compressed.
    said
        Words of the request, by name, with their values.

    Raises
    ------
    SchemaError
        Naming each word.
    """
    words = [name for name, value in said.items() if value not in (None, False)]
    if is_csv(str(where)):
        words.append("CSV")
    if words:
        raise SchemaError(
            "a model of a data set compresses whole ROOT files",
            where=where,
            got=", ".join(words),
            hint="leave them out, or use a model that was trained with --collection; a file that was compressed with "
            f"{model.sha256[:8]} is read without it",
        )


@dataclass
class Differences:
    """What a file and a model do not have in common.

    Attributes
    ----------
    unknown
        Columns that the model does not know: coded plainly.
    missing
        Columns of the model that the file does not have: left out, with what is predicted from them.
    """

    unknown: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def type_of(info: ColumnInfo) -> str:
    """The type of a column for messages: ``float32[2] per row``."""
    return _type(info.dtype, info.shape, info.depth)


def _type(dtype: str, shape: Sequence[int], depth: int) -> str:
    fixed = "".join(f"[{size}]" for size in shape)
    return f"{dtype}{fixed}" + (" per entry" if not depth else " per row" + " of rows" * (depth - 1))


def differences(infos: Sequence[ColumnInfo], known: KnownTree | None) -> Differences:
    """Columns that a file or a model has alone."""
    names = {info.name for info in infos}
    if known is None:
        return Differences(sorted(names))
    there = known.schema.numbers.keys() - known.own
    return Differences(sorted(names - there), sorted(there - names))


def agreed(
    trees: Mapping[str, AnyColumns], asked: Mapping[str, Asked], dataset: Dataset, where: str
) -> dict[str, Asked]:
    """What is asked of the columns of each tree: the model's bounds where it knows them and they keep what was said.

    Raises
    ------
    SchemaError
        If a column is of another type than the model's, or a bound was asked for that the model's does not keep:
        each difference is named.
    """
    out = {}
    for path, columns in trees.items():
        known = dataset.tree(path)
        found = _different(columns.infos, asked[path], known) if known else []
        if found:
            raise SchemaError(
                "the request and the model do not agree",
                where=f"{where}:{path}",
                got=_listed(found),
                hint="leave out the bounds that the model decides, keep columns as they are with --skip, "
                "or train a model for this request",
            )
        out[path] = _with_bounds(asked[path], known, columns.infos) if known else asked[path]
    return out


def agreed_dither(dither: bool, dataset: Dataset, where: object) -> bool:
    """Whether cells are filled evenly, as the model says.

    Raises
    ------
    SchemaError
        If it was asked for and the model does not.
    """
    if dither and not dataset.dither:
        raise SchemaError(
            "the request and the model do not agree",
            where=where,
            got="dither (the model's cells are not filled)",
            hint="train a model with --dither",
        )
    return dataset.dither


def _listed(found: Sequence[str]) -> str:
    more = len(found) - MOST_NAMED
    return "; ".join(found[:MOST_NAMED]) + (f"; and {more} more" if more > 0 else "")


def _different(infos: Sequence[ColumnInfo], asked: Asked, known: KnownTree) -> list[str]:
    found: list[str] = []
    for info in infos:
        if info.name not in known.schema.numbers or info.name in known.own:
            continue
        spec = known.columns[known.schema.numbers[info.name]]
        ours, theirs = type_of(info), _type(spec.dtype, spec.shape, known.depth(info.name))
        if ours != theirs:
            found.append(f"column {info.name} is {ours} (the model's is {theirs})")
            continue
        wanted = EXACT if info.name in asked.exact else asked.bounds.get(info.name)
        kept = known.bounds[info.name]
        if wanted is not None and not keeps(kept, wanted, info.dtype):
            found.append(f"bound {info.name}={wanted} (the model's is {kept})")
    return found


def _with_bounds(asked: Asked, known: KnownTree, infos: Sequence[ColumnInfo]) -> Asked:
    """The bounds of a model for what it knows, and what was asked of the rest."""
    bounds = {name: bound for name, bound in asked.bounds.items() if name not in known.bounds}
    theirs = {info.name: known.bounds[info.name] for info in infos if info.name in known.bounds}
    bounds |= {name: bound for name, bound in theirs.items() if bound.kind != "exact"}
    return Asked(bounds, asked.named - known.bounds.keys(), asked.exact)
