"""Time and memory of encoding and decoding, in a process of its own that has no PyTorch in it and one thread.

``python -m hepae.lab.experiments.speed MODEL COLUMNS`` prints JSON; `measure` starts it.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from hepae.arrays import Array, Values
from hepae.core.bottleneck.codec import TILE, Bottleneck
from hepae.core.chunk import ChunkCodec
from hepae.core.decode import codec_of
from hepae.core.network import Network
from hepae.core.values.objects import Objects
from hepae.errors import InputError
from hepae.model.model import Model

__all__ = ["PUBLISHED_JETS", "Speed", "measure"]

PUBLISHED_JETS = 27_945
"""Jets of the published timing."""

REPEATS = 15
SECONDS = 4.0
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


class Speed(msgspec.Struct, frozen=True):
    """Milliseconds of processor time for 27,945 objects on one thread, the best of several runs, and memory.

    Parameters
    ----------
    encode_ms, decode_ms
        From values to latents, corrections and escapes (or to coded frames), and back.
    network_encode_ms, network_decode_ms
        The networks of a bottleneck alone, which is what the literature timed; None for other codecs.
    peak_mb
        Largest resident memory of the process, Python and ONNX Runtime included.
    """

    encode_ms: float
    decode_ms: float
    network_encode_ms: float | None
    network_decode_ms: float | None
    peak_mb: float


def measure(model: Model, objects: Objects) -> Speed:
    """Time a model on these objects, repeated until there are at least 27,945 of them.

    Raises
    ------
    InputError
        If the process that measures fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        path, columns = Path(folder) / "model.onnx", Path(folder) / "columns.npz"
        model.save(path)
        arrays = {f"column.{name}": column for name, column in objects.columns.items()}
        arrays |= {f"event.{name}": column for name, column in objects.events.items()}
        np.savez(columns, allow_pickle=False, counts=objects.counts, **arrays)
        done = subprocess.run(  # noqa: S603 - this Python, this module
            [sys.executable, "-m", "hepae.lab.experiments.speed", str(path), str(columns)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **ONE_THREAD},
        )
    if done.returncode:
        raise InputError("the speed cannot be measured", got=done.stderr.strip().splitlines()[-1:])
    return msgspec.json.decode(done.stdout, type=Speed)


def _main(model: str, columns: str) -> None:
    with np.load(columns, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    objects = _enough(Objects(arrays["counts"], _under(arrays, "column."), _under(arrays, "event.")))
    codec = codec_of(Model.load(model))
    found = _bottleneck(codec, objects) if isinstance(codec, Bottleneck) else _chunked(codec, objects)
    scale = 1e3 * PUBLISHED_JETS / max(1, objects.n_objects)
    times = {name: None if seconds is None else scale * seconds for name, seconds in found.items()}
    sys.stdout.write(json.dumps({**times, "peak_mb": _peak()}))


def _peak() -> float:
    """Largest resident memory in MB. Of a process that another started, getrusage knows the largest of both."""
    status = Path("/proc/self/status")
    for line in status.read_text().splitlines() if status.exists() else ():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _under(arrays: dict[str, Array], prefix: str) -> dict[str, Values]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _enough(objects: Objects) -> Objects:
    """Whole events, repeated or cut, with about 27,945 objects."""
    if not objects.n_objects:
        return objects
    times = -(-PUBLISHED_JETS // objects.n_objects)
    whole = Objects(
        np.tile(objects.counts, times),
        {name: np.tile(column, times) for name, column in objects.columns.items()},
        {name: np.tile(column, times) for name, column in objects.events.items()},
    )
    return whole.slice(0, int(np.searchsorted(np.cumsum(whole.counts), PUBLISHED_JETS)) + 1)


def _bottleneck(codec: Bottleneck, objects: Objects) -> dict[str, float | None]:
    encoded = codec.encode(objects.columns)
    inputs = np.stack(
        [column.transform.forward(objects.columns[column.name])[0] for column in codec.spec.columns], axis=1
    )
    latents = codec.spec.latent.load(encoded.latents)
    encoder, decoder = codec.networks["encoder"], codec.networks["decoder"]
    return {
        "encode_ms": _best(lambda: codec.encode(objects.columns)),
        "decode_ms": _best(lambda: codec.decode(encoded)),
        "network_encode_ms": _best(lambda: _run(encoder, "features", inputs)),
        "network_decode_ms": _best(lambda: _run(decoder, "latents", latents)),
    }


def _run(network: Network, source: str, inputs: NDArray[np.float32]) -> None:
    for at in range(0, len(inputs), TILE):
        network(**{source: inputs[at : at + TILE]})


def _chunked(codec: ChunkCodec, objects: Objects) -> dict[str, float | None]:
    frames = codec.encode(objects, 0)
    return {
        "encode_ms": _best(lambda: codec.encode(objects, 0)),
        "decode_ms": _best(
            lambda: codec.decode(objects.counts, objects.events, frames, list(codec.features))
        ),
        "network_encode_ms": None,
        "network_decode_ms": None,
    }


def _best(work: Callable[[], object]) -> float:
    """Seconds of the fastest of several runs, of processor time: others on the machine do not count."""
    times: list[float] = []
    while len(times) < REPEATS and sum(times) < SECONDS:
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times)


if __name__ == "__main__":
    _main(*sys.argv[1:])
