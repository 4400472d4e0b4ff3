"""How hard the fit of the masked codec tries."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Final

from hepae.learn.masked.integer_network import Size

__all__ = ["EFFORTS", "LARGE", "Effort"]


@dataclass(frozen=True)
class Effort:
    """How much time and how many bytes to spend.

    Parameters
    ----------
    sizes
        Networks of each of these sizes are trained for each feature, and the one that pays best is kept, or none.
    bins
        Symbols of a feature, about.
    samples
        Objects seen in training, repetitions counted.
    least_gain
        Bits per object that a network must save, beyond its own bytes, to be worth its time.
    reuse
        How many times the training data a model is expected to code: its bytes count for so much less.
    batch, rate, decay
        Of the descent (AdamW, one cycle).
    noise
        Standard deviation of what is added to the inputs, which go from 0 to 255, in training.
    """

    sizes: tuple[Size, ...] = (Size(), Size((8,), (6, 4), 8, 16))
    bins: int = 160
    samples: int = 4_000_000
    least_gain: float = 0.005
    reuse: float = 8.0
    batch: int = 1024
    rate: float = 1e-2
    decay: float = 1e-4
    noise: float = 0.0

    def epochs(self, objects: int) -> int:
        """Passes over so many training objects."""
        return max(round(self.samples / objects), 2)

    def for_objects(self, objects: int) -> Effort:
        """The effort that so much data is worth: small networks and batches, and less to be learnt by heart."""
        if objects >= LARGE:
            return self
        share = max(objects / LARGE, 1e-3)
        return dataclasses.replace(
            self,
            sizes=tuple(_smaller(size, share**0.25) for size in self.sizes),
            samples=max(min(int(self.samples * share**0.8), MOST_PASSES * objects), 50 * min(objects, 2000)),
            batch=max(int(self.batch * share) & ~31, min(self.batch, 256)),
            decay=FEW_DECAY,
            noise=FEW_NOISE,
        )


def _smaller(size: Size, share: float) -> Size:
    hidden = tuple(max(int(units * share) & ~3, min(units, 8)) for units in size.hidden)
    table_hidden = max(int(size.table_hidden * share) & ~3, min(size.table_hidden, 8))
    return Size(hidden, size.levels, table_hidden, size.gap)


LARGE: Final = 100_000
"""From so many objects on, nothing is done about there being few of them."""
FEW_DECAY, FEW_NOISE, MOST_PASSES = 1e-2, 4.0, 60
"""With fewer: decay, noise, and how many times an object is seen at most."""
EFFORTS: Final[dict[str, Effort]] = {
    # small grids, whose coding tables stay in the cache, and networks for those features alone where they pay most
    "fast": Effort((Size((16,), (6, 4), 16, 8), Size((8,), (6, 4), 8, 8)), samples=1_500_000, least_gain=0.3),
    "default": Effort(),
    "best": Effort(
        (Size((64, 64), (16, 16), 32), Size(), Size((8,), (6, 4), 8, 16)),
        bins=256,
        samples=8_000_000,
        least_gain=0.0,
        reuse=64.0,
    ),
}
