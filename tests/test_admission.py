"""Risk: a model from a stranger that runs code, reads files, eats memory, or is something else altogether."""

from __future__ import annotations

import pickle
from collections.abc import Callable

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from hepae import limits
from hepae.bounds import Bound
from hepae.codecs.bottleneck import BottleneckSpec, LatentSpec
from hepae.codecs.corrections import ColumnSpec
from hepae.codecs.features import FeatureSpec
from hepae.codecs.scaling import Transform
from hepae.errors import HepaeError, InputError, LimitError, ModelRejectedError
from hepae.lattice import Inserted, Lattice, Linear
from hepae.model.admission import OPERATORS, admit
from hepae.model.assembly import MANIFEST_KEY, assemble
from hepae.model.manifest import Manifest, Training
from hepae.model.model import Model
from hepae.model.runtime import session

BOUND = Bound("abs", 1e-3)


def a_manifest() -> Manifest:
    column = ColumnSpec("pt", "float32", BOUND, Transform("linear", 0.0, 1.0, 0.0, 1.0), 1e-6, 1e-3)
    lattice = Lattice("float32", Linear(2e-3), (Inserted(-1),))
    return Manifest(
        limits.FORMAT_VERSION,
        "Jet",
        "nJet",
        (FeatureSpec("pt", "Jet_pt", "float32", "", BOUND, lattice),),
        (),
        BottleneckSpec((column,), 1, LatentSpec("float32"), False),
        Training("0", 1, 1, 1),
    )


def a_network(seed: int = 0, width: int = 4) -> onnx.ModelProto:
    """Integer weights, rounding and clipping, as the exact networks have."""
    weights = np.random.default_rng(seed).integers(-127, 128, (width, 3)).astype(np.int8)
    nodes = [
        helper.make_node("Cast", ["W"], ["w"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["features", "w"], ["a"]),
        helper.make_node("Round", ["a"], ["b"]),
        helper.make_node("Clip", ["b", "least", "most"], ["latents"]),
    ]
    initialisers = [
        numpy_helper.from_array(weights, "W"),
        numpy_helper.from_array(np.float32(0), "least"),
        numpy_helper.from_array(np.float32(255), "most"),
    ]
    ports = [
        helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", width]),
        helper.make_tensor_value_info("latents", TensorProto.FLOAT, ["n", 3]),
    ]
    graph = helper.make_graph(nodes, "any", ports[:1], ports[1:], initialisers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def a_model() -> bytes:
    tables = {"bins": np.arange(5, dtype=np.uint64), "half": np.float64(0.5)}
    return assemble(a_manifest(), {"encoder": a_network(1), "predict_pt": a_network(2)}, tables)


def test_what_was_assembled_is_admitted() -> None:
    model = Model.from_bytes(a_model())
    assert model.manifest == a_manifest()
    assert sorted(model.networks) == ["encoder", "predict_pt"]
    assert model.tables["bins"].dtype == np.uint64
    assert model.tables["half"] == 0.5
    features = np.ones((5, 4), np.float32)
    for seed, name in ((1, "encoder"), (2, "predict_pt")):
        expected = session(a_network(seed).SerializeToString())(features=features)["latents"]
        np.testing.assert_array_equal(model.networks[name](features=features)["latents"], expected)
    assert model.networks["encoder"].inputs == {"features": (None, 4)}


def test_tables_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        Model.from_bytes(a_model()).tables["bins"][0] = 1


def test_the_same_parts_give_the_same_bytes() -> None:
    assert a_model() == a_model()


def test_a_model_without_networks_is_a_model() -> None:
    assert dict(Model.from_bytes(assemble(a_manifest(), {}, {})).networks) == {}


def test_pickling_keeps_the_model() -> None:
    model = Model.from_bytes(a_model())
    assert pickle.loads(pickle.dumps(model)).sha256 == model.sha256


def test_saving_and_loading(tmp_path) -> None:
    model = Model.from_bytes(a_model())
    model.save(tmp_path / "m.onnx")
    assert Model.load(tmp_path / "m.onnx").sha256 == model.sha256
    with pytest.raises(InputError):
        Model.load(tmp_path / "none.onnx")


def test_nothing_of_the_maker_is_in_the_file() -> None:
    network = a_network()
    network.doc_string = network.graph.doc_string = network.graph.node[0].doc_string = "secret-path"
    network.graph.node[0].metadata_props.add(key="stack", value="secret-path")
    network.metadata_props.add(key="who", value="secret-path")
    network.producer_name = network.graph.name = "secret-path"
    assert b"secret-path" not in assemble(a_manifest(), {"encoder": network}, {})


def external(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")


def sparse(model: onnx.ModelProto) -> None:
    model.graph.sparse_initializer.add()


def function(model: onnx.ModelProto) -> None:
    model.functions.add(name="f", domain="d")


def conditional(model: onnx.ModelProto) -> None:
    branch = helper.make_graph([], "branch", [], [])
    model.graph.node.append(
        helper.make_node("If", ["encoder/x"], ["encoder/y"], then_branch=branch, else_branch=branch)
    )


def graph_attribute(model: onnx.ModelProto) -> None:
    model.graph.node[0].attribute.append(helper.make_attribute("to", helper.make_graph([], "branch", [], [])))


def huge_constant(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("ConstantOfShape", ["encoder/w"], ["encoder/y"]))


def expand(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("Expand", ["encoder/a", "encoder/w"], ["encoder/y"]))


def other_domain(model: onnx.ModelProto) -> None:
    model.graph.node[0].domain = "com.microsoft"


def other_opset(model: onnx.ModelProto) -> None:
    model.opset_import[0].version = 18


def second_opset(model: onnx.ModelProto) -> None:
    model.opset_import.append(helper.make_opsetid("ai.onnx.ml", 3))


def other_ir(model: onnx.ModelProto) -> None:
    model.ir_version = 10


def not_finite(model: onnx.ModelProto) -> None:
    model.graph.initializer[1].raw_data = np.float32(np.nan).tobytes()


def short_weights(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].raw_data = b"\0"


def negative_shape(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].dims[0] = -4


def strings(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].data_type = TensorProto.STRING


def unowned_name(model: onnx.ModelProto) -> None:
    model.graph.node[0].output[0] = "w"


def crossing(model: onnx.ModelProto) -> None:
    model.graph.node[1].input[1] = "predict_pt/w"


def table_as_weight(model: onnx.ModelProto) -> None:
    model.graph.node[0].input[0] = "table/bins"


def missing_input(model: onnx.ModelProto) -> None:
    model.graph.node[0].input[0] = "encoder/none"


def wrong_width(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 7


def wrong_rank(model: onnx.ModelProto) -> None:
    del model.graph.input[0].type.tensor_type.shape.dim[0]


def no_manifest(model: onnx.ModelProto) -> None:
    del model.metadata_props[:]


def two_manifests(model: onnx.ModelProto) -> None:
    model.metadata_props.add(key=MANIFEST_KEY, value=model.metadata_props[0].value)


def broken_manifest(model: onnx.ModelProto) -> None:
    model.metadata_props[0].value = '{"format": 1}'


def cast_to_strings(model: onnx.ModelProto) -> None:
    model.graph.node[0].attribute[0].i = TensorProto.STRING


def no_graph(model: onnx.ModelProto) -> None:
    model.ClearField("graph")


BAD = [
    external,
    sparse,
    function,
    conditional,
    graph_attribute,
    huge_constant,
    expand,
    other_domain,
    other_opset,
    second_opset,
    other_ir,
    not_finite,
    short_weights,
    negative_shape,
    strings,
    unowned_name,
    crossing,
    table_as_weight,
    missing_input,
    wrong_width,
    wrong_rank,
    no_manifest,
    two_manifests,
    broken_manifest,
    cast_to_strings,
    no_graph,
]


@pytest.mark.parametrize("spoil", BAD, ids=lambda spoil: spoil.__name__)
def test_a_bad_model_is_rejected(spoil: Callable[[onnx.ModelProto], None]) -> None:
    model = onnx.ModelProto.FromString(a_model())
    spoil(model)
    with pytest.raises((ModelRejectedError, LimitError)):
        admit(model.SerializeToString())


def test_a_wide_value_is_refused_before_a_session_exists() -> None:
    width = limits.MAX_ROW_ELEMENTS + 1
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 1]) for name in ("x", "y")]
    one = numpy_helper.from_array(np.zeros((1, width), np.int8), "W")
    nodes = [
        helper.make_node("Cast", ["W"], ["w"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["x", "w"], ["wide"]),
        helper.make_node("ReduceMax", ["wide"], ["y"], axes=[1], keepdims=1),
    ]
    graph = helper.make_graph(nodes, "wide", ports[:1], ports[1:], [one])
    network = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    with pytest.raises(LimitError, match="numbers a row"):
        admit(assemble(a_manifest(), {"wide": network}, {}))


def test_the_square_of_the_batch_is_refused() -> None:
    ports = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1]),
        helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", "m"]),
    ]
    nodes = [helper.make_node("Transpose", ["x"], ["t"]), helper.make_node("MatMul", ["x", "t"], ["y"])]
    graph = helper.make_graph(nodes, "square", ports[:1], ports[1:], [])
    network = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    with pytest.raises(LimitError, match="axes"):
        admit(assemble(a_manifest(), {"square": network}, {}))


