"""Events of Pythia 8 for the bundled samples: what a detector could see of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import awkward as ak
import numpy as np
import pythia8mc
from numpy.typing import NDArray

from scripts.sample_detector import bottom, charmed

COMMON: Final = ("Print:quiet = on", "Beams:eCM = 13000.", "Random:setSeed = on")
HARD: Final = ("PhaseSpace:pTHatMin = 520.", "PhaseSpace:pTHatMax = 750.")
TO_QUARKS: Final = ("24:onMode = off", "24:onIfAny = 1 2 3 4 5")
"""How W bosons decay."""

PROCESSES: Final = {
    "qcd": (
        "HardQCD:all = on",
        "PhaseSpace:pTHatMin = 20.",
        "PhaseSpace:bias2Selection = on",  # as many hard events as soft ones, told apart by their weights
        "PhaseSpace:bias2SelectionPow = 4.5",
    ),
    "ttbar": ("Top:gg2ttbar = on", "Top:qqbar2ttbar = on"),
    "hard qcd": ("HardQCD:all = on", *HARD),
    "hard tops": ("Top:gg2ttbar = on", "Top:qqbar2ttbar = on", *HARD, *TO_QUARKS),
    "fat qcd": ("HardQCD:all = on", *HARD, "PartonLevel:MPI = off"),
    "fat tops": ("Top:gg2ttbar = on", "Top:qqbar2ttbar = on", *HARD, *TO_QUARKS, "PartonLevel:MPI = off"),
}
"""Backgrounds and signals by turns. The last two are those of fat_jets.root; see `scripts.simulate_fat_jets`."""

EVENTS_PER_BATCH: Final = 200


@dataclass
class Generated:
    """Stable visible particles, heavy hadrons, and what is known of each event."""

    particles: ak.Array
    hadrons: ak.Array
    weights: NDArray[np.float64]
    process: NDArray[np.int8]


def started(name: str, seed: int) -> Any:
    """Pythia, ready for events of one process."""
    pythia = pythia8mc.Pythia("", False)
    for setting in (*COMMON, *PROCESSES[name], f"Random:seed = {seed}"):
        if not pythia.readString(setting):
            raise SystemExit(f"Pythia does not know {setting!r}")
    if not pythia.init():
        raise SystemExit("Pythia does not start")
    return pythia


def generate(name: str, n_events: int, seed: int) -> Generated:
    """Events of one process."""
    pythia = started(name, seed)
    particles, hadrons, weights = [], [], []
    for first in range(0, n_events, EVENTS_PER_BATCH):
        batch = pythia.nextBatch(min(EVENTS_PER_BATCH, n_events - first))
        species = np.abs(batch.prt.id)
        particles.append(visible(batch.prt))
        heavy = (bottom(batch.prt.id) | charmed(batch.prt.id)) & (species > 100)
        hadrons.append(four_vectors(batch.prt[heavy]))
        weights.append(ak.to_numpy(batch.info.weights[:, 0]))
    share = np.concatenate(weights)
    picobarns = pythia.infoPython().sigmaGen() * 1e9
    return Generated(
        ak.concatenate(particles),
        ak.concatenate(hadrons),
        picobarns * share / share.sum(),
        np.full(n_events, list(PROCESSES).index(name) % 2, np.int8),
    )


def visible(particles: ak.Array) -> ak.Array:
    """What is stable and no neutrino."""
    species = np.abs(particles.id)
    seen = (particles.status > 0) & (species != 12) & (species != 14) & (species != 16)
    return four_vectors(particles[seen])


def four_vectors(particles: ak.Array) -> ak.Array:
    """What the detector needs of particles of Pythia."""
    return ak.zip(
        {
            "px": particles.p.px,
            "py": particles.p.py,
            "pz": particles.p.pz,
            "E": particles.p.e,
            "id": particles.id,
            "vertexX": ak.fill_none(particles.vProd.px, 0.0),
            "vertexY": ak.fill_none(particles.vProd.py, 0.0),
        },
        with_name="Momentum4D",
    )
