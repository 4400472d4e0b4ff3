"""Admission of models: a staircase of refusals between bytes from a file and ONNX Runtime.

A model may come from a stranger. Only what the networks of hepae need is let through: standard operators from the table
of its kind (`hepae.model.kinds`), with attributes from that table; ordinary initialisers with finite values; values
whose size is known and small. What is loaded afterwards is rebuilt from the checked parts, so nothing else in the file
is ever looked at.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import AttributeProto, TensorProto, helper, numpy_helper, shape_inference

from hepae import limits
from hepae.arrays import Array
from hepae.errors import ModelRejectedError
from hepae.model.assembly import IR_VERSION, NAME, OPSET, TABLE
from hepae.model.kinds import COMPRESSING, Kind, Operators

__all__ = ["Admitted", "admit", "manifest_key"]

NUMBERS: Final = frozenset(
    {
        TensorProto.BOOL,
        TensorProto.INT8,
        TensorProto.INT16,
        TensorProto.INT32,
        TensorProto.INT64,
        TensorProto.UINT8,
        TensorProto.UINT16,
        TensorProto.UINT32,
        TensorProto.UINT64,
        TensorProto.FLOAT16,
        TensorProto.FLOAT,
        TensorProto.DOUBLE,
    }
)
PLAIN_ATTRIBUTES: Final = frozenset(
    {AttributeProto.FLOAT, AttributeProto.INT, AttributeProto.STRING, AttributeProto.INTS}
)


@dataclass(frozen=True)
class Admitted:
    """The parts of a model of any kind that was admitted.

    Attributes
    ----------
    manifest
        What the model is for, as JSON that is not yet parsed: each kind of model has a manifest of its own.
    networks
        Each network as an ONNX model of its own, with plain names of inputs and outputs.
    tables
        Read-only arrays.
    sha256
        Hexadecimal digest of the file.
    """

    manifest: bytes
    networks: dict[str, bytes]
    tables: dict[str, Array]
    sha256: str


def admit(data: bytes, kind: Kind = COMPRESSING) -> Admitted:
    """Check a model and take it apart.

    Parameters
    ----------
    data
        Bytes of an ONNX file. Nothing else is ever read.
    kind
        What the model has to be: its manifest and the operators of its networks.

    Raises
    ------
    ModelRejectedError
        If anything in it is not what `hepae.model.assembly` writes.
    LimitError
        If a size exceeds its limit.
    """
    limits.check("model bytes", len(data), limits.MAX_MODEL_BYTES, least=1)
    model = _parsed(data)
    try:
        manifest = _manifest(model, kind.key)
        _check_header(model)
        _check_graph(model.graph, kind.operators(manifest))
        _check_onnx(model)
        tables = {_local(t.name): _table(t) for t in model.graph.initializer if _owner(t.name) == TABLE}
        return Admitted(manifest, _networks(model.graph), tables, hashlib.sha256(data).hexdigest())
    except UnicodeError:
        raise ModelRejectedError("a name that is no text") from None


def manifest_key(data: bytes) -> str:
    """The name of the manifest of a model, which tells its kind; empty where there is not one. Nothing is admitted."""
    limits.check("model bytes", len(data), limits.MAX_MODEL_BYTES, least=1)
    keys = [entry.key for entry in _parsed(data).metadata_props]
    return keys[0] if len(keys) == 1 and isinstance(keys[0], str) else ""


def _check_onnx(model: onnx.ModelProto) -> None:
    try:
        onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, ValueError) as problem:
        raise ModelRejectedError("the ONNX checker objects", got=str(problem).splitlines()[0]) from None


def _parsed(data: bytes) -> onnx.ModelProto:
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except DecodeError:
        raise ModelRejectedError(
            "not an ONNX model", hint="models end in .onnx and are made by hepae train"
        ) from None
    return model


def _manifest(model: onnx.ModelProto, key: str) -> bytes:
    texts = [entry.value for entry in model.metadata_props if entry.key == key]
    if len(texts) != 1 or len(model.metadata_props) != 1:
        others = [str(entry.key) for entry in model.metadata_props]
        another = len(others) == 1 and others[0].startswith("hepae_")
        what = "a model of another kind" if another else "not a model made by hepae"
        raise ModelRejectedError(what, expected=f"{key} in the metadata", got=", ".join(others) or "none")
    if not isinstance(texts[0], str):  # protobuf hands over what is not UTF-8 as bytes
        raise ModelRejectedError("a manifest that is no text")
    return texts[0].encode()


def _check_header(model: onnx.ModelProto) -> None:
    opsets = [(opset.domain, opset.version) for opset in model.opset_import]
    if opsets != [("", OPSET)]:
        raise ModelRejectedError("operators of another set", expected=[("", OPSET)], got=opsets)
    if model.ir_version != IR_VERSION:
        raise ModelRejectedError("another version of ONNX", expected=IR_VERSION, got=model.ir_version)
    if model.functions or model.training_info:
        raise ModelRejectedError("functions and training graphs are not admitted")


def _check_graph(graph: onnx.GraphProto, operators: Operators) -> None:
    limits.check("nodes of a model", len(graph.node), limits.MAX_MODEL_NODES)
    if graph.sparse_initializer or graph.quantization_annotation:
        raise ModelRejectedError("sparse initialisers and quantisation annotations are not admitted")
    for tensor in graph.initializer:
        _check_initialiser(tensor)
    for node in graph.node:
        _check_node(node, operators)


def _check_node(node: onnx.NodeProto, operators: Operators) -> None:
    if node.domain or node.op_type not in operators:
        operator = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
        raise ModelRejectedError("an operator that is not admitted", where=node.name, got=operator)
    for attribute in node.attribute:
        if attribute.name not in operators[node.op_type] or attribute.type not in PLAIN_ATTRIBUTES:
            raise ModelRejectedError("an attribute that is not admitted", where=node.name, got=attribute.name)
        if node.op_type == "Cast" and attribute.i not in NUMBERS:
            raise ModelRejectedError(
                "a cast to a type that is not admitted", where=node.name, got=attribute.i
            )
    owners = {_owner(value) for value in (*node.input, *node.output) if value}
    if not node.output or not node.output[0]:
        raise ModelRejectedError("a node without output", where=node.name, got=node.op_type)
    if len(owners) != 1 or TABLE in owners:
        raise ModelRejectedError("a node between networks", where=node.name, got=", ".join(sorted(owners)))


def _check_initialiser(tensor: onnx.TensorProto) -> None:
    """Ordinary numbers, all of them in the file, all finite."""
    if tensor.data_location != TensorProto.DEFAULT or tensor.external_data or tensor.HasField("segment"):
        raise ModelRejectedError("data outside the model is not admitted", where=tensor.name)
    if tensor.data_type not in NUMBERS:
        raise ModelRejectedError("an initialiser that is no array of numbers", where=tensor.name)
    if not tensor.HasField("raw_data"):
        raise ModelRejectedError("an initialiser without raw data", where=tensor.name)
    if len(tensor.dims) > limits.MAX_RANK or any(size < 0 for size in tensor.dims):
        raise ModelRejectedError("an initialiser of a bad shape", where=tensor.name, got=list(tensor.dims))
    elements = limits.check("elements", math.prod(tensor.dims), limits.MAX_INITIALISER_ELEMENTS, tensor.name)
    dtype = helper.tensor_dtype_to_np_dtype(tensor.data_type)
    if len(tensor.raw_data) != elements * dtype.itemsize:
        raise ModelRejectedError(
            "an initialiser of a wrong length",
            where=tensor.name,
            expected=elements * dtype.itemsize,
            got=len(tensor.raw_data),
        )
    if dtype.kind == "f" and not np.isfinite(numpy_helper.to_array(tensor)).all():
        raise ModelRejectedError("weights that are not finite", where=tensor.name)


def _owner(name: object) -> str:
    """Network that a name belongs to: what stands before its first dot or slash."""
    if not isinstance(name, str):  # protobuf hands over what is not UTF-8 as bytes
        raise ModelRejectedError("a name that is no text", got=name)
    owner, separator, local = name.replace("/", ".").partition(".")
    if not separator or not local or not NAME.fullmatch(owner):
        raise ModelRejectedError(
            "a name without its network", expected="NETWORK.NAME or NETWORK/NAME", got=name
        )
    return owner


def _local(name: str) -> str:
    return name[len(_owner(name)) + 1 :]


def _table(tensor: onnx.TensorProto) -> Array:
    table = np.array(numpy_helper.to_array(tensor))
    table.flags.writeable = False
    return table


def _networks(graph: onnx.GraphProto) -> dict[str, bytes]:
    """The disjoint networks of a graph, each rebuilt as a model with plain names of inputs and outputs."""
    parts: dict[str, onnx.GraphProto] = {}
    for value in graph.output:
        parts.setdefault(_owner(value.name), onnx.GraphProto(name=_owner(value.name)))
    for source, target in (("input", "input"), ("output", "output"), ("initializer", "initializer")):
        for item in getattr(graph, source):
            if _owner(item.name) == TABLE:
                continue
            copy = getattr(_part(parts, item.name), target).add()
            copy.CopyFrom(item)
            copy.name = _plain(item.name)
    for node in graph.node:
        copy = onnx.NodeProto(op_type=node.op_type, name=node.name, attribute=node.attribute)
        copy.input.extend(_plain(value) for value in node.input)
        copy.output.extend(_plain(value) for value in node.output)
        _part(parts, node.output[0]).node.append(copy)
    return {name: _checked(name, part) for name, part in sorted(parts.items())}


def _part(parts: dict[str, onnx.GraphProto], name: str) -> onnx.GraphProto:
    owner = _owner(name)
    if owner not in parts:
        raise ModelRejectedError("a network without outputs", where=name)
    return parts[owner]


def _plain(name: str) -> str:
    """``encoder.features`` is the port ``features``; ``encoder/0`` stays as it is and cannot clash with a port."""
    return _local(name) if name and "." in name.partition("/")[0] else name


def _checked(name: str, graph: onnx.GraphProto) -> bytes:
    model = onnx.ModelProto(ir_version=IR_VERSION, producer_name="hepae", graph=graph)
    model.opset_import.append(helper.make_opsetid("", OPSET))
    for port in (*graph.input, *graph.output):
        if not NAME.fullmatch(port.name):
            raise ModelRejectedError("not a name for an input or output", where=name, got=port.name)
    _check_sizes(name, model)
    return bytes(model.SerializeToString(deterministic=True))


def _check_sizes(name: str, model: onnx.ModelProto) -> None:
    """Bound the memory of a run: each value has at most one axis that follows the batch, and few numbers a row."""
    try:
        inferred = shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    except (shape_inference.InferenceError, onnx.checker.ValidationError, ValueError) as problem:
        raise ModelRejectedError(
            "shapes or types do not fit", where=name, got=str(problem).strip().splitlines()[0]
        ) from None
    graph = inferred.graph
    known = {value.name: value for value in (*graph.input, *graph.output, *graph.value_info)}
    fixed = 0
    for value in [
        *(port.name for port in graph.input),
        *(out for node in graph.node for out in node.output if out),
    ]:
        if value not in known or not known[value].type.tensor_type.HasField("shape"):
            raise ModelRejectedError("a value of unknown shape", where=name, got=value)
        tensor = known[value].type.tensor_type
        if tensor.elem_type not in NUMBERS:
            raise ModelRejectedError("a value that is no array of numbers", where=name, got=value)
        sizes = [axis.dim_value for axis in tensor.shape.dim if axis.HasField("dim_value")]
        free = len(tensor.shape.dim) - len(sizes)
        limits.check("rank", len(tensor.shape.dim), limits.MAX_RANK, value)
        limits.check("axes that follow the batch", free, 1, value)
        elements = math.prod(sizes)
        fixed += 0 if free else elements
        if free:
            limits.check("numbers a row", elements, limits.MAX_ROW_ELEMENTS, value)
    limits.check("numbers in fixed values", fixed, limits.MAX_INITIALISER_ELEMENTS, name)
