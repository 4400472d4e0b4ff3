"""Damage compressed files at random and read them: the compressed features are identical, or a typed error says why.

    python -m scripts.hardening.fuzz_files --mutations 50000 --codec lifting \\
        --seed 1 --evidence docs/evidence/corruptions.md

prints how often each outcome came up, and what was silent or untyped with the number that reproduces it
(``--only NUMBER``). The exit code is 1 if anything was.
"""

from __future__ import annotations

import argparse
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Literal
from unittest import mock

import awkward as ak
import numpy as np
import uproot

import hepae
from hepae import limits
from hepae.errors import DefectError, HepaeError, InputError
from hepae.learn.masked.efforts import EFFORTS, Effort
from hepae.learn.masked.integer_network import Size
from hepae.learn.recipe import recipe_of
from hepae.root.file.reading import reading
from hepae.testing.hostile import KINDS, Bytes
from scripts.hardening import evidence

CODECS = ("lifting", "masked", "bottleneck")
WHOLE = "whole"
"""A file of which every column is compressed, without a model."""

WHOLE_NTUPLE = "whole-rntuple"
"""The same file as an RNTuple, in which a field is kept."""

FILES = (*CODECS, WHOLE, WHOLE_NTUPLE)

FEATURES = ("Jet_pt", "Jet_eta", "Jet_phi", "Jet_nConst", "Jet_tight")
BOUNDS = ("pt=rel:1e-3", "eta,phi=abs:1e-3")
WHOLE_BOUNDS = ("Jet_pt=rel:1e-3", "Jet_eta,Jet_phi=abs:1e-3")
EVENTS_PER_CHUNK = {WHOLE: 30, WHOLE_NTUPLE: 100}
"""Of a whole file: it has several chunks. uproot goes through all clusters of an RNTuple for each column."""

QUICK = {
    "bottleneck": {"epochs": 1, "layers": (8,), "train_objects": 2000},
    "lifting": {"effort": "fast", "train_objects": 2000},
    "masked": {"effort": "fast", "train_objects": 2000},
}
QUICKEST = Effort((Size((8,), (4, 3), 8, 8),), bins=32, samples=100_000, batch=256)
SOURCES = (
    *("hepae/core", "hepae/model", "hepae/root", "hepae/stored", "hepae/read", "hepae/files/decompress"),
    *("hepae/testing/hostile.py", "scripts/hardening/corruptions.py", "scripts/hardening/fuzz_files.py"),
    "scripts/hardening/ntuple_parts.py",
)
SECONDS = 10
MEMORY = 8 << 30
NOTED = 1000

TITLES = {
    **{codec: f"files, {codec}" for codec in CODECS},
    WHOLE: "files compressed as a whole",
    WHOLE_NTUPLE: "RNTuples compressed as a whole",
}
EVENTS = dict.fromkeys(FILES, 80) | {WHOLE_NTUPLE: 400}
"""An RNTuple of fewer would be no smaller compressed, and is copied."""

KEPT = {WHOLE: (), WHOLE_NTUPLE: ("MET",)}
"""What stays as it is: the pages of an RNTuple carry checksums, the baskets of a TTree do not."""

Arrays = dict[str, tuple[bytes, bytes]]


class TooSlowError(Exception):
    """Reading took longer than it may."""


