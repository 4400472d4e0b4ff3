"""Training a tagger: from jets and labels to one ONNX file."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hepae import limits
from hepae.arrays import Booleans
from hepae.core.versioned import Training
from hepae.errors import InputError, SchemaError
from hepae.lab.tagging.export import export_tagger
from hepae.lab.tagging.jets import Jets
from hepae.lab.tagging.networks import TaggerNetwork, network_of, thinned, turned
from hepae.lab.tagging.spec import LARGEST_SEED, MANIFEST_KEY, Split, TaggerManifest, TaggerRecipe, members
from hepae.lab.tagging.tagger import Tagger
from hepae.learn.bottleneck.fit import check_device
from hepae.learn.descent import deterministic, one_cycle
from hepae.model.assembly import assemble
from hepae.version import __version__

__all__ = ["Pretrained", "TaggerEpoch", "fit_tagger", "pretrain"]

FEWEST = 20
"""Jets of either kind that a training needs."""

PARITY_SAMPLE = 64
FIRST_STEPS = 10
EVALUATED_AT_ONCE = 512
LOOKED_AT = 20_000
"""Jets that means and spreads of the inputs are taken from, at most."""


@dataclass(frozen=True)
class TaggerEpoch:
    """Progress: epoch ``number`` of ``total`` is done, all members counted, with these cross-entropies in nats."""

    number: int
    total: int
    loss: float
    validation_loss: float


@dataclass(frozen=True)
class Pretrained:
    """A network that was trained on other jets, simulated ones for example, to begin from.

    Attributes
    ----------
    recipe
        How it was trained; view and width decide what it can be the beginning of.
    weights
        By name, in PyTorch's words.
    training
        Provenance, for the manifest of what begins here.
    """

    recipe: TaggerRecipe
    weights: dict[str, Tensor]
    training: Training


def pretrain(
    jets: Jets,
    labels: Booleans,
    recipe: TaggerRecipe,
    progress: Callable[[TaggerEpoch], None] | None = None,
) -> Pretrained:
    """Train one network on jets other than those that a tagger is for; `fit_tagger` may begin from it.

    Parameters
    ----------
    jets, labels
        None of which may be among the jets that the tagger is tested on. Their features are kept in memory: for
        100 constituents, a gigabyte for 110,000 jets.
    recipe
        How; of its members only the first is trained.
    progress
        Called after each epoch.

    Raises
    ------
    InputError
        If there are hardly any jets of either kind.
    SchemaError
        If PyTorch does not have the device.

    Examples
    --------
    >>> start = pretrain(simulated, is_top, TaggerRecipe(epochs=10, batch_size=256))  # doctest: +SKIP
    >>> tagger = fit_tagger(jets, labels, TaggerRecipe(epochs=10, learning_rate=3e-4), start=start)  # doctest: +SKIP
    """
    _check(labels, recipe)

    def told(epoch: int, loss: float, validation: float) -> None:
        if progress is not None:
            progress(TaggerEpoch(epoch, recipe.epochs, loss, validation))

    with deterministic(recipe.seed, recipe.threads):
        network = network_of(recipe)
        history = _Descent(network, recipe.view.inputs(jets), labels, recipe).run(told)
    return Pretrained(recipe, _weights(network.cpu()), _provenance(jets, recipe, history))


def fit_tagger(
    jets: Jets,
    labels: Booleans,
    recipe: TaggerRecipe | None = None,
    collection: str = "Constituent",
    label: str = "",
    split: Split | None = None,
    progress: Callable[[TaggerEpoch], None] | None = None,
    start: Pretrained | None = None,
) -> Tagger:
    """Train a tagger.

    Parameters
    ----------
    jets, labels
        What to train on; a share of it is held back for the validation loss.
    recipe
        How.
    collection, label, split
        For the manifest; see `hepae.lab.tagging.spec.TaggerManifest`.
    progress
        Called after each epoch.
    start
        What every member begins from, instead of random weights; what validation does not find better than that
        is not taken.

    Raises
    ------
    InputError
        If there are hardly any jets of either kind.
    SchemaError
        If PyTorch does not have the device, or the start is a network of another view or width.

    Examples
    --------
    >>> tagger = fit_tagger(jets, is_top, TaggerRecipe(epochs=12))  # doctest: +SKIP
    >>> tagger.scores(jets)  # doctest: +SKIP
    array([0.98, 0.03, ...], dtype=float32)
    """
    recipe = recipe or TaggerRecipe()
    _check(labels, recipe)
    if start is not None and (start.recipe.view, start.recipe.width) != (recipe.view, recipe.width):
        expected, got = (f"{of.view}, width {of.width}" for of in (recipe, start.recipe))
        raise SchemaError("a start of another view or width", expected=expected, got=got)
    inputs = recipe.view.inputs(jets)
    sample = {name: array[:PARITY_SAMPLE] for name, array in inputs.items()}
    networks, history = {}, list[tuple[float, float]]()
    for place, name in enumerate(members(recipe)):
        own = msgspec.structs.replace(recipe, seed=(recipe.seed + place) % (LARGEST_SEED + 1))

        def told(epoch: int, loss: float, validation: float, done: int = place * recipe.epochs) -> None:
            if progress is not None:
                progress(TaggerEpoch(done + epoch, recipe.members * recipe.epochs, loss, validation))

        with deterministic(own.seed, recipe.threads):
            network = network_of(own)
            history = _Descent(network, inputs, labels, own, start).run(told)
        networks[name] = export_tagger(network.cpu().eval(), sample)
    manifest = TaggerManifest(
        limits.FORMAT_VERSION,
        collection,
        label,
        recipe,
        _provenance(jets, recipe, history),
        split,
        None if start is None else start.training,
    )
    return Tagger(assemble(manifest, networks, {}, MANIFEST_KEY))


def _check(labels: Booleans, recipe: TaggerRecipe) -> None:
    check_device(recipe.device)
    if min(int(labels.sum()), int((~labels).sum())) < FEWEST:
        got = f"{int(labels.sum())} of {len(labels)} are signal"
        raise InputError("too few jets to train on", expected=f"{FEWEST} of either kind", got=got)


def _provenance(jets: Jets, recipe: TaggerRecipe, history: list[tuple[float, float]]) -> Training:
    return Training(__version__, recipe.seed, len(jets), int(jets.counts.sum()), tuple(history))


class _Descent:
    """One network on its way down."""

    def __init__(
        self,
        network: TaggerNetwork,
        inputs: dict[str, NDArray[np.float32]],
        labels: Booleans,
        recipe: TaggerRecipe,
        start: Pretrained | None = None,
    ) -> None:
        self.network, self.recipe = network.to(recipe.device), recipe
        self.inputs = {name: torch.from_numpy(array).to(recipe.device) for name, array in inputs.items()}
        self.target = torch.from_numpy(labels.astype(np.int64)).to(recipe.device)
        order = torch.randperm(len(labels)).to(recipe.device)
        held_back = max(1, round(recipe.validation * len(labels)))
        self.validation, self.rows = order[:held_back], order[held_back:]
        self.batch = min(recipe.batch_size, len(self.rows))
        self.steps = len(self.rows) // self.batch
        with torch.no_grad():
            network.look(self._taken(self.rows[:LOOKED_AT]))
        if start is not None:  # with the means and spreads that its weights were made for
            network.load_state_dict(start.weights)
        self.optimiser = torch.optim.AdamW(
            network.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay
        )
        self.mean = _weights(network)
        self.done = 0
        self.best_loss = math.inf if start is None else self._validation_loss()

    def run(self, progress: Callable[[int, float, float], None]) -> list[tuple[float, float]]:
        """Epochs until the validation loss rests; the network ends with the averaged weights of its smallest."""
        best, best_epoch, history = _copied(self.mean), 0, list[tuple[float, float]]()
        for epoch in range(1, self.recipe.epochs + 1):
            history.append((self._epoch(), self._validation_loss()))
            if history[-1][1] < self.best_loss:
                best, self.best_loss, best_epoch = _copied(self.mean), history[-1][1], epoch
            progress(epoch, *history[-1])
            if epoch - best_epoch >= self.recipe.patience:
                break
        self.network.load_state_dict(best)
        return history

    def _epoch(self) -> float:
        self.network.train()
        order = self.rows[torch.randperm(len(self.rows)).to(self.rows.device)]
        total = torch.zeros((), device=order.device)
        for chosen in order[: self.steps * self.batch].view(self.steps, self.batch):
            rate = one_cycle(self.done / (self.recipe.epochs * self.steps)) * self.recipe.learning_rate
            self.optimiser.param_groups[0]["lr"] = rate
            logits = self.network(thinned(turned(self._taken(chosen)), self.recipe.thinning))
            loss = nn.functional.cross_entropy(
                logits, self.target[chosen], label_smoothing=2 * self.recipe.smoothing
            )
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimiser.step()
            total += loss.detach()
            self._average()
        return float(total / self.steps)

    @torch.no_grad()
    def _average(self) -> None:
        """Running mean of the weights (B. Polyak, A. Juditsky, 1992), of the last tenth of the steps at first."""
        self.done += 1
        newest = max(self.recipe.averaging, FIRST_STEPS / (FIRST_STEPS + self.done))
        for name, tensor in self.network.state_dict().items():
            self.mean[name].lerp_(tensor, newest)

    @torch.no_grad()
    def _validation_loss(self) -> float:
        """Cross-entropy of the averaged weights."""
        newest = _weights(self.network)
        self.network.load_state_dict(self.mean)
        self.network.eval()
        parts = torch.split(self.validation, EVALUATED_AT_ONCE)
        logits = torch.cat([self.network(self._taken(part)) for part in parts])
        loss = nn.functional.cross_entropy(logits, self.target[self.validation])
        self.network.load_state_dict(newest)
        return float(torch.nan_to_num(loss, nan=1e30, posinf=1e30))

    def _taken(self, rows: Tensor) -> dict[str, Tensor]:
        return {name: tensor[rows] for name, tensor in self.inputs.items()}


def _weights(network: TaggerNetwork) -> dict[str, Tensor]:
    return _copied(network.state_dict())


def _copied(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in weights.items()}