@pytest.mark.parametrize("data", [b"", b"\x80\x04N.", b"PK\x03\x04", pickle.dumps([1, 2]), b"\0" * 100])
def test_what_is_no_model_is_rejected(data: bytes) -> None:
    with pytest.raises((ModelRejectedError, LimitError)):
        admit(data)


@given(st.data())
def test_a_damaged_model_is_an_error_or_another_model(data: st.DataObject) -> None:
    whole = bytearray(a_model())
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    cut = data.draw(st.integers(0, len(whole)))
    for damaged in (bytes(whole), bytes(whole[:cut])):
        try:
            admitted = admit(damaged)
        except HepaeError:
            continue
        assert admitted.sha256 != admit(a_model()).sha256 or damaged == a_model()


@pytest.mark.parametrize("name", ["table", "a.b", "a/b", "", "1a", "a b"])
def test_names_that_cannot_be_taken_apart_are_refused(name: str) -> None:
    with pytest.raises(ModelRejectedError):
        assemble(a_manifest(), {name: a_network()}, {})


def test_a_network_that_gets_a_wrong_input_says_so() -> None:
    network = Model.from_bytes(a_model()).networks["encoder"]
    with pytest.raises(ModelRejectedError, match="does not take"):
        network(features=np.ones((1, 7), np.float32))
    with pytest.raises(ModelRejectedError):
        session(b"nonsense")


def test_no_operator_of_the_table_makes_sizes_out_of_values_or_holds_graphs() -> None:
    assert not set(OPERATORS) & {
        *("ConstantOfShape", "Expand", "Tile", "Range", "OneHot", "NonZero", "Resize", "Pad", "EyeLike"),
        *("If", "Loop", "Scan", "SequenceMap", "RandomNormal", "Constant"),
    }
