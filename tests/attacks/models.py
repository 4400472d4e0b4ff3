"""ONNX models that are more than networks: what a stranger could put into one."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from hepae import limits
from hepae.core.bottleneck.scaling import Transform
from hepae.core.bottleneck.spec import BottleneckColumn, BottleneckSpec, LatentSpec
from hepae.core.features import FeatureSpec
from hepae.core.manifest import Manifest
from hepae.core.masked.alphabet import Alphabet
from hepae.core.masked.spec import MaskedSpec, Shape
from hepae.core.prediction.predictors import Predictor, Predictors
from hepae.core.values.bounds import Bound
from hepae.core.values.lattice import Inserted, Lattice, Linear
from hepae.core.versioned import Training
from hepae.errors import HepaeError, LimitError, ModelRejectedError
from hepae.model.assembly import assemble
from hepae.model.kinds import MANIFEST_KEY
from hepae.model.model import Model
from tests.attacks.attack import Attack

__all__ = ["ATTACKS", "a_manifest", "a_model", "a_network", "an_exact_model", "built"]

Spoil = Callable[[onnx.ModelProto], object]
BOUND = Bound("abs", 1e-3)


def a_manifest() -> Manifest:
    """A manifest with one feature."""
    column = BottleneckColumn("pt", "float32", BOUND, Transform("linear", 0.0, 1.0, 0.0, 1.0), 1e-6, 1e-3)
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


def built(
    nodes: list[onnx.NodeProto],
    constants: dict[str, NDArray[Any]],
    inputs: dict[str, list[int | str]],
    outputs: dict[str, list[int | str]],
) -> onnx.ModelProto:
    """A network of these nodes, between ports of float32."""
    ports = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in side.items()]
        for side in (inputs, outputs)
    ]
    arrays = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, "any", ports[0], ports[1], arrays)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def a_network(seed: int = 0, width: int = 4) -> onnx.ModelProto:
    """A layer and its activation, as a bottleneck has them."""
    nodes = [
        helper.make_node("Gemm", ["features", "w"], ["a"], transB=1),
        helper.make_node("Mul", ["a", "half"], ["b"]),
        helper.make_node("Tanh", ["b"], ["latents"]),
    ]
    weights = np.random.default_rng(seed).normal(size=(3, width)).astype(np.float32)
    constants: dict[str, NDArray[Any]] = {"w": weights, "half": np.array(0.5, np.float32)}
    return built(nodes, constants, {"features": ["n", width]}, {"latents": ["n", 3]})


def a_model() -> bytes:
    """A good model with two networks and two tables."""
    tables = {"bins": np.arange(5, dtype=np.uint64), "half": np.array(0.5)}
    return assemble(a_manifest(), {"encoder": a_network(1), "predict_pt": a_network(2)}, tables)


def an_exact_model() -> bytes:
    """A good model of integer weights, rounding and clipping."""
    predictors = Predictors((Predictor("pt", 0, ()),), ())
    spec = MaskedSpec(predictors, (Shape("pt", Alphabet(0, ((0, 4),))),))
    nodes = [
        helper.make_node("Cast", ["W"], ["w"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["w", "levels"], ["a"]),
        helper.make_node("Floor", ["a"], ["cell"]),
    ]
    network = built(nodes, {"W": np.ones((1, 4), np.int8)}, {"levels": [4, "n"]}, {"cell": [1, "n"]})
    return assemble(msgspec.structs.replace(a_manifest(), codec=spec), {"cell0": network}, {})


def _external(location: str) -> Spoil:
    def spoil(model: onnx.ModelProto) -> None:
        tensor = model.graph.initializer[0]
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=location)

    return spoil


def _node(operator: str, **attributes: Any) -> Spoil:
    """One more node, at the end of the encoder."""

    def spoil(model: onnx.ModelProto) -> None:
        node = helper.make_node(operator, ["encoder/a"], ["encoder/more"], **attributes)
        model.graph.node.append(node)

    return spoil


def _graph() -> onnx.GraphProto:
    return helper.make_graph([], "branch", [], [])


def _sparse(model: onnx.ModelProto) -> None:
    model.graph.sparse_initializer.add()


def _function(model: onnx.ModelProto) -> None:
    model.functions.add(name="f", domain="d")


def _training(model: onnx.ModelProto) -> None:
    model.training_info.add()


def _graph_attribute(model: onnx.ModelProto) -> None:
    model.graph.node[0].attribute.append(helper.make_attribute("to", _graph()))


def _attribute(name: str, value: int) -> Spoil:
    def spoil(model: onnx.ModelProto) -> None:
        model.graph.node[0].attribute.append(helper.make_attribute(name, value))

    return spoil


def _domain(model: onnx.ModelProto) -> None:
    model.graph.node[0].domain = "com.microsoft"


def _second_opset(model: onnx.ModelProto) -> None:
    model.opset_import.append(helper.make_opsetid("ai.onnx.ml", 3))


def _opset(model: onnx.ModelProto) -> None:
    model.opset_import[0].version = 18


def _ir(model: onnx.ModelProto) -> None:
    model.ir_version = 10


def _weights(value: float) -> Spoil:
    def spoil(model: onnx.ModelProto) -> None:
        model.graph.initializer[1].raw_data = np.float32(value).tobytes()

    return spoil


def _short_weights(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].raw_data = b"\0"


def _shape(place: int, size: int) -> Spoil:
    def spoil(model: onnx.ModelProto) -> None:
        model.graph.initializer[0].dims[place] = size

    return spoil


def _strings(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].data_type = TensorProto.STRING


def _cast() -> bytes:
    model = onnx.ModelProto.FromString(an_exact_model())
    model.graph.node[0].attribute[0].i = TensorProto.STRING
    return bytes(model.SerializeToString())


def _input(place: int, number: int, name: str) -> Spoil:
    def spoil(model: onnx.ModelProto) -> None:
        model.graph.node[place].input[number] = name

    return spoil


def _unowned(model: onnx.ModelProto) -> None:
    model.graph.node[0].output[0] = "w"


def _traversal(model: onnx.ModelProto) -> None:
    for one in (*model.graph.input, *model.graph.output, *model.graph.initializer):
        one.name = f"../../{one.name}"
    for node in model.graph.node:
        for names in (node.input, node.output):
            names[:] = [f"../../{name}" for name in names]


def _width(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 7


def _rank(model: onnx.ModelProto) -> None:
    del model.graph.input[0].type.tensor_type.shape.dim[0]


def _no_manifest(model: onnx.ModelProto) -> None:
    del model.metadata_props[:]


def _two_manifests(model: onnx.ModelProto) -> None:
    model.metadata_props.add(key=MANIFEST_KEY, value=model.metadata_props[0].value)


def _no_graph(model: onnx.ModelProto) -> None:
    model.ClearField("graph")


def _many_nodes(model: onnx.ModelProto) -> None:
    model.graph.node.extend([onnx.NodeProto(op_type="Relu")] * (limits.MAX_MODEL_NODES + 1))


def _wide() -> onnx.ModelProto:
    """One number a row becomes a quarter of a million."""
    size = limits.MAX_ROW_ELEMENTS + 1
    node = helper.make_node("Gemm", ["x", "w"], ["y"], transB=1)
    return built([node], {"w": np.zeros((size, 1), np.float32)}, {"x": ["n", 1]}, {"y": ["n", size]})


def _square() -> onnx.ModelProto:
    """Memory grows with the square of the batch."""
    node = helper.make_node("Gemm", ["x", "x"], ["y"], transB=1)
    return built([node], {}, {"x": ["n", 1]}, {"y": ["n", "m"]})


def _spoilt(name: str, spoil: Spoil, words: str, refusal: type[HepaeError] = ModelRejectedError) -> Attack:
    """A good model, spoilt in one place."""

    def run(folder: Path) -> object:
        model = onnx.ModelProto.FromString(a_model())
        spoil(model)
        return _loaded(folder, model.SerializeToString())

    return Attack(f"model: {name}", run, refusal, words)


def _made(name: str, network: Callable[[], onnx.ModelProto], words: str) -> Attack:
    """A model with a network that nobody would train."""

    def run(folder: Path) -> object:
        return _loaded(folder, assemble(a_manifest(), {"net": network()}, {}))

    return Attack(f"model: {name}", run, LimitError, words)


def _bytes(
    name: str, data: Callable[[], bytes], words: str, refusal: type[HepaeError] = ModelRejectedError
) -> Attack:
    return Attack(f"model: {name}", lambda folder: _loaded(folder, data()), refusal, words)


def _loaded(folder: Path, data: bytes) -> Model:
    (folder / "model.onnx").write_bytes(data)
    return Model.load(folder / "model.onnx")


class _Payload:
    """Runs code where it is unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return exec, ("raise SystemExit('unpickled')",)


