"""What the values of columns are like: range, precision in use, what is not finite."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hepae.core.values.nested import Nested
from hepae.files.inspect.facts import ValueFacts

__all__ = ["mantissa_bits", "value_facts"]


def value_facts(runs: Iterable[Mapping[str, Nested]]) -> dict[str, ValueFacts]:
    """What the values of each column are like, from runs of its entries.

    Examples
    --------
    >>> run = {"x": Nested((), np.array([1.0, 1.5, np.nan], "float32"))}
    >>> value_facts([run])["x"].mantissa
    1
    """
    found: dict[str, ValueFacts] = {}
    seen: dict[str, int] = {}
    for run in runs:
        for name, column in run.items():
            facts, before = found.setdefault(name, ValueFacts()), seen.get(name, 0)
            seen[name] = before + column.values.size
            _add(facts, column.values.reshape(-1), before)
    return found


def _add(facts: ValueFacts, values: NDArray[Any], before: int) -> None:
    """Take further values into account, after so many."""
    floating = values.dtype.kind == "f"
    finite = values[np.isfinite(values)] if floating else values
    total = before + len(values)
    facts.non_finite = (facts.non_finite * before + len(values) - len(finite)) / total if total else 0.0
    if floating:
        facts.mantissa = max(facts.mantissa or 0, mantissa_bits(finite))
    if len(finite):
        low, high = float(finite.min()), float(finite.max())
        facts.low = low if facts.low is None else min(facts.low, low)
        facts.high = high if facts.high is None else max(facts.high, high)


def mantissa_bits(values: NDArray[np.floating]) -> int:
    """Bits of the mantissa, the hidden one left out, that any of these finite values has set.

    Examples
    --------
    >>> mantissa_bits(np.array([1.0, 1.5, 1.25], "float32"))
    2
    """
    width = np.finfo(values.dtype).nmant
    pattern = f"u{values.dtype.itemsize}"
    set_bits = int(np.bitwise_or.reduce(values.view(pattern), initial=0)) & ((1 << width) - 1)
    return width - (set_bits & -set_bits).bit_length() + 1 if set_bits else 0
