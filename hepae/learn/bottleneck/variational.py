"""Variational autoencoders: latents drawn from a normal distribution in training, its mean afterwards.

D. P. Kingma and M. Welling, arXiv:1312.6114; the weight beta of the divergence: I. Higgins et al., ICLR 2017.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["divergence", "drawn"]


def drawn(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Latents [n, K] from normal distributions of this mean and variance, differentiable in both."""
    return mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Kullback-Leibler divergence from the standard normal distribution in nats, mean over objects and latents."""
    terms: Tensor = mean.square() + torch.exp(log_variance) - log_variance - 1
    return 0.5 * terms.mean()
