"""Read a TTree branch by branch, basket by basket."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import uproot
from numpy.typing import NDArray

from hepae.arrays import Array, Integers
from hepae.core.locks import ForkSafeLock
from hepae.core.values.objects import Collection
from hepae.errors import InputError, UnsupportedError, nearest
from hepae.root.columns import Branch, Column, Jagged, cut, empty_column, joined
from hepae.root.file.compression import ZSTD_DEFAULT
from hepae.root.file.reading import merged_ranges, reading, side_by_side
from hepae.root.tree import TreeReader
from hepae.root.ttree.layouts.nesting import string_edges

__all__ = ["FETCHED", "TTreeReader", "plain_interpretation"]

FETCHED = "_fetched_for_hepae"
"""Attribute of an uproot branch: baskets that uproot has fetched for it, by number."""

OFFSETS_OF_ONE = 12
"""Bytes of the table of offsets of a basket of one entry: how many there are, and two."""

KEPT_COUNTS = 1 << 22
"""Bytes of a counter's baskets that are kept: the counts of a million events."""


class TTreeReader(TreeReader):
    """A TTree open for reading.

    Parameters
    ----------
    tree
        uproot's TTree.
    where
        File and tree, for messages.
    path
        Directories and name of the tree in the file.
    """

    def __init__(self, tree: Any, where: str, path: str = "") -> None:
        self.tree = tree
        self.name, self.title, self.where = str(tree.name), str(tree.title), where
        self.path = path or self.name
        self.num_entries = int(tree.num_entries)
        self.sources: dict[str, Any] = {}
        for path, branch in tree.iteritems(recursive=True):
            self.sources[name_of(str(branch.name), str(path), self.sources)] = branch
        self.branches = BranchList(self.sources)
        self._columns: dict[str, BasketColumn] = {}
        self._lock = ForkSafeLock()

    def read(self, branch: str, start: int, stop: int) -> Column:
        """Values of a branch for the events ``start`` to ``stop``, native byte order, dtype as in the file."""
        with reading(f"{self.where}, {branch}, events {start} to {stop}"), self._lock:
            return self._column(branch).read(start, stop)

    def counts(self, collection: Collection, start: int, stop: int) -> Integers:
        """Objects per event, int64."""
        if collection.counter in self.sources:
            self._counter(str(collection.counter))
        return super().counts(collection, start, stop)

    def bytes_on_disk(self, branch: str) -> tuple[int, int]:
        """Compressed and uncompressed size of a branch in bytes."""
        found = self.sources[branch]
        # baskets inside the header are compressed with it: what they would take by themselves is the fair share
        held = [np.asarray(basket.data).tobytes() for basket in found.embedded_baskets]
        on_disk = int(found.compressed_bytes) + sum(len(ZSTD_DEFAULT.pack(data)) for data in held)
        return on_disk, int(found.uncompressed_bytes) + sum(map(len, held))

    def stored_entry(self, branch: str, entry: int) -> tuple[int, int] | None:
        """Where the bytes of an entry are in the file, and how many: of a basket of one entry, not compressed.

        None where the basket is of another kind.
        """
        source = self.sources[branch]
        edges = np.asarray(source.entry_offsets)
        number = int(np.searchsorted(edges, entry, side="right")) - 1
        in_file = int(source.num_baskets) - len(source.embedded_baskets)
        if number >= in_file or edges[number + 1] - edges[number] != 1:
            return None
        with reading(f"{self.where}, {branch}, entry {entry}"):
            key = source.basket_key(number)
        if key.is_compressed:
            return None
        return int(key.fSeekKey) + int(key.fKeylen), int(key.fObjlen) - OFFSETS_OF_ONE

    def read_ranges(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Ranges of bytes of the file; neighbouring ones are one request."""
        return merged_ranges(partial(side_by_side, self.tree.file.source), ranges, self.where)

    def _column(self, name: str) -> BasketColumn:
        if name not in self.sources:
            raise InputError(
                "no such branch", where=f"{self.where}, {name}", hint=nearest(name, self.sources) or None
            )
        if name not in self._columns:
            info = self.branches[name]
            if info.kind == "other":
                raise UnsupportedError(
                    "not a branch of numbers", where=f"{self.where}, {name}", got=info.typename
                )
            counted = info.counter is not None and info.counter in self.sources
            counter = self._counter(str(info.counter)) if counted else None
            self._columns[name] = BasketColumn(self.sources[name], info, counter, f"{self.where}, {name}")
        return self._columns[name]

    def _counter(self, name: str) -> BasketColumn:
        column = self._column(name)
        column.most_kept = KEPT_COUNTS
        return column


def name_of(name: str, path: str, taken: Mapping[str, Any]) -> str:
    """A name that no branch has yet: its own, its path, or that with a number behind it."""
    candidate, number = name if name not in taken else path, 1
    while candidate in taken:
        number += 1
        candidate = f"{path}#{number}"
    return candidate


class BranchList(Mapping[str, Branch]):
    """Branches by name, in file order, each described when it is asked for: a tree may have thousands."""

    def __init__(self, sources: Mapping[str, Any]) -> None:
        self._sources = sources
        self._known: dict[str, Branch] = {}

    def __getitem__(self, name: str) -> Branch:
        if name not in self._known:
            source = self._sources[name]
            try:
                self._known[name] = describe_branch(source, name)
            except Exception as error:  # whatever a damaged header makes of its leaves
                raise InputError(
                    "branch cannot be described", where=name, got=type(error).__name__
                ) from error
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._sources)

    def __len__(self) -> int:
        return len(self._sources)

    def __contains__(self, name: object) -> bool:
        return name in self._sources


class BasketColumn:
    """Values of one branch, keeping the basket read last, so that runs of events that end inside it cost it once.

    Of a counter some more are kept: the features that it counts need them again, each for baskets of its own.
    """

    def __init__(self, branch: Any, info: Branch, counter: BasketColumn | None, where: str) -> None:
        self.branch, self.info, self.counter, self.where = branch, info, counter, where
        interpretation = plain_interpretation(branch)
        content = getattr(interpretation, "content", interpretation)
        self.stored = np.dtype(np.uint8 if info.kind == "string" else content.from_dtype.base)
        self.header = int(getattr(interpretation, "header_bytes", 0))
        self.edges = np.asarray(branch.entry_offsets, np.int64)
        self.most_kept = 0  # bytes besides the basket read last
        self._kept: OrderedDict[int, Column] = OrderedDict()
        self.counts = np.empty(0, np.int64)  # of a counter: what the branch read last was counted by

    def read(self, start: int, stop: int) -> Column:
        """Values of the events ``start`` to ``stop``."""
        first = max(int(np.searchsorted(self.edges, start, side="right")) - 1, 0)
        parts = [empty_column(self.info)]
        for number in range(first, len(self.edges) - 1):
            low, high = int(self.edges[number]), int(self.edges[number + 1])
            if low >= stop:
                break
            if high > low:
                parts.append(cut(self._basket(number), max(start - low, 0), min(stop, high) - low))
        return joined(parts)

    def _basket(self, number: int) -> Column:
        if number not in self._kept:
            if not self.most_kept:
                self._kept.clear()
            while sum(np.asarray(column).nbytes for column in self._kept.values()) > self.most_kept:
                self._kept.popitem(last=False)
            self._kept[number] = self._decoded(number)
        return self._kept[number]

    def _decoded(self, number: int) -> Column:
        fetched = vars(self.branch).get(FETCHED, {}).get(number)
        basket = self.branch.basket(number) if fetched is None else fetched
        raw = np.asarray(basket.data).view(np.uint8)
        start, stop = int(self.edges[number]), int(self.edges[number + 1])
        itemsize = self.stored.itemsize * int(np.prod(self.info.shape, dtype=np.int64))
        if self.info.kind == "flat":
            expect((stop - start) * itemsize, len(raw), self.where, start)
            return self._numbers(raw)
        if self.info.kind == "string":
            offsets = basket.byte_offsets
            edges = (
                string_edges(raw, stop - start, self.where)
                if offsets is None
                else np.asarray(offsets, np.int64)
            )
            return strings(raw, edges)
        if basket.byte_offsets is None:
            counts = self._shared(self._from_counter(start, stop))
            expect(int(counts.sum()) * itemsize, len(raw), self.where, start)
            return Jagged(counts, self._numbers(raw))
        edges = np.asarray(basket.byte_offsets, np.int64)
        lengths = np.diff(edges) - self.header
        whole = len(lengths) == stop - start and edges[0] == 0 and edges[-1] == len(raw)
        if not whole or (lengths < 0).any() or (lengths % itemsize).any():
            raise InputError(
                "entry offsets of a basket are not consistent", where=f"{self.where}, event {start}"
            )
        counts = self._shared(lengths // itemsize)
        return Jagged(counts, self._numbers(without_headers(raw, edges, self.header)))

    def _shared(self, counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """The array of the branch before where it counts the same: every branch keeps its basket read last."""
        if self.counter is None:
            return counts
        if not np.array_equal(self.counter.counts, counts):
            self.counter.counts = counts
        return self.counter.counts

    def _from_counter(self, start: int, stop: int) -> NDArray[np.int64]:
        if self.counter is None:
            raise InputError("a basket has no entry offsets", where=f"{self.where}, event {start}")
        return np.asarray(self.counter.read(start, stop)).astype(np.int64)

    def _numbers(self, raw: NDArray[np.uint8]) -> Array:
        values = np.frombuffer(raw.tobytes(), self.stored).astype(self.info.dtype, copy=False)
        return values.reshape(-1, *self.info.shape)


def strings(raw: NDArray[np.uint8], edges: NDArray[np.int64]) -> Array:
    """Strings of a basket: each has its length before it, in one byte or, after 255, in four."""
    data = raw.tobytes()
    long = [data[start] == 255 for start in edges[:-1].tolist()]
    starts = edges[:-1] + np.where(np.asarray(long, bool), 5, 1)
    pairs = zip(starts.tolist(), edges[1:].tolist(), strict=True)
    return np.array(
        [data[start:stop].decode("utf-8", "surrogateescape") for start, stop in pairs], dtype=np.str_
    )


def without_headers(raw: NDArray[np.uint8], edges: NDArray[np.int64], header: int) -> NDArray[np.uint8]:
    """Bytes of all entries without the header that ROOT puts before each ``std::vector``."""
    if not header:
        return raw
    keep = np.ones(len(raw), bool)
    keep[(edges[:-1, None] + np.arange(header)).ravel()] = False
    return raw[keep]


def expect(expected: int, got: int, where: str, event: int) -> None:
    if expected != got:
        raise InputError(
            "basket does not hold what its counter says",
            where=f"{where}, from event {event}",
            expected=f"{expected} bytes",
            got=got,
        )


def plain_interpretation(branch: Any) -> Any:
    """uproot's own interpretation of a branch, whatever has been registered on top of it."""
    registered = branch.interpretation
    return getattr(registered, "stored", registered)


def typename_of(branch: Any) -> str:
    """The C++ type of a branch, or its class where uproot has no name for the type, as of a leaf list in a vector."""
    try:
        return str(branch.typename or branch.classname)
    except Exception:  # noqa: BLE001 - whatever uproot makes of it
        return str(branch.classname)


def _is_text(branch: Any, interpretation: Any) -> bool:
    """Whether a branch is a text of C (``char*``) or a ``std::string`` by itself, which have the same bytes."""
    plain = not interpretation.header_bytes and interpretation.length_bytes == "1-5"
    return plain and (branch.classname == "TBranch" or str(interpretation.typename) == "std::string")


def describe_branch(branch: Any, name: str) -> Branch:
    """What a branch is, from its interpretation and leaves; nothing is read."""
    title = str(branch.title)
    try:
        interpretation = plain_interpretation(branch)
        typename = str(interpretation.typename) if interpretation is not None else str(branch.typename)
    except Exception:  # noqa: BLE001 - uproot has no interpretation for it, or no name for its type
        return Branch(name, "other", typename_of(branch), title=title)
    kind = type(interpretation)
    if kind is uproot.AsStrings and _is_text(branch, interpretation):
        return Branch(name, "string", typename, title=title)
    if len(branch.branches) or len(branch.member("fLeaves")) != 1:
        return Branch(name, "other", typename, title=title)
    if kind is uproot.AsDtype:
        dtype = interpretation.to_dtype
        return Branch(name, "flat", typename, dtype.base.newbyteorder("=").name, dtype.shape, None, title)
    if kind is uproot.AsJagged and type(interpretation.content) is uproot.AsDtype:
        dtype = interpretation.content.to_dtype
        count_leaf = branch.member("fLeaves")[0].member("fLeafCount", none_if_missing=True)
        if count_leaf is not None and count_leaf.classname == "TLeafElement":
            return Branch(
                name, "other", typename, title=title
            )  # counted by a split object, not by a branch of numbers
        counted = str(branch.count_branch.name) if count_leaf is not None else None
        return Branch(
            name, "jagged", typename, dtype.base.newbyteorder("=").name, dtype.shape, counted, title
        )
    return Branch(name, "other", typename, title=title)
