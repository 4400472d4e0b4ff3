"""Write the golden files of a version of the format: small, of every codec, bound and dtype, and what they restore to.

    python -m scripts.make_golden tests/golden/v1

Files that are there are never made again: every later hepae must restore them to the same bits, but need not write the
same. What is missing is added.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from numpy.typing import NDArray

import hepae
from hepae import limits
from hepae.learn.masked.efforts import EFFORTS
from hepae.learn.recipe import Recipe, recipe_of
from hepae.root.columns import Jagged
from hepae.root.file.source import open_source
from hepae.root.file.writer import RootWriter
from hepae.root.ttree.plan import NewBranch
from hepae.testing.golden import HASHES, digests, recorded, restored
from scripts.hardening.fuzz_files import QUICKEST

EVENTS, EVENTS_PER_CHUNK = 80, 35
BOUNDS = {
    "pt": "rel:1e-3", "eta": "abs:1e-3", "phi": "abs:1e-3", "mass": "bits:9", "area": "exact", "raw": "exact",
    "wide": "abs:0.5", "fine": "rel:1e-5", "double": "exact",
}  # fmt: skip
SAMPLE = Path(__file__).parent.parent / "tests" / "data" / "sample.root"
JETS = ("pt", "eta", "phi", "mass", "chHEF", "neHEF", "nConstituents", "nCh", "btag", "muonIdx")
JET_BOUNDS = ("pt,mass=rel:1e-3", "eta,phi,chHEF,neHEF=abs:1e-3", "btag=bits:7")
FOUR = JETS[:4]
CONDITIONS = ("MET", "METphi")
INTEGERS = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")

Columns = dict[str, NDArray[Any]]


def events(seed: int) -> tuple[NDArray[np.int64], Columns, Columns]:
    """Counts, columns of jets of every dtype with what is no number among them, and columns of the events."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 6, EVENTS)
    n = int(counts.sum())
    pt = 20 * (1 + rng.pareto(2.5, n))
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


def crowded(seed: int) -> tuple[NDArray[np.int64], Columns, Columns]:
    """Many objects, of kinds that differ in their spread: enough for classes to pay."""
    rng = np.random.default_rng(seed)
    counts = np.full(100, 100)
    kind = np.minimum(rng.geometric(0.6, counts.sum()), 7)
    x = np.rint(rng.normal(0, 3.0**kind)).astype(np.int16)
    pt = np.tile(np.arange(100, 0, -1), 100).astype(np.float32)
    return counts, {"pt": pt, "kind": kind.astype(np.uint8), "x": x}, {}


def written(path: Path, counts: NDArray[np.int64], columns: Columns, flat: Columns) -> Path:
    """A file of such events."""
    plan = [NewBranch("nJet", "int32"), *(NewBranch(name, x.dtype.name) for name, x in flat.items())]
    plan += [
        NewBranch(f"Jet_{name}", x.dtype.name, f"{name} [of a jet]", "nJet") for name, x in columns.items()
    ]
    with RootWriter(path) as out:
        tree = out.new_tree("Events", plan, "golden events")
        jagged = {f"Jet_{name}": Jagged(counts, values) for name, values in columns.items()}
        tree.append({"nJet": counts.astype(np.int32), **flat, **jagged})
        tree.finish()
    return path


def sampled(path: Path, rounded: bool = False) -> Path:
    """The first events of the bundled sample; ``rounded`` to few bits, so that exact lattices are coarse."""
    with open_source(SAMPLE) as source:
        tree = source.tree("Events")
        found = tree.objects(tree.collection("Jet"), JETS, CONDITIONS, 0, EVENTS)
    columns = dict(found.columns)
    if rounded:
        columns = {
            name: columns[name].astype(np.float16).astype(np.float32) for name in ("pt", "eta", "mass")
        }
    return written(path, found.counts, columns, found.events)


def recipe(codec: str, **choices: object) -> Recipe:
    """Training for a second."""
    quick = {"epochs": 2, "layers": (8,)} if codec == "bottleneck" else {"effort": "fast"}
    return recipe_of({"codec": codec, "train_objects": 6000, **quick, **choices})


def trained(codec: str, features: Sequence[str] = JETS, **choices: object) -> hepae.Model:
    """A model of the whole sample, whose features follow from each other."""
    chosen = recipe(codec, **choices)
    bounds = list(JET_BOUNDS if features == JETS else ("pt,mass=rel:1e-3", "eta,phi=abs:1e-3"))
    if choices.get("latents_only"):
        bounds = []
    return hepae.train([SAMPLE], collection="Jet", features=features, bounds=bounds, recipe=chosen)


def files(folder: Path, home: Path) -> Iterator[str]:
    """Write the golden files into a folder, from originals in another; their names."""
    jets, rounded = sampled(home / "jets.root"), sampled(home / "rounded.root", rounded=True)
    dtypes = written(home / "dtypes.root", *events(1))

    def write(name: str, source: Path, **choices: Any) -> str:
        hepae.compress(source, folder / name, collection="Jet", threads=1, force=True, **choices)
        return name

    bounds = [f"{feature}={bound}" for feature, bound in BOUNDS.items()]
    for codec in ("lifting", "masked"):
        whole = recipe(codec, conditions=("MET",))
        yield write(f"{codec}-dtypes.root", dtypes, bounds=bounds, recipe=whole)
        model = trained(codec, conditions=CONDITIONS)
        yield write(f"{codec}-jets.root", jets, model=model)
        yield write(f"{codec}-dither.root", jets, model=trained(codec, FOUR, dither=True))
    many = written(home / "crowded.root", *crowded(1))
    yield write("lifting-groups.root", many, recipe=recipe("lifting", effort="default"))
    exact = hepae.train([rounded], collection="Jet", recipe=recipe("lifting"))
    yield write("lifting-foreign.root", jets, model=exact)
    yield write("lifting-rntuple.root", rounded, recipe=recipe("lifting"), container="rntuple")
    yield write("lifting-side.root", rounded, recipe=recipe("lifting"), side=True)
    for latent, only in (("float32", False), ("uint8", False), ("float16", True)):
        model = trained("bottleneck", FOUR, latent_dtype=latent, latents_only=only)
        yield write(f"bottleneck-{latent}.root", jets, model=model)


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    known = recorded(folder) if (folder / HASHES).exists() else {}
    EFFORTS["fast"] = QUICKEST
    with (
        tempfile.TemporaryDirectory() as home,
        tempfile.TemporaryDirectory() as made,
        mock.patch.object(limits, "EVENTS_PER_CHUNK", EVENTS_PER_CHUNK),
    ):
        names = [name for name in files(Path(made), Path(home)) if name not in known]
        for name in names:
            shutil.copy(Path(made) / name, folder / name)
    found = known | {name: digests(restored(folder / name)) for name in names}
    (folder / HASHES).write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    for name in names:
        print(f"{name}: {(folder / name).stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
