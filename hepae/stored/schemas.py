"""What a file says of each compressed tree: its branches, how their columns are stored, its original header."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

import msgspec
import numpy as np

from hepae import limits
from hepae.core.coding.patches import patch, patched
from hepae.core.coding.varint import read_varint, varint
from hepae.core.locks import computed_once
from hepae.core.tables.schema import TreeSchema
from hepae.errors import CorruptionError
from hepae.root.columns import Column
from hepae.root.file.compression import LZMA_BEST
from hepae.root.file.own_names import SCHEMAS_TREE
from hepae.root.tree import TreeReader
from hepae.root.ttree.layouts.layout import Layout
from hepae.root.ttree.plan import NewBranch, require_plan
from hepae.stored.blobs import blob_column, blobs

__all__ = [
    "SCHEMAS_TREE",
    "References",
    "Schemas",
    "StoredBranch",
    "StoredField",
    "StoredSchema",
    "StoredTree",
    "read_schemas",
    "schema_plan",
    "schema_rows",
    "stored_tree",
]


SHA256_BYTES: Final = 32


@dataclass(frozen=True)
class StoredBranch:
    """A branch that was replaced.

    Parameters
    ----------
    path
        Its full path.
    layout
        How columns become the bytes of its baskets.
    columns
        The columns that it is restored from, by number, in the order of the layout.
    compression
        ROOT's number of how its baskets were compressed, where its header does not say so (uproot writes 0).
    """

    path: str
    layout: Layout
    columns: tuple[int, ...]
    compression: int = 0


class StoredField(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A field at the top of an RNTuple that was replaced, with all that is in it.

    Parameters
    ----------
    name
        Of the field.
    columns
        Pairs: the number of a physical column of elements in the original header, and that of the column that it is
        restored from. Index columns are restored from the counts of these.
    compression
        ROOT's number of how its pages were compressed.
    """

    name: str
    columns: tuple[tuple[int, int], ...]
    compression: int = 0


