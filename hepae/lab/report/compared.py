"""A collection before and after, as reports see it."""

from __future__ import annotations

from dataclasses import dataclass, field

from hepae.arrays import Integers, Values
from hepae.core.manifest import Manifest
from hepae.core.values.bounds import Bound, parse
from hepae.errors import CollectionError
from hepae.files.verify.result import ColumnCheck

__all__ = ["Comparison", "FeaturePair"]


@dataclass
class FeaturePair:
    """A feature before and after.

    Attributes
    ----------
    before, after
        Values [n] in the file's dtype.
    check
        What `hepae.verify` found over the whole file.
    escapes
        Values of these that are stored bit for bit, None where the file does not say.
    compressed
        Whether hepae stores it.
    """

    name: str
    branch: str
    title: str
    before: Values
    after: Values
    check: ColumnCheck
    escapes: int | None = None
    compressed: bool = True

    @property
    def bound(self) -> Bound | None:
        """None where no bound is claimed."""
        return None if self.check.bound == "none" else parse(self.check.bound)

    @property
    def exact(self) -> bool:
        """Whether every value is the same bit for bit."""
        return self.check.identical == self.check.values


@dataclass
class Comparison:
    """A collection in two files.

    Attributes
    ----------
    counts
        Objects per event of the events that were read.
    features
        In the order of the file.
    events, objects
        How many there are in the file; more than were read where it is large.
    collection_before, collection_after
        Bytes on disk of the compressed features; after: with latents and all that hepae keeps but the model. Before is
        the size in memory where the original is text.
    model_bytes, file_before, file_after
        Bytes on disk.
    kept
        Whether every value of every branch is within its bound.
    combs
        A sentence on histograms that are not as they were, of all columns of the files; empty where all are.
    """

    original: str
    file: str
    collection: str
    counts: Integers
    features: list[FeaturePair]
    events: int
    objects: int
    collection_before: int
    collection_after: int
    model_bytes: int
    file_before: int
    file_after: int
    kept: bool
    manifest: Manifest | None = None
    sha256: str = ""
    differences: list[str] = field(default_factory=list)
    combs: str = ""

    @property
    def before(self) -> dict[str, Values]:
        """Columns of the original."""
        return {feature.name: feature.before for feature in self.features}

    @property
    def after(self) -> dict[str, Values]:
        """Columns as restored."""
        return {feature.name: feature.after for feature in self.features}

    def feature(self, name: str) -> FeaturePair:
        """The feature of that short or full name."""
        for feature in self.features:
            if name in (feature.name, feature.branch):
                return feature
        raise CollectionError(
            f"no feature {name!r}", where=self.collection, expected=", ".join(f.name for f in self.features)
        )
