"""Inputs that libFuzzer searches for, in the C++ decoders, under AddressSanitizer and UBSan.

    python -m scripts.hardening.native_fuzz --seconds 600 --evidence docs/evidence/native_fuzz.md

Each target of ``native/fuzz`` begins with inputs that are right. Each input must be decoded or refused with a
CorruptionError; what ends the program is written beside the corpus. Needs clang with its runtime libraries.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import numpy as np
import uproot

import hepae
from hepae.core.coding.integers import pack
from hepae.core.coding.patches import patch
from hepae.core.plain.codec import squeeze
from hepae.root.file.source import open_source
from hepae.root.headers import include_folder
from hepae.stored.compressed import CompressedTree, compressed_of
from hepae.stored.described import schemas_of
from scripts.hardening.evidence import Page

ROOT: Final = Path(__file__).parent.parent.parent
FUZZ: Final = ROOT / "native" / "fuzz"
FLAGS: Final = (
    "-std=c++17", "-g1", "-O1", "-ffp-contract=off", "-fsanitize=fuzzer,address,undefined",
    "-fno-sanitize-recover=all",
)  # fmt: skip
MEGABYTES: Final = 3000


def blocks() -> Iterator[bytes]:
    """Blocks of integers of all modes, after their numbers."""
    rng = np.random.default_rng(1)
    for n in (1, 5, 300, 2000):
        for column in (
            np.zeros(n, np.int64),
            rng.integers(-100, 100, n),
            rng.integers(0, 5, n) * 1_000_003,
            rng.integers(-(1 << 40), 1 << 40, n),
            rng.normal(0, 1e5, n).astype(np.int64) * 7,
            rng.choice([0, 10, 1 << 20], n),
        ):
            yield n.to_bytes(2, "little") + pack(column)


def streams() -> Iterator[bytes]:
    """Streams of LZMA2, after the number of their bytes."""
    for text in (b"", b"a", b"hepae " * 500, bytes(range(256)) * 40):
        yield len(text).to_bytes(2, "little") + squeeze(text)


def models() -> Iterator[bytes]:
    """Released models, and those of golden files."""
    for path in sorted((ROOT / "onnx").glob("*.onnx")):
        yield path.read_bytes()
    golden = ROOT / "tests" / "golden" / "v1"
    for path in sorted([*golden.glob("*-dtypes.root"), *golden.glob("bottleneck-*.root")]):
        with uproot.open(path) as file:
            yield bytes(file["hepae_models"]["onnx"].array(library="np")[0])


def schemas() -> Iterator[bytes]:
    """The schema of a tree that is compressed as a whole."""
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder, "small.root")
        hepae.compress(ROOT / "tests" / "data" / "ntuple.root", small)
        with uproot.open(small) as file:
            opened = compressed_of(file["Events"])
            assert isinstance(opened, CompressedTree)
            yield from {schema.to_json() for schema in opened.stored.values()}


def references() -> Iterator[bytes]:
    """A model of a data set, and patches of references of all kinds."""
    yield b"\0" + hepae.train_dataset([ROOT / "tests" / "data" / "ntuple.root"]).data
    reference = b"a branch of floats, " * 9
    for made in (b"", reference, b"no " + reference[7:90] + b"!", b"\1" * 40, reference * 3):
        yield b"\1" + len(reference).to_bytes(2, "little") + reference + patch(reference, made)


def ntuples() -> Iterator[bytes]:
    """Headers of RNTuples that are compressed as a whole."""
    with tempfile.TemporaryDirectory() as folder:
        small, original, ntuple = (
            Path(folder, name) for name in ("small.root", "original.root", "ntuple.root")
        )
        hepae.compress(ROOT / "tests" / "data" / "ntuple.root", small)
        hepae.decompress(small, original, container="rntuple")
        hepae.compress(original, ntuple)
        with open_source(ntuple) as source:
            yield from {one.header for one in schemas_of(source).values()}


TARGETS: Final[dict[str, Callable[[], Iterator[bytes]]]] = {
    "integers": blocks, "lzma": streams, "model": models, "schema": schemas, "reference": references,
    "ntuple": ntuples,
}  # fmt: skip


def compiled(target: str, folder: Path) -> Path:
    """The program of a target."""
    clang = shutil.which("clang++")
    if clang is None:
        raise SystemExit("there is no clang++")
    made = folder / target
    command = [clang, *FLAGS, f"-I{include_folder()}", str(FUZZ / f"{target}.cpp"), "-o", str(made)]
    subprocess.run(command, check=True)
    return made


def fuzz(target: str, folder: Path, *limits: str) -> int:
    """How many inputs were tried, which were all decoded or refused; ends the program where one was not."""
    corpus = folder / f"{target}-corpus"
    corpus.mkdir(exist_ok=True)
    for number, seed in enumerate(TARGETS[target]()):
        (corpus / f"seed-{number}").write_bytes(seed)
    command = [
        str(compiled(target, folder)), *limits, "-seed=1", "-print_final_stats=1", "-timeout=20",
        f"-rss_limit_mb={MEGABYTES}", f"-artifact_prefix={folder}/{target}-", str(corpus),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{target}: {done.stderr[-4000:]}")
    found = re.search(r"number_of_executed_units:\s*(\d+)", done.stderr)
    assert found is not None
    return int(found.group(1))


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=60, help="of each target")
    parser.add_argument("--target", choices=TARGETS)
    parser.add_argument("--evidence", type=Path, metavar="FILE", help="page to write what was found on")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for target in [options.target] if options.target else TARGETS:
            tried = fuzz(target, Path(folder), f"-max_total_time={options.seconds}")
            print(f"{target}: {tried} inputs", flush=True)
            if options.evidence is not None:
                row = {"target": target, "inputs": tried, "seconds": options.seconds}
                page(options.evidence).note([row])
    return 0


def page(path: Path) -> Page:
    """The page of evidence."""
    sources = ("native/include/hepae", "native/fuzz", "scripts/hardening/native_fuzz.py")
    return Page(path, "Fuzzing of the C++ decoders", f"{__doc__}", ("target", "inputs", "seconds"), sources)


if __name__ == "__main__":
    sys.exit(main())
