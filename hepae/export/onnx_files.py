"""A bottleneck model as plain ONNX files, for any program that has ONNX Runtime.

``encoder.onnx`` (features to latents) and ``decoder.onnx`` (latents to features) work in the network's own units;
``transforms.json`` says how values get there and back, how latents are stored, and what corrections and escapes mean.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from hepae.core.bottleneck.spec import BottleneckSpec
from hepae.errors import UnsupportedError
from hepae.export.sources import bottleneck_models
from hepae.model.model import Model
from hepae.root.file.atomic import atomic_output, check_target, output_folder
from hepae.stored.titles import SUFFIX

__all__ = ["transforms", "write_onnx"]


def write_onnx(source: str | Path, folder: str | Path, *, force: bool = False) -> list[Path]:
    """Write encoder, decoder and transforms of a model.

    Parameters
    ----------
    source
        Model (.onnx) or compressed ROOT file with one bottleneck model.
    folder
        Where to write; made if it is not there.
    force
        Replace files that exist, which is an error otherwise.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    UnsupportedError
        If the file holds several models, or none of this kind.

    Examples
    --------
    >>> write_onnx("jets.onnx", "production")  # doctest: +SKIP
    """
    from hepae.model.admission import admit  # imports onnx, which `import hepae` does not

    models = bottleneck_models(source)
    if len(models) > 1:
        raise UnsupportedError(
            "several models", where=source, got=", ".join(model.sha256[:8] for model in models)
        )
    networks = admit(models[0].data).networks
    contents = {f"{name}.onnx": networks[name] for name in ("encoder", "decoder")}
    contents["transforms.json"] = msgspec.json.format(msgspec.json.encode(transforms(models[0])), indent=1)
    paths = {output_folder(folder) / name: content for name, content in contents.items()}
    for path in paths:
        check_target(path, (source,), force=force)
    for path, content in paths.items():
        with atomic_output(path, (source,), force=force) as temporary:
            temporary.write_bytes(content)
    return list(paths)


def transforms(model: Model) -> dict[str, Any]:
    """What a reader needs besides the networks.

    Bit patterns of frequent values are hexadecimal strings, because not every language has integers of 64 bits.
    """
    spec = model.manifest.codec
    assert isinstance(spec, BottleneckSpec)
    name = model.manifest.collection
    return {
        "sha256": model.sha256,
        "model": int(model.sha256[:8], 16),
        "collection": name,
        "counter": model.manifest.counter,
        "branches": {part: f"{name}_{part}{SUFFIX}" for part in ("model", "latent", "escape")},
        "latents": spec.latents,
        "latent": msgspec.to_builtins(spec.latent),
        "latents_only": spec.latents_only,
        "escape": {"bytes": 14, "rank": [0, 4], "feature": [4, 2], "bits": [6, 8], "byte_order": "little"},
        "columns": [
            {
                "name": column.name,
                "branch": model.manifest.feature(column.name).branch,
                "payload": model.manifest.feature(column.name).branch + SUFFIX,
                "dtype": column.dtype,
                "bound": msgspec.to_builtins(column.bound),
                "transform": msgspec.to_builtins(column.transform),
                "kind": "integer" if column.is_integer else "abs" if column.bound.kind == "abs" else "rel",
                "step": column.step,
                "drift": column.drift,
                "frequent": [f"{bits:x}" for bits in column.frequent],
            }
            for column in spec.columns
        ],
    }
