"""What the title of a compressed branch says: enough to list and to type it without opening a model.

``<original title> [hepae v1 collection=Jet feature=pt counter=nJet codec=masked dtype=float32 bound=rel:0.001]``

The mark is at the end, so that ROOT's tools still show the original title first. Titles alone, no values.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from hepae import limits
from hepae.core.values.bounds import Bound, parse
from hepae.core.values.lattice import KINDS
from hepae.errors import BoundError, CorruptionError
from hepae.root.tree import TreeReader

__all__ = [
    "SUFFIX",
    "Payload",
    "Stored",
    "compressed_collections",
    "format_title",
    "is_compressed",
    "parse_title",
]

SUFFIX: Final = "__hepae"

MARK: Final = re.compile(
    r"^(?P<title>.*?) ?\[hepae v(?P<version>\d+) collection=(?P<collection>\S+) feature=(?P<feature>\S+)"
    r" counter=(?P<counter>\S+) codec=(?P<codec>\w+) dtype=(?P<dtype>\w+) bound=(?P<bound>\S+)(?P<side> side)?\]$",
    re.DOTALL,
)


@dataclass(frozen=True)
class Payload:
    """A compressed feature, as its branch presents it.

    Attributes
    ----------
    collection, feature
        Names: ``Jet`` and ``pt``.
    counter
        Branch with the number of objects per event.
    codec
        ``bottleneck``, ``lifting`` or ``masked``.
    dtype
        NumPy dtype of the restored values.
    bound
        The bound that was kept; None where none was claimed (latents only).
    title
        Title of the original branch.
    side
        Whether this is a side file, which holds nothing but the collection.
    """

    collection: str
    feature: str
    counter: str
    codec: str
    dtype: str
    bound: Bound | None
    title: str = ""
    side: bool = False


def format_title(payload: Payload) -> str:
    """The title of a compressed branch.

    Examples
    --------
    >>> format_title(Payload("Jet", "pt", "nJet", "masked", "float32", Bound("rel", 1e-3), "pt of the jet"))
    'pt of the jet [hepae v1 collection=Jet feature=pt counter=nJet codec=masked dtype=float32 bound=rel:0.001]'
    """
    bound = "none" if payload.bound is None else f"{payload.bound.kind}:{payload.bound.size!r}"
    mark = (
        f"[hepae v{limits.FORMAT_VERSION} collection={payload.collection} feature={payload.feature}"
        f" counter={payload.counter} codec={payload.codec} dtype={payload.dtype}"
        f" bound={'exact' if bound.startswith('exact') else bound}{' side' if payload.side else ''}]"
    )
    return f"{payload.title} {mark}" if payload.title else mark


def parse_title(title: str) -> Payload | None:
    """What a title says; None where it is not that of a compressed feature.

    Raises
    ------
    CorruptionError
        If it is one, but of another format version or with a dtype or bound that cannot be.
    """
    found = MARK.match(title)
    if found is None:
        return None
    if int(found["version"]) != limits.FORMAT_VERSION:
        raise CorruptionError(
            "another version of the format", where=title, expected=limits.FORMAT_VERSION, got=found["version"]
        )
    try:
        bound = None if found["bound"] == "none" else parse(found["bound"])
    except BoundError as problem:
        raise CorruptionError("a title with a bound that cannot be", where=title, got=problem) from None
    if found["dtype"] not in KINDS:
        raise CorruptionError(
            "a title with a dtype that cannot be", where=title, expected=", ".join(KINDS), got=found["dtype"]
        )
    return Payload(
        found["collection"],
        found["feature"],
        found["counter"],
        found["codec"],
        found["dtype"],
        bound,
        found["title"],
        found["side"] is not None,
    )


@dataclass(frozen=True)
class Stored:
    """A compressed feature in a tree: the branch it came from, and what the title of its payload says."""

    branch: str
    payload: Payload

    @property
    def payload_branch(self) -> str:
        """Name of the branch that holds the payload."""
        return self.branch + SUFFIX


def is_compressed(tree: TreeReader) -> bool:
    """Whether any of its collections is."""
    return bool(compressed_collections(tree))


def compressed_collections(tree: TreeReader) -> dict[str, dict[str, Stored]]:
    """Compressed features of a tree, by collection and short name."""
    found: dict[str, dict[str, Stored]] = {}
    for name in tree.branches:
        payload = parse_title(tree.branches[name].title) if name.endswith(SUFFIX) else None
        if payload is not None:
            found.setdefault(payload.collection, {})[payload.feature] = Stored(
                name.removesuffix(SUFFIX), payload
            )
    return found
