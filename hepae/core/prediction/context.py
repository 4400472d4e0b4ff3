"""What is known of a chunk while it is coded: integers of features, functions of them, balances of momentum."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Set
from typing import Any, ClassVar, Final, NamedTuple, Protocol, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from hepae.arrays import Array, Columns, Floats, Integers, Values
from hepae.core.arithmetic import exact as exactmath
from hepae.core.arithmetic.tabulated import tabulated
from hepae.core.prediction.ranks import RankOrder
from hepae.errors import ModelRejectedError

__all__ = [
    "MISSING",
    "SMALLEST",
    "ColumnKind",
    "Context",
    "Memory",
    "Reach",
    "finite",
    "octaves",
    "of_ranks",
]

Number = TypeVar("Number", np.int64, np.float64)
Value = TypeVar("Value")

LOG_UNIT: Final = 1024.0
"""Logarithms are kept as integers in this fraction of one."""

MISSING: Final = -(1 << 62)
"""Stands for "there is no such object" in a column; a table has an entry of its own for it."""

SMALLEST: Final = 2.0**-40
LARGEST: Final = 2.0**1000
LARGEST_INTEGER: Final = 1 << 40

TRANSFORMS: Final[dict[str, Callable[[Floats], Array]]] = {
    "value": lambda x: x,
    "cos": exactmath.cos,
    "sin": exactmath.sin,
    "cosh": lambda x: exactmath.cosh(np.clip(x, -exactmath.ETA_LARGEST, exactmath.ETA_LARGEST)),
    "sinh": lambda x: exactmath.sinh(np.clip(x, -exactmath.ETA_LARGEST, exactmath.ETA_LARGEST)),
    "log": lambda x: np.rint(exactmath.log(np.maximum(np.abs(x), SMALLEST)) * LOG_UNIT).astype(np.int64),
}
"""Functions of one restored value, which are tabulated over the lattice."""


class Points(Protocol):
    """What a prediction knows of a lattice (`hepae.core.values.lattice.Lattice`): its points."""

    @property
    def even(self) -> bool:
        """Whether values rise in equal steps with their integers."""

    def centres(self, q: Integers) -> Floats:
        """Values of integers, all of them finite."""

    def nearest(self, values: Floats) -> Integers:
        """Integers of the points near values."""


class Reach(NamedTuple):
    """What may be looked at when a feature is coded.

    Attributes
    ----------
    feature
        The feature.
    here, behind, ahead
        Features that are known of the object itself, of the objects before it, of the objects after it.
    """

    feature: str
    here: Set[str]
    behind: Set[str]
    ahead: Set[str]

    @classmethod
    def of(cls, feature: str, before: Set[str], together: Collection[str] = ()) -> Reach:
        """The reach of a feature when those ``before`` it are known.

        The feature itself, and those decoded ``together`` with it rank by rank, are known of objects before.

        Examples
        --------
        >>> reach = Reach.of("pt", {"eta"})
        >>> sorted(reach.here), sorted(reach.behind), sorted(reach.ahead)
        (['eta'], ['eta', 'pt'], ['eta'])
        """
        beside = {feature, *(together if feature in together else ())}
        return cls(feature, before, before | beside, before - beside)


class ColumnKind(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A kind of column: it says itself what it needs and when it may be looked at.

    Attributes
    ----------
    optional
        Whether some objects lack it: they have `MISSING`.
    whole
        Whether it is known for all objects at once only, not where ranks go in turn.
    """

    optional: ClassVar[bool] = False
    whole: ClassVar[bool] = False

    @property
    def needs(self) -> tuple[str, ...]:
        """Features that must be known."""
        return ()

    @property
    def latents(self) -> tuple[str, ...]:
        """Features of which it reads the latents."""
        return ()

    @property
    def given(self) -> tuple[str, ...]:
        """Given columns that it reads, of linked rows of another table."""
        return ()

    def within(self, reach: Reach) -> bool:
        """Whether it is known where the reach ends."""
        return set(self.needs) <= reach.here

    def read(self, context: Context, rank: int | None) -> Integers:
        """Its integers, int64, of the objects of one rank or of all."""
        raise NotImplementedError


class Memory:
    """What was decoded of a chunk, so that further features need not decode their ancestors again.

    Attributes
    ----------
    known, latents : dict of int64[n_objects]
        As in `Context`, of whole features.
    """

    def __init__(self) -> None:
        self.known: dict[str, Integers] = {}
        self.latents: dict[str, Integers] = {}

    @property
    def nbytes(self) -> int:
        """Size in memory."""
        return sum(column.nbytes for columns in (self.known, self.latents) for column in columns.values())


class _There(dict[str, Value]):
    """What a model may look at, by name; a name that is not there is the model's fault."""

    def __init__(self, what: str, of: Mapping[str, Value]) -> None:
        super().__init__(of)
        self.what = what

    def __missing__(self, name: str) -> Value:
        raise ModelRejectedError(f"a predictor looks at {self.what} that is not there", got=name)


