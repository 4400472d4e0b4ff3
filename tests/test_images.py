"""Images of jets: where the pixels of a jet are, whatever its direction and order."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pytest

from hepae.errors import InputError
from hepae.lab.images import jet_images, pixels
from hepae.lab.images.modelling import read_images
from hepae.lab.images.pixels import Alignment
from hepae.lab.images.spec import ImageSpec
from hepae.lab.report.histograms import write_histograms
from hepae.root import open_source


def jets(count: int = 40, seed: int = 0, *, fewest: int = 0) -> ak.Array:
    """Jets in any direction, each of some massless constituents about an axis."""
    random = np.random.default_rng(seed)
    counts = random.integers(fewest, 30, count)
    n = int(counts.sum())
    axis = np.repeat(
        np.stack([random.uniform(-2, 2, count), random.uniform(-np.pi, np.pi, count)]), counts, axis=1
    )
    eta, phi = axis + random.normal(0, 0.2, (2, n))
    return constituents(counts, random.exponential(20, n), eta, phi, random.integers(0, 3, n))


def constituents(counts: object, pt: object, eta: object, phi: object, kind: object) -> ak.Array:
    pt, eta, phi = np.asarray(pt, float), np.asarray(eta, float), np.asarray(phi, float)
    flat = {
        "E": pt * np.cosh(eta), "px": pt * np.cos(phi), "py": pt * np.sin(phi), "pz": pt * np.sinh(eta),
        "type": np.asarray(kind, np.int8),
    }  # fmt: skip
    return ak.unflatten(ak.zip(flat), np.asarray(counts))


def moved(of: ak.Array, eta: float, phi: float) -> ak.Array:
    """The same jets elsewhere in the detector."""
    pt = np.hypot(of.px, of.py)
    new_eta, new_phi = np.arcsinh(of.pz / pt) + eta, np.arctan2(of.py, of.px) + phi
    return ak.zip(
        {
            "px": pt * np.cos(new_phi),
            "py": pt * np.sin(new_phi),
            "pz": pt * np.sinh(new_eta),
            "type": of["type"],
        }
    )


def one_by_one(of: ak.Array, pixels: int, half_width: float, kinds: list[int | None]) -> np.ndarray:
    """The same as `jet_images`, written with loops and angles."""
    images = np.zeros((len(of), len(kinds), pixels, pixels))
    for image, jet in zip(images, of.tolist(), strict=True):
        parts = sorted(jet, key=lambda p: -np.hypot(p["px"], p["py"]))
        pt = np.array([np.hypot(p["px"], p["py"]) for p in parts])
        eta = np.array([np.arcsinh(p["pz"] / np.hypot(p["px"], p["py"])) for p in parts])
        phi = np.array([np.arctan2(p["py"], p["px"]) for p in parts])
        if len(parts):
            eta, phi = eta - eta[0], (phi - phi[0] + np.pi) % (2 * np.pi) - np.pi
        if len(parts) > 1:
            turned = (eta + 1j * phi) * np.exp(-1j * np.arctan2(phi[1], eta[1]))
            eta, phi = turned.real, turned.imag
            phi[:2] = 0.0
            phi *= -1 if pt[phi < 0].sum() > pt[phi > 0].sum() else 1
        for p, x, y, z in zip(parts, pt, eta, phi, strict=True):
            row, column = (int(np.floor((c + half_width) / (2 * half_width) * pixels)) for c in (y, z))
            for channel, kind in enumerate(kinds):
                if 0 <= row < pixels and 0 <= column < pixels and kind in (None, p["type"]):
                    image[channel, row, column] += x
        image /= image[0].sum() or 1.0
    return images


def test_images_are_those_of_a_loop_over_constituents() -> None:
    given = jets(60)
    made = jet_images(given, pixels=15, half_width=0.5, channels=("all", "ecal", "hcal", "track"))
    expected = one_by_one(given, 15, 0.5, [None, 0, 1, 2])
    assert made.dtype == np.float32
    np.testing.assert_allclose(made, expected, atol=2e-6)
    assert ak.any(ak.num(given) == 0)


@pytest.mark.parametrize("align", ["constituents", "moments"])
def test_a_jet_gives_the_same_image_in_any_direction_and_any_order(align: Alignment) -> None:
    given = jets(50, 1, fewest=3)
    image = jet_images(given, pixels=9, align=align)
    elsewhere = jet_images(moved(given, 0.7, 2.9), pixels=9, align=align)
    shuffled = jet_images(given[:, ::-1], pixels=9, align=align)
    np.testing.assert_allclose(image, shuffled, atol=1e-6)
    # momentum on an edge between pixels may fall to either side
    assert np.mean(np.abs(image - elsewhere).sum(axis=(1, 2, 3)) < 1e-5) > 0.9


def test_the_second_constituent_points_up_eta_and_more_momentum_up_phi() -> None:
    given = constituents([3], [50, 20, 10], [0.0, -0.3, 0.1], [3.1, 3.1, -3.1], [0, 1, 2])
    image = jet_images(given, pixels=41, half_width=0.82, normalise="none")[0, 0]
    assert image[20, 20] == pytest.approx(50)
    assert image[28, 20] + image[27, 20] == pytest.approx(20)
    unflipped = jet_images(given, pixels=41, half_width=0.82, normalise="none", flip=False)[0, 0]
    assert image[:, 21:].sum() == pytest.approx(10)
    assert unflipped[:, :20].sum() == pytest.approx(10)


def test_moments_put_the_mean_in_the_centre_and_the_principal_axis_with_its_longer_tail_up_eta() -> None:
    random = np.random.default_rng(2)
    n, pt = 30, np.tile(random.exponential(20, 12), 30)
    eta, phi = np.tile(random.normal(0, [[0.15], [0.05]], (2, 12)), 30)
    angle = np.repeat(np.linspace(0, 2 * np.pi, n), 12)
    turned = eta * np.cos(angle) - phi * np.sin(angle), 3.1 + eta * np.sin(angle) + phi * np.cos(angle)
    given = constituents(np.full(n, 12), pt, *turned, np.zeros(n * 12))
    images = jet_images(given, pixels=200, flip=False, align="moments")[:, 0]
    place = np.linspace(-0.8, 0.8, 201)[:-1] + 0.004
    x, y = images.sum(axis=2), images.sum(axis=1)
    for along in (x, y):
        np.testing.assert_allclose(along @ place, 0, atol=0.004)
    least, most = np.linalg.eigvalsh(np.cov(eta[:12], phi[:12], aweights=pt[:12], ddof=0))
    np.testing.assert_allclose(x @ place**2, most, atol=1e-3)
    np.testing.assert_allclose(y @ place**2, least, atol=1e-3)
    assert least < 0.7 * most
    assert np.all(x @ place**3 > 0)
    mixed = np.einsum("nij,i,j->n", images, place, place)
    np.testing.assert_allclose(mixed, 0, atol=1e-3)


def test_moments_of_one_constituent_and_of_none_are_defined() -> None:
    given = constituents([1, 0], [7.0], [0.3], [1.0], [0])
    image = jet_images(given, pixels=3, half_width=0.3, normalise="none", align="moments")
    assert image[:, 0].sum(axis=(1, 2)).tolist() == [pytest.approx(7), 0]
    assert image[0, 0, 1, 1] == pytest.approx(7)


@pytest.mark.parametrize(("normalise", "of"), [("sum", np.sum), ("max", np.max)])
def test_images_are_normalised_over_all_channels(normalise: str, of: object) -> None:
    images = jet_images(jets(30, fewest=1), channels=("ecal", "hcal", "track"), normalise=normalise)
    np.testing.assert_allclose(of(images, axis=(1, 2, 3)), 1, rtol=1e-5)  # type: ignore[operator]


def test_constituents_without_direction_are_left_out() -> None:
    good = constituents([2], [50, 20], [0.1, 0.4], [1.0, 1.2], [0, 1])
    bad = ak.Array([[
        {"px": 0.0, "py": 0.0, "pz": 9e3, "type": 0}, {"px": np.nan, "py": 1.0, "pz": 0.0, "type": 0},
        {"px": 1.0, "py": np.inf, "pz": 0.0, "type": 0},
    ]])  # fmt: skip
    both = ak.concatenate([bad, good[["px", "py", "pz", "type"]]], axis=1)
    np.testing.assert_array_equal(jet_images(both), jet_images(good))
    assert not jet_images(bad).any()
    assert jet_images(good[:0]).shape == (0, 1, 40, 40)


def test_what_makes_no_image_is_refused() -> None:
    given = jets(2)
    for wrong in (
        {"pixels": 0},
        {"half_width": 0.0},
        {"channels": ("muon",)},
        {"channels": ()},
        {"normalise": "l2"},
        {"align": "second"},
    ):
        with pytest.raises(InputError):
            jet_images(given, **wrong)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="type"):
        jet_images(given[["px", "py", "pz"]], channels=("track",))
    with pytest.raises(InputError):
        jet_images(ak.Array([1.0, 2.0]))


def test_directions_are_those_of_vector() -> None:
    vector = pytest.importorskip("vector")
    random = np.random.default_rng(0)
    px, py, pz = random.normal(0, 10, (3, 1000))
    expected = vector.array({"px": px, "py": py, "pz": pz})
    pt, eta, phi = pixels._directions(px, py, pz)
    np.testing.assert_allclose(pt, expected.pt, rtol=1e-12)
    np.testing.assert_allclose(eta, expected.eta, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(phi, expected.phi, rtol=1e-12)


def test_the_average_of_the_bundled_jets_is_brightest_in_the_middle_and_a_histogram_of_root(
    constituents_root: Path, tmp_path: Path
) -> None:
    figures = pytest.importorskip("hepae.lab.images.figures")
    images = read_images(constituents_root, ImageSpec(), cut="FatJet_isTop == 0")
    average = figures.average_image(images[:, 0])
    assert 200 < len(images) < 400
    assert np.unravel_index(average.values().argmax(), (40, 40)) == (20, 20)
    assert average.values().sum() == pytest.approx(1, abs=1e-5)
    write_histograms(tmp_path / "averages.root", {"QCD/all": average})
    with open_source(tmp_path / "averages.root") as source:
        np.testing.assert_allclose(source.directory["QCD/all"].values(), average.values(), rtol=1e-6)
        assert source.directory["QCD/all"].axis("x").edges()[0] == pytest.approx(-0.8)
