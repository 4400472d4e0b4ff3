"""Gradient descent: the loop over epochs. Tensors stay in memory, and a batch is a set of indices."""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hepae.learn import checkpoint
from hepae.learn.bottleneck.networks import Autoencoder
from hepae.learn.bottleneck.presets import Hyperparameters
from hepae.learn.checkpoint import LARGEST_LOSS, Counters, State

__all__ = ["Epoch", "Sample", "deterministic", "one_cycle", "train"]

SECONDS_BETWEEN_CHECKPOINTS = 10.0
WARM_UP = 0.3
FIRST_RATE = 1 / 25
LAST_RATE = 1e-4
PLATEAU = 10
PLATEAU_GAIN = 1e-3


@dataclass(frozen=True)
class Epoch:
    """Progress: epoch ``number`` of ``total`` is done, with these losses."""

    number: int
    total: int
    loss: float
    validation_loss: float
    learning_rate: float


@dataclass(frozen=True)
class Sample:
    """What is trained on.

    Attributes
    ----------
    inputs : float32[n, F]
        Scaled features.
    valid : bool[n, F]
        Where the value was in the domain of its transform; elsewhere the loss does not look.
    training, validation : int64 arrays
        Objects of either part; never objects of one event in both.
    """

    inputs: NDArray[np.float32]
    valid: NDArray[np.bool_]
    training: NDArray[np.int64]
    validation: NDArray[np.int64]


@contextlib.contextmanager
def deterministic(seed: int, threads: int | None) -> Iterator[None]:
    """The same seed and number of threads give the same weights; PyTorch's own settings are put back after."""
    settings = torch.are_deterministic_algorithms_enabled(), torch.get_num_threads()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # which PyTorch asks for on a GPU
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        torch.use_deterministic_algorithms(True)
        torch.set_num_threads(threads or settings[1])
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(settings[0])
            torch.set_num_threads(settings[1])


def train(
    network: Autoencoder,
    sample: Sample,
    recipe: Hyperparameters,
    training: str,
    path: Path | None = None,
    progress: Callable[[Epoch], None] | None = None,
) -> list[tuple[float, float]]:
    """Train a network in place; it ends with the weights of the smallest validation loss.

    Parameters
    ----------
    network
        The autoencoder, with initial weights.
    sample
        What to train on.
    recipe
        How.
    training
        Name of this training: what a checkpoint must be of.
    path
        Checkpoint to continue from and to write.
    progress
        Called after each epoch.

    Returns
    -------
    list of (training loss, validation loss) by epoch: mean squared error of the scaled features.
    """
    network = network.to(recipe.device)
    optimiser = torch.optim.AdamW(
        network.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay, eps=1e-12, fused=True
    )
    state = State(network, optimiser, Counters(training, rate=recipe.learning_rate), _weights(network))
    if path is not None:
        checkpoint.load(path, state)
    parts = _Parts(sample, recipe.device)
    if not state.counters.history and len(parts.inputs):
        state.counters.best_loss = _validation_loss(network, parts)
    total = recipe.passes(len(sample.training))
    saved = time.monotonic()
    while state.counters.epoch < total and not _stopped(state.counters, recipe):
        _epoch(state, parts, recipe, total)
        counters = state.counters
        if progress is not None:
            progress(Epoch(counters.epoch, total, *counters.history[-1], optimiser.param_groups[0]["lr"]))
        if path is not None and time.monotonic() - saved > SECONDS_BETWEEN_CHECKPOINTS:
            checkpoint.save(path, state)
            saved = time.monotonic()
    if path is not None:
        checkpoint.save(path, state)
    network.load_state_dict(state.best)
    return state.counters.history


class _Parts:
    """A sample as tensors on a device."""

    def __init__(self, sample: Sample, device: str) -> None:
        # where everything is valid, no weights: a third of the time of a step
        weighted = not sample.valid.all()

        def part(chosen: NDArray[np.int64]) -> tuple[Tensor, Tensor | None]:
            weights = (
                torch.from_numpy(sample.valid[chosen].astype(np.float32)).to(device) if weighted else None
            )
            return torch.from_numpy(sample.inputs[chosen]).to(device), weights

        self.inputs, self.weights = part(sample.training)
        self.validation = part(sample.validation if len(sample.validation) else sample.training)


def _epoch(state: State, parts: _Parts, recipe: Hyperparameters, total: int) -> None:
    """One pass over the sample; its random numbers depend on seed and epoch only, so that it can be resumed."""
    network, optimiser, counters = state.network, state.optimiser, state.counters
    torch.manual_seed((recipe.seed << 20) + counters.epoch)
    batch = min(recipe.batch_size, len(parts.inputs))
    steps = len(parts.inputs) // batch
    order = torch.randperm(len(parts.inputs)).to(parts.inputs.device)[: steps * batch].view(steps, batch)
    network.train(batch > 1)  # a batch of one has no variance to normalise by
    summed = torch.zeros((), device=parts.inputs.device)
    for step, chosen in enumerate(order):
        if recipe.schedule == "one-cycle":
            counters.rate = recipe.learning_rate * one_cycle(
                (counters.epoch * steps + step) / (total * steps)
            )
        optimiser.param_groups[0]["lr"] = counters.rate
        loss = _loss(network, parts.inputs[chosen], None if parts.weights is None else parts.weights[chosen])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        summed += loss.detach()
    _count(state, _finite(summed / steps), _validation_loss(network, parts), recipe)


def _loss(network: Autoencoder, inputs: Tensor, weights: Tensor | None) -> Tensor:
    squares: Tensor = (network(inputs) - inputs).square()
    mean = squares.mean() if weights is None else (squares * weights).sum() / weights.sum().clamp(min=1.0)
    return mean + network.penalty()


@torch.no_grad()
def _validation_loss(network: Autoencoder, parts: _Parts) -> float:
    network.eval()
    return _finite(_loss(network, *parts.validation))


def _finite(loss: Tensor) -> float:
    return float(torch.nan_to_num(loss.double(), nan=LARGEST_LOSS, posinf=LARGEST_LOSS))


def _count(state: State, loss: float, validation_loss: float, recipe: Hyperparameters) -> None:
    counters = state.counters
    counters.epoch += 1
    counters.history.append((loss, validation_loss))
    better = validation_loss < counters.best_loss * (1 - PLATEAU_GAIN)
    counters.rested = 0 if better else counters.rested + 1
    counters.epochs_since_best = 0 if validation_loss < counters.best_loss else counters.epochs_since_best + 1
    if validation_loss < counters.best_loss:
        counters.best_loss, state.best = validation_loss, _weights(state.network)
    if recipe.schedule == "plateau" and counters.rested >= PLATEAU:
        counters.rate, counters.rested = counters.rate / 2, 0


def _stopped(counters: Counters, recipe: Hyperparameters) -> bool:
    diverged = bool(counters.history) and counters.history[-1][0] >= LARGEST_LOSS
    return diverged or (recipe.patience is not None and counters.epochs_since_best >= recipe.patience)


def _weights(network: Autoencoder) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}


def one_cycle(done: float) -> float:
    """Learning rate in units of the largest, when this share of the training is done (L. N. Smith, 1803.09820)."""
    if done < WARM_UP:
        return FIRST_RATE + (1 - FIRST_RATE) * 0.5 * (1 - math.cos(math.pi * done / WARM_UP))
    return LAST_RATE + (1 - LAST_RATE) * 0.5 * (1 + math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP)))
