"""What a tagger is: how it sees jets, how it was trained; its typed manifest. No PyTorch here."""

from __future__ import annotations

import math
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from hepae import limits
from hepae.core.versioned import Training, Versioned
from hepae.errors import SchemaError
from hepae.lab.images.spec import ImageSpec
from hepae.lab.tagging.features import CONSTITUENT, EXTRA, JET, View, constituent_features
from hepae.lab.tagging.jets import Jets
from hepae.model.kinds import Kind, operators

__all__ = [
    "FINE_TUNING",
    "KIND",
    "LARGEST_SEED",
    "MANIFEST_KEY",
    "OPERATORS",
    "PRETRAINING",
    "ConstituentView",
    "ImageView",
    "Split",
    "TaggerManifest",
    "TaggerRecipe",
    "members",
    "recipe_for",
]

MANIFEST_KEY: Final = "hepae_tagger"
"""Name of the manifest in the metadata of the ONNX file, apart from those of models that compress."""

OPERATORS: Final = operators(
    Add="",
    Concat="axis",
    Conv="kernel_shape pads",
    Gemm="transB",
    Identity="",
    MatMul="",
    MaxPool="kernel_shape strides",
    Mul="",
    ReduceSum="keepdims",
    Relu="",
    Reshape="",
    Sigmoid="",
    Slice="",
    Softmax="axis",
    Sub="",
)
"""What `hepae.lab.tagging.export` writes."""

KIND: Final = Kind(MANIFEST_KEY, lambda _: OPERATORS)

MOST_CONSTITUENTS: Final = 512
MOST_MEMBERS: Final = 64
WIDEST: Final = 1024
LARGEST_SEED: Final = 2**32 - 1


class ConstituentView(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="constituents"):
    """A jet as its first constituents; see `hepae.lab.tagging.features`."""

    constituents: int = 100
    view: View = "directions"

    def __post_init__(self) -> None:
        limits.check("constituents of a jet", self.constituents, MOST_CONSTITUENTS, least=1)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Inputs of the network, a jet."""
        features = len(CONSTITUENT) + len(EXTRA[self.view])
        return {"constituents": (self.constituents, features), "jets": (len(JET),)}

    def inputs(self, jets: Jets) -> dict[str, NDArray[np.float32]]:
        """What the network is given of these jets."""
        of_constituents, of_jets = constituent_features(jets, self.constituents, self.view)
        return {"constituents": of_constituents, "jets": of_jets}


class ImageView(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="image"):
    """A jet as an image; see `hepae.images.jet_images`."""

    image: ImageSpec = ImageSpec()

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Inputs of the network, a jet."""
        return {"images": self.image.shape}

    def inputs(self, jets: Jets) -> dict[str, NDArray[np.float32]]:
        """What the network is given of these jets."""
        return {"images": self.image.images(jets.counts, jets.columns)}


class TaggerRecipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How to train a tagger.

    Parameters
    ----------
    view
        What it sees of a jet, which decides the kind of network.
    width
        Units of the hidden layers of a network on constituents; for images the channels of the first convolutions.
    members
        Networks, trained from different seeds, whose outputs are averaged.
    epochs, batch_size, learning_rate, weight_decay
        AdamW, one cycle.
    patience
        Training stops after so many epochs without a smaller validation loss; the best weights are kept.
    averaging
        Weight of the newest weights in the running mean of weights that is kept, a step.
    smoothing
        Labels are this far from 0 and 1.
    dropout
        Share of the units of the dense layers dropped in training.
    thinning
        Share of the constituents, or pixels, left out of each jet in training, anew each time.
    validation
        Share of the training jets held back for the validation loss.
    seed, threads, device
        As in `hepae.learn.bottleneck.presets.Hyperparameters`.
    """

    view: ConstituentView | ImageView = ConstituentView()
    width: int = 48
    members: int = 1
    epochs: int = 30
    batch_size: int = 128
    learning_rate: float = 3e-3
    weight_decay: float = 0.01
    patience: int = 8
    averaging: float = 0.005
    smoothing: float = 0.01
    dropout: float = 0.2
    thinning: float = 0.15
    validation: float = 0.1
    seed: int = 1
    threads: int | None = None
    device: str = "cpu"

    def __post_init__(self) -> None:
        limits.check("width", self.width, WIDEST, least=4)
        limits.check("members", self.members, MOST_MEMBERS, least=1)
        limits.check("seed", self.seed, LARGEST_SEED)
        for name in ("epochs", "batch_size", "patience"):
            if getattr(self, name) < 1:
                raise SchemaError(f"{name} that cannot be", expected="at least 1", got=getattr(self, name))
        shares = (self.averaging, self.smoothing, self.dropout, self.thinning, self.validation)
        rates = (self.learning_rate, self.weight_decay)
        if not (all(0 <= x < 1 for x in shares) and all(0 <= x < math.inf for x in rates)):
            raise SchemaError("a recipe that cannot be", expected="shares below 1", got=(*shares, *rates))


class Split(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Jets of a file that were trained on: the first ``share`` of a shuffle of so many ``jets`` with this ``seed``."""

    seed: int
    jets: int
    share: float


class TaggerManifest(Versioned, frozen=True, forbid_unknown_fields=True):
    """All that a reader needs to know besides the networks.

    Parameters
    ----------
    format
        `hepae.limits.FORMAT_VERSION`.
    collection
        Name of the constituents.
    label
        Branch that the tagger was trained to tell.
    recipe
        How: view, members, all else.
    training
        Provenance; the history is the cross-entropy of training and validation jets, by epoch, of the last member.
    split
        Which jets of their file were trained on, so that others can be tested on; None where all were.
    pretraining
        Provenance of the network that all members began from, trained on jets of another file; None where they
        began from random weights.
    """

    collection: str
    label: str
    recipe: TaggerRecipe
    training: Training
    split: Split | None = None
    pretraining: Training | None = None


def members(recipe: TaggerRecipe) -> list[str]:
    """Names of the networks of a tagger.

    Examples
    --------
    >>> members(TaggerRecipe(members=2))
    ['member0', 'member1']
    """
    return [f"member{k}" for k in range(recipe.members)]


IMAGE_RECIPE: Final = {
    "view": ImageView(ImageSpec(channels=("ecal", "hcal", "track"), flip=False, power=0.5, align="moments")),
    "width": 8,
    "epochs": 20,
    "batch_size": 64,
    "dropout": 0.3,
    "thinning": 0.2,
}
"""What suits a network on images better than the defaults; training flips images by chance."""


PRETRAINING: Final = {
    "epochs": 14,
    "batch_size": 128,
    "averaging": 0.002,
    "dropout": 0.1,
    "thinning": 0.05,
    "validation": 0.05,
}
"""What suits training on two hundred thousand other jets, of which less need be left out than of few."""

FINE_TUNING: Final = {"epochs": 6, "learning_rate": 3e-4, "dropout": 0.1, "thinning": 0.05}
"""What suits training after that."""


def recipe_for(
    network: str, constituents: int = 100, view: View = "directions", **chosen: Any
) -> TaggerRecipe:
    """The recipe for ``constituents``, of which ``view`` is shown, or ``image``, and whatever else is chosen.

    Examples
    --------
    >>> recipe_for("image", epochs=3).width
    8
    """
    if network == "image":
        return TaggerRecipe(**{**IMAGE_RECIPE, **chosen})
    return TaggerRecipe(ConstituentView(constituents, view), **chosen)
