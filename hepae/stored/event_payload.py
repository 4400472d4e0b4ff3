"""What a run of bottleneck events is restored from: read, and checked event by event before anything is believed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hepae.arrays import Integers
from hepae.core.bottleneck.codec import Encoded
from hepae.core.bottleneck.escapes import Escapes
from hepae.core.bottleneck.event_check import event_checks
from hepae.core.bottleneck.spec import BottleneckSpec
from hepae.errors import CorruptionError
from hepae.root.columns import Column, Jagged
from hepae.root.tree import TreeReader
from hepae.stored.titles import SUFFIX

__all__ = ["EventPayload", "checks_of", "own_branch", "read_events"]


@dataclass(frozen=True)
class EventPayload:
    """Objects per event, and what they are restored from."""

    counts: Integers
    encoded: Encoded

    @property
    def nbytes(self) -> int:
        """Size in memory."""
        corrections = self.encoded.corrections.values()
        return self.counts.nbytes + self.encoded.latents.nbytes + sum(codes.nbytes for codes in corrections)


def own_branch(collection: str, part: str) -> str:
    """Name of a branch for all features of a collection: model, escape, latent or check."""
    return f"{collection}_{part}{SUFFIX}"


def checks_of(counts: Integers, columns: Iterable[Column]) -> NDArray[np.uint32]:
    """Checksum of each event over the objects in it and columns of branches: uint32[n_events].

    The order of the columns is model, escapes, latents, and the features in the order of the model's network.
    """
    once = np.ones(len(counts), np.int64)
    flat: list[Column] = [counts, *columns]
    return event_checks(
        [(one.counts, one.values) if isinstance(one, Jagged) else (once, one) for one in flat]
    )


def read_events(
    tree: TreeReader,
    collection: str,
    counts: Integers,
    spec: BottleneckSpec,
    payloads: Mapping[str, str],
    start: int,
    stop: int,
) -> EventPayload:
    """Everything of the events ``start`` to ``stop``, which all have the same model.

    Parameters
    ----------
    tree
        The tree, open for reading.
    collection, counts
        Name of the collection, and its objects per event.
    spec
        Of the model.
    payloads
        Name of the payload branch of each feature.

    Raises
    ------
    CorruptionError
        If a branch is missing, or what an event is restored from is not what was written: the message names the event.
    """
    where = f"{tree.where}, {collection}"
    parts = [own_branch(collection, part) for part in ("model", "escape", "latent")]
    features = [_known(payloads, column.name, where) for column in spec.columns]
    columns = [_read(tree, branch, start, stop) for branch in [*parts, *features]]
    stored = np.asarray(_read(tree, own_branch(collection, "check"), start, stop))
    found = checks_of(counts, columns)
    if not np.array_equal(stored, found):
        _refuse(stored, found, start, where)
    escaped, latents = columns[1], columns[2]
    if not isinstance(escaped, Jagged) or not isinstance(latents, Jagged):
        raise CorruptionError("escapes or latents that are not jagged", where=where)
    n = int(counts.sum())
    if len(latents.values) != n * spec.latents:
        raise CorruptionError(
            "latents and objects differ in number",
            where=where,
            expected=n * spec.latents,
            got=len(latents.values),
        )
    codes = (
        {}
        if spec.latents_only
        else dict(zip((c.name for c in spec.columns), map(_flat, columns[3:]), strict=True))
    )
    escapes = Escapes.from_bytes(counts, escaped.counts, escaped.values, len(spec.columns))
    return EventPayload(counts, Encoded(latents.values.reshape(n, spec.latents), codes, escapes))


def _known(payloads: Mapping[str, str], feature: str, where: str) -> str:
    if feature not in payloads:
        raise CorruptionError(
            "a feature was dropped, without which the others cannot be checked",
            where=where,
            expected=feature,
            hint="keep all branches of a compressed collection, or decompress before you drop some",
        )
    return payloads[feature]


def _read(tree: TreeReader, branch: str, start: int, stop: int) -> Column:
    if branch not in tree.branches:
        raise CorruptionError(
            "a branch was dropped",
            where=tree.where,
            expected=branch,
            hint="keep all branches that end in " + SUFFIX,
        )
    return tree.read(branch, start, stop)


def _refuse(stored: NDArray[np.generic], found: NDArray[np.uint32], start: int, where: str) -> None:
    wrong = np.flatnonzero(stored != found) if stored.shape == found.shape else np.zeros(1, np.int64)
    raise CorruptionError(
        "an event does not carry its checksum",
        where=f"{where}, event {start + wrong[0]}"
        + (f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""),
        expected=f"{int(stored[wrong[0]]):08x}" if stored.shape == found.shape else f"{len(found)} checksums",
        got=f"{int(found[wrong[0]]):08x}" if stored.shape == found.shape else len(stored),
        hint="restore the file from a copy",
    )


def _flat(column: Column) -> NDArray[np.generic]:
    return column.values if isinstance(column, Jagged) else np.asarray(column)
