"""Mirror images of events: more data to train on, where events are few.

What collides does not care for left and right along the beam, nor for the sense in which azimuths are counted, so an
event seen in a mirror is as probable as the event (PDG, Review of Particle Physics, Kinematics, for the coordinates).
Networks may be trained on images too; they are chosen, and coding is tried, on events as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hepae.arrays import Integers, Values
from hepae.core.values.lattice import Lattice

__all__ = ["Image", "mirror_images"]


MIRRORS: Final = (("eta", "pz"), ("phi", "py"))
"""Components that change their sign in a mirror: across the beam, and along it."""

TURN: Final = 2 * np.pi

LEAST_BACK: Final = 0.99
"""Share of objects that two mirrors must bring back to where they were: lattices may not reach to the other side."""


class Image(NamedTuple):
    """Lattice integers and event-level columns of mirrored events."""

    integers: dict[str, Integers]
    events: dict[str, Values]


def mirror_images(
    integers: Mapping[str, Integers],
    lattices: Mapping[str, Lattice],
    events: Mapping[str, Values],
    roles: Mapping[str, str],
    met: Mapping[str, str],
) -> Iterator[Image]:
    """The events in each mirror, and in both.

    Parameters
    ----------
    integers
        int64[n_objects] by feature.
    lattices
        Lattice of each feature.
    events
        Event-level columns, [n_events].
    roles, met
        Kinematic roles of features and of event-level branches. Features without one are left as they are.

    Examples
    --------
    >>> from hepae.core.values.bounds import parse
    >>> from hepae.core.values.lattice_fit import fit_lattice
    >>> eta = np.array([-1.0, 0.5, 2.0], np.float32)
    >>> lattice = fit_lattice(eta, parse("abs:0.01"))
    >>> q, _ = lattice.to_integers(eta, parse("abs:0.01"))
    >>> [image] = mirror_images({"eta": q}, {"eta": lattice}, {}, {"eta": "eta"}, {})
    >>> lattice.centres(image.integers["eta"]).round(2).tolist()
    [1.0, -0.5, -2.0]
    """
    phi, angle = roles.get("phi"), met.get("met_phi")

    def opposite(name: str, q: Integers) -> Integers:
        values = _opposite(lattices[name].centres(q), around=name == phi)
        return lattices[name].nearest(values)

    def comes_back(name: str, q: Integers) -> bool:
        return bool(len(q)) and float(np.mean(opposite(name, opposite(name, q)) == q)) >= LEAST_BACK

    across, along = (
        {
            roles[role]
            for role in mirror
            if roles.get(role) in integers and comes_back(roles[role], integers[roles[role]])
        }
        for mirror in MIRRORS
    )
    for odd in (
        [across, along, across | along] if across and along else [across | along] * bool(across or along)
    ):
        turned = angle if along and along <= odd else None
        yield Image(
            {name: opposite(name, q) if name in odd else q for name, q in integers.items()},
            {
                name: _opposite(column, around=True) if name == turned else column
                for name, column in events.items()
            },
        )


def _opposite(values: Values, *, around: bool) -> NDArray[np.float64]:
    """Minus the values; where they are azimuths from 0 to a full turn, in that range."""
    real = values.astype(np.float64)
    return TURN - real if around and len(real) and np.nanmin(real) >= 0.0 else -real
