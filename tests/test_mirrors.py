"""Mirror images, on which networks are trained where events are few: right where they apply, harmless where not."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("torch", reason="training needs PyTorch")

from hepae.core.prediction.predictors import Predictor, Predictors
from hepae.core.values.bounds import parse
from hepae.core.values.lattice import Lattice
from hepae.core.values.lattice_fit import fit_lattice
from hepae.learn.masked.efforts import Effort
from hepae.learn.masked.fit import fit_masked
from hepae.learn.masked.integer_network import Size
from hepae.learn.masked.mirrors import Image, mirror_images

BOUND = parse("abs:1e-3")
ROLES = {"pt": "pt", "eta": "eta", "phi": "phi"}
MET = {"met": "MET", "met_phi": "METphi"}


def columns(low: float = -np.pi) -> tuple[dict[str, NDArray[np.float32]], dict[str, NDArray[np.float32]]]:
    """Objects, one for each of many events, and their missing momentum; azimuths from ``low``."""
    rng = np.random.default_rng(1)
    n = 500
    objects = {
        "pt": rng.exponential(50, n) + 20,
        "eta": rng.normal(0, 2, n),
        "phi": rng.uniform(low, low + 2 * np.pi, n),
        "width": rng.normal(0, 1, n),
    }
    events = {"MET": rng.exponential(100, n), "METphi": rng.uniform(-np.pi, np.pi, n)}
    return (
        {name: column.astype(np.float32) for name, column in objects.items()},
        {name: column.astype(np.float32) for name, column in events.items()},
    )


def images_of(
    objects: dict[str, NDArray[np.float32]], events: dict[str, NDArray[np.float32]], roles: dict[str, str]
) -> tuple[dict[str, Lattice], list[Image]]:
    lattices = {name: fit_lattice(column, BOUND) for name, column in objects.items()}
    integers = {name: lattices[name].to_integers(column, BOUND)[0] for name, column in objects.items()}
    return lattices, list(mirror_images(integers, lattices, events, roles, MET))


def test_images_are_the_events_in_each_mirror_and_in_both() -> None:
    objects, events = columns()
    lattices, images = images_of(objects, events, ROLES)
    signs = [(-1, 1), (1, -1), (-1, -1)]
    assert len(images) == len(signs)
    for image, (eta, phi) in zip(images, signs, strict=True):
        for name, sign in (("pt", 1), ("eta", eta), ("phi", phi), ("width", 1)):
            restored = lattices[name].centres(image.integers[name])
            assert np.abs(restored - sign * objects[name]).max() < 3e-3, name
        np.testing.assert_allclose(image.events["METphi"], phi * events["METphi"])
        np.testing.assert_array_equal(image.events["MET"], events["MET"])


def test_azimuths_from_zero_stay_so() -> None:
    objects, events = columns(low=0.0)
    lattices, images = images_of(objects, events, {"phi": "phi"})
    restored = lattices["phi"].centres(images[0].integers["phi"])
    assert np.abs(restored - (2 * np.pi - objects["phi"])).max() < 3e-3


def test_without_angles_there_are_no_images() -> None:
    assert images_of(*columns(), {"pt": "pt"})[1] == []


def test_a_single_mirror_has_a_single_image() -> None:
    assert len(images_of(*columns(), {"eta": "eta"})[1]) == 1


def test_a_feature_that_knows_left_from_right_is_not_spoiled_by_mirrors() -> None:
    rng = np.random.default_rng(2)
    eta = rng.normal(0, 2, 4000).astype(np.float32)
    objects = {"eta": eta, "side": (eta > 0).astype(np.int32)}
    bounds = {"eta": BOUND, "side": parse("exact")}
    lattices = {name: fit_lattice(column, bounds[name]) for name, column in objects.items()}
    integers = {name: lattices[name].to_integers(column, bounds[name])[0] for name, column in objects.items()}
    counts, plain = np.ones(len(eta), np.int64), Predictors(tuple(map(Predictor, objects)))
    effort = Effort((Size((8,), (4, 3), 8, 8),), bins=32, samples=200_000, least_gain=0.0)
    trained = fit_masked(integers, lattices, counts, {}, plain, effort=effort, roles={"eta": "eta"})
    without, with_network = trained.bits["side"]
    assert without > 0.9
    assert with_network < 0.3
