"""Write the golden files of the format's version: small files of every codec, bound and dtype, and what they restore to.

    python -m scripts.make_golden tests/golden/v1

The files are never made again for a version that is out: every later hepae must restore them to the same bits. They need
not be what today's writer would write.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import awkward as ak
import numpy as np
from numpy.typing import NDArray

import hepae
from hepae import limits
from hepae.recipe import Recipe, recipe_of
from hepae.rootio.columns import Jagged
from hepae.rootio.tree_writer import NewBranch
from hepae.rootio.writer import RootWriter
from scripts import fuzz_files

__all__ = ["HASHES", "digests", "restored"]

HASHES = "restored.json"
EVENTS, EVENTS_PER_CHUNK = 120, 50
BOUNDS = {
    "pt": "rel:1e-3", "eta": "abs:1e-3", "phi": "abs:1e-3", "mass": "bits:9", "area": "exact", "raw": "exact",
    "wide": "abs:0.5", "fine": "rel:1e-5", "double": "exact",
}  # fmt: skip
FOUR = ("pt", "eta", "phi", "mass", "nConst", "flag")
INTEGERS = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")

Columns = dict[str, NDArray[Any]]


def events(seed: int, scale: float = 1.0) -> tuple[NDArray[np.int64], Columns, Columns]:
    """Counts, columns of jets of every dtype with what is no number among them, and columns of the events."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 6, EVENTS)
    n = int(counts.sum())
    pt = scale * 20 * (1 + rng.pareto(2.5, n))
    pt = pt[np.lexsort((-pt, np.repeat(np.arange(EVENTS), counts)))]
    columns: Columns = {
        "pt": pt.astype(np.float32),
        "eta": rng.normal(0, 2, n).astype(np.float32),
        "phi": rng.uniform(-np.pi, np.pi, n).astype(np.float32),
        "mass": (0.1 * pt * rng.lognormal(0, 0.3, n)).astype(np.float32),
        "area": np.round(rng.normal(0.5, 0.05, n) * 256).astype(np.float32) / 256,
        "raw": rng.integers(0, 2**32, n, np.uint32).view(np.float32),
        "wide": pt * 1e3,
        "fine": rng.normal(0, 1e-300, n),
        "double": rng.normal(0, 1, n),
        "nConst": rng.poisson(np.sqrt(np.abs(pt))).astype(np.int32),
        "flag": rng.random(n) < 0.8,
    }
    for dtype in INTEGERS:
        edges = np.iinfo(dtype)
        columns[dtype] = rng.integers(edges.min, edges.max, n, dtype, endpoint=True)
    columns["eta"][::17], columns["mass"][::23], columns["pt"][5] = -999, -0.0, np.inf
    columns["pt"].view(np.uint32)[9] = 0xFFC12345  # a NaN with a payload
    met = {"MET": rng.exponential(30, EVENTS).astype(np.float32)}
    return counts, columns, met


def original(path: Path, seed: int, names: tuple[str, ...] | None = None, scale: float = 1.0) -> Path:
    """A file of such events."""
    counts, columns, met = events(seed, scale)
    chosen = {name: columns[name] for name in names or columns}
    plan = [NewBranch("nJet", "int32"), NewBranch("MET", "float32", "missing momentum")]
    plan += [
        NewBranch(f"Jet_{name}", x.dtype.name, f"{name} [of a jet]", "nJet") for name, x in chosen.items()
    ]
    with RootWriter(path) as out:
        tree = out.new_tree("Events", plan, "golden events")
        jagged = {f"Jet_{name}": Jagged(counts, values) for name, values in chosen.items()}
        tree.append({"nJet": counts.astype(np.int32), **met, **jagged})
        tree.finish()
    return path


def recipe(codec: str, **choices: object) -> Recipe:
    """Training for a second."""
    quick = {"epochs": 1, "layers": (4,), "effort": "fast"}
    return recipe_of({"codec": codec, **quick, **choices})


def files(folder: Path, home: Path) -> Iterator[str]:
    """Write the golden files into a folder, from originals in another; their names."""
    whole, four = original(home / "whole.root", 1), original(home / "four.root", 2, FOUR)
    foreign = original(home / "foreign.root", 3, FOUR, scale=-1e9)

    def write(
        name: str, source: Path, codec: str, choices: dict[str, object] | None = None, **more: Any
    ) -> str:
        bounds = [
            f"{feature}={bound}" for feature, bound in BOUNDS.items() if source == whole or feature in FOUR
        ]
        training = {} if "model" in more else {"bounds": bounds, "recipe": recipe(codec, **(choices or {}))}
        hepae.compress(source, folder / name, collection="Jet", threads=1, **training, **more)
        return name

    yield write("lifting.root", whole, "lifting", {"conditions": ("MET",)})
    yield write("lifting-dither.root", four, "lifting", {"dither": True})
    yield write("lifting-rntuple.root", four, "lifting", container="rntuple")
    yield write("lifting-side.root", four, "lifting", side=True)
    model = hepae.train([four], collection="Jet", bounds=["*=abs:1e-3"], recipe=recipe("lifting"))
    yield write("lifting-foreign.root", foreign, "lifting", model=model)
    yield write("masked.root", four, "masked", {"conditions": ("MET",)})
    yield write("masked-foreign.root", foreign, "masked", model=_masked(four))
    for latent in ("float32", "float16", "uint8"):
        yield write(f"bottleneck-{latent}.root", four, "bottleneck", {"latent_dtype": latent})
    yield write("bottleneck-latents.root", four, "bottleneck", {"latents_only": True})


def _masked(source: Path) -> hepae.Model:
    return hepae.train([source], collection="Jet", bounds=["*=rel:1e-2"], recipe=recipe("masked"))


def restored(path: Path) -> dict[str, tuple[NDArray[np.int64], NDArray[Any]]]:
    """Counts and flat restored values of every compressed branch."""
    with hepae.open(path) as file:
        tree = file["Events"]
        names = [name for name in tree if name.startswith("Jet_")]
        arrays = {name: tree.arrays([name])[name] for name in names}
    return {
        name: (ak.to_numpy(ak.num(values)).astype(np.int64), ak.to_numpy(ak.flatten(values)))
        for name, values in arrays.items()
    }


def digests(found: dict[str, tuple[NDArray[np.int64], NDArray[Any]]]) -> dict[str, dict[str, str]]:
    """Dtype and SHA-256 of counts (as i64) and of values, in little-endian bytes, by branch."""

    def sha256(values: NDArray[Any]) -> str:
        return hashlib.sha256(values.astype(values.dtype.newbyteorder("<")).tobytes()).hexdigest()

    return {
        name: {"dtype": values.dtype.name, "counts": sha256(counts), "values": sha256(values)}
        for name, (counts, values) in found.items()
    }


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="empty, or not there")
    folder = parser.parse_args().folder
    if folder.exists() and any(folder.iterdir()):
        print(f"{folder} is not empty: golden files are not made again")
        return 1
    folder.mkdir(parents=True, exist_ok=True)
    fuzz_files.EFFORTS["fast"] = fuzz_files.QUICKEST
    with (
        tempfile.TemporaryDirectory() as home,
        mock.patch.object(limits, "EVENTS_PER_CHUNK", EVENTS_PER_CHUNK),
    ):
        found = {name: digests(restored(folder / name)) for name in files(folder, Path(home))}
    (folder / HASHES).write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    for name in found:
        print(f"{name}: {(folder / name).stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
