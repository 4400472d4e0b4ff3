"""Whether a request and a model agree: asked at the door, before anything is read or written.

A model is trained for one collection, with certain features, bounds and choices. What a user asks for beside it must
be what the model does; otherwise the file would be another than the one that was asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hepae.core.bottleneck.spec import BottleneckSpec
from hepae.core.manifest import Manifest
from hepae.core.values.bounds import Bound, asked, keeps
from hepae.core.values.objects import Collection
from hepae.errors import BoundError, SchemaError
from hepae.input.selection import Bounds, Selection
from hepae.learn.recipe import Recipe

__all__ = ["checked_bounds", "require_agreement"]


def require_agreement(selection: Selection, recipe: Recipe | None, manifest: Manifest, where: object) -> None:
    """Refuse a request that the model does not fulfil.

    Parameters
    ----------
    selection
        What is asked for. What it leaves out is as the model has it. A bound that is wider than the model's is kept.
    recipe
        Choices for training; those that a manifest records must be the same, any other would do nothing.
    manifest
        Of the model.
    where
        What is to be compressed, for the message.

    Raises
    ------
    SchemaError
        Naming each difference.
    """
    differences = [*_of_names(selection, manifest), *_of_bounds(selection, manifest)]
    if recipe is not None:
        differences += _of_recipe(recipe, manifest)
    if differences:
        raise SchemaError(
            "the request and the model do not agree",
            where=where,
            got="; ".join(differences),
            hint="leave out what the model decides, or train a model for this request",
        )


def checked_bounds(selection: Selection, found: Collection, manifest: Manifest) -> Bounds:
    """The bounds that a written file must keep: those of the request, and the model's where it has none.

    Parameters
    ----------
    selection
        What was asked for.
    found
        The collection that was compressed.
    manifest
        Of the model that compressed it.

    Returns
    -------
    pairs of the branch and its bound, for all features of the model; none where the model claims no bounds.
    """
    if _claims_nothing(manifest):
        return ()
    chosen = set(selection.names(found))
    requested = asked(
        selection.bounds,
        [(f.name, f.branch, f.dtype) for f in found.features if f.name in chosen],
        found.name,
    )
    return tuple((spec.branch, requested.get(spec.name, spec.bound)) for spec in manifest.features)


def _of_names(selection: Selection, manifest: Manifest) -> Iterator[str]:
    if selection.collection not in (None, manifest.collection):
        yield f"collection {selection.collection} (the model's is {manifest.collection})"
    if selection.features is None:
        return
    known = {name: spec.name for spec in manifest.features for name in (spec.name, spec.branch)}
    wanted = {known.get(name, name) for name in selection.features}
    others = sorted(wanted - set(known.values()))
    if others and not _leaves_some(manifest):
        yield f"features {', '.join(others)} (the model does not have them)"
    unwanted = [spec.name for spec in manifest.features if spec.name not in wanted]
    if unwanted:
        yield f"no features {', '.join(unwanted)} (the model compresses them)"


def _of_bounds(selection: Selection, manifest: Manifest) -> Iterator[str]:
    features = [(spec.name, spec.branch, spec.dtype) for spec in manifest.features]
    requested: dict[str, Bound] = {}
    for pattern, bound in selection.bounds:
        try:
            requested |= asked([(pattern, bound)], features)
        except BoundError as problem:
            if not _leaves_some(manifest):
                yield f"bound {pattern}={bound} ({problem.what})"
    for spec in manifest.features:
        wanted = requested.get(spec.name, spec.bound)
        if _claims_nothing(manifest) and spec.name in requested:
            yield f"bound {spec.name}={wanted} (the model keeps none)"
        elif not keeps(spec.bound, wanted, spec.dtype):
            yield f"bound {spec.name}={wanted} (the model's is {spec.bound})"


def _of_recipe(recipe: Recipe, manifest: Manifest) -> Iterator[str]:
    """Differences to what a manifest records; other choices that were made are of no use."""
    recorded = _recorded(manifest)
    for name, value in recipe.given.items():
        if name not in recorded:
            yield f"{name} (the model is trained already)"
        elif _plain(value) != recorded[name]:
            yield f"{name} {_shown(value)} (the model's is {_shown(recorded[name])})"


def _recorded(manifest: Manifest) -> Mapping[str, Any]:
    """Choices for training that a manifest tells."""
    found: dict[str, Any] = {"codec": manifest.codec_name, "seed": manifest.training.seed}
    if isinstance(manifest.codec, BottleneckSpec):
        codec = manifest.codec
        return found | {
            "latents": codec.latents,
            "latents_only": codec.latents_only,
            "latent_dtype": codec.latent.dtype,
        }
    dithered = any(spec.dither for spec in manifest.features)
    return found | {"conditions": list(manifest.conditions), "dither": dithered}


def _claims_nothing(manifest: Manifest) -> bool:
    return isinstance(manifest.codec, BottleneckSpec) and manifest.codec.latents_only


def _leaves_some(manifest: Manifest) -> bool:
    """Whether features that were asked for may have been left as they are, which keeps any bound."""
    return isinstance(manifest.codec, BottleneckSpec)


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) or "none" if isinstance(value, list | tuple) else str(value)
