"""Simulate fat jets like those of fat_jets.root, for taggers to be trained on before they see the jets of that file.

    python -m scripts.simulate_fat_jets -o more.root --jets 200000
    python -m scripts.train_tagger ../shared/data/fat_jets.root -o tagger.onnx --pretrain more.root

Needs the extra ``sample``. The generator and its detector were made to look like the file, whose branches say how:
a particle keeps its mass but for the factor that its four-vector was smeared by, so that peaks of E² - p² show the
resolution of tracks and hadron calorimeter, and those of pairs of photons that of the electromagnetic one. Jets have
as many constituents, and as much mass, as without multiple parton interactions.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import awkward as ak
import numpy as np
import uproot
from numpy.typing import NDArray
from rich.progress import Progress

from scripts.make_sample import write_fat_jets
from scripts.sample_detector import cluster, pdg_charge
from scripts.sample_fat_jets import LEAST_PT, MOST_CONSTITUENTS, MOST_ETA, MOST_PT, RADIUS, branches
from scripts.sample_generator import started, visible

EVENTS_AT_ONCE: Final = 400
LEADING: Final = 2
"""Jets of an event, which the file has in the proportion of both, not of the leading one."""

ECAL, HCAL, TRACK = 0, 1, 2
MOST_PARTICLE_ETA: Final = 3.0
LEAST_SCALE: Final = 0.05
"""Of what was smeared to nearly nothing or less, this share is left."""


def main() -> None:
    """Half QCD, half tops, shuffled."""
    options = _options()
    rng = np.random.default_rng(options.seed)
    half = options.jets // 2
    with Progress() as progress:
        task = progress.add_task("jets", total=2 * half)
        parts = [
            of_process(
                name, half, options.seed + place, rng, lambda done: progress.update(task, advance=done)
            )
            for place, name in enumerate(("qcd", "tops"))
        ]
    order = rng.permutation(2 * half)
    found = {name: ak.concatenate([part[name] for part in parts])[order] for name in parts[0]}
    write_fat_jets(options.output, found, uproot.ZSTD(3))


def of_process(
    name: str, n_jets: int, seed: int, rng: np.random.Generator, report: Callable[[int], object]
) -> dict[str, Any]:
    """Branches of so many jets, QCD or tops; a chunk of events at a time."""
    pythia = started(f"fat {name}", seed)
    parts, found = list[dict[str, Any]](), 0
    while found < n_jets:
        part = fat_jets(visible(pythia.nextBatch(EVENTS_AT_ONCE).prt), name == "tops", rng)
        parts.append({branch: ak.to_packed(ak.Array(column)) for branch, column in part.items()})
        report(min(len(part["FatJet_pt"]), n_jets - found))
        found += len(part["FatJet_pt"])
    return {branch: ak.concatenate([part[branch] for part in parts])[:n_jets] for branch in parts[0]}


def fat_jets(particles: ak.Array, is_top: bool, rng: np.random.Generator) -> dict[str, Any]:
    """Branches of the two leading jets of each event, where they are in the range."""
    jets, members = cluster(smeared(particles, rng), RADIUS, LEAST_PT)
    leading = ak.argsort(jets.pt, ascending=False)[:, :LEADING]
    jets, members = jets[leading], members[leading]
    good = (jets.pt < MOST_PT) & (np.abs(jets.eta) < MOST_ETA)
    jets, members = ak.flatten(jets[good]), ak.flatten(members[good])
    members = members[ak.argsort(members.pt, ascending=False)][:, :MOST_CONSTITUENTS]
    return branches(jets, members, members.type_of, is_top)


def smeared(particles: ak.Array, rng: np.random.Generator) -> ak.Array:
    """Particles within reach, their four-vectors scaled by a Gaussian about 1, and ``type_of`` each."""
    counts, flat = ak.num(particles), ak.flatten(particles)
    pt, eta, energy, code = (ak.to_numpy(getattr(flat, what)) for what in ("pt", "eta", "E", "id"))
    electromagnetic = np.isin(np.abs(code), (11, 22))
    type_of = np.select([electromagnetic, pdg_charge(code) != 0], [ECAL, TRACK], HCAL)
    width = relative_width(pt, energy, type_of, electromagnetic & (code != 22))
    scale = np.maximum(1 + width * rng.normal(size=len(pt)), LEAST_SCALE)
    columns = {what: ak.to_numpy(getattr(flat, what)) * scale for what in ("px", "py", "pz", "E")}
    whole = ak.zip(
        {what: ak.unflatten(column, counts) for what, column in (columns | {"type_of": type_of}).items()},
        with_name="Momentum4D",
    )
    return whole[ak.unflatten(np.abs(eta) < MOST_PARTICLE_ETA, counts)]


def relative_width(
    pt: NDArray[np.float64],
    energy: NDArray[np.float64],
    type_of: NDArray[np.int64],
    electron: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Relative resolution: electrons are measured as tracks and called ECAL."""
    root = np.sqrt(np.maximum(energy, 1e-9))
    return np.select(
        [electron | (type_of == TRACK), type_of == ECAL],
        [0.01 + 1e-4 * pt, 0.018 + 0.08 / root],
        0.05 + 0.6 / root,
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument(
        "--jets", type=int, default=200_000, help="half QCD, half tops (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=731_000, help="default: %(default)s")
    return parser.parse_args()


if __name__ == "__main__":
    main()
