"""uproot gives a compressed tree as the original: `import hepae` and read as before.

uproot calls ``postprocess`` when it has read a tree. Ours looks for the marker branch; where it is, the view of the
original takes the place of the tree.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import uproot
from uproot.reading import ReadOnlyDirectory

from hepae.errors import CorruptionError
from hepae.root.file.source import MODELS_TREE, OWN_TREES, Source
from hepae.root.ttree.header import TREE_CLASSES
from hepae.root.ttree.reader import TTreeReader
from hepae.stored.compressed import CompressedTree
from hepae.stored.mixed import merged_with_plain, require_unmixed
from hepae.stored.payload import MARKER, PAYLOAD, Payload
from hepae.stored.restore import models_of
from hepae.stored.schemas import SCHEMAS_TREE, read_schemas, stored_tree
from hepae.stored.view import restored_view

__all__ = ["as_stored", "compressed_of", "register_trees"]

_as_stored: ContextVar[bool] = ContextVar("as_stored", default=False)
_in_view: ContextVar[bool] = ContextVar("in_view", default=False)
"""Whether uproot is reading the header of an original, which is no tree of the file."""


@contextmanager
def as_stored() -> Iterator[None]:
    """Within this, trees are read as they are in the file: for whoever copies them."""
    with _true(_as_stored):
        yield


@contextmanager
def _true(variable: ContextVar[bool]) -> Iterator[None]:
    token = variable.set(True)
    try:
        yield
    finally:
        variable.reset(token)


def compressed_of(tree: Any) -> CompressedTree | None:
    """What restores the branches of an uproot tree; None where it is not compressed."""
    compressed: CompressedTree | None = vars(tree).get("_hepae")
    return compressed


def register_trees() -> None:
    """Let uproot see compressed trees as the originals; harmless when repeated."""
    behavior = uproot.behaviors.TTree.TTree
    plain = behavior.postprocess
    if getattr(plain, "of_hepae", False):
        return

    def postprocess(self: Any, chunk: Any, cursor: Any, context: Any, file: Any) -> Any:
        tree = plain(self, chunk, cursor, context, file)
        if _in_view.get():
            return tree
        if MARKER not in tree._lookup:
            _require_unmixed(tree)
            return tree
        if _as_stored.get():
            return tree
        return _view(tree)

    postprocess.of_hepae = True  # type: ignore[attr-defined]
    behavior.postprocess = postprocess


def _require_unmixed(tree: Any) -> None:
    """Refuse a tree whose compressed entries lost their payload."""
    home = getattr(tree.parent, "parent", None)
    if tree.name in OWN_TREES or tree.name.endswith(PAYLOAD) or not isinstance(home, ReadOnlyDirectory):
        return
    if tree.parent.fCycle != home.key(tree.name).fCycle:
        return  # an older cycle, of which nothing is compressed
    where = f"{tree.file.file_path}:{tree.name}"
    if f"{tree.name}{PAYLOAD}" in home:
        raise merged_with_plain(where, MARKER)
    top = home.file.root_directory
    if MODELS_TREE in top and top[MODELS_TREE].classname in TREE_CLASSES:
        path = "/".join((*home.path, tree.name))
        require_unmixed(TTreeReader(top[MODELS_TREE], MODELS_TREE), path, tree._lookup.keys(), where)


def _view(tree: Any) -> Any:
    """The original of a tree, from what stands beside it in its file."""
    directory = tree.parent.parent
    where = f"{tree.file.file_path}:{tree.name}"
    name = f"{tree.name}{PAYLOAD}"
    top = directory.file.root_directory
    missing = [key for key, home in ((name, directory), (SCHEMAS_TREE, top)) if key not in home]
    if missing:
        raise CorruptionError(
            "what a compressed tree is restored from is missing",
            where=where,
            expected=missing[0],
            hint="copy whole files, or skim with `hepae skim`",
        )
    source = Source.of(top)
    described = {
        sha256[:16]: (stored_tree(text, where), header)
        for sha256, (text, header) in read_schemas(source.tree(SCHEMAS_TREE)).items()
    }
    payload = Payload(TTreeReader(directory[name], f"{where}{PAYLOAD}"), int(tree.num_entries))
    schemas = {start: stored for start, (stored, _) in described.items()}
    compressed = CompressedTree(payload, schemas, models_of(source))
    if not compressed.stored:
        return tree
    compressed.header = described[next(iter(compressed.stored))][1]
    with _true(_in_view):
        view = restored_view(tree, compressed.header, compressed)
    view._hepae = compressed
    return view
