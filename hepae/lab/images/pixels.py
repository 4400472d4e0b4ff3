"""From constituents to pixels: centre, rotate, flip, fill, normalise.

The steps are those of the literature on jet images (J. Cogan et al., arXiv:1407.5675; L. de Oliveira et al.,
arXiv:1511.05190), on flat arrays of constituents. Written in NumPy although vector knows eta and phi, and is fast
enough: images are made wherever scores are computed, with hepae's own dependencies, of which vector is none, and
constituents without direction need an answer of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, get_args

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from hepae.arrays import Array, Booleans, Floats, Integers
from hepae.errors import InputError

__all__ = ["CHANNELS", "Alignment", "Normalisation", "check_image", "fill", "jet_images"]


CHANNELS: Final[dict[str, int | None]] = {"all": None, "ecal": 0, "hcal": 1, "track": 2}
"""Channels by name, with the constituent type that they show; None for every type."""

Normalisation = Literal["sum", "max", "none"]
Alignment = Literal["constituents", "moments"]

JETS_AT_ONCE: Final = 2048
"""Jets whose constituents are worked on together: what fits into the caches, and a bound on memory."""

MOST_PIXELS: Final = 1024

TURN: Final = 2 * np.pi


def jet_images(
    constituents: ak.Array,
    pixels: int = 40,
    half_width: float = 0.8,
    channels: Sequence[str] = ("all",),
    flip: bool = True,
    normalise: Normalisation = "sum",
    align: Alignment = "constituents",
) -> NDArray[np.float32]:
    """Images of jets: transverse momentum in bins of pseudorapidity and azimuth.

    Each jet is centred on its leading constituent (azimuth by the smaller angle), turned about it until the second
    constituent lies in the direction of growing eta, and mirrored, if asked for, until the half with growing phi
    carries more transverse momentum. Leading means largest transverse momentum, whatever the order. By ``moments``, all
    constituents say instead where the centre is and how to turn.

    Parameters
    ----------
    constituents
        Awkward array of n jets, each a list of records with the fields ``px``, ``py``, ``pz`` in any unit (``E`` may be
        there and is not looked at) and, unless the only channel is ``all``, ``type``: 0 ECAL, 1 HCAL, 2 track.
        Constituents without direction (no transverse momentum, NaN, infinite) are left out.
    pixels
        Pixels along either axis.
    half_width
        Largest distance from the centre that is shown, in eta and in phi (radians).
    channels
        Some of ``all``, ``ecal``, ``hcal``, ``track``.
    flip
        Whether to mirror.
    normalise
        ``sum``: the pixels of a jet add up to one over all types of constituents; ``max``: its largest pixel is one;
        ``none``: the unit of the momenta.
    align
        ``constituents``: by the first two, as above; ``moments``: the mean direction, weighted with transverse
        momentum, in the centre, the principal axis along eta, the longer tail (third moment) towards growing eta.

    Returns
    -------
    float32[n, len(channels), pixels, pixels]
        The last two axes are eta and phi. Jets without constituents are empty images.

    Raises
    ------
    InputError
        If a field is missing, or a channel or a size cannot be.

    Examples
    --------
    >>> jets = ak.Array([[{"px": 3.0, "py": 0.0, "pz": 0.0, "type": 2}, {"px": 1.0, "py": 0.3, "pz": 0.0, "type": 0}]])
    >>> images = jet_images(jets, pixels=4, channels=("track", "ecal"), normalise="none")
    >>> images.shape, images.sum(axis=(2, 3), dtype=float).round(2).tolist()
    ((1, 2, 4, 4), [[3.0, 1.04]])
    """
    fields = ["px", "py", "pz"] + ([] if tuple(channels) == ("all",) else ["type"])
    missing = [field for field in fields if field not in ak.fields(constituents)]
    if missing:
        got = ", ".join(ak.fields(constituents)) or str(constituents.type)
        raise InputError("constituents without a field", expected=", ".join(missing), got=got)
    counts = ak.num(constituents).to_numpy()
    columns = {field: ak.flatten(constituents[field]).to_numpy() for field in fields}
    return fill(counts, columns, pixels, half_width, channels, flip, normalise, align)


def fill(
    counts: Integers,
    columns: dict[str, Array],
    pixels: int = 40,
    half_width: float = 0.8,
    channels: Sequence[str] = ("all",),
    flip: bool = True,
    normalise: Normalisation = "sum",
    align: Alignment = "constituents",
) -> NDArray[np.float32]:
    """`jet_images` of flat arrays: ``counts`` int[n] constituents a jet, and one array per field."""
    check_image(pixels, half_width, channels, normalise, align)
    edges = np.append(0, np.cumsum(counts))
    images = np.zeros((len(counts), len(channels), pixels, pixels), np.float32)
    for first in range(0, len(counts), JETS_AT_ONCE):
        chosen = counts[first : first + JETS_AT_ONCE]
        run = slice(edges[first], edges[first + len(chosen)])
        jets = np.repeat(np.arange(len(chosen)), chosen)
        pt, eta, phi = _aligned(
            jets, chosen, columns["px"][run], columns["py"][run], columns["pz"][run], flip, align
        )
        place, shown = _pixel_of(eta, phi, pixels, half_width)
        pt *= shown
        if normalise == "sum":
            total = np.bincount(jets, pt, len(chosen))
            pt /= np.where(total > 0, total, 1.0)[jets]
        for channel, name in enumerate(channels):
            kind = CHANNELS[name]
            weight = pt if kind is None else pt * (columns["type"][run] == kind)
            image = (first + jets) * len(channels) + channel
            _add(images, image * pixels**2 + place, weight)
    if normalise == "max":
        largest = images.max(axis=(1, 2, 3), keepdims=True)
        np.divide(images, largest, out=images, where=largest > 0)
    return images


def check_image(pixels: int, half_width: float, channels: Sequence[str], normalise: str, align: str) -> None:
    """Refuse what makes no image (`InputError`)."""
    if not (1 <= pixels <= MOST_PIXELS and 0 < half_width < np.inf):
        expected = f"1 to {MOST_PIXELS} pixels along an axis, a positive half width"
        raise InputError("not the size of an image", expected=expected, got=(pixels, half_width))
    unknown = [name for name in channels if name not in CHANNELS]
    if unknown or not channels:
        raise InputError("not the channels of an image", expected=", ".join(CHANNELS), got=tuple(channels))
    for what, kinds, got in (
        ("a normalisation", Normalisation, normalise),
        ("an alignment", Alignment, align),
    ):
        if got not in get_args(kinds):
            raise InputError(f"not {what}", expected=", ".join(get_args(kinds)), got=got)


def _aligned(
    jets: Integers, counts: Integers, px: Floats, py: Floats, pz: Floats, flip: bool, align: Alignment
) -> tuple[Floats, Floats, Floats]:
    """Transverse momenta, and pseudorapidities and azimuths about the centre of each jet.

    ``jets`` is the jet of each constituent, from 0 to ``len(counts) - 1``. What has no direction gets weight 0.
    """
    pt, eta, phi = _directions(px, py, pz)
    leading = _leading(pt, counts)
    eta -= eta[leading][jets]
    phi -= phi[leading][jets]
    phi -= TURN * np.rint(phi / TURN)
    if align == "moments":
        eta, phi = _by_moments(jets, len(counts), pt, eta, phi)
    else:
        eta, phi = _by_second(jets, counts, pt, eta, phi, leading)
    if flip:
        lower = np.bincount(jets, pt * np.sign(phi), len(counts)) < 0
        phi *= np.where(lower, -1.0, 1.0)[jets]
    return pt, eta, phi


def _by_second(
    jets: Integers, counts: Integers, pt: Floats, eta: Floats, phi: Floats, leading: Integers
) -> tuple[Floats, Floats]:
    """Directions about the leading constituents, turned until the second lie along eta."""
    rest = pt.copy()
    rest[leading] = -1.0  # never the second, unless it is alone
    second = _leading(rest, counts)
    distance = np.hypot(eta[second], phi[second])
    turned = distance > 0
    safe = np.where(turned, distance, 1.0)
    cosine, sine = np.where(turned, eta[second], 1.0) / safe, np.where(turned, phi[second], 0.0) / safe
    eta, phi = _turned(eta, phi, cosine[jets], sine[jets])
    phi[second[counts > 0]] = 0.0  # exactly, or rounding would choose its half
    return eta, phi


def _by_moments(jets: Integers, count: int, pt: Floats, eta: Floats, phi: Floats) -> tuple[Floats, Floats]:
    """Directions about the mean, turned until the principal axis lies along eta, its longer tail up."""
    total = np.bincount(jets, pt, count)
    share = pt / np.where(total > 0, total, 1.0)[jets]

    def mean(values: Floats) -> Floats:
        return np.asarray(np.bincount(jets, share * values, count), np.float64)

    eta, phi = eta - mean(eta)[jets], phi - mean(phi)[jets]
    angle = 0.5 * np.arctan2(2 * mean(eta * phi), mean(eta * eta) - mean(phi * phi))
    eta, phi = _turned(eta, phi, np.cos(angle)[jets], np.sin(angle)[jets])
    up = np.where(mean(eta**3) < 0, -1.0, 1.0)[jets]
    return eta * up, phi * up


def _turned(eta: Floats, phi: Floats, cosine: Floats, sine: Floats) -> tuple[Floats, Floats]:
    return eta * cosine + phi * sine, phi * cosine - eta * sine


def _directions(px: Floats, py: Floats, pz: Floats) -> tuple[Floats, Floats, Floats]:
    """Transverse momentum, pseudorapidity, azimuth in float64; all 0 where there is no direction."""
    x, y, z = (np.asarray(p, np.float64) for p in (px, py, pz))
    pt = np.sqrt(x * x + y * y)
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = z / pt
    lost = ~(np.isfinite(slope) & np.isfinite(pt))
    pt[lost] = slope[lost] = 0.0
    phi = np.arctan2(y, x)
    phi[lost] = 0.0
    return pt, np.arcsinh(slope), phi


def _leading(pt: Floats, counts: Integers) -> Integers:
    """Index of the first of the largest of each jet; 0 for jets without constituents, which nothing refers to."""
    place = np.zeros(len(counts), np.int64)
    filled = np.flatnonzero(counts)
    if len(filled):
        sizes = counts[filled]
        starts = np.cumsum(sizes) - sizes
        largest = np.flatnonzero(pt == np.repeat(np.maximum.reduceat(pt, starts), sizes))
        place[filled] = largest[np.searchsorted(largest, starts)]
    return place


def _pixel_of(eta: Floats, phi: Floats, pixels: int, half_width: float) -> tuple[Integers, Booleans]:
    """Index of the pixel of each constituent in its image, and whether it is in the image."""
    scale = pixels / (2 * half_width)
    row, column = np.floor((eta + half_width) * scale), np.floor((phi + half_width) * scale)
    shown = (row >= 0) & (row < pixels) & (column >= 0) & (column < pixels)
    place = np.where(shown, row * pixels + column, 0)
    return place.astype(np.int64), shown


def _add(images: NDArray[np.float32], place: Integers, weight: Floats) -> None:
    """Add weights to pixels, counted through all images. Nothing but those pixels is touched."""
    used = np.flatnonzero(weight)
    np.add.at(images.reshape(-1), place[used], weight[used].astype(np.float32))
