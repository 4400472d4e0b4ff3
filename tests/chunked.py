"""The bundled sample compressed in small chunks, so that runs of events cut them, made once in each test process."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import hepae
from hepae import limits
from hepae.stored import reader
from hepae.stored.restore import CompressedCollection
from tests.compressed import SAMPLE, folder, model

CODECS = ("lifting", "masked", "bottleneck")
EVENTS_PER_CHUNK = 500


@functools.cache
def chunked(codec: str) -> Path:
    """2,400 events in five chunks; to be read only."""
    target = folder() / f"{codec}-chunked.root"
    with mock.patch.object(limits, "EVENTS_PER_CHUNK", EVENTS_PER_CHUNK):
        hepae.compress(SAMPLE, target, model=model(codec))
    return target


@contextmanager
def watched() -> Iterator[list[CompressedCollection]]:
    """Every compressed collection that is opened for reading meanwhile, to see what it decoded."""
    opened: list[CompressedCollection] = []

    class Watched(CompressedCollection):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments)  # type: ignore[arg-type]
            opened.append(self)

    with mock.patch.object(reader, "CompressedCollection", Watched):
        yield opened


def decoded(opened: list[CompressedCollection]) -> dict[str, int]:
    """Objects decoded, by feature."""
    total: dict[str, int] = {}
    for one in opened:
        for name, objects in one.decoded.items():
            total[name] = total.get(name, 0) + objects
    return total
