"""Images as a branch of a ROOT file, beside everything else of it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from hepae.lab.images.spec import ImageSpec
from hepae.model.model import Model
from hepae.progress import Report, silent
from hepae.root.file.atomic import atomic_output
from hepae.root.file.writer import RootWriter
from hepae.root.ttree.plan import Keep, NewBranch
from hepae.stored.reader import batches, open_objects

__all__ = ["write_images"]

JETS_A_BASKET = 1000
"""Images of a basket: a few megabytes, most of them zeros, which ZSTD makes small."""


def write_images(
    source: str | Path,
    target: str | Path,
    image: ImageSpec,
    *,
    branch: str = "FatJet_image",
    constituents: str | None = None,
    tree: str | None = None,
    models: Iterable[Model] = (),
    force: bool = False,
    report: Report = silent,
) -> int:
    """Write a copy of a file with an image for every entry: a branch float32[channels][pixels][pixels].

    Read it back with ``hepae.rootio.open_source(target).tree().read("FatJet_image", start, stop)``, or with uproot or
    ROOT like any other branch.

    Parameters
    ----------
    source
        ROOT file with a TTree, one jet an entry; constituents may be compressed by hepae.
    target
        ROOT file to write. It appears complete, or not at all. Everything else is copied raw.
    image
        How images are made.
    branch
        Name of the new branch.
    constituents, tree
        See `hepae.lab.images.modelling.read_images`.
    models
        Models that the file holds by reference.
    force
        Replace a target that exists, which is an error otherwise.
    report
        Told how far the work is.

    Returns
    -------
    The number of images.

    Raises
    ------
    SchemaError
        If there is such a branch already.
    UnsupportedError
        If the tree cannot be rewritten.
    """
    with (
        atomic_output(target, (source,), force=force) as temporary,
        open_objects(source, tree, models) as reader,
    ):
        name = constituents or reader.with_features(image.fields)
        title = (
            f"jet image: {', '.join(image.channels)}; eta, phi to ±{image.half_width:g}; {image.normalise}"
        )
        new = NewBranch(branch, "float32", title, shape=image.shape)
        with RootWriter(temporary, reader.source) as out:
            written = out.rewrite_tree(reader.tree, [*map(Keep, reader.tree.branches), new])
            for start, stop in reader.windows():
                for part in batches(reader.read(name, image.fields, start, stop), JETS_A_BASKET):
                    written.append({branch: image.images(part.counts, part.columns)})
                report("drawing", stop, reader.tree.num_entries, "")
            written.finish()
            out.copy_rest()
        return reader.tree.num_entries