OPERATOR, OUTSIDE, SHAPES = "operator that is not admitted", "data outside the model", "shapes or types"
ATTACKS = (
    _spoilt("weights read from /etc/passwd", _external("/etc/passwd"), OUTSIDE),
    _spoilt("weights read from ../../secret", _external("../../secret"), OUTSIDE),
    _spoilt("sparse initialisers", _sparse, "sparse"),
    _spoilt("functions", _function, "functions"),
    _spoilt("a training graph", _training, "training graphs"),
    _spoilt("sub-graph If", _node("If", then_branch=_graph(), else_branch=_graph()), OPERATOR),
    _spoilt("sub-graph Loop", _node("Loop", body=_graph()), OPERATOR),
    _spoilt("sub-graph Scan", _node("Scan", body=_graph(), num_scan_inputs=1), OPERATOR),
    _spoilt("a graph as an attribute", _graph_attribute, "attribute that is not admitted"),
    _spoilt("huge ConstantOfShape", _node("ConstantOfShape"), OPERATOR),
    _spoilt("huge Expand", _node("Expand"), OPERATOR),
    _spoilt("huge Tile", _node("Tile"), OPERATOR),
    _spoilt("huge Range", _node("Range"), OPERATOR),
    _spoilt("random numbers", _node("RandomNormalLike"), OPERATOR),
    _spoilt("an operator of another domain", _domain, "com.microsoft"),
    _spoilt("a second operator set", _second_opset, "operators of another set"),
    _spoilt("operators of another version", _opset, "operators of another set"),
    _spoilt("another version of ONNX", _ir, "another version of ONNX"),
    _spoilt("weights that are NaN", _weights(np.nan), "not finite"),
    _spoilt("weights that are infinite", _weights(-np.inf), "not finite"),
    _spoilt("weights shorter than their shape", _short_weights, "wrong length"),
    _spoilt("a shape of 2**62", _shape(0, 1 << 62), "elements out of range", LimitError),
    _spoilt("a negative shape", _shape(0, -4), "bad shape"),
    _spoilt("an initialiser of strings", _strings, "no array of numbers"),
    _bytes("a cast to strings", _cast, "cast to a type"),
    *(
        _spoilt(f"{operator}, which only models of another kind have", _node(operator), OPERATOR)
        for operator in ("ConvTranspose", "MaxPool", "Softmax", "MatMul", "Floor", "ReduceMax", "Transpose")
    ),
    _spoilt(
        "an attribute that no exporter writes", _attribute("transA", 1), "attribute that is not admitted"
    ),
    _spoilt("a value without a network", _unowned, "name without its network"),
    _spoilt("one network looks into another", _input(1, 1, "predict_pt/w"), "between networks"),
    _spoilt("a network looks into the tables", _input(0, 0, "table/bins"), "between networks"),
    _spoilt("an input that nobody makes", _input(0, 0, "encoder/none"), "checker objects"),
    _spoilt("networks named ../..", _traversal, "name without its network"),
    _spoilt("an input of another width", _width, SHAPES),
    _spoilt("an input of another rank", _rank, SHAPES),
    _spoilt("20,001 nodes", _many_nodes, "nodes of a model", LimitError),
    _spoilt("no graph", _no_graph, "checker objects"),
    _spoilt("no manifest", _no_manifest, "not a model made by hepae"),
    _spoilt("two manifests", _two_manifests, "not a model made by hepae"),
    _made("a row of a quarter of a million numbers", _wide, "numbers a row"),
    _made("memory as the square of the batch", _square, "axes that follow the batch"),
    _bytes("a pickle renamed .onnx", lambda: pickle.dumps(_Payload()), "not an ONNX model"),
    _bytes("an archive of PyTorch", lambda: b"PK\x03\x04archive/data.pkl" + bytes(100), "not an ONNX model"),
    _bytes("nothing", bytes, "model bytes", LimitError),
    _bytes("more than 64 MiB", lambda: bytes(limits.MAX_MODEL_BYTES + 1), "model bytes", LimitError),
)
