"""Where the models come from that are exported: a model file, or the table of models in a compressed file."""

from __future__ import annotations

from pathlib import Path

from hepae.core.bottleneck.spec import BottleneckSpec
from hepae.core.values.names import is_url
from hepae.errors import InputError, UnsupportedError
from hepae.model.model import Model
from hepae.root.file.source import open_source
from hepae.stored.models import models_of

__all__ = ["bottleneck_models"]


def bottleneck_models(path: str | Path) -> list[Model]:
    """The bottleneck models of a model file or of a compressed ROOT file, in the order of the file.

    Raises
    ------
    UnsupportedError
        If it holds none: the chunked codecs have no decoder of their own to export.
    InputError
        If it cannot be read.
    """
    models = _models(path)
    found = [model for model in models if isinstance(model.manifest.codec, BottleneckSpec)]
    if not found:
        raise UnsupportedError(
            "no bottleneck model to export",
            where=path,
            got=", ".join(model.manifest.codec_name for model in models) or "no model",
            hint="compress with --codec bottleneck, or read the file with hepae.rdataframe.open",
        )
    return found


def _models(path: str | Path) -> list[Model]:
    if not is_url(path) and not _is_root(Path(path)):
        return [Model.load(path)]
    with open_source(path) as source:
        return [Model.from_bytes(data) for data in models_of(source).embedded.values() if data]


def _is_root(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return stream.read(4) == b"root"
    except OSError as problem:
        raise InputError("the model cannot be read", where=path, got=problem.strerror) from None