class WrittenBranch(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A replaced branch as JSON has it: its layout by number, its path only where its first column has another name.

    A file of a few events is mostly this: 1,500 branches take 9 kB so, and 19 kB with their layouts and paths.
    """

    layout: int
    columns: tuple[int, ...]
    path: str | None = None
    compression: int = 0


class WrittenTree(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A compressed tree as JSON has it."""

    schema: TreeSchema
    layouts: tuple[Layout, ...] = ()
    branches: tuple[WrittenBranch, ...] = ()
    tree: str = ""
    fields: tuple[StoredField, ...] = ()


@dataclass(frozen=True)
class StoredTree:
    """A compressed tree.

    Parameters
    ----------
    schema
        How columns are stored.
    branches
        The branches that were replaced; none of an RNTuple.
    tree
        Directories and name of the tree: two trees with equal branches have schemas of their own, since the original
        headers that belong to them differ.
    fields
        The fields that were replaced, of an RNTuple.
    """

    schema: TreeSchema
    branches: tuple[StoredBranch, ...] = ()
    tree: str = ""
    fields: tuple[StoredField, ...] = ()

    def to_json(self) -> bytes:
        """As stored."""
        layouts = {branch.layout: None for branch in self.branches}
        numbers = {layout: number for number, layout in enumerate(layouts)}
        branches = [self._written(branch, numbers[branch.layout]) for branch in self.branches]
        return msgspec.json.encode(
            WrittenTree(self.schema, tuple(layouts), tuple(branches), self.tree, self.fields)
        )

    def _written(self, branch: StoredBranch, layout: int) -> WrittenBranch:
        named = branch.columns and self.schema.columns[branch.columns[0]].name == branch.path
        return WrittenBranch(layout, branch.columns, None if named else branch.path, branch.compression)

    @computed_once
    def sha256(self) -> str:
        """Name of the description, hexadecimal."""
        return hashlib.sha256(self.to_json()).hexdigest()


class StoredSchema(NamedTuple):
    """What a file says of a tree.

    Attributes
    ----------
    text
        How it is stored, JSON.
    header
        The original header, without baskets.
    reference
        SHA-256 of a model of the data set, and how the other two differ from what it has, as it is in the file; empty
        where the file has them itself.
    """

    text: bytes
    header: bytes
    reference: bytes = b""

    @property
    def model(self) -> str:
        """SHA-256 of the model that is referred to, hexadecimal."""
        return self.reference[:SHA256_BYTES].hex()

    def referring(self, sha256: str, reference: bytes) -> StoredSchema:
        """The same by reference to a model: its name, and the bytes that it has."""
        told = varint(len(self.text)) + patch(reference, self.header + self.text)
        return self._replace(reference=bytes.fromhex(sha256) + told)


Schemas = dict[str, StoredSchema]
"""What a file says of its trees, by SHA-256 of the JSON."""

References = Callable[[str, str], bytes]
"""The reference of the model of this SHA-256, for a file of this name."""


def schema_plan() -> list[NewBranch]:
    """The branches of the table of schemas: a row for each."""
    return [
        NewBranch("sha256", "uint8", "SHA-256 of the schema", None, (32,)),
        NewBranch(
            "schema", "int32", "bytes of the schema, which are the last; 0 where it is kept by reference"
        ),
        NewBranch("ndata", "int32"),
        # together, because the names of branches are in both
        NewBranch(
            "data",
            "uint8",
            "original header of the tree, without its baskets; how the tree is stored, JSON",
            "ndata",
            (),
            LZMA_BEST,
        ),
    ]


def schema_rows(stored: Mapping[str, StoredSchema]) -> dict[str, Column]:
    """Rows of that table, from what is said of trees by SHA-256 of the JSON."""
    return {
        "sha256": np.frombuffer(bytes.fromhex("".join(stored)), np.uint8).reshape(-1, 32),
        "schema": np.array([0 if one.reference else len(one.text) for one in stored.values()], np.int32),
        "data": blob_column([one.reference or one.header + one.text for one in stored.values()]),
    }


def read_schemas(tree: TreeReader, references: References) -> dict[str, StoredSchema]:
    """What a file says of its trees, by SHA-256 of the JSON.

    Raises
    ------
    MissingModelError
        If it is kept by reference to a model that is not at hand.
    CorruptionError
        If the table has other branches, or bytes do not have the SHA-256 that it says.
    """
    require_plan(tree, schema_plan())
    limits.check("schemas in a file", tree.num_entries, limits.MAX_MODELS_PER_FILE, tree.where)
    names = np.asarray(tree.read("sha256", 0, tree.num_entries)).astype(np.uint8)
    sizes = np.asarray(tree.read("schema", 0, tree.num_entries)).tolist()
    stored = {}
    for name, size, data in zip(names, sizes, blobs(tree, "data"), strict=True):
        sha256 = name.tobytes().hex()
        reference = b"" if size else data
        if not size:
            size, data = _referred(data, references, tree.where)
        edge = len(data) - size
        if not 0 < size <= len(data) or hashlib.sha256(data[edge:]).hexdigest() != sha256:
            raise CorruptionError("a schema does not have its SHA-256", where=tree.where, expected=sha256)
        stored[sha256] = StoredSchema(data[edge:], data[:edge], reference)
    return stored


def _referred(data: bytes, references: References, where: str) -> tuple[int, bytes]:
    """Bytes of a schema, and header and schema, from what refers to a model."""
    if len(data) < SHA256_BYTES:
        raise CorruptionError("a schema without its bytes", where=where)
    size, at = read_varint(data, SHA256_BYTES, where)
    return size, patched(references(data[:SHA256_BYTES].hex(), where), data[at:], where)


def stored_tree(text: bytes, where: str) -> StoredTree:
    """The description of a tree from its JSON.

    Raises
    ------
    CorruptionError
        If it is not one of this format version.
    """
    limits.check("bytes of a schema", len(text), limits.MAX_MANIFEST_BYTES, where)
    try:
        written = msgspec.json.decode(text, type=WrittenTree)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as problem:
        raise CorruptionError("a schema that cannot be read", where=where, got=str(problem)) from None
    written.schema.require_sense(where)
    branches = tuple(_branch(branch, written, where) for branch in written.branches)
    stored = StoredTree(written.schema, branches, written.tree, written.fields)
    for branch in stored.branches:
        if not _is_restored(branch, stored.schema):
            raise CorruptionError("a branch of columns that are not there", where=f"{where}, {branch.path}")
    for field in stored.fields:
        if not all(0 <= column < len(stored.schema.columns) for _, column in field.columns):
            raise CorruptionError("a field of columns that are not there", where=f"{where}, {field.name}")
    return stored


def _branch(branch: WrittenBranch, written: WrittenTree, where: str) -> StoredBranch:
    """A branch with its layout and its path."""
    columns = written.schema.columns
    if not 0 <= branch.layout < len(written.layouts) or not branch.columns:
        raise CorruptionError("a branch without a layout or columns", where=f"{where}, {branch.path}")
    if branch.path is None and not 0 <= branch.columns[0] < len(columns):
        raise CorruptionError("a branch of columns that are not there", where=where)
    path = columns[branch.columns[0]].name if branch.path is None else branch.path
    return StoredBranch(path, written.layouts[branch.layout], branch.columns, branch.compression)


def _is_restored(branch: StoredBranch, schema: TreeSchema) -> bool:
    """Whether the columns of a branch are what its layout makes baskets of."""
    wanted = branch.layout.columns
    known = all(0 <= column < len(schema.columns) for column in branch.columns)
    if not known or not wanted or len(branch.columns) != len(wanted):
        return False
    return len({column.name for column in wanted}) == len(wanted) and all(
        (spec.dtype, spec.shape, len(schema.chain(spec.table)))
        == (column.field.dtype, column.field.shape, column.levels)
        for column, spec in zip(wanted, (schema.columns[number] for number in branch.columns), strict=True)
    )
