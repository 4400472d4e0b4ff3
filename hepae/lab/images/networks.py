"""Convolutional autoencoders of images, plain and variational: networks, descent, export.

D. P. Kingma and M. Welling, arXiv:1312.6114; beta: I. Higgins et al., ICLR 2017; warm-up: C. K. Sønderby et al.,
arXiv:1602.02282; jets: M. Farina, Y. Nakai, D. Shih, arXiv:1808.08992 and T. Heimel et al., arXiv:1808.08979.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hepae.arrays import Floats
from hepae.errors import InputError, SchemaError
from hepae.lab.images.spec import ImageRecipe
from hepae.learn.bottleneck.fit import check_device
from hepae.learn.bottleneck.variational import drawn
from hepae.learn.descent import Epoch, deterministic, one_cycle

__all__ = ["Fitted", "ImageAutoencoder", "fit_images"]

KERNEL, STRIDE, PADDING = 4, 2, 1
"""Halves an image, and without a checkerboard on the way back, because the stride divides the kernel."""

MOST_HALVINGS = 3
LEAST_SIDE = 4
LOG_VARIANCES = (-12.0, 6.0)
BLOCK = 1000


class ImageAutoencoder(nn.Module):
    """Convolutions that halve the image, a dense layer, latents; and all of it mirrored.

    Parameters
    ----------
    shape
        Channels, pixels, pixels.
    recipe
        Sizes, and whether there is a second head for variances.
    scale
        Factor that brings pixels to order one on their way in, and squared-error pixels back on their way out.
    mean
        Mean pixel of each channel, which the decoder begins with.
    """

    def __init__(self, shape: tuple[int, int, int], recipe: ImageRecipe, scale: float, mean: Floats) -> None:
        super().__init__()
        halvings = _halvings(shape[1])
        widths = [shape[0], *(recipe.filters << place for place in range(halvings))]
        side = shape[1] >> halvings
        flat = widths[-1] * side**2
        down: list[nn.Module] = []
        for before, after in pairwise(widths):
            down += [nn.Conv2d(before, after, KERNEL, STRIDE, PADDING), nn.ELU()]
        self.body = nn.Sequential(*down, nn.Flatten(), nn.Linear(flat, recipe.hidden), nn.ELU())
        self.latents = nn.Linear(recipe.hidden, recipe.latents)
        self.log_variances = None if recipe.beta is None else nn.Linear(recipe.hidden, recipe.latents)
        up: list[nn.Module] = []
        for before, after in pairwise(widths[::-1]):
            up += [nn.ELU(), nn.ConvTranspose2d(before, after, KERNEL, STRIDE, PADDING)]
        self.decoder = nn.Sequential(
            nn.Linear(recipe.latents, recipe.hidden), nn.ELU(), nn.Linear(recipe.hidden, flat),
            nn.Unflatten(1, (widths[-1], side, side)), *up,
        )  # fmt: skip
        self.scale, self.bce = scale, recipe.loss == "bce"
        begin = np.log(mean / (1 - mean)) if self.bce else mean * scale
        with torch.no_grad():
            last = up[-1].bias
            assert isinstance(last, Tensor)
            last.copy_(torch.from_numpy(begin))

    def encoded(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Means and logarithms of variances of latents."""
        y = self.body(images * self.scale)
        if self.log_variances is None:
            return self.latents(y), None
        return self.latents(y), self.log_variances(y).clamp(*LOG_VARIANCES)

    def decoded(self, latents: Tensor) -> Tensor:
        """Logits of pixels for the cross-entropy, pixels for the squared error."""
        y: Tensor = self.decoder(latents)
        return y if self.bce else y / self.scale

    def terms(self, images: Tensor, recipe: ImageRecipe) -> tuple[Tensor, Tensor]:
        """The two terms of the loss, means over the jets, in nats: reconstruction and divergence."""
        mean, log_variance = self.encoded(images)
        divergence = torch.zeros((), device=images.device)
        latents = mean
        if log_variance is not None:
            terms = mean.square() + log_variance.exp() - log_variance - 1
            divergence = 0.5 * terms.sum(dim=1).mean()
            latents = drawn(mean, log_variance) if self.training else mean
        y = self.decoded(latents)
        if self.bce:
            entropies = nn.functional.binary_cross_entropy_with_logits(y, images, reduction="sum")
            summed = recipe.draws * entropies
        else:
            summed = (y - images).square().sum() / (2 * recipe.noise**2)
        return summed / len(images), divergence


@dataclass(frozen=True)
class Fitted:
    """A trained network, on the CPU, and its losses.

    Attributes
    ----------
    history
        Reconstruction term of training and validation jets by epoch.
    divergences
        Of the validation jets by epoch; empty for plain autoencoders.
    """

    network: ImageAutoencoder
    history: tuple[tuple[float, float], ...]
    divergences: tuple[float, ...]


