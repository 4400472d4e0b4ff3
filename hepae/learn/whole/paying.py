"""Which predictions of a table are worth their bytes, and those alone. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from hepae.core.prediction.predictors import Predictors
from hepae.core.prediction.tables import Term

__all__ = ["FRAME_BYTES", "JSON_BYTES", "REFERRED_BYTES", "only", "paying"]

FRAME_BYTES: Final = 80
"""What a column takes in a chunk besides its payload where it has a frame of its own: header, checksums, size."""

LEAST_GAIN: Final = 0.01
"""Part of its bytes that a column must save, for the time that reading what it is predicted from takes."""

JSON_BYTES: Final = 0.3
"""What a byte of predictions takes in the file, as compressed JSON."""

REFERRED_BYTES: Final = 0.02
"""The same, where a model has most of it and the file refers to that."""


def paying(
    plain: Mapping[str, int],
    coded: Mapping[str, int],
    ancestors: Mapping[str, set[str]],
    frame: float = FRAME_BYTES,
) -> set[str]:
    """The columns that become smaller, with those that they are predicted from; none that costs more than it gives."""
    keep: set[str] = set()
    gains = {name: plain[name] - coded[name] - frame for name in plain}
    for name in sorted(gains, key=lambda name: -gains[name]):
        further = ({name} | ancestors[name]) - keep
        if gains[name] >= LEAST_GAIN * plain[name] and sum(gains[one] for one in further) > 0:
            keep |= further
    return keep


def only(predictors: Predictors, keep: set[str]) -> Predictors:
    """The predictors of some features, with the sources that they look at and no others."""
    kept = [predictor for predictor in predictors.features if predictor.feature in keep]
    used = sorted({term.source for predictor in kept for term in predictor.all_terms})
    number = {source: place for place, source in enumerate(used)}

    def renumbered(terms: tuple[Term, ...]) -> tuple[Term, ...]:
        return tuple(msgspec.structs.replace(term, source=number[term.source]) for term in terms)

    features = [
        msgspec.structs.replace(
            one,
            terms=renumbered(one.terms),
            widths=one.widths and msgspec.structs.replace(one.widths, terms=renumbered(one.widths.terms)),
        )
        for one in kept
    ]
    sources = tuple(predictors.sources[source] for source in used)
    return msgspec.structs.replace(predictors, features=tuple(features), sources=sources)
