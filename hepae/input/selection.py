"""What is asked for: which columns, under which bounds. Parsed once, at the door; from there on bounds are `Bound`s."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hepae.core.values.bounds import Assignments, Bound, parse_assignments
from hepae.core.values.objects import Collection
from hepae.errors import InputError, UnsupportedError

__all__ = ["Bounds", "Selection", "selection_of"]

Bounds = tuple[tuple[str, Bound], ...]
"""Patterns and their bounds; where several patterns match a column, the last one wins."""


@dataclass(frozen=True)
class Selection:
    """A request as a user makes it; None or empty where nothing was said.

    Attributes
    ----------
    collection
        Name of the collection.
    features
        Short or full names of features.
    bounds
        Patterns over short or full names of features, with their bounds.
    tree
        Name of the tree.
    """

    collection: str | None = None
    features: tuple[str, ...] | None = None
    bounds: Bounds = ()
    tree: str | None = None

    def names(self, found: Collection) -> tuple[str, ...]:
        """Short names of the features that are meant, in the order asked for; all of the collection by default.

        Raises
        ------
        CollectionError
            If the collection has no such feature.
        """
        chosen = found.features if self.features is None else map(found.feature, self.features)
        return tuple(dict.fromkeys(feature.name for feature in chosen))


def selection_of(
    collection: str | Sequence[str] | None = None,
    features: Sequence[str] | None = None,
    bounds: Assignments = (),
    tree: str | None = None,
) -> Selection:
    """Parse a request.

    Parameters
    ----------
    collection
        Name of the collection, or a list that holds it.
    features
        Short or full names.
    bounds
        ``NAMES=BOUND`` as text, or (pattern, bound).
    tree
        Name of the tree.

    Raises
    ------
    BoundError
        If a bound cannot be parsed.
    InputError
        If names are no names, or an empty list of them.
    UnsupportedError
        If several collections are named.

    Examples
    --------
    >>> selection_of("Jet", bounds=["pt,mass=rel:1e-3"]).bounds[1]
    ('mass', Bound(kind='rel', size=0.001))
    """
    return Selection(_only(collection), _names(features), tuple(parse_assignments(bounds)), tree)


def _only(collection: str | Sequence[str] | None) -> str | None:
    names = [collection] if isinstance(collection, str) else list(collection or ())
    if len(set(names)) > 1:
        raise UnsupportedError(
            "a file is compressed one collection at a time",
            got=", ".join(map(str, names)),
            hint="compress the output again for the next collection",
        )
    return names[0] if names else None


def _names(features: Sequence[str] | None) -> tuple[str, ...] | None:
    if features is None:
        return None
    if isinstance(features, str) or not features:
        raise InputError("not a list of features", expected="names, or None for all", got=repr(features))
    return tuple(features)
