"""Risk: events of float networks are restored in C++ beyond their bounds, or from bytes that are damaged."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from hepae.arrays import Columns, Integers
from hepae.core.bottleneck.codec import Bottleneck
from hepae.core.bottleneck.corrections import allowance
from hepae.core.bottleneck.spec import BottleneckColumn, BottleneckSpec
from hepae.core.values.bounds import accept, raw_bits
from hepae.core.values.objects import Objects
from hepae.model.model import Model
from hepae.root.columns import Column, Jagged
from hepae.root.file.source import open_source
from tests.compressed import FEATURES, SAMPLE, model
from tests.native_build import needs_compiler, program
from tests.native_cases import encoded_events, event_case, restored_events, stored_events

pytestmark = [pytest.mark.native, needs_compiler]
GOLDEN = Path(__file__).parent / "golden" / "v1"
FILES = ("bottleneck-float32", "bottleneck-uint8", "bottleneck-float16")
FAST, PLAIN, NARROW = ("-O1",), ("-O1", "-DHEPAE_PLAIN"), ("-O1", "-DHEPAE_NO_AVX512")
NETWORKS: dict[str, dict[str, Any]] = {
    "the default": {},
    "tanh": {"activation": "tanh", "layers": (20, 7), "latents": 3, "latent_dtype": "uint16"},
    "elu, residual": {"activation": "elu", "layers": (16, 16), "residual": True},
    "relu, normalised": {"activation": "relu", "layers": (9,), "batch_norm": True, "latent_dtype": "uint8"},
    "leaky, convolved": {
        "activation": "leaky_relu",
        "layers": (12,),
        "convolutions": (5, 3),
        "shortcut": True,
    },
    "half": {"activation": "silu", "layers": (70,), "latents": 1, "latent_dtype": "float16"},
}


def run(case: Path, folder: Path, flags: tuple[str, ...] = FAST) -> subprocess.CompletedProcess[str]:
    command = [str(program("decode_events", *flags)), str(case), str(folder / "values")]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def spec_of(trained: Model) -> BottleneckSpec:
    assert isinstance(trained.manifest.codec, BottleneckSpec)
    return trained.manifest.codec


def in_cpp(trained: Model, case: Path, folder: Path, flags: tuple[str, ...] = FAST) -> Columns:
    """The features of a case, restored in C++."""
    done = run(case, folder, flags)
    assert done.returncode == 0, done.stderr
    data, found = (folder / "values").read_bytes(), {}
    objects = int(done.stdout.split()[1]) // sum(
        np.dtype(one.dtype).itemsize for one in spec_of(trained).columns
    )
    at = 0
    for column in spec_of(trained).columns:
        found[column.name] = np.frombuffer(data, column.dtype, objects, at)
        at += found[column.name].nbytes
    assert at == len(data)
    return found


def allowed(
    column: BottleneckColumn, predicted: NDArray[np.float32], restored: NDArray[Any]
) -> NDArray[np.float64]:
    """How far C++ may be from ONNX Runtime: the drift, in the units of the feature."""
    x = column.transform.inverse(predicted)
    with np.errstate(all="ignore"):
        factor = np.abs(restored / x) if column.bound.kind in ("rel", "bits") else np.ones(len(x))
        return np.asarray(allowance(column, x, restored, factor))


def require_within_the_drift(
    trained: Model, branches: Mapping[str, Column], expected: Columns, found: Columns
) -> None:
    """Integers, escapes and frequent values are the same; other values are as near as the model allows."""
    spec = spec_of(trained)
    latents = branches["Jet_latent__hepae"]
    assert isinstance(latents, Jagged)
    predicted = Bottleneck(spec, trained.networks, trained.tables).predict(
        latents.values.reshape(-1, spec.latents)
    )
    for place, column in enumerate(spec.columns):
        want, got = expected[column.name], found[column.name]
        assert got.dtype == want.dtype
        same = raw_bits(got) == raw_bits(want)
        if column.is_integer:
            assert same.all(), column.name
            continue
        codes = branches[trained.manifest.feature(column.name).branch + "__hepae"]
        stored = (
            codes.values <= len(column.frequent) if isinstance(codes, Jagged) else np.zeros(len(got), bool)
        )
        assert same[stored].all(), column.name
        with np.errstate(all="ignore"):
            off = np.abs(got.astype(np.float64) - want)
        assert (same | (off <= allowed(column, predicted[:, place], want))).all(), column.name


def objects_of(counts: Integers, columns: Columns) -> Objects:
    return Objects(counts, columns, {})


def hard_objects(events: int = 700) -> Objects:
    """Jets of the sample in events of which many are empty, with NaN, infinities, sentinels and wild integers."""
    rng = np.random.default_rng(5)
    counts = np.where(rng.random(events) < 0.3, 0, rng.integers(0, 9, events))
    counts[[0, 1, events - 1]] = 0
    n = int(counts.sum())
    with open_source(SAMPLE) as source:
        tree = source.tree("Events")
        found = {name: np.array(tree.read(f"Jet_{name}", 0, 2400).values[:n]) for name in FEATURES}
    odd = np.array([np.nan, np.inf, -np.inf, -0.0, 0.0, -999.0, 3e38, 1e-42, 1e-30, -5.0], np.float32)
    for name in ("pt", "eta", "phi", "mass"):
        found[name][rng.permutation(n)[: 5 * len(odd)]] = np.tile(odd, 5)
    found["pt"].view(np.uint32)[7] = 0xFFC12345  # a NaN with a payload
    edges = np.iinfo(found["muonIdx"].dtype)
    found["muonIdx"][:3] = [edges.min, -1, edges.max]
    return objects_of(counts, found)


@pytest.mark.parametrize("flags", [FAST, PLAIN, NARROW], ids=["fast", "plain", "without AVX-512"])
@pytest.mark.parametrize("name", FILES)
def test_golden_files_are_restored_within_drift_and_bounds(
    name: str, flags: tuple[str, ...], tmp_path: Path
) -> None:
    trained, counts, branches = stored_events(GOLDEN / f"{name}.root")
    found = in_cpp(trained, event_case(trained, counts, branches, tmp_path / "case"), tmp_path, flags)
    require_within_the_drift(trained, branches, restored_events(trained, counts, branches), found)
    with open_source(SAMPLE) as source:  # what the files were made of
        tree = source.tree("Events")
        original = {one: np.array(tree.read(f"Jet_{one}", 0, len(counts)).values) for one in found}
    for feature in trained.manifest.features:
        assert len(found[feature.name]) == counts.sum()
        if not spec_of(trained).latents_only:
            assert accept(original[feature.name], found[feature.name], feature.bound).all()
            assert (found[feature.name] != original[feature.name]).any()


@pytest.mark.parametrize("kind", NETWORKS)
def test_bounds_hold_for_every_network_and_hard_values(kind: str, tmp_path: Path) -> None:
    trained, objects = model("bottleneck", **NETWORKS[kind]), hard_objects()
    branches = encoded_events(trained, objects)
    case = event_case(trained, objects.counts, branches, tmp_path / "case")
    expected = restored_events(trained, objects.counts, branches)
    for flags in (FAST, PLAIN, NARROW):
        found = in_cpp(trained, case, tmp_path, flags)
        require_within_the_drift(trained, branches, expected, found)
        for feature in trained.manifest.features:
            assert accept(objects.columns[feature.name], found[feature.name], feature.bound).all(), (
                feature.name
            )
    escapes = branches["Jet_escape__hepae"]
    assert isinstance(escapes, Jagged)
    assert len(escapes.values) > 14 * 20


def test_latents_alone_are_restored_as_by_onnxruntime(tmp_path: Path) -> None:
    trained, objects = model("bottleneck", latents_only=True), hard_objects()
    branches = encoded_events(trained, objects)
    case = event_case(trained, objects.counts, branches, tmp_path / "case")
    found = in_cpp(trained, case, tmp_path)
    for name, want in restored_events(trained, objects.counts, branches).items():
        if want.dtype.kind == "f":
            assert np.allclose(found[name], want, rtol=1e-5, atol=1e-5, equal_nan=True), name
        else:  # a number that is just above one half here may be just below there
            assert np.abs(found[name].astype(np.int64) - want).max() <= 1
    nan = np.isnan(objects.columns["pt"])
    assert (raw_bits(found["pt"])[nan] == raw_bits(objects.columns["pt"])[nan]).all()


def test_events_without_objects_have_no_values(tmp_path: Path) -> None:
    trained = model("bottleneck")
    none = {name: values[:0] for name, values in hard_objects().columns.items()}
    for events in (0, 3):
        objects = objects_of(np.zeros(events, np.int64), none)
        case = event_case(trained, objects.counts, encoded_events(trained, objects), tmp_path / "case")
        assert all(len(values) == 0 for values in in_cpp(trained, case, tmp_path).values())


@pytest.mark.parametrize("branch", ["check", "escape", "latent", "pt", "muonIdx"])
def test_a_changed_byte_in_any_branch_is_refused(branch: str, tmp_path: Path) -> None:
    trained, objects = model("bottleneck"), hard_objects(60)
    branches = dict(encoded_events(trained, objects))
    name = f"Jet_{branch}__hepae"
    whole = branches[name]
    values = np.array(whole.values if isinstance(whole, Jagged) else whole)
    values.view(np.uint8)[len(values.view(np.uint8)) // 2] ^= 4
    branches[name] = Jagged(whole.counts, values) if isinstance(whole, Jagged) else values
    done = run(event_case(trained, objects.counts, branches, tmp_path / "case"), tmp_path)
    assert done.returncode == 1
    assert "an event does not carry its checksum" in done.stderr


def test_events_of_another_model_are_refused(tmp_path: Path) -> None:
    objects = hard_objects(20)
    branches = encoded_events(model("bottleneck"), objects)
    other = model("bottleneck", seed=2)
    done = run(event_case(other, objects.counts, branches, tmp_path / "case"), tmp_path)
    assert done.returncode == 1
    assert "an event does not carry its checksum" in done.stderr


def altered(trained: Model, name: str, values: NDArray[np.float32]) -> Model:
    """A model with another table, which may be one that Python refuses."""
    parsed = onnx.load_model_from_string(trained.data)
    for tensor in parsed.graph.initializer:
        if tensor.name == f"table/{name}":
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    return Model.from_bytes(parsed.SerializeToString(deterministic=True))


def node_of(model: onnx.ModelProto, operator: str) -> onnx.NodeProto:
    return next(
        node for node in model.graph.node if node.op_type == operator and node.output[0].startswith("decoder")
    )


def tensor_of(model: onnx.ModelProto, name: str) -> onnx.TensorProto:
    return next(tensor for tensor in model.graph.initializer if tensor.name == name)


def another_operator(model: onnx.ModelProto) -> None:
    node_of(model, "Identity").op_type = "Softmax"


def another_attribute(model: onnx.ModelProto) -> None:
    node_of(model, "Identity").attribute.add(name="axis", type=onnx.AttributeProto.INT, i=1)


def an_attribute_of_another_type(model: onnx.ModelProto) -> None:
    (alpha,) = node_of(model, "LeakyRelu").attribute
    alpha.type = onnx.AttributeProto.INT


def turned_weights(model: onnx.ModelProto) -> None:
    dims = tensor_of(model, node_of(model, "Gemm").input[1]).dims
    dims[:] = dims[::-1]


def weights_that_are_computed(model: onnx.ModelProto) -> None:
    node = node_of(model, "Gemm")
    node.input[1] = node.input[0]


def a_value_that_is_made_later(model: onnx.ModelProto) -> None:
    node_of(model, "Gemm").input[0] = node_of(model, "Identity").output[0]


def far_pads(model: onnx.ModelProto) -> None:
    pads = next(one for one in node_of(model, "Conv").attribute if one.name == "pads")
    pads.ints[:] = [1 << 40, 1 << 40]


def another_size(model: onnx.ModelProto) -> None:
    tensor = tensor_of(model, node_of(model, "Reshape").input[1])
    tensor.CopyFrom(numpy_helper.from_array(np.array([0, 7, 1 << 40], np.int64), tensor.name))


def no_number(model: onnx.ModelProto) -> None:
    tensor = tensor_of(model, node_of(model, "Gemm").input[2])
    tensor.raw_data = b"\xff" * len(tensor.raw_data)


def no_probe(model: onnx.ModelProto) -> None:
    model.graph.initializer.remove(tensor_of(model, "table/probe_features"))


def a_wide_probe(model: onnx.ModelProto) -> None:
    tensor = tensor_of(model, "table/probe_latents")
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float64), tensor.name))


MALFORMED = {
    another_operator: "an operator that is not admitted",
    another_attribute: "an attribute that is not admitted",
    an_attribute_of_another_type: "an attribute of another type",
    turned_weights: "weights of another shape",
    weights_that_are_computed: "a table of the model is missing",
    a_value_that_is_made_later: "a network of another form",
    far_pads: "a convolution that cannot be",
    another_size: "a shape that cannot be",
    no_number: "weights that are not finite",
    no_probe: "a table of the model is missing",
    a_wide_probe: "a model without its probe",
}


@pytest.mark.parametrize("change", MALFORMED, ids=lambda change: change.__name__)
def test_a_model_of_another_form_is_refused(
    change: Callable[[onnx.ModelProto], None], tmp_path: Path
) -> None:
    trained = model("bottleneck", **NETWORKS["leaky, convolved"])
    objects = hard_objects(20)
    branches = encoded_events(trained, objects)
    parsed = onnx.load_model_from_string(trained.data)
    change(parsed)
    case = event_case(trained, objects.counts, branches, tmp_path / "case")
    case.write_bytes(with_model(case.read_bytes(), parsed.SerializeToString(deterministic=True)))
    done = run(case, tmp_path)
    assert done.returncode == 1
    assert MALFORMED[change] in done.stderr


def with_model(case: bytes, data: bytes) -> bytes:
    """A case with another model, which stands in front behind its length."""
    size = int.from_bytes(case[8:16], "little")
    return case[:8] + len(data).to_bytes(8, "little") + data + case[16 + size :]


def test_a_decoder_that_drifts_too_far_is_refused(tmp_path: Path) -> None:
    trained, objects = model("bottleneck"), hard_objects(20)
    probe = trained.tables["probe_features"]
    for place, column in enumerate(spec_of(trained).columns):
        for factor in (0.5, 3.0):
            moved = probe.copy()
            moved[-1, place] += np.float32(factor * column.drift)
            other = altered(trained, "probe_features", moved)
            branches = encoded_events(
                other if factor < 1 else trained, objects
            )  # Python refuses the other too
            done = run(event_case(other, objects.counts, branches, tmp_path / "case"), tmp_path)
            assert done.returncode == int(factor > 1), (column.name, done.stderr)
            assert ("too far from the writer's" in done.stderr) == (factor > 1)
