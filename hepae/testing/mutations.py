"""Mutations that know what they change: a value of a JSON text, a node of an ONNX graph, a token of a CSV file.

Each takes bytes and a random generator and gives other bytes, for fuzzing whatever reads manifests, models or tables.
Input that is not of the kind is damaged as plain bytes (`hepae.testing.hostile`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError

from hepae.model.kinds import OPERATORS
from hepae.testing.hostile import KINDS

__all__ = ["Mutation", "any_bytes", "csv_text", "json_text", "mutated", "onnx_model"]

Random = np.random.Generator
Mutation = Callable[[bytes, Random], bytes]

MOST_MUTATIONS = 4
WORDS: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 255, 256, 65536, 2**31 - 1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**70, -(2**63),
    0.5, -0.0, 1e-320, 1e308, "", "pt", "eta", "nJet", "float64", "int8", "exact", "lifting", "masked", "bottleneck",
    "\x00", "a" * 600, "é", [], {}, [[]], [0] * 70, ["pt"] * 3,
)  # fmt: skip
OPERATORS_OFF = ("If", "Loop", "ConstantOfShape", "Expand", "Tile", "Range", "NonZero", "Constant", "Pad")
TOKENS = (
    b";", b",", b"\n", b"\r\n", b"\r", b"-", b"+", b"e", b"E", b".", b"nan", b"inf", b"-inf", b"j,", b"e-,", b" ",
    b"\t", b"9", b"0", b"_", b"0x1", b"1e999", b"1e-999", b"\xef\xbb\xbf", b"\x00", b"\xff", b"\xc2\xa0", b"1_0",
    b"j,1,2,3,4;", b"j,1,2,3;", b"b,1,2,3,4,5;", b"x,1,2,3,4;", b"m+,1e2,.5,-0,0.;", b"9" * 400,
)  # fmt: skip


def mutated(data: bytes, mutations: Sequence[Mutation], seed: int) -> bytes:
    """Bytes after one to four mutations; the same again for the same seed."""
    rng = np.random.default_rng(seed)
    for _ in range(int(rng.integers(1, MOST_MUTATIONS + 1))):
        data = pick(mutations, rng)(data, rng)
    return data


def any_bytes(data: bytes, rng: Random) -> bytes:
    """Damage that knows nothing."""
    if len(data) < 9:
        return data + rng.bytes(int(rng.integers(1, 16)))
    kind = KINDS[int(rng.integers(len(KINDS)))]
    return kind(np.frombuffer(data, np.uint8).copy(), rng).tobytes()


def pick(choices: Any, rng: Random) -> Any:
    """One of a sequence."""
    return choices[int(rng.integers(len(choices)))]


def json_text(data: bytes, rng: Random) -> bytes:
    """Another value, a field or an element more or less, in one place of a JSON text."""
    try:
        whole = json.loads(data)
    except (ValueError, RecursionError):
        return any_bytes(data, rng)
    places: list[tuple[Any, Any]] = []
    waiting = [whole]
    while waiting:
        one = waiting.pop()
        inside = (
            list(one.items())
            if isinstance(one, dict)
            else list(enumerate(one))
            if isinstance(one, list)
            else []
        )
        places += [(one, key) for key, _ in inside]
        waiting += [value for _, value in inside]
    if not places:
        return any_bytes(data, rng)
    holder, key = pick(places, rng)
    value = holder[key]
    match int(rng.integers(5)):
        case 0:
            del holder[key]
        case 1 if isinstance(value, int | float) and not isinstance(value, bool):
            holder[key] = pick((value + 1, value - 1, -value, value * 2, value * 2**40, value / 3), rng)
        case 2:
            other, place = pick(places, rng)
            holder[key] = (
                other.get(place) if isinstance(other, dict) else (other or [0])[min(place, len(other) - 1)]
            )
        case 3 if isinstance(holder, list):
            holder.insert(key, value)
        case _:
            holder[key] = pick(WORDS, rng)
    try:
        return json.dumps(whole).encode()
    except (ValueError, RecursionError):
        return data


def onnx_model(data: bytes, rng: Random) -> bytes:
    """One thing in the graph, its tables or its manifest is another."""
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except DecodeError:
        return any_bytes(data, rng)
    graph = model.graph
    changes = [_node, _attribute, _table, _numbers, _port, _manifest, _more]
    try:
        pick(changes, rng)(model, graph, rng)
        return bytes(model.SerializeToString())
    except (ValueError, IndexError, TypeError, AttributeError):
        return any_bytes(data, rng)  # nothing there to change, or what was changed before is no text


def _node(_: onnx.ModelProto, graph: Any, rng: Random) -> None:
    node = pick(graph.node, rng)
    match int(rng.integers(5)):
        case 0:
            node.op_type = pick((*OPERATORS["bottleneck"], *OPERATORS_OFF), rng)
        case 1:
            graph.node.remove(node)
        case 2:
            graph.node.add().CopyFrom(node)
        case 3 if node.input:
            names = [name for other in graph.node for name in (*other.input, *other.output)]
            node.input[int(rng.integers(len(node.input)))] = pick(names, rng)
        case _:
            node.domain = pick(("", "ai.onnx.ml", "com.microsoft"), rng)


def _attribute(_: onnx.ModelProto, graph: Any, rng: Random) -> None:
    attribute = pick([a for node in graph.node for a in node.attribute], rng)
    attribute.i = int(pick((0, 1, -1, 7, 2**31, 2**62), rng))
    attribute.type = int(rng.integers(0, 13))


def _table(_: onnx.ModelProto, graph: Any, rng: Random) -> None:
    table = pick(graph.initializer, rng)
    match int(rng.integers(4)):
        case 0 if table.dims:
            table.dims[int(rng.integers(len(table.dims)))] = int(pick((0, 1, -1, 2**20, 2**31, 2**62), rng))
        case 1:
            table.data_type = int(rng.integers(0, 22))
        case 2:
            table.dims.append(int(pick((0, 1, 2), rng)))
        case _:
            graph.initializer.remove(table)


def _numbers(_: onnx.ModelProto, graph: Any, rng: Random) -> None:
    table = pick(graph.initializer, rng)
    table.raw_data = any_bytes(table.raw_data, rng)


def _port(_: onnx.ModelProto, graph: Any, rng: Random) -> None:
    port = pick((*graph.input, *graph.output), rng)
    match int(rng.integers(3)):
        case 0:
            port.type.tensor_type.elem_type = int(rng.integers(0, 22))
        case 1:
            port.type.tensor_type.shape.dim.add().dim_value = int(pick((0, 1, 2**31), rng))
        case _:
            port.name = pick((port.name + "x", "table/x", "decoder.x", ""), rng)


def _manifest(model: onnx.ModelProto, _: Any, rng: Random) -> None:
    entry = pick(model.metadata_props, rng)
    entry.value = json_text(bytes(str(entry.value), "utf-8"), rng).decode("utf-8", "replace")


def _more(model: onnx.ModelProto, graph: Any, rng: Random) -> None:
    match int(rng.integers(4)):
        case 0:
            model.ir_version = int(rng.integers(0, 14))
        case 1:
            model.opset_import.add(domain=pick(("", "x"), rng), version=int(rng.integers(0, 30)))
        case 2:
            graph.initializer.add().CopyFrom(pick(graph.initializer, rng))
        case _:
            graph.input.add().CopyFrom(pick(graph.input, rng))


def csv_text(data: bytes, rng: Random) -> bytes:
    """A token more, in the place of others or of none."""
    at = int(rng.integers(len(data) + 1))
    return data[:at] + bytes(pick(TOKENS, rng)) + data[at + int(rng.integers(4)) :]
