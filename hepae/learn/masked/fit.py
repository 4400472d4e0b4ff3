"""Fit the masked codec: bins, inputs, networks, and which features deserve one."""

from __future__ import annotations

import dataclasses
import lzma
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor

from hepae.arrays import Integers
from hepae.core.coding.ans import STATES
from hepae.core.masked.shapes import frequencies
from hepae.core.masked.spec import MaskedSpec, Shape, network_name, table_names
from hepae.core.prediction.derived import with_derived
from hepae.core.prediction.predictors import Lookup, Predictors
from hepae.core.values.lattice import Lattice
from hepae.learn.descent import Epoch, deterministic
from hepae.learn.fit.inputs import candidate_columns, scale_input
from hepae.learn.masked.coded import Coded, anchors_of, mask_of, plan_of, static_table
from hepae.learn.masked.efforts import EFFORTS, LARGE, Effort
from hepae.learn.masked.export import IntegerNetwork, export
from hepae.learn.masked.integer_network import CellNetworks, Size
from hepae.learn.masked.mirrors import Image, mirror_images
from hepae.learn.masked.shown import Shown, blurred

__all__ = ["EFFORTS", "Effort", "TrainedMasked", "fit_masked"]


FEWEST_OBJECTS: Final = 200
WIDEST: Final = 1 << 40
"""Features with integers beyond are coded as they are and never looked at."""
BLOCK: Final = 8192
GRAPH_BYTES: Final = 250
"""What the nodes and names of one more network add to a compressed model."""


@dataclass(frozen=True)
class TrainedMasked:
    """What a manifest and `hepae.model.assembly.assemble` need.

    Attributes
    ----------
    spec
        Parameters of the codec.
    networks, tables
        By name.
    history
        Training and validation loss in bits per object, by epoch.
    bits
        Bits per object of each feature on validation events: without and with a network.
    """

    spec: MaskedSpec
    networks: dict[str, onnx.ModelProto]
    tables: dict[str, NDArray[Any]]
    history: tuple[tuple[float, float], ...] = ()
    bits: Mapping[str, tuple[float, float]] = field(default_factory=dict)


