"""What compressing did: sizes, escapes and largest errors, as they are on disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hepae.files.verify.result import Verification
from hepae.root.file.source import MODELS_TREE, open_source, size_of
from hepae.root.tree import TreeReader
from hepae.shown.notebook import html_table, sizes
from hepae.stored.layout import Encoder

__all__ = ["Compression", "FeatureReport", "measure", "warning_of"]

MOST = 0.5


@dataclass(frozen=True)
class FeatureReport:
    """One feature of a compressed file.

    Attributes
    ----------
    branch, bound, grid
        Which it is, how far values may be off, and the kind of its lattice.
    bytes_before, bytes_after
        Compressed bytes.
    escapes
        Values stored bit for bit.
    worst
        Largest error over its bound.
    fallback
        Share of the objects that are coded plainly, or escape, because the model does not make them smaller; None where
        it has nothing to say of the feature, and for the bottleneck.
    """

    branch: str
    bound: str
    grid: str
    bytes_before: int
    bytes_after: int
    escapes: int
    worst: float
    fallback: float | None


@dataclass(repr=False)
class Compression:
    """What `compress` did.

    Attributes
    ----------
    codec, model
        Name of the codec, SHA-256 of the model.
    events, objects
        How many there are.
    features
        A report for each compressed feature.
    collection_before, collection_after
        Compressed bytes of the features; after: with all that hepae keeps for them but the model.
    model_bytes
        Bytes of the model on disk; 0 by reference.
    file_before, file_after
        Sizes of the files.
    train_seconds, encode_seconds, verify_seconds
        Wall-clock time of the three phases.
    warning
        What the user should know: that the model fits badly. Mostly empty.
    """

    source: str
    target: str
    codec: str
    model: str
    events: int
    objects: int = 0
    features: list[FeatureReport] = field(default_factory=list)
    collection_before: int = 0
    collection_after: int = 0
    model_bytes: int = 0
    file_before: int = 0
    file_after: int = 0
    train_seconds: float = 0.0
    encode_seconds: float = 0.0
    verify_seconds: float = 0.0
    warning: str = ""

    @property
    def _title(self) -> str:
        return (
            f"{self.target}: {len(self.features)} features of {self.objects:,} objects, "
            f"{sizes(self.collection_before, self.collection_after)}"
        )

    def __repr__(self) -> str:
        return f"<Compression {self._title}>"

    def _repr_html_(self) -> str:
        columns = ["feature", "bound", "before, B", "after, B", "escapes", "worst/bound"]
        rows = [(f.branch, f.bound, f.bytes_before, f.bytes_after, f.escapes, f.worst) for f in self.features]
        return html_table(self._title, columns, rows)


def measure(
    done: Compression, temporary: Path, events: TreeReader, encoder: Encoder, checked: Verification
) -> None:
    """Sizes as they are on disk."""
    with open_source(temporary) as source:
        tree = source.tree(events.path if events.path in source.trees else events.name)
        for spec in encoder.manifest.features:
            check = checked.trees[events.path].columns[spec.branch]
            done.features.append(
                FeatureReport(
                    spec.branch,
                    check.bound,
                    type(spec.lattice.grid).__name__.lower(),
                    check.bytes_before,
                    sum(
                        tree.bytes_on_disk(branch.name)[0]
                        for branch in encoder.payload(spec)
                        if branch.name in tree.branches
                    ),
                    encoder.escapes.get(spec.name, 0),
                    check.worst,
                    _share(encoder.fallbacks.get(spec.name), done.objects),
                )
            )
        done.collection_before = sum(feature.bytes_before for feature in done.features)
        done.collection_after = sum(
            tree.bytes_on_disk(name)[0] for name in encoder.branches() if name in tree.branches
        )
        models = source.tree(MODELS_TREE)
        done.model_bytes = sum(models.bytes_on_disk(name)[0] for name in models.branches)
    done.warning = warning_of(done.features, done.collection_before, done.collection_after)
    done.file_before, done.file_after = size_of(done.source), size_of(temporary)


def warning_of(features: Sequence[FeatureReport], before: int, after: int) -> str:
    """Words about a model that does not help, given the bytes of the collection; empty where it does."""
    judged = [feature for feature in features if feature.fallback is not None]
    plain = [feature for feature in judged if feature.fallback is not None and feature.fallback > MOST]
    if len(plain) > MOST * len(judged):
        how = f"it does not make {len(plain)} of the {len(judged)} features smaller that it predicts"
    elif after >= before > 0:
        how = f"the collection was {before:,} bytes and is {after:,}"
    else:
        return ""
    return f"the model fits badly: {how}; train one on events like these"


def _share(part: int | None, objects: int) -> float | None:
    return None if part is None else part / max(1, objects)
