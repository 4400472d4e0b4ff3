"""Risk: a processor that takes subnormal numbers for zero, in the writer, in the reader, or in both."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import hepae
from hepae.core.values.bounds import parse
from hepae.testing.files import write_events
from scripts.hardening.exhaustive import violations
from tests.test_promise import QUICK

FLUSHED = """
import sys
from pathlib import Path
import torch
import numpy as np
small = np.array([1000], np.uint32).view(np.float32)
assert torch.set_flush_denormal(True)
assert small * 1 == 0, "nothing is flushed"
import hepae
from tests.test_denormals import BOUNDS, CODECS
from tests.test_promise import QUICK
folder = Path(sys.argv[1])
"""
WRITE_AND_READ = """
for codec in CODECS:
    original, flushed, kept = (folder / name for name in ("a.root", f"{codec}-flushed.root", f"{codec}-kept.root"))
    hepae.compress(original, flushed, collection="Jet", bounds=BOUNDS[codec], recipe=QUICK[codec])
    for written in (flushed, kept):
        hepae.decompress(written, written.with_suffix(".back"))
        bounds = ["Jet_" + bound for bound in BOUNDS[codec]]
        assert hepae.verify(original, written.with_suffix(".back"), bounds=bounds).kept
"""
RESTORED_AFTER = """
from hepae.core.arithmetic.denormals import kept_subnormals
with kept_subnormals():
    assert small * 1 > 0
assert small * 1 == 0
try:
    with kept_subnormals():
        raise KeyError
except KeyError:
    assert small * 1 == 0
"""
CODECS = ("lifting", "bottleneck")
BOUNDS = {
    "lifting": ["pt=rel:1e-3", "eta=abs:1e-40", "phi=abs:1e-3", "mass=bits:9"],
    "bottleneck": ["pt=rel:1e-3", "phi=abs:1e-3", "mass=bits:9"],
}
"""``abs:1e-40`` puts lattice points among the subnormals; features without a bound are exact."""


def flushed(code: str, folder: Path) -> None:
    """Run in a process whose processor takes subnormals for zero."""
    command = [sys.executable, "-W", "ignore", "-c", FLUSHED + code, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Jets among whose values are subnormals, the smallest normal numbers and both zeros."""
    rng = np.random.default_rng(6)
    counts = rng.integers(0, 6, 200)
    n = int(counts.sum())
    patterns = rng.integers(0, 0x00900000, (5, n), np.uint32) | rng.integers(
        0, 2, (5, n), np.uint32
    ) << np.uint32(31)
    patterns[:, ::7] = np.array([0x00800000, 0x00000001, 0x807FFFFF, 0, 0x80000000], np.uint32)[:, None]
    columns = dict(zip(("pt", "eta", "phi", "mass", "rest"), patterns.view(np.float32), strict=True))
    columns["pt"] = np.where(rng.random(n) < 0.5, 20 * (1 + rng.pareto(2.5, n)), columns["pt"]).astype(
        np.float32
    )
    return write_events(tmp_path_factory.mktemp("tiny") / "a.root", counts, columns)


def restored(path: Path) -> dict[str, np.ndarray]:
    with hepae.open(path) as file:
        events = file["Events"].arrays()
    return {
        name[4:]: events[name].layout.content.data.view(np.uint32)
        for name in events.fields
        if name[:4] == "Jet_"
    }


def test_subnormals_are_kept_by_a_flushing_writer_and_a_flushing_reader(tiny: Path) -> None:
    folder = tiny.parent
    for codec in CODECS:
        kept = folder / f"{codec}-kept.root"
        hepae.compress(tiny, kept, collection="Jet", bounds=BOUNDS[codec], recipe=QUICK[codec])
    flushed(WRITE_AND_READ, folder)
    original = restored(tiny)
    for codec in CODECS:
        stated = dict(bound.split("=") for bound in BOUNDS[codec])
        for name in ("flushed.root", "flushed.back", "kept.root", "kept.back"):
            for feature, values in restored(folder / f"{codec}-{name}").items():
                bad = violations(original[feature], values, stated.get(feature, "exact"))
                assert not len(bad), (codec, name, feature)


def test_a_flushed_subnormal_is_no_value_within_a_relative_bound() -> None:
    stored = np.array([1, 0x80000001, 0x007FFFFF], np.uint32).view(np.float32)
    for bound in ("rel:0.5", "bits:4"):
        assert not hepae.core.values.bounds.accept(stored, np.zeros_like(stored), parse(bound)).any()


def test_the_environment_of_before_is_there_again_after(tmp_path: Path) -> None:
    flushed(RESTORED_AFTER, tmp_path)