def original(path: Path, events: int = 80, seed: int = 1) -> Path:
    """A small file with jets: floats with sentinels, integers, flags."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 7, events)
    n = int(counts.sum())
    columns = {
        "pt": (20 * (1 + rng.pareto(2.5, n))).astype(np.float32),
        "eta": np.where(rng.random(n) < 0.05, -999, rng.normal(0, 2, n)).astype(np.float32),
        "phi": rng.uniform(-np.pi, np.pi, n).astype(np.float32),
        "nConst": rng.poisson(20, n).astype(np.int32),
        "tight": rng.random(n) < 0.8,
    }
    columns["pt"][::50] = np.nan
    jets = ak.zip({name: ak.unflatten(values, counts) for name, values in columns.items()})
    with uproot.recreate(path) as file:
        file.mktree("Events", {"Jet": jets.type.content, "MET": "float32"})
        file["Events"].extend({"Jet": jets, "MET": rng.exponential(30, events).astype(np.float32)})
    return path


def compressed(source: Path, target: Path, codec: str) -> Path:
    """That file, compressed by a model trained for a second, or as a whole."""
    if codec in (WHOLE, WHOLE_NTUPLE):
        container: Literal["rntuple"] | None = "rntuple" if codec == WHOLE_NTUPLE else None
        with mock.patch.object(limits, "EVENTS_PER_CHUNK", EVENTS_PER_CHUNK[codec]):
            # columns that are named are compressed even where so few entries are smaller as they are
            hepae.compress(
                source,
                target,
                bounds=WHOLE_BOUNDS,
                only=["*"],
                skip=KEPT[codec],
                container=container,
                threads=1,
                force=True,
            )
        return target
    EFFORTS["fast"] = QUICKEST
    recipe = recipe_of({"codec": codec, **QUICK[codec]})
    hepae.compress(source, target, collection="Jet", bounds=BOUNDS, recipe=recipe, threads=1, force=True)
    return target


def restored(path: Path, features: Sequence[str] = FEATURES) -> Arrays:
    """Counts and bit patterns of every compressed feature, as a user reads them."""
    with hepae.open(path) as file, reading(path):
        events = file["Events"]
        if not hasattr(events, "arrays"):
            raise InputError("not a tree", where=path, got=type(events).__name__)
        columns = {name: events.arrays([name])[name] for name in features}
    return {
        name: (
            ak.to_numpy(ak.num(values) if values.ndim > 1 else len(values)).astype(np.int64).tobytes(),
            ak.to_numpy(ak.flatten(values, axis=None)).tobytes(),
        )
        for name, values in columns.items()
    }


def decompressed(path: Path, features: Sequence[str] = FEATURES) -> Arrays:
    """The same by way of `hepae decompress`."""
    target = path.with_suffix(".restored")
    try:
        hepae.decompress(path, target, force=True)
        return restored(target, features)
    finally:
        target.unlink(missing_ok=True)


def outcome(data: Bytes, number: int, seed: int, expected: Arrays, folder: Path) -> tuple[str, str]:
    """What reading a damaged file comes to, in one word and with the details of what must not be."""
    rng = np.random.default_rng([seed, number])
    kind = KINDS[number % len(KINDS)]
    path = folder / f"{os.getpid()}.root"
    path.write_bytes(kind(data.copy(), rng).tobytes())
    read = decompressed if number % 20 >= 18 or number % 20 == 1 else restored
    began = time.perf_counter()
    try:
        with time_limit():
            found = read(path, list(expected))
    except DefectError as defect:
        return "untyped", f"{kind.__name__}, {read.__name__}: {defect}"
    except HepaeError as refused:
        return f"refused: {type(refused).__name__}", ""
    except Exception:  # noqa: BLE001 - anything else is what is looked for
        return "untyped", f"{kind.__name__}, {read.__name__}: {traceback.format_exc(limit=-12)}"
    if found != expected:
        wrong = [name for name in expected if found[name] != expected[name]]
        return "silent", f"{kind.__name__}, {read.__name__}: {wrong}, {time.perf_counter() - began:.1f} s"
    return "identical", ""


@contextmanager
def time_limit() -> Iterator[None]:
    """Raise `TooSlowError` after `SECONDS` of processor time: how busy the machine is does not matter."""

    def ring(*_: Any) -> None:
        raise TooSlowError(f"more than {SECONDS} s")

    before = signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def features_of(codec: str) -> tuple[str, ...]:
    """What is compressed in such a file."""
    return ("nJet", *FEATURES, "MET") if codec in (WHOLE, WHOLE_NTUPLE) else FEATURES


Fault = tuple[int, str, str]


def fuzz(
    codec: str,
    numbers: Iterable[int],
    seed: int,
    say: Callable[[str], None],
    note: Callable[[Counter[str]], None] = lambda _: None,
) -> tuple[Counter[str], list[Fault]]:
    """Outcomes of mutations of one file, and what must not be; ``note`` is told now and then."""
    outcomes: Counter[str] = Counter()
    faults = []
    with tempfile.TemporaryDirectory(prefix="hepae-fuzz-") as name:
        folder = Path(name)
        whole = compressed(
            original(folder / "original.root", EVENTS[codec]), folder / "compressed.root", codec
        )
        expected = restored(whole, features_of(codec))
        data = np.frombuffer(whole.read_bytes(), np.uint8)
        for number in numbers:
            word, details = outcome(data, number, seed, expected, folder)
            outcomes[word] += 1
            if details:
                faults.append((number, word, details))
                say(f"{codec} {number}: {word}: {details}")
            if outcomes.total() % NOTED == 0:
                note(outcomes)
    note(outcomes)
    return outcomes, faults


def page(path: Path) -> evidence.Page:
    """The page that tells of damage."""
    return evidence.Page(
        path,
        "Damaged bytes",
        "Flipped bits; overwritten, blanked, exchanged, dropped, repeated, missing bytes; numbers that are no size.\n"
        "What is read then is the same bit for bit, or refused with a typed error; anything else would be counted as\n"
        "silent (wrong values) or untyped (another exception, more than ten seconds of processor time). Made by\n"
        "`make corruptions`.",
        (
            "damaged",
            "how often",
            "identical",
            "refused",
            "silent",
            "untyped",
            "CPU seconds",
        ),
        SOURCES,
        ("numpy", "uproot", "awkward"),
    )


def row(damaged: str, outcomes: Counter[str], seconds: float) -> dict[str, object]:
    """A row of that page."""
    known = {word: outcomes[word] for word in ("identical", "silent", "untyped")}
    return {
        "damaged": damaged,
        "how often": outcomes.total(),
        **known,
        "refused": outcomes.total() - sum(known.values()),
        "CPU seconds": seconds,
    }


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mutations", type=int, default=1000, help="for each codec")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--first", type=int, default=0, help="number of the first mutation: to resume, or to share out"
    )
    parser.add_argument("--only", type=int, help="only the mutation of this number")
    parser.add_argument("--codec", choices=FILES, help="only files of this codec, or whole ones")
    parser.add_argument("--evidence", type=Path, metavar="FILE", help="page to write what was found on")
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    numbers = range(options.first, options.first + options.mutations)
    if options.only is not None:
        numbers = range(options.only, options.only + 1)
    failed = False
    for codec in [options.codec] if options.codec else FILES:
        began = time.process_time()

        def note(outcomes: Counter[str], codec: str = codec, began: float = began) -> None:
            if options.evidence is not None:
                seconds = time.process_time() - began
                page(options.evidence).note([row(TITLES[codec], outcomes, seconds)])

        outcomes, faults = fuzz(codec, numbers, options.seed, partial(print, flush=True), note)
        failed |= bool(faults)
        print(f"{codec}: {outcomes.total()} mutations, {time.process_time() - began:.0f} s: {dict(outcomes)}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
