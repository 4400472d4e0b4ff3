"""What is known of one way to store the collection of one experiment."""

from __future__ import annotations

import msgspec

from hepae.lab.experiments.metrics import Quality
from hepae.lab.experiments.speed import Speed

__all__ = ["CORRECTED", "LATENTS", "Failure", "Outcome"]

LATENTS = "latents only"
CORRECTED = "latents and corrections"


class Outcome(msgspec.Struct, frozen=True):
    """One way to store the collection of one experiment, measured.

    Parameters
    ----------
    name, data, published, published_loss
        Of the experiment.
    stored
        What is stored: `LATENTS`, `CORRECTED`, the name of a codec, or of a baseline.
    words
        The network, or the codec, in words.
    quick
        Whether this was to see that it runs only.
    epochs
        Passes over the sample; 0 where nothing was trained by descent.
    quality
        What was preserved of held-back events.
    bits
        Bits on disk for each object, model left out; None where nothing was written.
    parameters, model_bytes, train_seconds, speed
        What it costs.
    """

    name: str
    data: str
    published: str
    published_loss: float | None
    stored: str
    words: str
    quick: bool
    epochs: int
    quality: Quality
    bits: float | None
    parameters: int = 0
    model_bytes: int = 0
    train_seconds: float = 0.0
    speed: Speed | None = None


class Failure(msgspec.Struct, frozen=True):
    """An experiment that could not be run, and why."""

    name: str
    reason: str
