"""From files of constituents to images in memory, and from those to a model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from hepae import limits
from hepae.arrays import Booleans
from hepae.core.versioned import Training
from hepae.errors import InputError
from hepae.extras import needed
from hepae.files.cut import Cut
from hepae.lab.images.model import ImageModel
from hepae.lab.images.spec import MANIFEST_KEY, ImageManifest, ImageRecipe, ImageSpec
from hepae.progress import Report, silent
from hepae.root.ttree.reader import TTreeReader
from hepae.stored.reader import ObjectReader, chosen, open_objects
from hepae.version import __version__

__all__ = ["read_images", "train_images"]

PROBE = 200
"""Jets on which the exported networks are compared with the trained ones."""


def read_images(
    path: str | Path,
    image: ImageSpec,
    *,
    constituents: str | None = None,
    tree: str | None = None,
    cut: str | None = None,
    entries: tuple[int, int | None] = (0, None),
) -> NDArray[np.float32]:
    """Images of the jets of a file, one an entry.

    Parameters
    ----------
    path
        ROOT file with a TTree, its constituents stored plainly or compressed by hepae.
    image
        How images are made.
    constituents
        Collection of constituents; the one with px, py, pz where none is named.
    tree
        Name of the tree.
    cut
        Condition on entries, such as ``FatJet_isTop == 0``; see `hepae.files.cut.Cut`.
    entries
        First entry, and one past the last.

    Returns
    -------
    float32[n, channels, pixels, pixels]

    Examples
    --------
    >>> read_images("jets.root", ImageSpec(), cut="FatJet_pt > 600").shape  # doctest: +SKIP
    (9876, 1, 40, 40)
    """
    with open_objects(path, tree) as reader:
        name = constituents or reader.with_features(image.fields)
        parts = list(_windows(reader, name, image, Cut(cut) if cut else None, entries))
    return np.concatenate(parts) if parts else np.zeros((0, *image.shape), np.float32)


def _windows(
    reader: ObjectReader, name: str, image: ImageSpec, cut: Cut | None, entries: tuple[int, int | None]
) -> Iterator[NDArray[np.float32]]:
    for start, stop in reader.windows(*entries):
        objects = reader.read(name, image.fields, start, stop)
        kept = chosen(objects, _passing(cut, reader.tree, start, stop)) if cut else objects
        yield image.images(kept.counts, kept.columns)


def _passing(cut: Cut, tree: TTreeReader, start: int, stop: int) -> Booleans:
    """Which entries pass a cut on branches that are stored plainly."""
    cut.require(tree.branches, tree.where)
    columns = {name: tree.read(name, start, stop) for name in cut.names}
    return cut.keeps(columns, stop - start, start)


def train_images(
    files: Sequence[str | Path],
    *,
    image: ImageSpec | None = None,
    recipe: ImageRecipe | None = None,
    constituents: str | None = None,
    tree: str | None = None,
    cut: str | None = None,
    entries: tuple[int, int | None] = (0, None),
    report: Report = silent,
) -> ImageModel:
    """Train an image autoencoder on the jets of one or more files.

    Parameters
    ----------
    files
        ROOT files; see `read_images`.
    image, recipe
        How images are made, and how to train.
    constituents, tree, cut, entries
        See `read_images`. A cut such as ``FatJet_isTop == 0`` makes a model of one kind of jets, to which others are
        anomalies; entries leave some for a test.
    report
        Told how far the work is.

    Raises
    ------
    MissingExtraError
        If there is no PyTorch.
    HepaeError
        As the catalogue says.

    Examples
    --------
    >>> model = train_images(["jets.root"], recipe=ImageRecipe(beta=1.0, loss="mse"))  # doctest: +SKIP
    >>> model.save("vae.onnx")  # doctest: +SKIP
    """
    image, recipe = image or ImageSpec(), recipe or ImageRecipe()
    if not files:
        raise InputError("no files to train on")
    with needed("training on images"):
        from hepae.lab.images.export import export_images
        from hepae.lab.images.networks import fit_images
    name, images = _sample(files, image, constituents, tree, cut, entries, report)
    fitted = fit_images(
        images,
        recipe,
        lambda epoch: report("training", epoch.number, epoch.total, f"loss {epoch.validation_loss:.4g}"),
    )
    training = Training(__version__, recipe.seed, len(images), len(images), fitted.history)
    manifest = ImageManifest(
        limits.FORMAT_VERSION, name, image, _placeless(recipe), training, fitted.divergences
    )
    from hepae.model.assembly import assemble  # imports onnx, which `import hepae` does not

    networks = export_images(fitted.network, images[:PROBE])
    return ImageModel.from_bytes(assemble(manifest, networks, {}, MANIFEST_KEY))


def _sample(
    files: Sequence[str | Path],
    image: ImageSpec,
    constituents: str | None,
    tree: str | None,
    cut: str | None,
    entries: tuple[int, int | None],
    report: Report,
) -> tuple[str, NDArray[np.float32]]:
    """Name of the collection of constituents, and the images of all files."""
    parts = []
    for place, path in enumerate(files):
        if constituents is None:
            with open_objects(path, tree) as reader:
                constituents = reader.with_features(image.fields)
        parts.append(read_images(path, image, constituents=constituents, tree=tree, cut=cut, entries=entries))
        report("reading", place + 1, len(files), "")
    assert constituents is not None
    return constituents, np.concatenate(parts)


def _placeless(recipe: ImageRecipe) -> ImageRecipe:
    """The recipe without what is of the machine: the same training gives the same model on any."""
    return msgspec.structs.replace(recipe, threads=None, device="cpu")
