"""Which branches a compressed tree has, and what goes into them for one chunk. No file is opened here."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from hepae.core.bottleneck.codec import Bottleneck
from hepae.core.bottleneck.corrections import code_dtype
from hepae.core.bottleneck.spec import BottleneckSpec
from hepae.core.coding.frame import parse
from hepae.core.decode import chunk_codec
from hepae.core.features import FeatureSpec
from hepae.core.locks import ForkSafeLock
from hepae.core.values.objects import Collection, Objects
from hepae.model.model import Model
from hepae.root.columns import Column, Jagged
from hepae.root.file.compression import Compression
from hepae.root.tree import TreeReader
from hepae.root.ttree.plan import Keep, NewBranch
from hepae.root.ttree.reader import TTreeReader
from hepae.stored.event_payload import checks_of, own_branch
from hepae.stored.restore import CompressedCollection
from hepae.stored.titles import SUFFIX, Payload, format_title

__all__ = [
    "Encoder",
    "Original",
    "encoder_of",
    "new_plan",
    "ntuple_plan",
    "plain_columns",
    "plan_in_place",
    "restored_plan",
]

Branches = list[Keep | NewBranch]


@dataclass(frozen=True)
class Original:
    """What the branch of a feature was in the source: its title, and its counter if it is still there."""

    title: str
    counter: str | None = None


class Encoder(ABC):
    """Turns chunks of objects into columns of new branches.

    Attributes
    ----------
    model, manifest
        The model.
    counter
        Name of the branch with the number of objects per event.
    originals
        The branches that are compressed, by name; of others the title is that of the model's feature, and the counter
        that of the collection.
    escapes, fallbacks
        Values stored bit for bit so far, by feature, and objects that the model did not help with.
    """

    def __init__(self, model: Model, side: bool, originals: Mapping[str, Original]) -> None:
        self.model, self.manifest, self.side, self.originals = model, model.manifest, side, originals
        self.counter = model.manifest.counter or f"n{model.manifest.collection}"
        self.escapes: dict[str, int] = {}
        self.fallbacks: dict[str, int] = {}
        self._lock = ForkSafeLock()

    @abstractmethod
    def encode(self, objects: Objects, number: int) -> dict[str, Column]:
        """Columns of the new branches for the chunk of that number; called from several threads."""

    @abstractmethod
    def payload(self, spec: FeatureSpec) -> list[NewBranch]:
        """Branches that stand in the place of a feature."""

    @abstractmethod
    def shared(self) -> list[NewBranch]:
        """Branches for all features, before the first of them."""

    def branches(self) -> list[str]:
        """Names of all new branches."""
        new = self.shared() + [branch for spec in self.manifest.features for branch in self.payload(spec)]
        return [branch.name for branch in new]

    def _title(self, spec: FeatureSpec, claimed: bool) -> str:
        original = self.originals.get(spec.branch, Original(spec.title))
        names = (
            self.manifest.collection,
            spec.name,
            original.counter or self.counter,
            self.manifest.codec_name,
        )
        bound = spec.bound if claimed else None
        return format_title(Payload(*names, spec.dtype, bound, original.title, self.side))

    def _count(self, escapes: Mapping[str, int], fallbacks: Mapping[str, int]) -> None:
        with self._lock:
            for total, more in ((self.escapes, escapes), (self.fallbacks, fallbacks)):
                for name, found in more.items():
                    total[name] = total.get(name, 0) + found


class ChunkedEncoder(Encoder):
    """Lifting and masked: the first event of a chunk carries its frame, one byte branch for each feature."""

    def __init__(
        self, model: Model, side: bool, originals: Mapping[str, Original], exact: bool = False
    ) -> None:
        super().__init__(model, side, originals)
        self._codec = chunk_codec(model, exact)

    def encode(self, objects: Objects, number: int) -> dict[str, Column]:
        """A frame for each feature, in the first event."""
        frames = self._codec.encode(objects, number)
        self._count_frames(frames, objects.n_objects)
        columns: dict[str, Column] = {}
        for spec in self.manifest.features:
            frame = np.frombuffer(frames[spec.name], np.uint8)
            lengths = np.zeros(objects.n_events, np.int64)
            lengths[0] = len(frame)
            columns[spec.branch + SUFFIX] = Jagged(lengths, frame)
        return columns

    def _count_frames(self, frames: Mapping[str, bytes], objects: int) -> None:
        parsed = {name: parse(frame) for name, frame in frames.items()}
        sizes = {spec.name: np.dtype(spec.dtype).itemsize for spec in self.manifest.features}
        escapes = {name: len(frame.escaped) // sizes[name] for name, frame in parsed.items()}
        plain = {
            name: objects * self._codec.fell_back(name, frame) if 2 * escapes[name] <= objects else objects
            for name, frame in parsed.items()
        }
        self._count(
            escapes, {name: n for name, n in plain.items() if n or self._codec.integer_codec.predicts(name)}
        )

    def payload(self, spec: FeatureSpec) -> list[NewBranch]:
        """The bytes and their counter."""
        name = spec.branch + SUFFIX
        return [
            NewBranch(f"n{name}", "int32"),
            NewBranch(name, "uint8", self._title(spec, claimed=True), f"n{name}"),
        ]

    def shared(self) -> list[NewBranch]:
        """Nothing."""
        return []


class BottleneckEncoder(Encoder):
    """Bottleneck: every event for itself: latents, corrections, escapes, the model that made them, a checksum."""

    def __init__(
        self, model: Model, spec: BottleneckSpec, side: bool, originals: Mapping[str, Original]
    ) -> None:
        super().__init__(model, side, originals)
        self._spec, self._codec = spec, Bottleneck(spec, model.networks, model.tables)

    def encode(self, objects: Objects, number: int) -> dict[str, Column]:
        """Latents, corrections and escapes by event; the number of the chunk does not matter."""
        encoded = self._codec.encode(objects.columns)
        names = [column.name for column in self._spec.columns]
        found = np.bincount(encoded.escapes.features, minlength=len(names))
        self._count(dict(zip(names, found.tolist(), strict=True)), {})
        own = partial(own_branch, self.manifest.collection)
        columns: dict[str, Column] = {
            own("model"): np.full(objects.n_events, int(self.model.sha256[:8], 16), np.uint32),
            own("escape"): Jagged(*encoded.escapes.to_bytes(objects.counts)),
            own("latent"): Jagged(objects.counts * self._spec.latents, encoded.latents.ravel()),
        }
        for name in names:
            branch = self.manifest.feature(name).branch + SUFFIX
            if self._spec.latents_only:
                columns[branch] = np.zeros(objects.n_events, np.uint8)
            else:
                columns[branch] = Jagged(objects.counts, encoded.corrections[name])
        return {**columns, own("check"): checks_of(objects.counts, columns.values())}

    def payload(self, spec: FeatureSpec) -> list[NewBranch]:
        """The corrections; for latents only a flat branch of zeros, so that the feature is named somewhere."""
        title = self._title(spec, claimed=not self._spec.latents_only)
        if self._spec.latents_only:
            return [NewBranch(spec.branch + SUFFIX, "uint8", title)]
        return [NewBranch(spec.branch + SUFFIX, code_dtype(spec.dtype).name, title, self.counter)]

    def shared(self) -> list[NewBranch]:
        """Model, checksum, escapes and latents."""
        own = partial(own_branch, self.manifest.collection)
        latent = self._spec.latent.dtype
        return [
            NewBranch(own("model"), "uint32", "first 4 bytes of the SHA-256 of the model"),
            NewBranch(own("check"), "uint32", "checksum of all that the event is restored from"),
            NewBranch("n" + own("escape"), "int32"),
            NewBranch(own("escape"), "uint8", "values stored bit for bit", "n" + own("escape")),
            # one number after the other: RDataFrame cannot read [nJet][K], and models that differ in K can be joined
            NewBranch("n" + own("latent"), "int32"),
            NewBranch(
                own("latent"),
                self._spec.latent.stored_dtype,
                f"latents of {self.manifest.collection}, {latent}",
                "n" + own("latent"),
            ),
        ]


def encoder_of(
    model: Model, side: bool = False, exact: bool = False, originals: Mapping[str, Original] | None = None
) -> Encoder:
    """The encoder of a model.

    Parameters
    ----------
    model
        The model.
    side
        Whether the file holds nothing but the collection.
    exact
        Whether values were restored before.
    originals
        The branches that are compressed, by name.
    """
    spec = model.manifest.codec
    if isinstance(spec, BottleneckSpec):
        return BottleneckEncoder(model, spec, side, originals or {})
    return ChunkedEncoder(model, side, originals or {}, exact)


def plan_in_place(encoder: Encoder, tree: TreeReader) -> Branches:
    """All branches of a tree in order, payloads in the place of what they replace."""
    replaced = {spec.branch: spec for spec in encoder.manifest.features}
    plan: Branches = []
    pending = encoder.shared()
    for name in tree.branches:
        if name in replaced:
            plan += [*pending, *encoder.payload(replaced[name])]
            pending = []
        else:
            plan.append(Keep(name))
    return plan


def new_plan(events: TreeReader, found: Collection, encoder: Encoder) -> tuple[Branches, list[str]]:
    """A tree without a source, and the names of those branches that are written as they are.

    Of a side file these are the counter and the conditions; else all that was not compressed.
    """
    replaced = {spec.branch: spec for spec in encoder.manifest.features}
    wanted = set(encoder.manifest.conditions) if encoder.side else set(events.branches) - set(replaced)
    plain = [name for name in events.branches if name in wanted - {encoder.counter}]
    given = events.branches.get(encoder.counter)
    dtype, title = (
        ("int32", f"number of {found.name} objects") if given is None else (given.dtype, given.title)
    )
    plan: Branches = [NewBranch(encoder.counter, dtype, title), *encoder.shared()]
    for name, branch in events.branches.items():
        if name in replaced:
            plan += encoder.payload(replaced[name])
        elif name in plain:
            # an RNTuple counts without a branch
            counter = None if branch.kind != "jagged" else branch.counter or f"n{name}"
            if branch.kind == "jagged" and branch.counter is None:
                plan.append(NewBranch(f"n{name}", "int32"))
            dtype = "str" if branch.kind == "string" else branch.dtype
            plan.append(NewBranch(name, dtype, branch.title, counter, branch.shape))
    return plan, plain


def ntuple_plan(events: TreeReader, found: Collection, encoder: Encoder) -> tuple[list[NewBranch], list[str]]:
    """The fields of an RNTuple, and the names of those that are written as they are.

    As in `new_plan`, without counters that only count: an RNTuple does that itself, which an empty name of the counter
    says. The collection's own counter stays.
    """
    plan, plain = new_plan(events, found, encoder)
    fields = [branch for branch in plan if isinstance(branch, NewBranch)]
    counters = {branch.counter for branch in fields} - set(plain) - {encoder.counter}
    kept = [
        branch if branch.counter is None else replace(branch, counter="")
        for branch in fields
        if branch.name not in counters
    ]
    if encoder.counter in events.branches:
        as_it_was = events.branches[encoder.counter]
        kept[0] = NewBranch(encoder.counter, as_it_was.dtype, as_it_was.title)
    return kept, plain


def plain_columns(
    events: TreeReader, plain: Sequence[str], counter: str, counts: NDArray[np.int64], start: int, stop: int
) -> dict[str, Column]:
    """Values of the branches that are written as they are, and the counter."""
    columns: dict[str, Column] = {name: events.read(name, start, stop) for name in plain}
    given = events.branches.get(counter)
    return {counter: counts.astype("int32" if given is None else given.dtype), **columns}


def restored_plan(tree: TTreeReader, restorers: Sequence[CompressedCollection]) -> Branches:
    """All branches of the original tree in their places, compressed as their counters are."""
    compressed = {stored.payload_branch: stored for one in restorers for stored in one.features.values()}
    plan: Branches = []
    for name in tree.branches:
        if name in compressed:
            stored, payload = compressed[name], compressed[name].payload
            code = int(tree.sources[payload.counter].member("fCompress"))
            plan.append(
                NewBranch(
                    stored.branch,
                    payload.dtype,
                    payload.title,
                    payload.counter,
                    compression=Compression.of(code),
                )
            )
        elif not name.endswith(SUFFIX):
            plan.append(Keep(name))
    return plan
