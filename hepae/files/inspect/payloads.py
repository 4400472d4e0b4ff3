"""Collections that were compressed with a model, as features instead of as the branches that hold them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hepae.files.inspect.facts import ColumnFacts
from hepae.stored.titles import SUFFIX, Payload, parse_title

__all__ = ["as_features", "counters_of"]

SHARED = "of all features"
"""Why a branch that no feature owns is there: latents, checksums, which model."""


def as_features(columns: Sequence[ColumnFacts]) -> list[ColumnFacts]:
    """Facts of branches, those of payloads and of what belongs to them as facts of the original features.

    A payload branch takes the name and the dtype of the feature, the bytes of its own counter, and its bound.
    """
    payloads = {column.name: payload for column, payload in _payloads(columns)}
    if not payloads:
        return list(columns)
    counters = {f"n{name}": name for name in payloads}
    by_name = {column.name: column for column in columns}
    for counter, name in counters.items():
        if counter in by_name:
            by_name[name].on_disk += by_name[counter].on_disk
            by_name[name].in_memory += by_name[counter].in_memory
    shown = [column for column in columns if column.name not in counters]
    collections = sorted({payload.collection for payload in payloads.values()}, key=len, reverse=True)
    for column in shown:
        if column.name in payloads:
            _be_feature(column, payloads[column.name])
        elif column.name.endswith(SUFFIX):
            column.bound, column.kept = "", SHARED
            column.table = next((name for name in collections if column.name.startswith(name)), column.table)
    return shown


def counters_of(columns: Iterable[ColumnFacts]) -> dict[str, str]:
    """Counters of the collections that were compressed with a model, by collection."""
    return {payload.collection: payload.counter for _, payload in _payloads(columns)}


def _payloads(columns: Iterable[ColumnFacts]) -> Iterable[tuple[ColumnFacts, Payload]]:
    for column in columns:
        payload = parse_title(column.title) if column.name.endswith(SUFFIX) else None
        if payload is not None:
            yield column, payload


def _be_feature(column: ColumnFacts, payload: Payload) -> None:
    column.name, column.dtype, column.title = column.name.removesuffix(SUFFIX), payload.dtype, payload.title
    column.table, column.codec, column.bound = payload.collection, payload.codec, str(payload.bound or "none")