def fit_images(
    images: NDArray[np.float32], recipe: ImageRecipe, progress: Callable[[Epoch], None] | None = None
) -> Fitted:
    """Train an autoencoder on images [n, channels, pixels, pixels]; it ends with the weights of the best epoch.

    The best has the smallest loss, divergence included, of the validation jets after the warm-up. The same seed and
    number of threads give the same weights.

    Raises
    ------
    SchemaError
        If images of this size cannot be halved, or there is no such device.
    InputError
        If there are fewer than two images, or pixels are no chances where the loss takes them for that.
    """
    check_device(recipe.device)
    if len(images) < 2:
        raise InputError("too few jets to train on", expected="at least 2", got=len(images))
    if recipe.loss == "bce" and images.max() > 1:
        raise InputError("pixels above 1", hint="the cross-entropy needs images normalised by sum or max")
    with deterministic(recipe.seed, recipe.threads):
        order = np.random.default_rng(recipe.seed).permutation(len(images))
        held = min(max(1, round(recipe.validation * len(images))), len(images) - 1)
        sample = torch.from_numpy(images[order]).to(recipe.device)
        return _descend(sample[held:], sample[:held], recipe, progress)


def _descend(
    training: Tensor, validation: Tensor, recipe: ImageRecipe, progress: Callable[[Epoch], None] | None
) -> Fitted:
    network = _begun(training, recipe).to(recipe.device)
    optimiser = torch.optim.AdamW(
        network.parameters(), recipe.learning_rate, weight_decay=0.0, eps=1e-10, fused=True
    )
    history, divergences = [], []
    best, weights = math.inf, network.state_dict()
    for epoch in range(recipe.epochs):
        weight = (recipe.beta or 0.0) * min(1.0, epoch / max(recipe.warm_up * recipe.epochs, 1e-9))
        loss = _pass(network, optimiser, training, recipe, weight, epoch)
        reconstruction, divergence = _validated(network, validation, recipe)
        history.append((loss, reconstruction))
        divergences.append(divergence)
        whole = reconstruction + (recipe.beta or 0.0) * divergence
        if epoch >= recipe.warm_up * recipe.epochs - 1 and whole < best:
            best, weights = whole, {name: x.detach().clone() for name, x in network.state_dict().items()}
        if progress is not None:
            rate = optimiser.param_groups[0]["lr"]
            progress(Epoch(epoch + 1, recipe.epochs, loss, reconstruction, rate))
    network.load_state_dict(weights)
    return Fitted(network.cpu().eval(), tuple(history), () if recipe.beta is None else tuple(divergences))


def _begun(training: Tensor, recipe: ImageRecipe) -> ImageAutoencoder:
    numbers = training[:: max(1, len(training) // 2000)].double()
    power = float(numbers.square().mean())
    mean = numbers.mean(dim=(0, 2, 3)).clamp(1e-6, 1 - 1e-6).cpu().numpy()
    scale = 1 / math.sqrt(power) if power > 0 else 1.0
    _, channels, pixels, _ = training.shape
    return ImageAutoencoder((channels, pixels, pixels), recipe, scale, mean)


def _pass(
    network: ImageAutoencoder,
    optimiser: torch.optim.Optimizer,
    training: Tensor,
    recipe: ImageRecipe,
    weight: float,
    epoch: int,
) -> float:
    """One pass over the training jets; returns the mean reconstruction term."""
    network.train()
    order = torch.randperm(len(training)).to(training.device)
    batches = torch.split(order, min(recipe.batch_size, len(training)))
    summed = torch.zeros((), device=training.device)
    for step, chosen in enumerate(batches):
        done = (epoch + step / len(batches)) / recipe.epochs
        optimiser.param_groups[0]["lr"] = recipe.learning_rate * one_cycle(done)
        reconstruction, divergence = network.terms(training[chosen], recipe)
        optimiser.zero_grad(set_to_none=True)
        (reconstruction + weight * divergence).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        summed += reconstruction.detach() * len(chosen)
    return float(summed) / len(training)


@torch.no_grad()
def _validated(network: ImageAutoencoder, validation: Tensor, recipe: ImageRecipe) -> tuple[float, float]:
    network.eval()
    sums = np.zeros(2)
    for block in torch.split(validation, BLOCK):
        terms = network.terms(block, recipe)
        sums += np.array([float(term) for term in terms]) * len(block)
    return float(sums[0]) / len(validation), float(sums[1]) / len(validation)


def _halvings(pixels: int) -> int:
    count = 0
    while count < MOST_HALVINGS and pixels % 2 == 0 and pixels // 2 >= LEAST_SIDE:
        count, pixels = count + 1, pixels // 2
    if count == 0:
        raise SchemaError(
            "images that cannot be halved", expected="an even number of pixels, 8 or more", got=pixels
        )
    return count
