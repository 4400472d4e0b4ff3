"""How far a codec is from what a large float network knows: bits per object on held-back events.

    python -m scripts.float_limit jets.root --bound pt=rel:1e-3 --masked --evidence docs/evidence/float_limit.md

The network codes the same lattice integers, feature after feature, as the codecs do. It sees the features before, in
floats, and a recurrent network's summary of the objects before in the event. It gives each integer a probability: a
mixture of logistic distributions around the prediction of `lifting`, and probabilities of frequent values (T. Salimans
and others, PixelCNN++, 2017). Its bits are minus the logarithm of that, without the megabytes of the network and
without an entropy coder's loss: no file reaches them. Beside them, on the same events: payloads of `lifting` and
`masked`, checksums included, models not.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import math
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from hepae.core.decode import chunk_codec
from hepae.core.prediction.evaluation import Evaluation
from hepae.core.prediction.predictors import LiftingSpec
from hepae.core.values.objects import Objects, ranks
from hepae.input.events import open_events
from hepae.input.selection import selection_of
from hepae.lab.bench.run import split_events
from hepae.learn.modelling import find_collection, model_of
from hepae.learn.recipe import Recipe, recipe_of
from hepae.model.model import Model
from scripts.hardening.evidence import Page

Numbers = np.ndarray[Any, Any]

SPIKES: Final = 48
SPIKE_SHARE: Final = 0.003
"""Values of at least this share have a probability of their own."""
LOGISTICS: Final = 12
SMALLEST_SCALE: Final = -3.0
"""Logarithm of the narrowest logistic, in steps of the lattice: narrower ones are a single integer too."""
TAIL: Final = 2.0**-40
"""Probability that every integer has in any case."""
CONTEXT: Final = 160
AVERAGED: Final = 0.002
"""Share of the newest weights in the average of all."""
VALIDATION: Final = 0.1

PAGE: Final = Page(
    Path("docs/evidence/float_limit.md"),
    "What a large float network knows",
    """
