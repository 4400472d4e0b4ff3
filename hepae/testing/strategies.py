"""Hypothesis strategies for what hepae is fed with: columns, bounds, counts."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from hepae.core.values.bounds import Bound

FLOATS = ("float16", "float32", "float64")
INTEGERS = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "bool")


def bounds() -> st.SearchStrategy[Bound]:
    """Bounds of every kind, from loose to tight."""
    sizes = st.floats(1e-9, 0.4)
    return st.one_of(
        sizes.map(lambda size: Bound("abs", size)),
        sizes.map(lambda size: Bound("rel", size)),
        st.integers(1, 10).map(lambda bits: Bound("bits", bits)),
        st.just(Bound("exact")),
    )


@st.composite
def float_columns(draw: st.DrawFn, dtypes: tuple[str, ...] = FLOATS) -> np.ndarray:
    """Any bit patterns at all, mixed with physics-like values, sentinels and grids."""
    dtype = np.dtype(draw(st.sampled_from(dtypes)))
    n = draw(st.integers(0, 60))
    patterns = draw(npst.arrays(f"u{dtype.itemsize}", n)).view(dtype)
    with np.errstate(over="ignore"):
        spectrum = (draw(st.floats(1e-3, 1e3)) * np.geomspace(1, 1e3, n)).astype(dtype) if n else patterns
        special = np.array([np.nan, np.inf, -np.inf, -0.0, 0.0, -999.0, -1.0, np.pi, 1.0]).astype(dtype)
    kind = draw(npst.arrays(np.int8, n, elements=st.integers(0, 2)))
    chosen = draw(npst.arrays(np.int8, n, elements=st.integers(0, len(special) - 1)))
    return np.select([kind == 0, kind == 1], [patterns, spectrum], special[chosen]).astype(dtype, copy=False)


def integer_columns() -> st.SearchStrategy[np.ndarray]:
    """Integers and booleans of every width, edges included."""
    return st.sampled_from(INTEGERS).flatmap(lambda dtype: npst.arrays(dtype, st.integers(0, 60)))


def counts(most_events: int = 20, most_objects: int = 8) -> st.SearchStrategy[np.ndarray]:
    """Objects per event, empty events included."""
    return st.lists(st.integers(0, most_objects), max_size=most_events).map(lambda n: np.array(n, np.int64))
