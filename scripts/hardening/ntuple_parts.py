"""RNTuples in memory, of which header, footer, lists of pages, anchor and pages are damaged one at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import hepae
from hepae.root.columns import Column, Jagged
from hepae.root.file.directory import Key
from hepae.root.file.source import RNTUPLES, Source, open_source
from hepae.root.file.writer import RootWriter
from hepae.root.rntuple.ntuple import NTuple
from hepae.root.rntuple.plain import append_cluster, plain_header
from hepae.root.ttree.plan import NewBranch
from hepae.testing.hostile import KINDS, Bytes

__all__ = ["NTuples", "subject"]

SAME_LENGTH = tuple(kind for kind in KINDS if kind.__name__ not in ("cut", "drop"))
Random = np.random.Generator


@dataclass(frozen=True)
class Held:
    """The bytes of a file, whose objects are known: as much of `Source` as an RNTuple asks for."""

    data: bytes
    objects: Mapping[str, bytes]
    path: str = "memory"

    def raw(self, start: int, stop: int) -> bytes:
        """Bytes between two positions, as far as there are any."""
        return self.data[start:stop]

    def object(self, key: Key) -> bytes:
        """The anchor of an RNTuple."""
        return self.objects[key.path]


@dataclass(frozen=True)
class NTuples:
    """The RNTuples of a file in memory: what was kept of one that is compressed, and its payload.

    Attributes
    ----------
    held
        The file.
    keys
        Keys of the RNTuples.
    parts
        For each RNTuple where its envelopes and pages are.
    values
        What is in each: the schema, and the elements of all columns as they are encoded.
    """

    held: Held
    keys: list[Key]
    parts: dict[str, list[tuple[int, int]]]
    values: dict[str, list[object]]

    @classmethod
    def of(cls, source: Source) -> NTuples:
        """Those of a small file."""
        keys = [key for key in source.keys if key.classname in RNTUPLES]
        held = Held(Path(source.path).read_bytes(), {key.path: source.object(key) for key in keys})
        found = cls(held, keys, {}, {})
        for key in keys:
            found.parts[key.path] = places_of(NTuple.of(held, key))
            found.values[key.path] = read(NTuple.of(held, key))
        return found

    def outcome(self, rng: Random) -> str:
        """What one damage comes to: to the anchor, to an envelope, or to a page."""
        key = self.keys[int(rng.integers(len(self.keys)))]
        if rng.random() < 0.1:
            anchor = np.frombuffer(self.held.objects[key.path], np.uint8)
            ntuple = NTuple(self.held, key.path, damaged(anchor, rng).tobytes())
        else:
            places = self.parts[key.path]
            envelopes = rng.random() < 0.5
            chosen = places[:3] if envelopes else places[3:]
            start, stop = chosen[int(rng.integers(len(chosen)))]
            data = np.frombuffer(self.held.data, np.uint8).copy()
            data[start:stop] = damaged(data[start:stop], rng)
            whole = data.tobytes()
            if rng.random() < 0.1:
                whole = whole[: int(rng.integers(start, stop))]
            ntuple = NTuple.of(Held(whole, self.held.objects), key)
        return "identical" if read(ntuple) == self.values[key.path] else "silent"


def damaged(data: Bytes, rng: Random) -> Bytes:
    """Bytes with one kind of damage that leaves their number; half of the time one bit."""
    kinds = SAME_LENGTH if len(data) > 8 and rng.random() < 0.5 else KINDS[:1]
    return kinds[int(rng.integers(len(kinds)))](data.copy(), rng)


def places_of(ntuple: NTuple) -> list[tuple[int, int]]:
    """Where the header, the footer, the first list of pages, and all pages with their checksums are."""
    links = [ntuple.anchor.header, ntuple.anchor.footer, ntuple.footer.groups[0].link]
    places = [(link.place.offset, link.place.offset + link.place.size) for link in links]
    for cluster in ntuple.clusters:
        ends = cluster.offsets + cluster.spans
        places += zip(cluster.offsets.tolist(), ends.tolist(), strict=True)
    return places


def read(ntuple: NTuple) -> list[object]:
    """The schema, the clusters, and the elements of all columns as they are encoded."""
    found: list[object] = [ntuple.header, ntuple.footer.extension, ntuple.num_entries, ntuple.edges.tolist()]
    for cluster in ntuple.clusters:
        found += [cluster.firsts.tolist(), cluster.settings.tolist()]
        found += [ntuple.values(cluster, column) for column in range(cluster.columns)]
    return found


def file_of(folder: Path) -> Path:
    """An RNTuple of three clusters, compressed but for a field of numbers and one of texts.

    It is hepae's own writer that makes it: uproot's gives pages no checksums, so that damage to them is not seen.
    """
    path, target = folder / "plain.root", folder / "compressed.root"
    plan = [
        NewBranch("event", "uint64"),
        NewBranch("pt", "float32", counter="n"),
        NewBranch("noise", "float64"),
        NewBranch("name", "str"),
    ]
    rng = np.random.default_rng(1)
    with RootWriter(path, ntuples=True) as out:
        written = out.new_ntuple("Events", plain_header("Events", "a test", plan))
        for number in range(3):
            counts = rng.integers(0, 4, 2000)
            columns: dict[str, Column] = {
                "event": np.arange(2000, dtype=np.uint64) + np.uint64(2000 * number),
                "pt": Jagged(counts, rng.exponential(30, int(counts.sum())).astype(np.float32)),
                "noise": rng.random(2000),
                "name": np.array([f"entry {n}" for n in range(2000)]),
            }
            append_cluster(written, plan, columns, 2000)
        written.finish()
    hepae.compress(path, target, skip=["noise", "name"], force=True)
    return target


def subject(folder: Path) -> NTuples:
    """The RNTuples of `file_of`."""
    with open_source(file_of(folder)) as source:
        return NTuples.of(source)
