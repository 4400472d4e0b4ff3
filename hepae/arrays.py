"""Types of arrays, each with one name: what annotations of the whole package are made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Array", "Booleans", "Columns", "Floats", "Integers", "Narrow", "Values", "Words"]

Array: TypeAlias = NDArray[Any]
"""Of any dtype, where what is done with it is not checked."""

Values: TypeAlias = NDArray[np.generic]
"""Values of a feature or of an event-level branch, in the dtype that the file has."""

Columns: TypeAlias = Mapping[str, Values]
"""Values by the name of the feature or branch."""

Integers: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]
Booleans: TypeAlias = NDArray[np.bool_]
Words: TypeAlias = NDArray[np.uint64]

Narrow: TypeAlias = NDArray[np.signedinteger[Any]]
"""Signed integers of any width: as narrow as what is in them allows."""
