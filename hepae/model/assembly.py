"""Networks, tables and a manifest into one ONNX file, named by its SHA-256.

The networks become disjoint parts of one graph. In it the inputs and outputs of a network are called
``<network>.<name>``, all its other values and its nodes ``<network>/<name>``, and tables are initialisers
``table/<name>`` that no node consumes. `hepae.model.admission` takes the file apart again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final, Protocol

import numpy as np
import onnx
from onnx import helper, numpy_helper

from hepae.arrays import Array
from hepae.errors import ModelRejectedError
from hepae.model.kinds import MANIFEST_KEY

__all__ = ["IR_VERSION", "NAME", "OPSET", "TABLE", "assemble"]

OPSET: Final = 17
IR_VERSION: Final = 8
TABLE: Final = "table"
NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""Names of networks, of their inputs and outputs (which are Python keywords at run time), and of tables."""


class Described(Protocol):
    """A manifest: what it says goes into the file as JSON."""

    def to_json(self) -> bytes: ...


def assemble(
    manifest: Described,
    networks: Mapping[str, onnx.ModelProto],
    tables: Mapping[str, Array],
    key: str = MANIFEST_KEY,
) -> bytes:
    """One ONNX file of networks, tables and manifest. The same arguments give the same bytes.

    Parameters
    ----------
    manifest
        Goes into the metadata as JSON.
    networks
        Models of one graph each, opset 17, with plain names of inputs and outputs (``features``, not
        ``encoder.features``).
    tables
        Arrays of numbers of any dtype that NumPy and ONNX share.
    key
        Name of the manifest in the metadata, which tells kinds of models apart.

    Raises
    ------
    ModelRejectedError
        If a name is not of letters, digits and underscores, or a network is of another opset.

    Examples
    --------
    >>> data = assemble(manifest, {"decoder": decoder}, {"bins": bins})  # doctest: +SKIP
    """
    graph = onnx.GraphProto(name="hepae")
    for name in sorted(networks):
        _append(graph, name, networks[name])
    for name in sorted(tables):
        _check_name(name, "table")
        table = np.ascontiguousarray(tables[name]).reshape(np.shape(tables[name]))
        graph.initializer.append(numpy_helper.from_array(table, f"{TABLE}/{name}"))
    model = onnx.ModelProto(ir_version=IR_VERSION, producer_name="hepae", graph=graph)
    model.opset_import.append(helper.make_opsetid("", OPSET))
    model.metadata_props.add(key=key, value=manifest.to_json().decode())
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def _append(whole: onnx.GraphProto, network: str, model: onnx.ModelProto) -> None:
    """Add a network to the graph under its prefix, without documentation and other metadata."""
    _check_name(network, "network")
    opsets = [(opset.domain, opset.version) for opset in model.opset_import]
    if opsets != [("", OPSET)]:
        raise ModelRejectedError("a network of another opset", where=network, expected=OPSET, got=opsets)
    ports = {value.name for value in (*model.graph.input, *model.graph.output)}
    for port in ports:
        _check_name(port, f"input or output of {network}")

    def renamed(name: str) -> str:
        return f"{network}.{name}" if name in ports else f"{network}/{name}" if name else ""

    for place, node in enumerate(model.graph.node):
        whole.node.append(_renamed_node(node, f"{network}/{place}", renamed))
    for initialiser in model.graph.initializer:
        copy = whole.initializer.add()
        copy.CopyFrom(initialiser)
        copy.name, copy.doc_string = renamed(initialiser.name), ""
    for values, target in ((model.graph.input, whole.input), (model.graph.output, whole.output)):
        for value in values:
            target.add(name=renamed(value.name)).type.CopyFrom(value.type)


def _renamed_node(node: onnx.NodeProto, name: str, renamed: Callable[[str], str]) -> onnx.NodeProto:
    copy = onnx.NodeProto(name=name, op_type=node.op_type, domain=node.domain)
    copy.input.extend(renamed(value) for value in node.input)
    copy.output.extend(renamed(value) for value in node.output)
    copy.attribute.extend(sorted(node.attribute, key=lambda attribute: str(attribute.name)))
    return copy


def _check_name(name: str, what: str) -> None:
    if not NAME.fullmatch(name) or (what == "network" and name == TABLE):
        raise ModelRejectedError(
            f"not a name for a {what}", expected="letters, digits and underscores", got=name
        )