Bits per object on held-back events. *Float network*: minus the logarithm to base 2 of the probability that it gives to
the lattice integers; neither its bytes nor an entropy coder count. What the events contain is at most that. *lifting*,
*masked*: payloads with checksums, without the model. All see the same events, bounds and lattices. Made by
`scripts/float_limit.py`, which says what the network is. That of the wider jets was trained in a process of its own,
half an hour of a core, some commits before its payloads were made.
""",
    (
        "file",
        "seed",
        "objects held back",
        "lifting",
        "masked",
        "float network",
        "masked above it",
        "parameters",
        "epochs",
    ),
    ("hepae/core", "hepae/learn", "scripts/float_limit.py"),
    key=2,
)


@dataclasses.dataclass(frozen=True)
class Coded:
    """What is coded of some events, in coding order, [n_objects, n_features] each, in the order of events."""

    integers: Numbers
    latents: Numbers
    counts: Numbers
    conditions: Numbers


def coded(objects: Objects, model: Model) -> Coded:
    """Lattice integers, and what the predictions of `lifting` leave of them."""
    spec = model.manifest.codec
    assert isinstance(spec, LiftingSpec)
    assert not spec.predictors.derived
    lattices = {feature.name: feature.lattice for feature in model.manifest.features}
    bounds = {feature.name: feature.bound for feature in model.manifest.features}
    evaluation = Evaluation(spec.predictors, lattices, objects.counts, objects.events)
    integers, latents = [], []
    for name in spec.predictors.order:
        q = lattices[name].to_integers(objects.columns[name], bounds[name])[0]
        left = evaluation.encode(name, evaluation.order.to_ranks(q))
        integers.append(q)
        latents.append(evaluation.order.to_events(left))
    conditions = [np.asarray(column, np.float64) for column in objects.events.values()]
    return Coded(
        np.stack(integers, 1),
        np.stack(latents, 1),
        objects.counts,
        np.stack(conditions, 1) if conditions else np.zeros((len(objects.counts), 0)),
    )


class Scaling:
    """What the network sees of integers, and which of them have probabilities of their own, by training events."""

    def __init__(self, train: Coded) -> None:
        self.knots = [np.unique(np.quantile(q, np.linspace(0, 1, 257))) for q in train.integers.T]
        self.conditions = [np.unique(np.quantile(x, np.linspace(0, 1, 257))) for x in train.conditions.T]
        self.unit = np.maximum(np.median(np.abs(train.latents - np.median(train.latents, 0)), 0), 0.5)
        self.middle = np.median(train.latents, 0)
        self.spikes = [_frequent(q) for q in train.integers.T]

    def inputs(self, data: Coded) -> Numbers:
        """float32[n_objects, 3 * n_features]: a normal variable by rank, the latent, whether it is frequent."""
        seen = [_normal(q, knots) for q, knots in zip(data.integers.T, self.knots, strict=True)]
        left = np.arcsinh((data.latents - self.middle) / self.unit / 2)
        usual = [(q[:, None] == s).any(1) for q, s in zip(data.integers.T, self.spikes, strict=True)]
        return np.concatenate([np.stack(seen, 1), left, np.stack(usual, 1)], 1).astype(np.float32)

    def context(self, data: Coded) -> Numbers:
        """float32[n_objects, 2 + n_conditions]: rank, objects of the event, conditions."""
        each = [_normal(x, knots) for x, knots in zip(data.conditions.T, self.conditions, strict=True)]
        own = [np.log1p(ranks(data.counts)), np.log1p(np.repeat(data.counts, data.counts))]
        return np.stack([*own, *(np.repeat(x, data.counts) for x in each)], 1).astype(np.float32)

    def targets(self, data: Coded) -> Numbers:
        """int64[n_objects, n_features]: number of the frequent value, -1 where it is another."""
        found = [
            np.where((hit := q[:, None] == s).any(1), hit.argmax(1), -1) if len(s) else np.full(len(q), -1)
            for q, s in zip(data.integers.T, self.spikes, strict=True)
        ]
        return np.stack(found, 1)


def _frequent(q: Numbers) -> Numbers:
    values, counts = np.unique(q, return_counts=True)
    usual = values[counts >= SPIKE_SHARE * len(q)]
    order = np.argsort(-counts[counts >= SPIKE_SHARE * len(q)])
    return np.asarray(usual[order][:SPIKES])


def _normal(values: Numbers, knots: Numbers) -> Numbers:
    share = (
        np.interp(values, knots, np.linspace(0.002, 0.998, len(knots)))
        if len(knots) > 1
        else 0.5 + 0 * values
    )
    return np.asarray(torch.special.ndtri(torch.from_numpy(np.asarray(share, np.float64))).numpy())


class Network(nn.Module):
    """Probabilities of each feature given those before and the objects before."""

    def __init__(self, features: int, conditions: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.features = features
        self.before = nn.GRU(3 * features, CONTEXT, batch_first=True)
        width = 3 * features + CONTEXT + conditions
        outputs = SPIKES + 1 + 3 * LOGISTICS
        self.first = _layer(features, width, hidden)
        self.second = _layer(features, hidden, hidden)
        self.third = _layer(features, hidden, hidden)
        self.last = _layer(features, hidden, outputs, 0.1)
        self.drop = nn.Dropout(dropout)
        self.seen: Tensor
        seen = torch.tril(torch.ones(features, features), -1).repeat(1, 3)
        self.register_buffer(
            "seen", torch.cat([seen, torch.ones(features, CONTEXT + conditions)], 1)[:, None]
        )

    def forward(self, inputs: Tensor, context: Tensor, at: Tensor) -> Tensor:
        """Outputs [n_features, n_objects, outputs] from inputs padded [n_events, most, 3 * n_features]."""
        shifted = torch.cat([torch.zeros_like(inputs[:, :1]), inputs[:, :-1]], 1)
        before = self.before(shifted)[0].flatten(0, 1)[at]
        x = torch.cat([inputs.flatten(0, 1)[at], before, context], 1)[None] * self.seen
        x = self.drop(nn.functional.silu(torch.baddbmm(self.first[1], x, self.first[0])))
        x = x + self.drop(nn.functional.silu(torch.baddbmm(self.second[1], x, self.second[0])))
        x = x + self.drop(nn.functional.silu(torch.baddbmm(self.third[1], x, self.third[0])))
        return torch.baddbmm(self.last[1], x, self.last[0])


def _layer(features: int, width: int, outputs: int, gain: float = 1.0) -> nn.ParameterList:
    weights = torch.randn(features, width, outputs) * gain / math.sqrt(width)
    return nn.ParameterList([nn.Parameter(weights), nn.Parameter(torch.zeros(features, 1, outputs))])


def bits(outputs: Tensor, left: Tensor, target: Tensor, unit: Tensor) -> Tensor:
    """Bits [n_features, n_objects] of latents and frequent values."""
    logits, weights, means, scales = torch.split(outputs, [SPIKES + 1, LOGISTICS, LOGISTICS, LOGISTICS], -1)
    share = torch.log_softmax(logits, -1)
    x, unit = left[..., None], unit[:, None, None]
    spread = torch.linspace(-2, 2, LOGISTICS)
    inverse = torch.exp(-torch.clamp(scales + torch.log(unit), SMALLEST_SCALE, 25.0))
    middle = (means + spread) * unit
    upper, lower = torch.sigmoid((x + 0.5 - middle) * inverse), torch.sigmoid((x - 0.5 - middle) * inverse)
    # differences of what is near one lose their digits: far above the middle the mirror image is taken
    mirrored = torch.sigmoid((middle - x + 0.5) * inverse) - torch.sigmoid((middle - x - 0.5) * inverse)
    each = torch.where(x > middle, mirrored, upper - lower)
    smooth = (torch.softmax(weights, -1) * each).sum(-1)
    probability = torch.exp(share[..., -1]) * smooth + TAIL
    own = torch.exp(share.gather(-1, target.clamp(min=0)[..., None])[..., 0])
    probability = probability + torch.where(target >= 0, own, torch.zeros_like(own))
    return -torch.log2(probability.clamp(min=TAIL))


class Padded:
    """Events as tensors, whose objects can be chosen by event."""

    def __init__(self, data: Coded, scaling: Scaling) -> None:
        self.counts = data.counts
        self.starts = np.cumsum(data.counts) - data.counts
        self.inputs, self.context = scaling.inputs(data), scaling.context(data)
        self.left = (data.latents - scaling.middle).astype(np.float32)
        self.target = scaling.targets(data)

    def batch(self, events: Numbers) -> tuple[Tensor, ...]:
        """Inputs padded, context, places of the objects among the padded ones, latents and targets."""
        counts = self.counts[events]
        most = int(counts.max())
        places = (np.arange(most)[None] < counts[:, None]).ravel()
        rows = np.repeat(self.starts[events] - (np.cumsum(counts) - counts), counts) + np.arange(counts.sum())
        padded = np.zeros((len(events) * most, self.inputs.shape[1]), np.float32)
        padded[places] = self.inputs[rows]
        return tuple(
            torch.from_numpy(np.ascontiguousarray(x))
            for x in (
                padded.reshape(len(events), most, -1), self.context[rows], np.flatnonzero(places),
                self.left[rows].T, self.target[rows].T,
            )
        )  # fmt: skip


def measured(network: Network, data: Padded, unit: Tensor) -> Numbers:
    """Bits per object of each feature."""
    network.eval()
    total = torch.zeros(network.features, dtype=torch.float64)
    filled = np.flatnonzero(data.counts)
    with torch.no_grad():
        for events in np.array_split(filled, max(len(filled) // 500, 1)):
            inputs, context, at, left, target = data.batch(events)
            total += bits(network(inputs, context, at), left, target, unit).sum(1).double()
    return np.asarray(total.numpy() / max(int(data.counts.sum()), 1))


def trained(network: Network, train: Padded, held: Padded, unit: Tensor, epochs: int, seed: int) -> Network:
    """The network at its best validation, weights averaged over the steps before."""
    rng = np.random.default_rng(seed)
    filled = np.flatnonzero(train.counts)
    each = 96
    steps = epochs * (len(filled) // each)
    descent = torch.optim.AdamW(network.parameters(), 1e-3, weight_decay=0.02)
    rate = torch.optim.lr_scheduler.OneCycleLR(descent, 2e-3, steps, pct_start=0.1)
    average = copy.deepcopy(network)
    best, state = math.inf, {}
    for epoch in range(epochs):
        network.train()
        order = rng.permutation(filled)
        for step in range(len(filled) // each):
            inputs, context, at, left, target = train.batch(order[step * each : (step + 1) * each])
            loss = bits(network(inputs, context, at), left, target, unit).sum(0).mean()
            descent.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            descent.step()
            rate.step()
            with torch.no_grad():
                for slow, fast in zip(average.parameters(), network.parameters(), strict=True):
                    slow.lerp_(fast, AVERAGED)
        now = float(measured(average, held, unit).sum())
        print(f"epoch {epoch + 1} of {epochs}: {now:.3f} bits on validation events", flush=True)
        if now < best:
            best, state = now, {name: x.clone() for name, x in average.state_dict().items()}
    network.load_state_dict(state)
    return network


def rotated(objects: Objects, angles: tuple[str, ...], seed: int) -> Objects:
    """Events turned around the beam, each by an angle of its own."""
    turn = np.random.default_rng(seed).uniform(-np.pi, np.pi, len(objects.counts))

    def turned(x: Numbers, by: Numbers) -> Numbers:
        return ((x.astype(np.float64) + by + np.pi) % (2 * np.pi) - np.pi).astype(x.dtype)

    each = np.repeat(turn, objects.counts)
    columns = {n: turned(x, each) if n in angles else x for n, x in objects.columns.items()}
    events = {n: turned(x, turn) if n in angles else x for n, x in objects.events.items()}
    return Objects(objects.counts, columns, events)


def joined(parts: list[Coded]) -> Coded:
    """Several copies of events, one after the other."""
    return Coded(
        *(np.concatenate([getattr(part, f.name) for part in parts]) for f in dataclasses.fields(Coded))
    )


def payload_bits(model: Model, objects: Objects) -> float:
    """Bits per object of a codec's frames."""
    frames = chunk_codec(model).encode(objects, 0)
    return 8 * sum(map(len, frames.values())) / max(objects.n_objects, 1)