def fit_masked(
    integers: Mapping[str, Integers],
    lattices: Mapping[str, Lattice],
    counts: Integers,
    events: Mapping[str, NDArray[np.generic]],
    predictors: Predictors,
    *,
    effort: Effort = EFFORTS["default"],
    roles: Mapping[str, str] | None = None,
    met: Mapping[str, str] | None = None,
    conditions: Mapping[str, float | None] | None = None,
    seed: int = 0,
    threads: int = 1,
    progress: Callable[[Epoch], None] | None = None,
) -> TrainedMasked:
    """Fit the masked codec to the lattice integers of a collection.

    Parameters
    ----------
    integers
        int64[n_objects] by feature, objects in event order. There may be none.
    lattices
        Lattice of each feature.
    counts
        Objects per event.
    events
        Event-level columns to condition on, [n_events].
    predictors
        Predictors of these features, whose order is the coding order; see `hepae.learn.fit.prediction`.
    effort
        How much time and how many bytes to spend.
    roles, met
        Kinematic roles of features and of event-level branches, as for `hepae.learn.fit.prediction.fit`.
    conditions
        Event-level branches that networks see, and the factor that makes integers of them (None: logarithm).
    seed, threads
        Given both, the result is always the same.
    progress
        Called after each epoch.
    """
    images = _images(integers, lattices, counts, events, roles or {}, met or {})
    effort = effort.for_objects(int(counts.sum()))
    roles = {**(roles or {}), **{one.formula: one.name for one in predictors.derived}}
    integers = with_derived(predictors.derived, integers, lattices)
    data = Coded.of(integers, lattices, counts, events, predictors, effort, seed)
    static = {name: static_table(data, name) for name in predictors.order}
    together = _together(predictors, roles)
    if data.n_objects < FEWEST_OBJECTS:
        return _assembled(data, predictors, [], static, {}, (), effort, together)
    narrow = [name for name in predictors.order if np.abs(integers[name]).max(initial=0) < WIDEST]
    columns = candidate_columns(predictors, narrow, roles, met or {}, conditions or {})
    sources = [
        s for s in (scale_input(column, data.evaluation.context) for column in columns) if s is not None
    ]
    mask = mask_of(predictors, sources, together)
    seen = Shown.of(data, sources)
    copies = [data.image(with_derived(predictors.derived, q, lattices), lattices, one) for q, one in images]
    mirrored = seen.with_images(copies, sources)
    # small networks without images too, for features to which mirrors do something else than is known
    descents = [(size, mirrored) for size in effort.sizes] + [(effort.sizes[-1], seen)] * bool(images)
    total = len(descents) * effort.epochs(len(data.training))
    best: dict[str, _Chosen] = {}
    history: tuple[tuple[float, float], ...] = ()
    for number, (size, shown) in enumerate(descents):
        told = _shifted(progress, number * total // len(descents), total)
        with deterministic(seed, threads):
            networks = CellNetworks(plan_of(data, mask, size))
            course = _descend(networks, data, seen, shown, effort, seed, told)
            bits = _validated(networks, seen, data.validation).tolist()
        _keep_better(best, _candidates(networks, data, size, bits), effort.reuse * data.n_objects)
        history = history or course
    return _assembled(data, predictors, sources, static, best, history, effort, together)


def _keep_better(best: dict[str, _Chosen], candidates: Sequence[_Chosen], objects: float) -> None:
    """Put those candidates in that cost less than what is there, when so many objects share a model."""
    for candidate in candidates:
        rival = best.get(candidate.name)
        if rival is None or candidate.cost(objects) < rival.cost(objects):
            best[candidate.name] = candidate


def _together(predictors: Predictors, roles: Mapping[str, str]) -> tuple[str, ...]:
    """The features to decode together: the momentum, where it comes first; or the first feature by itself."""
    momentum = {roles[role] for role in ("pt", "eta", "phi") if role in roles}
    first = predictors.order[: max(len(momentum), 1)]
    return first if set(first) == momentum and predictors.ahead(first) is None else first[:1]


def _images(
    integers: Mapping[str, Integers],
    lattices: Mapping[str, Lattice],
    counts: Integers,
    events: Mapping[str, NDArray[np.generic]],
    roles: Mapping[str, str],
    met: Mapping[str, str],
) -> list[Image]:
    """Mirror images to train on too, where data are few."""
    if not FEWEST_OBJECTS <= counts.sum() < LARGE:
        return []
    return list(mirror_images(integers, lattices, events, roles, met))


def _shifted(
    progress: Callable[[Epoch], None] | None, before: int, total: int
) -> Callable[[Epoch], None] | None:
    """Progress of one of several descents as part of the whole."""
    if progress is None:
        return None
    return lambda epoch: progress(dataclasses.replace(epoch, number=epoch.number + before, total=total))


def _descend(
    networks: CellNetworks,
    data: Coded,
    seen: Shown,
    shown: Shown,
    effort: Effort,
    seed: int,
    progress: Callable[[Epoch], None] | None,
) -> tuple[tuple[float, float], ...]:
    """Train all networks on what is ``shown``: training and validation loss by epoch, in bits per object."""
    objects = len(data.training)
    batch = min(effort.batch, max(objects // 8, 32))
    epochs = effort.epochs(objects)
    steps = epochs * (objects // batch)
    optimiser = torch.optim.AdamW(
        networks.parameters(), lr=effort.rate, weight_decay=effort.decay, betas=(0.9, 0.98)
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, effort.rate, total_steps=steps, pct_start=0.15)
    generator = torch.Generator().manual_seed(seed)
    history = []
    for number in range(epochs):
        shuffled = shown.shuffled(data.training, generator)
        total = 0.0
        for step in range(objects // batch):
            rows = shuffled[step * batch : (step + 1) * batch]
            levels = blurred(shown.levels[rows], effort.noise, generator)
            loss = networks(levels, shown.symbols[:, rows]).sum()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += float(loss.detach())
        held = float(_validated(networks, seen, data.validation).sum())
        history.append((total / max(objects // batch, 1), held))
        if progress:
            progress(Epoch(number + 1, epochs, *history[-1], float(schedule.get_last_lr()[0])))
    return tuple(history)


def _validated(networks: CellNetworks, seen: Shown, rows: Integers) -> Tensor:
    """Bits per object of each feature on validation objects, as they are."""
    total = torch.zeros(len(seen.symbols))
    with torch.no_grad():
        for start in range(0, len(rows), BLOCK):
            part = torch.from_numpy(rows[start : start + BLOCK])
            total += networks(seen.levels[part], seen.symbols[:, part]) * len(part)
    return total / max(len(rows), 1)


@dataclass(frozen=True)
class _Chosen:
    """The network of one feature, what makes its tables, and what it costs.

    Attributes
    ----------
    bits
        Bits per object on validation events, what is inside the bins left out.
    size
        Compressed bytes.
    """

    name: str
    network: IntegerNetwork
    inputs: Integers
    anchors: tuple[int, ...]
    tables: Mapping[str, Integers]
    bits: float
    size: int

    def cost(self, objects: float) -> float:
        """Bits per object, the model's counted, when so many objects share it."""
        return self.bits + 8.0 * self.size / max(objects, 1.0)


def _candidates(networks: CellNetworks, data: Coded, size: Size, bits: Sequence[float]) -> list[_Chosen]:
    """The networks of one training, each with its bits per object on validation events."""
    found = []
    for row, name in enumerate(data.symbols):
        seen = np.flatnonzero(networks.plan.mask[row])
        seen = seen[np.any(networks.first_integers(row)[seen] != 0, axis=1)]
        if len(seen):
            network, tables = networks.network(row, seen), networks.tables(row)
            anchors = anchors_of(data, name, size.gap)
            found.append(
                _Chosen(name, network, seen, anchors, tables, bits[row], _compressed(network, tables))
            )
    return found


def _compressed(network: IntegerNetwork, tables: Mapping[str, Integers]) -> int:
    """Compressed bytes of a network and its tables."""
    arrays = [layer.weight.astype(np.int8) for layer in network.layers]
    arrays += [layer.bias.astype(np.float32) for layer in network.layers]
    arrays += [_smallest(table) for table in tables.values()]
    return len(lzma.compress(b"".join(array.tobytes() for array in arrays))) + GRAPH_BYTES


def _static_bits(data: Coded, name: str, static: NDArray[np.uint8]) -> float:
    """Bits per validation object with a single table."""
    shares = frequencies(-static.astype(np.int64)[None, :])[0] / STATES
    held = np.minimum(data.symbols[name][data.validation], len(static) - 1)
    return float(-np.log2(np.maximum(shares[held], 1 / STATES)).mean()) if len(held) else 0.0


def _assembled(
    data: Coded,
    predictors: Predictors,
    sources: Sequence[Lookup],
    static: Mapping[str, NDArray[np.uint8]],
    best: Mapping[str, _Chosen],
    history: tuple[tuple[float, float], ...],
    effort: Effort,
    together: tuple[str, ...],
) -> TrainedMasked:
    """The codec with those networks that save more than they cost."""
    without = {name: _static_bits(data, name, static[name]) for name in predictors.order}
    chosen = {
        name: candidate
        for name, candidate in best.items()
        if candidate.cost(effort.reuse * data.n_objects) < without[name] - effort.least_gain
    }
    bits = {name: (without[name], best[name].bits if name in best else without[name]) for name in without}
    used = sorted({int(number) for candidate in chosen.values() for number in candidate.inputs})
    number = {old: new for new, old in enumerate(used)}
    shapes: list[Shape] = []
    networks: dict[str, onnx.ModelProto] = {}
    tables: dict[str, NDArray[Any]] = {}
    for place, name in enumerate(predictors.order):
        names = table_names(place)
        if name not in chosen:
            shapes.append(Shape(name, data.alphabets[name]))
            tables[names["marginal"]] = static[name]
            continue
        candidate = chosen[name]
        seen = tuple(number[int(old)] for old in candidate.inputs)
        shapes.append(Shape(name, data.alphabets[name], seen, candidate.network.levels, candidate.anchors))
        networks[network_name(place)] = export(candidate.network)
        tables |= {names[part]: _smallest(weights) for part, weights in candidate.tables.items()}
    if not any(name in chosen for name in together) and predictors.ahead() is None:
        together = ()
    spec = MaskedSpec(predictors, tuple(shapes), tuple(sources[old] for old in used), together)
    return TrainedMasked(spec, networks, tables, history, bits)


def _smallest(values: Integers) -> NDArray[np.signedinteger]:
    """The same integers in the smallest dtype that holds them."""
    for dtype in (np.int8, np.int16):
        if np.iinfo(dtype).min <= values.min(initial=0) and values.max(initial=0) <= np.iinfo(dtype).max:
            return values.astype(dtype)
    return values.astype(np.int32)
