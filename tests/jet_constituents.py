"""Jets as constituents: one-prong jets like those of quarks and gluons, and three-prong ones like those of tops."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hepae.root.columns import Jagged
from hepae.root.file.writer import RootWriter
from hepae.root.ttree.plan import NewBranch


def constituents(n: int, seed: int = 0, prongs: int = 1) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Counts int64[n] and flat columns E, px, py, pz, type, the largest pt of each jet first."""
    random = np.random.default_rng(seed)
    counts = random.integers(5 * prongs, 20 + 5 * prongs, n)
    jet = np.repeat(np.arange(n), counts)
    size = len(jet)
    axis = random.normal(0, 1, n), random.uniform(-np.pi, np.pi, n)
    angle = random.integers(0, prongs, size) * 2 * np.pi / prongs + random.uniform(0, 2, n)[jet]
    distance = 0.35 if prongs > 1 else 0.0
    eta = axis[0][jet] + distance * np.cos(angle) + random.normal(0, 0.06, size)
    phi = axis[1][jet] + distance * np.sin(angle) + random.normal(0, 0.06, size)
    pt = random.exponential(600 / counts[jet])
    order = np.lexsort((-pt, jet))
    pt, eta, phi = pt[order], eta[order], phi[order]
    columns = {
        "E": pt * np.cosh(eta),
        "px": pt * np.cos(phi),
        "py": pt * np.sin(phi),
        "pz": pt * np.sinh(eta),
    }
    kinds = random.integers(0, 3, size).astype(np.int8)
    return counts, {name: values.astype(np.float32) for name, values in columns.items()} | {"type": kinds}


def write_jets(path: Path, jets: int = 300, anomalies: int = 100, seed: int = 0) -> Path:
    """A tree like that of fat_jets.root: ordinary jets, then three-prong ones with ``FatJet_isTop`` 1."""
    ordinary, others = constituents(jets, seed), constituents(anomalies, seed + 1, prongs=3)
    counts = np.concatenate([ordinary[0], others[0]])
    columns = {name: np.concatenate([ordinary[1][name], others[1][name]]) for name in ordinary[1]}
    tops = np.repeat([0, 1], [jets, anomalies]).astype(np.int8)
    pt = np.bincount(np.repeat(np.arange(len(counts)), counts), np.hypot(columns["px"], columns["py"]))
    plan = [
        NewBranch("FatJet_pt", "float32", "scalar sum, GeV"),
        NewBranch("FatJet_isTop", "int8", "1 for three prongs"),
    ]
    plan.append(NewBranch("nConstituent", "int32"))
    plan += [
        NewBranch(f"Constituent_{name}", values.dtype.name, f"{name}, GeV", "nConstituent")
        for name, values in columns.items()
    ]
    with RootWriter(path) as out:
        tree = out.new_tree("Jets", plan, "jets for a test")
        run = {f"Constituent_{name}": Jagged(counts, values) for name, values in columns.items()}
        tree.append({"FatJet_pt": pt.astype(np.float32), "FatJet_isTop": tops, **run})
        tree.finish()
    return path
