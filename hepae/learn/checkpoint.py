"""Checkpoints of a training: arrays and JSON in one ``.npz``, never a pickle."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from hepae.errors import InputError, OutputError
from hepae.learn.bottleneck.networks import Autoencoder

__all__ = ["LARGEST_LOSS", "Counters", "State", "load", "save"]

STATE = "state"

LARGEST_LOSS = 1e300
"""Stands for a loss that is not finite, which JSON could not say."""


class Counters(msgspec.Struct, forbid_unknown_fields=True):
    """Where a training stands, besides its weights."""

    training: str
    epoch: int = 0
    best_loss: float = LARGEST_LOSS
    epochs_since_best: int = 0
    rate: float = 0.0
    rested: int = 0
    history: list[tuple[float, float]] = msgspec.field(default_factory=list)


@dataclass
class State:
    """A training under way.

    Attributes
    ----------
    network, optimiser
        With their weights and moments.
    counters
        Epoch, losses, learning rate.
    best
        Weights of the epoch with the smallest validation loss.
    """

    network: Autoencoder
    optimiser: torch.optim.AdamW
    counters: Counters
    best: dict[str, torch.Tensor] = field(default_factory=dict)


def save(path: Path, state: State) -> None:
    """Write a checkpoint, atomically."""
    arrays = {f"weights/{name}": tensor for name, tensor in state.network.state_dict().items()}
    arrays |= {f"best/{name}": tensor for name, tensor in state.best.items()}
    for place, moments in enumerate(state.optimiser.state.values()):
        arrays |= {f"optimiser/{place}/{name}": tensor for name, tensor in moments.items()}
    stored = {name: np.asarray(tensor.detach().cpu().numpy()) for name, tensor in arrays.items()}
    counters = msgspec.json.encode(state.counters)
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            np.savez(file, allow_pickle=False, **{STATE: np.frombuffer(counters, np.uint8)}, **stored)
        part.replace(path)
    except OSError as problem:
        raise OutputError("the checkpoint cannot be written", where=path, got=problem.strerror) from None


def load(path: Path, state: State) -> None:
    """Continue from a checkpoint, if there is one: weights, moments and counters go into ``state``.

    Raises
    ------
    InputError
        If it is no checkpoint, or one of another training.
    """
    if not path.exists():
        return
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        counters = msgspec.json.decode(arrays.pop(STATE).tobytes(), type=Counters)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, msgspec.MsgspecError) as problem:
        raise InputError("not a checkpoint", where=path, got=str(problem)) from None
    if counters.training != state.counters.training:
        raise InputError(
            "a checkpoint of another training",
            where=path,
            hint="give the same input and options as before, or another path",
        )
    try:
        _fill(state, arrays)
    except (RuntimeError, KeyError, ValueError) as problem:
        raise InputError(
            "a checkpoint that does not fit", where=path, got=str(problem).splitlines()[0]
        ) from None
    state.counters = counters if counters.history else state.counters


def _fill(state: State, arrays: dict[str, NDArray[np.generic]]) -> None:
    device = next(state.network.parameters()).device
    tensors = {name: torch.from_numpy(np.array(array)).to(device) for name, array in arrays.items()}
    state.network.load_state_dict(_under(tensors, "weights/"))
    state.best = _under(tensors, "best/")
    for place, parameter in enumerate(state.network.parameters()):
        moments = _under(tensors, f"optimiser/{place}/")
        if moments:
            state.optimiser.state[parameter] = moments


def _under(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
