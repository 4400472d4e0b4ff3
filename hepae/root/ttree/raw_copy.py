"""Copy branches of a TTree without decompressing their baskets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hepae.errors import InputError, UnsupportedError
from hepae.root.file.compression import Compression
from hepae.root.file.container import RootFile
from hepae.root.file.records import Key
from hepae.root.ttree.baskets import BasketContent, pack_basket, pack_embedded, rewrite_key
from hepae.root.ttree.plain_header import LIMITS, BranchHeader, LeafHeader, TreeHeader
from hepae.root.ttree.reader import TTreeReader

__all__ = ["copy_branches", "counter_of", "refuse_unless_rewritable", "settings_of"]

MERGE_GAP = 1 << 16
MERGE_BYTES = 1 << 24
LEAF_CLASSES = {f"TLeaf{letter}" for letter in LIMITS}
SIDE_HINT = "use --side FILE, which leaves the original alone"
EXTRAS = {
    "fAliases": "aliases",
    "fTreeIndex": "an index",
    "fFriends": "friends",
    "fUserInfo": "user information",
    "fBranchRef": "a table of references",
}


def refuse_unless_rewritable(source: TTreeReader) -> None:
    """Raise `UnsupportedError`, naming branches and types, if the tree holds what cannot be rewritten.

    Plain branches (``TBranch``) with one leaf of numbers or strings can be; objects (``TBranchElement``), several
    leaves, and trees with friends, indices or user information cannot.
    """
    reasons = [
        f"{branch.name} ({branch.typename or branch.classname})"
        for branch in source.tree.branches
        if unsupported(branch)
    ]
    if reasons:
        more = f" and {len(reasons) - 4} more" if len(reasons) > 4 else ""
        raise UnsupportedError(
            "branches that cannot be rewritten",
            where=source.where,
            got=", ".join(reasons[:4]) + more,
            hint=SIDE_HINT,
        )
    held = [
        word
        for member, word in EXTRAS.items()
        if source.tree.member(member, none_if_missing=True) is not None
    ]
    if held:
        raise UnsupportedError(
            "the tree cannot be rewritten", where=source.where, got=", ".join(held), hint=SIDE_HINT
        )


def unsupported(branch: Any) -> bool:
    """Whether a branch is anything but a plain one with one leaf."""
    leaves = branch.member("fLeaves")
    plain = branch.classname == "TBranch" and len(leaves) == 1 and not len(branch.branches)
    return not plain or leaves[0].classname not in LEAF_CLASSES


def settings_of(source: TTreeReader, name: str, title: str) -> TreeHeader:
    """The header of a tree without branches, with the settings of another."""
    member = source.tree.member
    features = member("fIOFeatures", none_if_missing=True)
    return TreeHeader(
        name,
        title,
        weight=float(member("fWeight")),
        timer_interval=int(member("fTimerInterval")),
        scan_field=int(member("fScanField")),
        update=int(member("fUpdate")),
        default_entry_offset_length=number(member, "fDefaultEntryOffsetLen", 1000),
        max_entries=int(member("fMaxEntries")),
        max_entry_loop=int(member("fMaxEntryLoop")),
        max_virtual_size=int(member("fMaxVirtualSize")),
        auto_save=int(member("fAutoSave")),
        auto_flush=number(member, "fAutoFlush", -30_000_000),
        estimate=int(member("fEstimate")),
        cluster_ends=list_of(member("fClusterRangeEnd", none_if_missing=True)),
        cluster_sizes=list_of(member("fClusterSize", none_if_missing=True)),
        io_bits=int(features.member("fIOBits")) if features is not None else 0,
    )


def counter_of(branch: Any) -> str | None:
    """Name of the branch that counts a plain branch."""
    counted = branch.member("fLeaves")[0].member("fLeafCount", none_if_missing=True) is not None
    return str(branch.count_branch.name) if counted else None


def number(member: Callable[..., Any], name: str, default: int) -> int:
    """A member that trees of old versions of ROOT do not have."""
    found = member(name, none_if_missing=True)
    return default if found is None else int(found)


def list_of(array: Any) -> list[int]:
    return [] if array is None else [int(x) for x in array]


def copied_header(branch: Any) -> BranchHeader:
    """The header of a branch, its baskets apart."""
    member = branch.member
    leaf = branch.member("fLeaves")[0]
    features = member("fIOFeatures", none_if_missing=True)
    return BranchHeader(
        str(branch.name),
        str(branch.title),
        LeafHeader(
            leaf.classname[-1],
            str(leaf.member("fName")),
            str(leaf.member("fTitle")),
            int(leaf.member("fLen")),
            int(leaf.member("fLenType")),
            int(leaf.member("fOffset")),
            bool(leaf.member("fIsRange")),
            bool(leaf.member("fIsUnsigned")),
            counter_of(branch),
            leaf.member("fMinimum"),
            leaf.member("fMaximum"),
        ),
        compression=int(member("fCompress")),
        basket_size=int(member("fBasketSize")),
        entry_offset_length=int(member("fEntryOffsetLen")),
        io_bits=int(features.member("fIOBits")) if features is not None else 0,
        entries=int(member("fEntries")),
        first_entry=number(member, "fFirstEntry", 0),
        split_level=int(member("fSplitLevel")),
    )


@dataclass(order=True)
class Copy:
    """One record to copy: where it is, how long, and which basket of which branch it is."""

    seek: int
    size: int
    branch: str
    number: int


def copy_branches(
    source: TTreeReader, names: Sequence[str], file: RootFile, parent: int, tree: str
) -> dict[str, BranchHeader]:
    """Copy the baskets of branches in the order of the source's file; return the headers that find them.

    Baskets on disk are copied as they are. Baskets that the source holds inside its header stay inside the header.
    """
    headers = {name: copied_header(source.sources[name]) for name in names}
    copies = sorted(copy for name in names for copy in copies_of(source.sources[name], headers[name]))
    for copy, record in records(source.where, source.tree.file.source, copies):
        seek = file.position
        if not rewrite_key(record, seek, parent):
            raise UnsupportedError(
                "a basket cannot be moved beyond 2 GB", where=f"{source.where}, {copy.branch}", hint=SIDE_HINT
            )
        headers[copy.branch].baskets.seeks[copy.number] = file.append_raw(record)
    for name in names:
        finish_embedded(source, name, headers[name], file, parent, tree)
    return headers


def copies_of(branch: Any, header: BranchHeader) -> Iterator[Copy]:
    """The baskets of a branch that are on disk; their places in the new header are made, but not filled."""
    on_disk = int(branch.num_baskets) - len(branch.embedded_baskets)
    sizes, seeks = branch.member("fBasketBytes"), branch.member("fBasketSeek")
    header.baskets.sizes = [int(size) for size in sizes[:on_disk]]
    header.baskets.entries = [int(entry) for entry in branch.member("fBasketEntry")[:on_disk]]
    header.baskets.seeks = [0] * on_disk
    header.total_bytes, header.zipped_bytes = int(branch.member("fTotBytes")), int(branch.member("fZipBytes"))
    for number in range(on_disk):
        yield Copy(int(seeks[number]), int(sizes[number]), header.name, number)


def records(where: str, reader: Any, copies: Sequence[Copy]) -> Iterator[tuple[Copy, bytearray]]:
    """The bytes of records, read in large pieces."""
    for group in grouped(copies):
        low, high = group[0].seek, max(copy.seek + copy.size for copy in group)
        try:
            piece = memoryview(reader.chunk(low, high).raw_data)
        except OSError as error:
            raise InputError("cannot be read", where=f"{where}, byte {low}", got=error) from error
        for copy in group:
            record = bytearray(piece[copy.seek - low : copy.seek - low + copy.size])
            if len(record) != copy.size or int.from_bytes(record[:4], "big") != copy.size:
                raise InputError(
                    "a basket is not where the tree says",
                    where=f"{where}, {copy.branch}, basket {copy.number}, byte {copy.seek}",
                    expected=copy.size,
                    got=int.from_bytes(record[:4], "big"),
                    hint="is the file damaged?",
                )
            yield copy, record


def grouped(copies: Iterable[Copy]) -> Iterator[list[Copy]]:
    """Records that lie close together, to be read at once."""
    group: list[Copy] = []
    end = 0
    for copy in copies:
        if group and (copy.seek > end + MERGE_GAP or copy.seek + copy.size - group[0].seek > MERGE_BYTES):
            yield group
            group = []
        group.append(copy)
        end = max(end, copy.seek + copy.size) if len(group) > 1 else copy.seek + copy.size
    if group:
        yield group


def finish_embedded(
    source: TTreeReader, name: str, header: BranchHeader, file: RootFile, parent: int, tree: str
) -> None:
    """Baskets inside the source's header: the last stays inside, others (files of old ROOT) go to disk."""
    branch = source.sources[name]
    held = list(branch.embedded_baskets)
    entry = int(branch.entry_offsets[len(header.baskets.sizes)]) if held else 0
    for number, basket in enumerate(held):
        key = Key("TBasket", name, tree, 0, 0, parent, file.datime, cycle=0)
        content = content_in(basket, branch)
        if number == len(held) - 1:
            header.embedded = pack_embedded(content, key)
            header.embedded_entry = entry
        else:
            key.seek, key.big = file.position, file.big
            record, _ = pack_basket(content, key, setting(header.compression))
            header.baskets.add(len(record), entry, file.append(record))
        entry += content.events


def content_in(basket: Any, branch: Any) -> BasketContent:
    """What a basket in memory holds."""
    data = np.asarray(basket.data).view(np.uint8).tobytes()
    events = int(basket.num_entries)
    if basket.byte_offsets is None:
        return BasketContent(data, None, events, int(basket.member("fNevBufSize")))
    edges = np.asarray(basket.byte_offsets, np.int64)
    lengths = (edges[1:] - edges[:-1]).astype(np.int64)
    return BasketContent(data, lengths, events, 0)


def setting(code: int) -> Compression:
    """The compression that ROOT's number stands for."""
    algorithm = {1: "zlib", 2: "lzma", 4: "lz4", 5: "zstd"}.get(code // 100, "zlib")
    return Compression(algorithm, code % 100)