class Context:
    """What is known of a chunk while it is coded.

    Parameters
    ----------
    order
        Rank order of the chunk; all object columns here are in it.
    lattices
        Lattice of each feature.
    events
        Event-level columns by branch name, [n_events], and given columns by their names, float64[n_objects], not a
        number where no row is linked; in event order.
    memory
        What was decoded before, and where what is decoded now is put.

    Attributes
    ----------
    known : dict of int64[n_objects]
        Lattice integers of the features decoded so far. While a feature is decoded rank by rank, its array is there
        and filled up to the current rank.
    latents : dict of int64[n_objects]
        Lattice integer minus prediction, for the features of which a column `Latent` asks for.
    unfinished : set of str
        Features that are being decoded rank by rank: what depends on them must not be kept.
    predictions, fine : dict of int64[n_objects]
        The latest predictions of all objects at once, and their sums of tables before rounding.
    """

    def __init__(
        self,
        order: RankOrder,
        lattices: Mapping[str, Points],
        events: Columns,
        memory: Memory | None = None,
    ) -> None:
        self.order = order
        self.lattices, self.events = _There("a feature", lattices), _There("an event-level branch", events)
        memory = memory or Memory()
        self.known, self.latents = memory.known, memory.latents
        self.predictions: dict[str, Integers] = {}
        self.fine: dict[str, Integers] = {}
        self.unfinished: set[str] = set()
        self._kept: dict[Hashable, Any] = {}
        self._sums: dict[Hashable, tuple[int, tuple[Floats, ...]]] = {}
        self._latest: dict[Hashable, tuple[int | None, Integers]] = {}

    def part(self, column: NDArray[Number], rank: int | None) -> NDArray[Number]:
        """The objects of one rank, or all."""
        return column[self.order.part(rank)]

    def values(self, feature: str, rank: int | None = None, transform: str = "value") -> Array:
        """A function (`TRANSFORMS`) of the restored values of a feature."""
        q = self.part(self.known[feature], rank)
        lattice = self.lattices[feature]

        def of(some: Integers) -> Array:
            return np.asarray(TRANSFORMS[transform](lattice.centres(some)))

        return tabulated(of, q, (lattice, transform))

    def log(self, feature: str) -> Integers:
        """Logarithm of the magnitude of the restored values, as integers in units of 1/`LOG_UNIT`."""
        return self._whole("log", feature, lambda: self.values(feature, None, "log"))

    def real(self, feature: str) -> Floats:
        """Lattice integers as float64, which multiplies several times faster than int64."""

        def reals() -> Floats:
            return np.clip(self.known[feature], -LARGEST_INTEGER, LARGEST_INTEGER).astype(np.float64)

        return self._whole("real", feature, reals)

    def _whole(self, kind: str, feature: str, make: Callable[[], Value]) -> Value:
        """What is kept of a feature for all objects; of an unfinished one it is made again each time."""
        return make() if feature in self.unfinished else self.kept((kind, feature), make)

    def condition(self, branch: str) -> Floats:
        """Values of an event-level branch, of events in the order of ranks (`RankOrder.event_order`)."""

        def ordered() -> Floats:
            return np.asarray(np.take(finite(self.events[branch]), self.order.event_order), np.float64)

        return self.kept(branch, ordered)

    def kept(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """What several columns look at, made once."""
        if key not in self._kept:
            self._kept[key] = make()
        value: Value = self._kept[key]
        return value

    def once(self, key: Hashable, rank: int | None, make: Callable[[], Integers]) -> Integers:
        """A column that several others look at, for one rank or for all; the latest is kept."""
        found = self._latest.get(key)
        if found is None or found[0] != rank:
            found = self._latest[key] = rank, make()
        return found[1]

    def before(
        self,
        key: Hashable,
        rank: int,
        size: int,
        of_rank: Callable[[Context, int], tuple[Floats, ...]],
    ) -> tuple[Floats, ...]:
        """For the objects of a rank, ``size`` sums over the objects before of what ``of_rank`` gives of each rank.

        The sums of one rank are kept for the next, so ranks had better be asked for in turn.
        """
        at, sums = self._sums.get(key, (0, ()))
        if at > rank or not sums:
            at, sums = 0, (np.zeros(self.order.size(0)),) * size
        for place in range(at, rank):
            n = self.order.size(place + 1 if place + 1 < self.order.last else place)
            more = of_rank(self, place)
            sums = tuple(total[:n] + one[:n] for total, one in zip(sums, more, strict=True))
        self._sums[key] = rank, sums
        return tuple(self.order.repeat(total, rank) for total in sums)


def octaves(values: Floats) -> Integers:
    """A logarithm that is linear between powers of two: cheap, rising, and exact arithmetic."""
    mantissa, power = np.frexp(np.fmin(np.fmax(np.abs(values), SMALLEST), LARGEST))
    return np.rint((mantissa * 2.0 + power) * LOG_UNIT).astype(np.int64)


def finite(values: Values) -> Floats:
    """As float64, 0 for what is not finite or absurdly large."""
    real = np.asarray(values).astype(np.float64)
    return np.where(np.abs(real) < LARGEST_INTEGER, real, 0.0)


def of_ranks(of_rank: Callable[[Context, int], Integers], context: Context, rank: int | None) -> Integers:
    """A function of one rank, or of all ranks one after the other."""
    if rank is not None:
        return of_rank(context, rank)
    return np.concatenate(
        [np.empty(0, np.int64), *(of_rank(context, k) for k in range(context.order.n_ranks))]
    )
