"""Risk: a float decoder whose last bits differ breaks a bound, or an escape goes to another object."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from hepae.core.bottleneck.codec import Bottleneck, Encoded
from hepae.core.bottleneck.corrections import code_dtype, correct, restore
from hepae.core.bottleneck.escapes import Escapes
from hepae.core.bottleneck.scaling import SCALINGS, chooses_log, fit_transform
from hepae.core.bottleneck.spec import BottleneckColumn, BottleneckSpec, LatentSpec
from hepae.core.values.bounds import Bound, accept, bits_equal
from hepae.errors import CorruptionError, LimitError, ModelRejectedError, SchemaError

rng = np.random.default_rng(7)
MIX = rng.normal(size=(4, 4)).astype(np.float32)
DRIFT = 2e-6


class Linear:
    """A network in NumPy; its outputs may be moved to mimic another machine."""

    def __init__(
        self, source: str, target: str, matrix: NDArray[np.float32], moved: NDArray[np.float64] | float = 0.0
    ):
        self.source, self.target, self.matrix, self.moved = source, target, matrix, moved
        self.inputs, self.outputs = {source: (None, matrix.shape[0])}, {target: (None, matrix.shape[1])}

    def __call__(self, **inputs: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        y = (inputs[self.source] @ self.matrix).astype(np.float64)
        return {self.target: (y + self.moved).astype(np.float32)}


def toward(y: NDArray[np.float32], drift: float, sign: NDArray[np.float64] | float) -> NDArray[np.float32]:
    """Outputs moved by the drift and not a rounding more."""
    exact = y.astype(np.float64) + sign * drift
    moved = exact.astype(np.float32)
    too_far = np.abs(moved.astype(np.float64) - y) > drift
    return np.where(too_far, np.nextafter(moved, y), moved)


def an_unperturbed_column(
    values: NDArray[np.generic], bound: Bound, drift: float, log: bool
) -> BottleneckColumn:
    transform = fit_transform("x", values, "minmax", log)
    size = (bound.size if bound.kind == "abs" else bound.relative) * 0.9
    step = 2 * size if bound.kind == "abs" else (1 + size) / (1 - size)
    if values.dtype.kind != "f":
        step = 1.0
    return BottleneckColumn("x", str(values.dtype), bound, transform, drift, step)


@st.composite
def lossy_columns(draw: st.DrawFn) -> tuple[NDArray[np.generic], Bound, float]:
    dtype = np.dtype(draw(st.sampled_from(["float16", "float32", "float64"])))
    patterns = draw(st.lists(st.integers(0, 2 ** (8 * dtype.itemsize) - 1), max_size=20))
    physics = draw(st.lists(st.floats(-1e4, 1e4, width=16), max_size=60))
    wild = np.array(patterns, f"u{dtype.itemsize}").view(dtype)
    with np.errstate(over="ignore"):
        special = np.array([0.0, -0.0, np.nan, np.inf, -999, 1e30, 1.0], dtype)
    values = np.concatenate([wild, np.array(physics, dtype), special])
    bound = draw(
        st.one_of(
            st.floats(1e-6, 1.0).map(lambda size: Bound("abs", size)),
            st.floats(1e-6, 0.4).map(lambda size: Bound("rel", size)),
            st.integers(1, 9).map(lambda bits: Bound("bits", bits)),
        )
    )
    return values, bound, draw(st.sampled_from([0.0, 1e-7, 1e-4]))


@settings(deadline=None)
@given(lossy_columns(), st.booleans(), st.integers(0, 2**32 - 1))
def test_bounds_hold_whatever_is_predicted_and_however_it_drifts(
    column: tuple[NDArray[np.generic], Bound, float], log: bool, seed: int
) -> None:
    values, bound, drift = column
    spec = an_unperturbed_column(values, bound, drift, log)
    noise = np.random.default_rng(seed).normal(0, 1e-3, len(values)).astype(np.float32)
    predicted = spec.transform.forward(values)[0] + noise
    codes = correct(spec, values, predicted)
    at = np.flatnonzero(codes == 0)
    bits = values[at].view(f"u{values.dtype.itemsize}").astype(np.uint64)
    for sign in (-1.0, 0.0, 1.0):
        restored = restore(spec, codes, toward(predicted, drift, sign), at, bits)
        assert accept(values, restored, bound).all()
        assert bits_equal(values[at], restored[at]).all()


@settings(deadline=None)
@given(
    st.sampled_from(["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32"]),
    st.data(),
    st.sampled_from([0.0, 1e-7, 1e-4]),
    st.sampled_from([1.0, 16.0, 4096.0]),
)
def test_integers_are_exact_on_every_machine(
    dtype: str, data: st.DataObject, drift: float, step: float
) -> None:
    info = (0, 1) if dtype == "bool" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    drawn = data.draw(st.lists(st.one_of(st.integers(*info), st.integers(0, 1)), min_size=1, max_size=50))
    values = np.array([*drawn, *info]).astype(dtype)
    spec = msgspec.structs.replace(an_unperturbed_column(values, Bound("exact"), drift, False), step=step)
    predicted = spec.transform.forward(values)[0] + np.float32(0.01)
    codes = correct(spec, values, predicted)
    assert codes.dtype == code_dtype(dtype)
    at = np.flatnonzero(codes == 0)
    bits = values[at].view(f"u{values.dtype.itemsize}").astype(np.uint64)
    for sign in (-1.0, 0.0, 1.0):
        assert np.array_equal(restore(spec, codes, toward(predicted, drift, sign), at, bits), values)


def test_frequent_values_have_codes_of_their_own() -> None:
    values = np.float32([-999, 1.0, np.nan, -0.0] * 3)
    spec = an_unperturbed_column(values, Bound("abs", 0.1), 0.0, False)
    spec = msgspec.structs.replace(spec, frequent=tuple(values[:4].view(np.uint32).tolist()))
    codes = correct(spec, values, np.zeros(12, np.float32))
    assert codes.tolist() == [1, 2, 3, 4] * 3
    none = np.empty(0, np.int64)
    assert bits_equal(
        values, restore(spec, codes, np.zeros(12, np.float32), none, none.astype(np.uint64))
    ).all()


def sample(n: int = 3000) -> dict[str, NDArray[np.generic]]:
    local = np.random.default_rng(3)
    pt = (20 * local.exponential(2.0, n) + 20).astype(np.float32)
    eta = local.uniform(-2.5, 2.5, n).astype(np.float32)
    columns: dict[str, NDArray[np.generic]] = {
        "pt": pt,
        "eta": eta,
        "n": local.integers(0, 90, n).astype(np.uint8),
    }
    columns["px"] = (pt * np.cos(local.uniform(-3, 3, n))).astype(np.float32)
    if n:
        pt[:: max(n // 7, 3)] = np.nan
        eta[:: max(n // 5, 4)] = -999
    return columns


BOUNDS = {"pt": Bound("rel", 1e-3), "eta": Bound("abs", 1e-3), "n": Bound("exact"), "px": Bound("bits", 8)}


def a_codec(
    columns: dict[str, NDArray[np.generic]],
    latent: LatentSpec | None = None,
    moved: float = 0.0,
    only: bool = False,
) -> Bottleneck:
    specs = tuple(
        msgspec.structs.replace(
            an_unperturbed_column(
                values[values != -999],
                BOUNDS[name],
                DRIFT,
                chooses_log(name, values, BOUNDS[name].kind == "rel"),
            ),
            name=name,
        )
        for name, values in columns.items()
    )
    # latents as a linear mixture, and a decoder that undoes it imperfectly
    encoder = Linear("features", "latents", MIX)
    undo = np.linalg.inv(MIX).astype(np.float32) * np.float32(1.0001)
    probe = np.random.default_rng(5).normal(size=(16, 4)).astype(np.float32)
    tables = {
        "probe_latents": probe,
        "probe_features": Linear("latents", "features", undo)(latents=probe)["features"],
    }
    spec = BottleneckSpec(specs, 4, latent or LatentSpec("float32"), only)
    return Bottleneck(
        spec, {"encoder": encoder, "decoder": Linear("latents", "features", undo, moved)}, tables
    )


FIXED = LatentSpec("uint16", (-8.0,) * 4, (16 / 65535,) * 4)


@pytest.mark.parametrize(
    "latent", [LatentSpec("float32"), LatentSpec("float16"), FIXED], ids=lambda x: x.dtype
)
@pytest.mark.parametrize("n", [0, 1, 10, 5000])
def test_objects_come_back_within_their_bounds(latent: LatentSpec, n: int) -> None:
    columns = sample(n)
    codec = a_codec(columns, latent)
    encoded = codec.encode(columns)
    restored = codec.decode(encoded)
    assert encoded.latents.dtype == latent.stored_dtype
    assert encoded.latents.shape == (n, 4)
    for name, values in columns.items():
        assert restored[name].dtype == values.dtype
        assert accept(values, restored[name], BOUNDS[name]).all()
    # px has values near zero, which a relative bound leaves no room for drift
    assert (encoded.escapes.features != list(columns).index("px")).sum() <= 0.01 * n + 15


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_decoder_that_drifts_within_its_allowance_breaks_no_bound(sign: int) -> None:
    columns = sample()
    encoded = a_codec(columns).encode(columns)
    restored = a_codec(columns, moved=sign * 0.9 * DRIFT).decode(encoded)
    for name, values in columns.items():
        assert accept(values, restored[name], BOUNDS[name]).all()


@pytest.mark.parametrize("moved", [-1.5 * DRIFT, 2 * DRIFT, 1e-3, np.nan, np.inf])
def test_a_decoder_that_drifts_by_more_is_detected(moved: float) -> None:
    columns = sample()
    encoded = a_codec(columns).encode(columns)
    with pytest.raises(ModelRejectedError, match="too far"):
        a_codec(columns, moved=moved).decode(encoded)


def test_one_feature_comes_back_alone() -> None:
    columns = sample()
    codec = a_codec(columns)
    encoded = codec.encode(columns)
    alone = Encoded(encoded.latents, {"eta": encoded.corrections["eta"]}, encoded.escapes)
    assert list(codec.decode(alone, ["eta"])) == ["eta"]
    with pytest.raises(CorruptionError, match="corrections"):
        codec.decode(alone, ["pt"])
    with pytest.raises(SchemaError):
        codec.decode(alone, ["phi"])


def test_latents_only_stores_no_corrections_and_keeps_what_no_network_can_say() -> None:
    columns = sample()
    codec = a_codec(columns, only=True)
    encoded = codec.encode(columns)
    assert encoded.corrections == {}
    restored = codec.decode(encoded)
    assert np.array_equal(np.isnan(columns["pt"]), np.isnan(restored["pt"]))
    assert np.abs(columns["n"].astype(int) - restored["n"].astype(int)).max() <= 1


def test_a_missing_feature_is_named() -> None:
    columns = sample(10)
    codec = a_codec(columns)
    with pytest.raises(SchemaError, match="pt"):
        codec.encode({name: values for name, values in columns.items() if name != "pt"})
    with pytest.raises(SchemaError, match="float32"):
        codec.encode(columns | {"pt": columns["pt"].astype(np.float64)})


def test_networks_of_another_shape_are_refused() -> None:
    columns = sample(10)
    codec = a_codec(columns)
    for networks in ({}, {"encoder": Linear("features", "latents", MIX[:3])}):
        other = Bottleneck(
            codec.spec, networks, dict(zip(("probe_latents", "probe_features"), codec._probe, strict=True))
        )
        with pytest.raises(ModelRejectedError):
            other.encode(columns)
    with pytest.raises(ModelRejectedError, match="probe"):
        Bottleneck(codec.spec, {}, {})


@pytest.mark.parametrize(
    "change",
    [
        {"latents": 0},
        {"latents": 10**9},
        {"columns": ()},
        {"latent": LatentSpec("uint16")},
        {"latent": LatentSpec("float32", (0.0,), (1.0,))},
    ],
)
def test_parameters_that_cannot_be_are_refused(change: dict[str, object]) -> None:
    codec = a_codec(sample(10))
    with pytest.raises((ModelRejectedError, LimitError)):
        Bottleneck(msgspec.structs.replace(codec.spec, **change), {}, dict.fromkeys(("probe_latents",)))


@pytest.mark.parametrize(
    "change", [{"step": 0.0}, {"step": float("nan")}, {"drift": -1.0}, {"frequent": (2**32,)}]
)
def test_columns_that_cannot_be_are_refused(change: dict[str, object]) -> None:
    codec = a_codec(sample(10))
    columns = (msgspec.structs.replace(codec.spec.columns[0], **change), *codec.spec.columns[1:])
    with pytest.raises(ModelRejectedError):
        Bottleneck(msgspec.structs.replace(codec.spec, columns=columns), {}, {})


def test_latents_of_another_kind_are_refused() -> None:
    codec = a_codec(sample(10))
    for latents in (np.zeros((3, 4)), np.zeros((3, 5), np.float32), np.zeros(3, np.float32)):
        with pytest.raises(CorruptionError, match="latents"):
            codec.predict(latents)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=30), st.data())
def test_escapes_go_to_their_events_and_back(counts: list[int], data: st.DataObject) -> None:
    per_event = np.array(counts, np.int64)
    n, columns = int(per_event.sum()), 3
    cells = sorted(data.draw(st.sets(st.integers(0, 3 * n - 1)))) if n else []
    flat = np.array(cells, np.int64)
    escapes = Escapes(flat // columns, flat % columns, np.arange(len(flat), dtype=np.uint64) << np.uint64(33))
    sizes, raw = escapes.to_bytes(per_event)
    back = Escapes.from_bytes(per_event, sizes, raw, columns)
    for ours, theirs in zip(
        (back.objects, back.features, back.bits),
        (escapes.objects, escapes.features, escapes.bits),
        strict=True,
    ):
        assert np.array_equal(ours, theirs)
    # a skim keeps every other event, and the escapes of those
    kept = np.arange(len(per_event)) % 2 == 0
    skimmed = Escapes.from_bytes(per_event[kept], sizes[kept], raw[np.repeat(kept, sizes)], columns)
    assert np.array_equal(skimmed.bits, escapes.bits[np.repeat(kept, per_event)[escapes.objects]])


@pytest.mark.parametrize(
    ("sizes", "raw"),
    [
        ([13, 0], np.zeros(13)),
        ([14, 14], np.zeros(14)),
        ([14], np.zeros(14)),
        ([14, 0], np.full(14, 255)),
        ([28, 0], np.zeros(28)),
        ([0, 14], np.zeros(14)),
    ],
    ids=["half a record", "too few", "an event missing", "no such object", "twice the same", "empty event"],
)
def test_broken_escapes_are_an_error(sizes: list[int], raw: NDArray[np.float64]) -> None:
    with pytest.raises(CorruptionError):
        Escapes.from_bytes(np.array([2, 0]), np.array(sizes), raw.astype(np.uint8), 3)


def test_escapes_that_do_not_fit_the_corrections_are_an_error() -> None:
    columns = sample()
    codec = a_codec(columns)
    encoded = codec.encode(columns)
    assert len(encoded.escapes.objects) > 3
    fewer = Escapes(encoded.escapes.objects[1:], encoded.escapes.features[1:], encoded.escapes.bits[1:])
    with pytest.raises(CorruptionError, match="escapes"):
        codec.decode(Encoded(encoded.latents, encoded.corrections, fewer))


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize(
    "values",
    [
        np.empty(0, np.float32),
        np.float32([5.0]),
        np.full(9, 3.0, np.float32),
        np.full(9, np.nan, np.float32),
        np.float32([-1.0, 0.0, np.inf]),
        np.float64([1e-308, 1e308, -1e308]),
        np.float32([1, 2, 3, np.finfo(np.float32).max]),
        np.geomspace(1e-45, 1e38, 50).astype(np.float32),
        np.array([True, False]),
    ],
    ids=["none", "one", "constant", "nan", "odd", "huge", "outlier", "everything", "bool"],
)
def test_transforms_stay_finite_and_come_back(values: NDArray[np.generic], scaling: str, log: bool) -> None:
    transform = fit_transform("x", values, scaling, log)
    y, domain = transform.forward(values)
    assert np.isfinite(y).all()
    assert np.isfinite(transform.inverse(y)).all()
    numbers = values.astype(np.float64)
    inside = domain & (transform.low < y) & (y < transform.high)
    back = transform.inverse(y)[inside]
    with np.errstate(over="ignore"):
        spread = transform.spread(back, 1e-7 * np.abs(y).max(initial=1.0))
    assert (np.abs(back - numbers[inside]) <= spread + 1e-6 * np.abs(numbers[inside])).all()


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("log", [False, True])
def test_what_is_no_number_is_left_out_of_the_statistics(scaling: str, log: bool) -> None:
    values = np.random.default_rng(3).exponential(50, 500).astype(np.float32)
    spoilt = np.insert(values, np.arange(0, 500, 5), np.float32([np.nan, np.inf, -np.inf, np.nan] * 25))
    assert fit_transform("x", spoilt, scaling, log) == fit_transform("x", values, scaling, log)
