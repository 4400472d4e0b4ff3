"""How far each jet is from those that a model was trained on, as branches beside everything else of a file.

The score is the loss of reconstruction: of the image for image autoencoders, of the scaled features for bottleneck
models. Jets unlike the training sample are reconstructed badly (T. Heimel et al., arXiv:1808.08979; M. Farina et al.,
arXiv:1808.08992). All other branches are copied raw.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hepae.arrays import Values
from hepae.core.bottleneck.codec import Bottleneck
from hepae.core.decode import codec_of
from hepae.core.values.objects import Objects
from hepae.errors import CollectionError, SchemaError
from hepae.files.skim.digests import Digests
from hepae.lab.images.model import ImageModel, divergence
from hepae.lab.images.spec import MANIFEST_KEY
from hepae.model.files import located, read_model
from hepae.model.model import Model
from hepae.progress import Report, silent
from hepae.root.columns import Column, Jagged
from hepae.root.file.atomic import atomic_output
from hepae.root.file.writer import RootWriter
from hepae.root.ttree.plan import Keep, NewBranch, Plan
from hepae.stored.reader import ObjectReader, batches, open_objects

__all__ = ["Scores", "load_model", "score"]

JETS_AT_ONCE = 1000
"""Images in memory at once."""


@dataclass
class Scores:
    """What `score` did: branches written, and the mean of each."""

    source: str
    target: str
    model: str
    events: int
    jets: int = 0
    means: dict[str, float] = field(default_factory=dict)


def load_model(path: str | Path, threads: int = 1) -> Model | ImageModel:
    """A model of either kind from its file."""
    from hepae.model.admission import manifest_key  # imports onnx, which `import hepae` does not

    data = read_model(path)
    with located(path):
        kind = ImageModel if manifest_key(data) == MANIFEST_KEY else Model
        return kind.from_bytes(data, threads)


def score(
    source: str | Path,
    target: str | Path,
    model: Model | ImageModel,
    *,
    name: str = "hepae",
    jet: str | None = None,
    latents: bool = False,
    tree: str | None = None,
    models: Iterable[Model] = (),
    force: bool = False,
    report: Report = silent,
) -> Scores:
    """Write a copy of a file with a score for every jet.

    Parameters
    ----------
    source
        ROOT file with a TTree; collections may be compressed.
    target
        ROOT file to write. It appears complete and read back, or not at all.
    model
        An image autoencoder, for entries that are one jet each: branches of numbers ``FatJet_hepae_score``, of
        variational ones ``FatJet_hepae_kl`` too, the divergence. A bottleneck model: ``Jet_hepae_score``, one a jet,
        the mean squared error of the features as the network sees them, latents rounded as they would be stored.
    name
        What stands for ``hepae`` in the names of the branches.
    jet
        What stands for ``FatJet``; by default the prefix that most branches of numbers share.
    latents
        Whether to write the latents too: ``FatJet_hepae_latent[16]``.
    tree
        Name of the tree.
    models
        Models that the file holds by reference.
    force
        Replace a target that exists, which is an error otherwise.
    report
        Told how far the work is.

    Raises
    ------
    SchemaError
        If the model reconstructs nothing (lifting, masked), features are missing, or such branches are there.
    UnsupportedError
        If the tree cannot be rewritten.

    Examples
    --------
    >>> done = score("jets.root", "scored.root", ImageModel.load("vae.onnx"), latents=True)  # doctest: +SKIP
    >>> done.means["FatJet_hepae_score"]  # doctest: +SKIP
    0.21
    """
    digests = Digests()
    with (
        atomic_output(target, (source,), force=force) as temporary,
        open_objects(source, tree, models) as reader,
    ):
        scorer = _scorer(model, reader, name, jet, latents)
        done = Scores(str(source), str(target), model.sha256, reader.tree.num_entries)
        sums: dict[str, float] = {}
        with RootWriter(temporary, reader.source) as out:
            written = out.rewrite_tree(reader.tree, _plan(reader, scorer.branches))
            for start, stop in reader.windows():
                columns = scorer.columns(start, stop)
                written.append(columns)
                digests.add(columns)
                done.jets += _count(sums, columns)
                report("scoring", stop, reader.tree.num_entries, "")
            if not reader.tree.num_entries:
                written.append(scorer.columns(0, 0))
            written.finish()
            out.copy_rest()
        _check(temporary, reader.tree.path, [branch.name for branch in scorer.branches], digests)
    done.means = {branch: total / max(done.jets, 1) for branch, total in sums.items()}
    return done


class _OfImages:
    """Scores of entries that are one jet each, given its constituents."""

    def __init__(
        self, model: ImageModel, reader: ObjectReader, name: str, jet: str | None, latents: bool
    ) -> None:
        self.model, self.reader = model, reader
        self.prefix = f"{jet or _jet_name(reader)}_{name}"
        words = {"bce": "binary cross-entropy less the image's own", "mse": "squared error"}
        told = f"summed over pixels; model {model.sha256[:16]}"
        loss = words[model.manifest.recipe.loss]
        self.branches = [NewBranch(f"{self.prefix}_score", "float32", f"loss of the image, {loss}, {told}")]
        if model.manifest.variational:
            title = f"divergence of the latents from a normal distribution, nats; model {model.sha256[:16]}"
            self.branches.append(NewBranch(f"{self.prefix}_kl", "float32", title))
        if latents:
            shape = (model.manifest.recipe.latents,)
            title = f"latents of the image; model {model.sha256[:16]}"
            self.branches.append(NewBranch(f"{self.prefix}_latent", "float32", title, shape=shape))
        self.latents = latents

    def columns(self, start: int, stop: int) -> dict[str, Column]:
        manifest = self.model.manifest
        objects = self.reader.read(manifest.constituents, manifest.image.fields, start, stop)
        parts = [self._batch(batch) for batch in batches(objects, JETS_AT_ONCE)] or [self._batch(objects)]
        return {
            branch.name: np.concatenate([part[branch.name] for part in parts]) for branch in self.branches
        }

    def _batch(self, objects: Objects) -> dict[str, NDArray[np.float32]]:
        images = self.model.manifest.image.images(objects.counts, objects.columns)
        latents, log_variances = self.model.encode(images)
        columns = {f"{self.prefix}_score": self.model.loss(images, self.model.decode(latents))}
        if log_variances is not None:
            columns[f"{self.prefix}_kl"] = divergence(latents, log_variances)
        if self.latents:
            columns[f"{self.prefix}_latent"] = latents
        return columns


class _OfFeatures:
    """Scores of the objects of a collection, given their features."""

    def __init__(self, model: Model, reader: ObjectReader, name: str, jet: str | None, latents: bool) -> None:
        codec = codec_of(model)
        if not isinstance(codec, Bottleneck):
            hint = "train one with --codec bottleneck, or `hepae images train`"
            raise SchemaError("the model reconstructs nothing", got=model.manifest.codec_name, hint=hint)
        self.codec, self.reader, self.collection = codec, reader, model.manifest.collection
        counter = reader.counter(self.collection) if self.collection in reader.collections else None
        if counter is None:
            found = ", ".join(reader.collections) or "none"
            raise CollectionError(
                f"no counted collection {self.collection!r}", where=reader.tree.where, got=found
            )
        self.score, self.latent = (f"{jet or self.collection}_{name}_{word}" for word in ("score", "latent"))
        title = f"mean squared error of the scaled features; model {model.sha256[:16]}"
        self.branches = [NewBranch(self.score, "float32", title, counter)]
        if latents:
            title, dtype = f"latents; model {model.sha256[:16]}", codec.spec.latent.stored_dtype
            self.branches.append(NewBranch(self.latent, dtype, title, counter, (codec.spec.latents,)))
        self.latents = latents

    def columns(self, start: int, stop: int) -> dict[str, Column]:
        names = [column.name for column in self.codec.spec.columns]
        objects = self.reader.read(self.collection, names, start, stop)
        latents = self.codec.encode(objects.columns).latents
        columns: dict[str, Column] = {self.score: Jagged(objects.counts, self._errors(objects, latents))}
        if self.latents:
            columns[self.latent] = Jagged(objects.counts, latents)
        return columns

    def _errors(self, objects: Objects, latents: Values) -> NDArray[np.float32]:
        """Mean over the features whose value a network can take; NaN where there is none."""
        predicted = self.codec.predict(latents)
        summed, taken = np.zeros(len(predicted)), np.zeros(len(predicted))
        for place, column in enumerate(self.codec.spec.columns):
            scaled, domain = column.transform.forward(objects.columns[column.name])
            error = predicted[:, place].astype(np.float64) - scaled
            summed += np.where(domain, np.square(error), 0.0)
            taken += domain
        mean = np.divide(summed, taken, out=np.full(len(taken), np.nan), where=taken > 0)
        return np.asarray(mean, np.float32)


def _scorer(
    model: Model | ImageModel, reader: ObjectReader, name: str, jet: str | None, latents: bool
) -> _OfImages | _OfFeatures:
    made = (
        _OfImages(model, reader, name, jet, latents)
        if isinstance(model, ImageModel)
        else _OfFeatures(model, reader, name, jet, latents)
    )
    there = [branch.name for branch in made.branches if branch.name in reader.tree.branches]
    if there:
        hint = "give another --name"
        raise SchemaError("there are such branches", where=reader.tree.where, got=", ".join(there), hint=hint)
    return made


def _jet_name(reader: ObjectReader) -> str:
    """What most branches of one number begin with: ``FatJet`` of FatJet_pt, FatJet_eta, …; else ``Jet``."""
    counters = {branch.counter for branch in reader.tree.branches.values()}
    named = [name for name in reader.tree.event_branches() if "_" in name and name not in counters]
    prefixes = Counter(name.partition("_")[0] for name in named)
    return prefixes.most_common(1)[0][0] if prefixes else "Jet"


def _plan(reader: ObjectReader, new: Iterable[NewBranch]) -> Plan:
    return [*(Keep(name) for name in reader.tree.branches), *new]


def _count(sums: dict[str, float], columns: Mapping[str, Column]) -> int:
    """Add up what is one number a jet; return the number of jets."""
    jets = 0
    for name, column in columns.items():
        values = column.values if isinstance(column, Jagged) else column
        if values.ndim == 1:
            sums[name] = sums.get(name, 0.0) + float(np.nansum(values, dtype=np.float64))
            jets = len(values)
    return jets


def _check(path: Path, tree: str, names: list[str], expected: Digests) -> None:
    """Read back what was written."""
    with open_objects(path, tree) as reader:
        found = Digests()
        for start, stop in reader.windows():
            found.add({name: reader.tree.read(name, start, stop) for name in names})
        found.require_same(expected, path)
