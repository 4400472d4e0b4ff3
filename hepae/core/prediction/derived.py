"""Derived features: integers that follow from those of several features, coded before them.

Momenta stored as px, py, pz hide what is simple in them: that pt falls from one object to the next, that eta and phi
are near those of the jet. So pt, eta and phi are computed from the lattice points of px, py and pz, put on lattices of
their own and coded first, with all the context there is; then px, py and pz are predicted from them. What is coded
first is a function of what is coded later, so nothing is coded twice.

Derived features have no branch. Their payloads travel in front of that of the feature that carries them, each preceded
by its length (a varint).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from hepae.arrays import Integers
from hepae.core.arithmetic import kinematics
from hepae.core.coding.integers import pack
from hepae.core.coding.varint import read_varint, varint
from hepae.core.prediction.predictors import Derived
from hepae.core.values.lattice import Lattice
from hepae.errors import CorruptionError

__all__ = ["smallest", "unbundled", "with_derived"]


def with_derived(
    derived: Sequence[Derived], integers: Mapping[str, Integers], lattices: Mapping[str, Lattice]
) -> dict[str, Integers]:
    """Integers of features, and of what is derived from them.

    Examples
    --------
    >>> from hepae.core.values.lattice import Linear
    >>> lattice = Lattice("float64", Linear(1.0))
    >>> pt = Derived("pt", "pt", ("px", "py"), lattice)
    >>> found = with_derived([pt], {"px": np.array([3]), "py": np.array([4])}, {"px": lattice, "py": lattice})
    >>> found["pt"].tolist()
    [5]
    """
    found = dict(integers)
    for one in derived:
        values = (lattices[name].centres(integers[name]) for name in one.features)
        function = kinematics.FORMULAS[one.formula].function
        found[one.name] = one.lattice.nearest(function(*values))
    return found


def smallest(
    derived: Sequence[Derived],
    integers: dict[str, Integers],
    encode: Callable[[dict[str, Integers]], dict[str, bytes]],
) -> dict[str, bytes]:
    """Payloads of features that have a branch, from a codec that makes one of each feature.

    ``encode`` may take integers out as it goes. Where derived features cost more than they save, in data foreign to
    the model, they are all 0: a reader does not compute them, it takes them for what they are.
    """
    if not derived:
        return encode(integers)
    payloads = encode(dict(integers))
    if _size(payloads) > sum(len(pack(integers[name])) for name in integers if name not in _names(derived)):
        zeros = {one.name: np.zeros_like(integers[one.name]) for one in derived}
        without = encode({**integers, **zeros})
        payloads = min(payloads, without, key=_size)
    return _bundled(derived, payloads)


def _names(derived: Sequence[Derived]) -> set[str]:
    return {one.name for one in derived}


def _size(payloads: Mapping[str, bytes]) -> int:
    return sum(len(payload) for payload in payloads.values())


def _bundled(derived: Sequence[Derived], payloads: Mapping[str, bytes]) -> dict[str, bytes]:
    """Payloads of derived features in front of those that carry them."""
    found = {name: payload for name, payload in payloads.items() if name not in _names(derived)}
    for one in reversed(derived):
        payload = payloads[one.name]
        found[one.carrier] = varint(len(payload)) + payload + found[one.carrier]
    return found


def unbundled(derived: Sequence[Derived], payloads: Mapping[str, bytes]) -> dict[str, bytes]:
    """Payloads of features and of the derived ones that they carry.

    Raises
    ------
    CorruptionError
        If a payload is cut short.
    """
    found = dict(payloads)
    for one in derived:
        if one.carrier not in found:
            continue
        payload = found[one.carrier]
        length, start = read_varint(payload, 0, one.carrier)
        if start + length >= len(payload):
            raise CorruptionError("a payload is cut short", where=one.carrier, got=len(payload))
        found[one.name] = payload[start : start + length]
        found[one.carrier] = payload[start + length :]
    return found
