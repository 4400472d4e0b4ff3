"""The learning-rate range test: L. N. Smith, arXiv:1506.01186."""

from __future__ import annotations

import copy
import math

import torch

from hepae.learn.bottleneck.networks import Autoencoder
from hepae.learn.bottleneck.presets import Hyperparameters
from hepae.learn.descent import Sample

__all__ = ["find_learning_rate"]

FIRST, LAST = 1e-6, 1.0
STEPS = 150
SMOOTHING = 0.9
DIVERGED = 4.0
BELOW_BEST = 10.0
"""The rate of the smallest loss is the edge of what diverges; a tenth of it is safe."""


def find_learning_rate(network: Autoencoder, sample: Sample, recipe: Hyperparameters) -> float:
    """The largest learning rate that is safe, from one short training with a growing rate.

    The rate grows geometrically over 150 steps until the smoothed loss is four times its smallest; a tenth of the rate
    at the smallest loss is returned. The network is left as it is.

    Parameters
    ----------
    network
        With its initial weights.
    sample
        What is trained on.
    recipe
        Batch size, weight decay, device and seed.
    """
    if not len(sample.training):
        return recipe.learning_rate
    tried = copy.deepcopy(network).to(recipe.device).train()
    optimiser = torch.optim.AdamW(tried.parameters(), FIRST, weight_decay=recipe.weight_decay, eps=1e-12)
    inputs = torch.from_numpy(sample.inputs[sample.training]).to(recipe.device)
    torch.manual_seed(recipe.seed)
    smoothed, best, rate_of_best = 0.0, math.inf, recipe.learning_rate
    for step in range(STEPS):
        rate = FIRST * (LAST / FIRST) ** (step / (STEPS - 1))
        optimiser.param_groups[0]["lr"] = rate
        batch = inputs[torch.randint(len(inputs), (recipe.batch_size,))]
        loss = (tried(batch) - batch).square().mean() + tried.penalty()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        smoothed = SMOOTHING * smoothed + (1 - SMOOTHING) * float(loss.detach())
        unbiased = smoothed / (1 - SMOOTHING ** (step + 1))
        if not unbiased < DIVERGED * best:
            break
        if unbiased < best:
            best, rate_of_best = unbiased, rate
    return rate_of_best / BELOW_BEST