def main() -> None:
    """Measure a file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--collection", default="Jet")
    parser.add_argument("--features", help="only these, such as pt,eta,phi")
    parser.add_argument("--bound", action="append", default=[])
    parser.add_argument("--condition", default="", help="columns of the event")
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument(
        "--copies", type=int, default=1, help="of the training events, turned around the beam"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--masked", action="store_true", help="train the masked codec too")
    parser.add_argument("--evidence", type=Path)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    torch.set_num_threads(1)
    conditions = tuple(filter(None, options.condition.split(",")))
    chosen = selection_of(
        options.collection, options.features and options.features.split(","), options.bound, None
    )
    with open_events(options.file, None, chosen.collection) as events:
        collection = find_collection(events, chosen.collection)
        names = chosen.names(collection)
        objects = events.objects(collection, names, sorted(conditions), 0, events.num_entries)
    training, reported = split_events(objects, 0.2, options.seed)

    def model(codec: str) -> Model:
        recipe: Recipe = recipe_of({"codec": codec, "conditions": conditions})
        return model_of(training, collection, names, chosen.bounds, recipe)

    lifting = model("lifting")
    fitted, held = split_events(training, VALIDATION, options.seed)
    angles = tuple(name for name in (*names, *conditions) if name.lower().endswith("phi"))
    copies = [fitted, *(rotated(fitted, angles, k) for k in range(1, options.copies))]
    train = joined([coded(copy, lifting) for copy in copies])
    scaling = Scaling(train)
    unit = torch.from_numpy(scaling.unit.astype(np.float32))
    network = Network(len(names), 2 + len(conditions), options.hidden, options.dropout)
    parameters = sum(p.numel() for p in network.parameters())
    print(f"{training.n_objects} objects to train on, {parameters} parameters", flush=True)
    network = trained(
        network,
        Padded(train, scaling),
        Padded(coded(held, lifting), scaling),
        unit,
        options.epochs,
        options.seed,
    )
    each = measured(network, Padded(coded(reported, lifting), scaling), unit)
    assert isinstance(lifting.manifest.codec, LiftingSpec)
    for name, number in zip(lifting.manifest.codec.predictors.order, each, strict=True):
        print(f"{name}: {number:.3f}")
    total = float(each.sum())
    masked = payload_bits(model("masked"), reported) if options.masked else math.nan
    note(
        options,
        row_of(options, reported.n_objects, payload_bits(lifting, reported), masked, total, parameters),
    )


def row_of(
    options: argparse.Namespace, objects: int, lifting: float, masked: float, network: float, parameters: int
) -> dict[str, object]:
    """A row of the page."""
    cells = [
        options.file.name, options.seed, f"{objects:,}", f"{lifting:.1f}", f"{masked:.1f}", f"{network:.1f}",
        f"{masked / network - 1:.1%}", f"{parameters:,}", options.epochs,
    ]  # fmt: skip
    return dict(zip(PAGE.columns, cells, strict=True))


def note(options: argparse.Namespace, row: dict[str, object]) -> None:
    """Print a row, and write it on the page."""
    print(row)
    if options.evidence:
        dataclasses.replace(PAGE, path=options.evidence).note([row])


if __name__ == "__main__":
    main()
