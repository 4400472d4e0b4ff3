"""Networks that tell jets apart, in PyTorch: on constituents, and on images."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from hepae.lab.tagging.features import CONSTITUENT
from hepae.lab.tagging.spec import ConstituentView, TaggerRecipe

__all__ = [
    "HEADS",
    "MIRRORED",
    "TYPICAL",
    "ConstituentNetwork",
    "ImageNetwork",
    "TaggerNetwork",
    "network_of",
    "thinned",
    "turned",
]

HEADS = 4
"""Weights that attention gives each constituent when they are pooled."""

TYPICAL = 32.0
"""Constituents of a jet: the sum over them is divided by this."""

CLASSES = 2
DENSE = 64
DENSE_LAYERS = 3
KERNEL = 3

MIRRORED = 3
"""Axis of images: phi. The second constituent, or the principal axis, lies along eta, after the turn of every image."""

PRESENT, SHARE, ETA, PHI = (CONSTITUENT.index(name) for name in ("present", "share", "deta", "dphi"))
FIRST_INPUT = 2
"""What stands before says how to pool and is no input of the network by itself."""

AXES = 0.2
"""Unit of angles; they are not centred, so that a jet may be turned."""


def _layers(*sizes: int) -> nn.ModuleList:
    return nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))


class ConstituentNetwork(nn.Module):
    """A deep set: one network for each constituent, pooled by sum, share of pt and attention, and one for the jet.

    P. T. Komiske, E. M. Metodiev, J. Thaler, "Energy flow networks", arXiv:1810.05165.

    Parameters
    ----------
    shapes
        Of the inputs ``constituents`` [N, features] and ``jets`` [G].
    width
        Units of hidden layers, a multiple of `HEADS`.
    dropout
        Share of units dropped after pooling.
    """

    def __init__(self, shapes: dict[str, tuple[int, ...]], width: int, dropout: float) -> None:
        super().__init__()
        features, whole = shapes["constituents"][1] - FIRST_INPUT, shapes["jets"][0]
        self.width = width - width % HEADS
        for name, size in (("constituents", features), ("jets", whole)):
            self.register_buffer(f"mean_{name}", torch.zeros(size))
            self.register_buffer(f"scale_{name}", torch.ones(size))
        self.each = _layers(features, self.width, self.width, self.width)
        self.attention = nn.Linear(self.width, HEADS)
        self.after = _layers(3 * self.width + whole, self.width, self.width, CLASSES)
        self.dropout = nn.Dropout(dropout)

    def look(self, inputs: dict[str, Tensor]) -> None:
        """Take mean and spread of the inputs from a sample."""
        there = inputs["constituents"][..., PRESENT] > 0
        for name, rows in (
            ("constituents", inputs["constituents"][there][:, FIRST_INPUT:]),
            ("jets", inputs["jets"]),
        ):
            self.get_buffer(f"mean_{name}").copy_(rows.mean(0))
            self.get_buffer(f"scale_{name}").copy_(1 / rows.std(0).clamp(min=1e-3))
        for axis in (ETA, PHI):
            self.get_buffer("mean_constituents")[axis - FIRST_INPUT] = 0.0
            self.get_buffer("scale_constituents")[axis - FIRST_INPUT] = 1 / AXES

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        x, whole = inputs["constituents"], inputs["jets"]
        present, share = x[..., PRESENT : PRESENT + 1], x[..., SHARE : SHARE + 1]
        h = (x[..., FIRST_INPUT:] - self.get_buffer("mean_constituents")) * self.get_buffer(
            "scale_constituents"
        )
        for layer in self.each[:-1]:
            h = nn.functional.silu(layer(h))
        h = self.each[-1](h)
        weights = torch.softmax(self.attention(h) + (present - 1) * 1e4, 1)
        heads = h.view(*h.shape[:2], HEADS, self.width // HEADS)
        pooled = [
            (h * present).sum(1) / TYPICAL,
            (h * share).sum(1),
            (heads * weights[..., None]).sum(1).flatten(1),
            (whole - self.get_buffer("mean_jets")) * self.get_buffer("scale_jets"),
        ]
        y = torch.cat(pooled, 1)
        for layer in self.after[:-1]:
            y = self.dropout(nn.functional.silu(layer(y)))
        logits: Tensor = self.after[-1](y)
        return logits


class ImageNetwork(nn.Module):
    """The convolutional tagger of the tutorials: two blocks of two convolutions with pooling, three dense layers.

    S. Macaluso, D. Shih, "Pulling out all the tops with computer vision and deep learning", arXiv:1803.00107.
    Once trained, it gives the mean of its logits for the image and for its mirror image: neither is the truer one.
    """

    def __init__(self, shapes: dict[str, tuple[int, ...]], width: int, dropout: float) -> None:
        super().__init__()
        channels, pixels, _ = shapes["images"]
        sizes = (channels, width, width, 2 * width, 2 * width)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(a, b, KERNEL, padding=KERNEL // 2) for a, b in pairwise(sizes)
        )
        self.register_buffer("scale_images", torch.ones(()))
        self.after = _layers(2 * width * (pixels // 4) ** 2, *(DENSE,) * DENSE_LAYERS, CLASSES)
        self.dropout = nn.Dropout(dropout)

    def look(self, inputs: dict[str, Tensor]) -> None:
        """Take the scale of the pixels from a sample."""
        lit = inputs["images"][inputs["images"] > 0]
        self.get_buffer("scale_images").copy_(1 / lit.mean().clamp(min=1e-6) if len(lit) else torch.ones(()))

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        x = inputs["images"] * self.get_buffer("scale_images")
        if self.training:
            return self.seen(x)
        logits = self.seen(torch.cat([x, x.flip(MIRRORED)]))
        return logits.view(2, -1, CLASSES).mean(0)

    def seen(self, x: Tensor) -> Tensor:
        """Logits of scaled images."""
        for place, layer in enumerate(self.convolutions):
            x = torch.relu(layer(x))
            if place % 2:
                x = nn.functional.max_pool2d(x, 2)
        x = x.flatten(1)
        for layer in self.after[:-1]:
            x = self.dropout(torch.relu(layer(x)))
        logits: Tensor = self.after[-1](x)
        return logits


TaggerNetwork = ConstituentNetwork | ImageNetwork


def network_of(recipe: TaggerRecipe) -> TaggerNetwork:
    """The network for a view, with initial weights."""
    of = ConstituentNetwork if isinstance(recipe.view, ConstituentView) else ImageNetwork
    return of(recipe.view.shapes, recipe.width, recipe.dropout)


def turned(inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Constituents turned about the axis of each jet by a random angle, and mirrored; images, half of them, mirrored.

    Nothing in a jet knows the beam direction, so that a turned jet is as good an example as the jet itself.
    What is exactly on the line that images are mirrored at moves by one pixel.
    """
    if "images" in inputs:
        x = inputs["images"]
        chosen = torch.rand(len(x), 1, 1, 1, device=x.device) < 0.5
        return {**inputs, "images": torch.where(chosen, x.flip(MIRRORED), x)}
    x = inputs["constituents"].clone()
    angle = 2 * torch.pi * torch.rand(len(x), 1, device=x.device)
    eta = x[..., ETA] * torch.where(torch.rand_like(angle) < 0.5, -1.0, 1.0)
    phi = x[..., PHI].clone()
    x[..., ETA] = eta * angle.cos() - phi * angle.sin()
    x[..., PHI] = eta * angle.sin() + phi * angle.cos()
    return {**inputs, "constituents": x}


def thinned(inputs: dict[str, Tensor], share: float) -> dict[str, Tensor]:
    """Constituents, or pixels, without a random share of them, so that no network relies on any one."""
    if share == 0:
        return inputs
    name = "images" if "images" in inputs else "constituents"
    x = inputs[name]
    dropped = torch.rand(x.shape if name == "images" else (*x.shape[:2], 1), device=x.device) < share
    return {**inputs, name: x.masked_fill(dropped, 0)}
