"""Frames and payloads that lie under checksums that are right: what only malice or a defect would write."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from hepae import limits
from hepae.core.chunk import ChunkCodec
from hepae.core.coding.frame import FIXED, Frame, parse, sealed, serialise
from hepae.core.coding.integers import pack
from hepae.core.coding.varint import varint
from hepae.core.decode import chunk_codec
from hepae.core.lifting.codec import Lifting
from hepae.core.prediction.columns import Column, Condition, FormulaPoint
from hepae.core.prediction.predictors import LiftingSpec, Lookup, Predictor, Predictors
from hepae.core.prediction.tables import Term
from hepae.core.values.bounds import Bound
from hepae.core.values.lattice import Inserted, Lattice, Linear, Log
from hepae.core.values.objects import Collection, Feature, Objects
from hepae.errors import CorruptionError, HepaeError, LimitError, ModelRejectedError
from hepae.learn.modelling import model_of
from hepae.learn.recipe import recipe_of
from tests.attacks.attack import Attack

__all__ = ["ATTACKS"]

Frames = dict[str, bytes]
Lie = Callable[[Frame], Frame]
OBJECTS = 300


@functools.cache
def written() -> tuple[ChunkCodec, Objects, Frames]:
    """A chunk of two features: pt with an escape, and twice of it, which is predicted."""
    rng = np.random.default_rng(3)
    pt = rng.exponential(30, OBJECTS).astype(np.float32)
    pt[7] = np.nan
    found = Objects(
        np.full(OBJECTS // 3, 3), {"pt": pt, "twice": np.rint(2 * np.nan_to_num(pt)).astype(np.int32)}
    )
    collection = Collection(
        "Jet", "nJet", (Feature("pt", "Jet_pt", "float32"), Feature("twice", "Jet_twice", "int32"))
    )
    model = model_of(
        found, collection, list(found.columns), [("pt", Bound("abs", 0.01))], recipe_of({"codec": "lifting"})
    )
    codec = chunk_codec(model)
    return codec, found, codec.encode(found, 0)


def read(frames: Frames, counts: np.ndarray | None = None) -> Any:
    """Decode the chunk; the codec is a new one, so that nothing is remembered."""
    codec, found, whole = written()
    return codec.decode(found.counts if counts is None else counts, {}, {**whole, **frames}, list(whole))


def _lie(
    name: str, lie: Lie, words: str = "", refusal: type[HepaeError] = CorruptionError, of: str = "pt"
) -> Attack:
    """The frame of a feature, changed, with the checksums that belong to it."""

    def run(_: Path) -> object:
        codec, found, frames = written()
        changed = lie(parse(frames[of]))
        return read({of: serialise(changed, codec.context(found.counts, {}))})

    return Attack(f"payload: {name}", run, refusal, words)


def _header(name: str, numbers: list[int], words: str, refusal: type[HepaeError] = LimitError) -> Attack:
    """Numbers of a frame written as they are given: feature, events, objects, bytes escaped, bytes of the override."""

    def run(_: Path) -> object:
        codec, found, frames = written()
        magic, kind, *rest = FIXED.unpack_from(frames["pt"])
        head = FIXED.pack(magic, kind | 8, *rest) + b"".join(map(varint, numbers))
        return read({"pt": sealed(head + parse(frames["pt"]).payload, codec.context(found.counts, {}))})

    return Attack(f"payload: {name}", run, refusal, words)


def _said(**changes: Any) -> Lie:
    def lie(frame: Frame) -> Frame:
        return replace(frame, header=replace(frame.header, **changes))

    return lie


def _payload(payload: bytes) -> Lie:
    return lambda frame: replace(frame, payload=payload)


def _escaped(escaped: bytes) -> Lie:
    return lambda frame: replace(frame, escaped=escaped)


def _override(lattice: Lattice | bytes, block: bytes = b"") -> Lie:
    text = lattice if isinstance(lattice, bytes) else msgspec.json.encode(lattice)
    return lambda frame: replace(frame, override=varint(len(text)) + text + block)


def _dropped(_: Path) -> object:
    return read({}, written()[1].counts[:-1])


def _moved(_: Path) -> object:
    return read({}, np.array([2, 4] + [3] * (OBJECTS // 3 - 2)))


def _exchanged(_: Path) -> object:
    frames = written()[2]
    return read({"pt": frames["twice"], "twice": frames["pt"]})


def _another_chunk(_: Path) -> object:
    codec, found = written()[:2]
    return read({"pt": codec.encode(found, 1)["pt"]})


def _looks_at(column: Callable[[], Column]) -> Callable[[Path], object]:
    """Code a chunk with a model that predicts one feature from a column that is not there."""

    def run(_: Path) -> object:
        codec, found = written()[:2]
        predicted = Predictor("twice", terms=(Term(0, (0, 1)),))
        spec = LiftingSpec(Predictors((Predictor("pt"), predicted), (Lookup(column(), 0, 0, (1,)),)))
        integers = {name: np.arange(OBJECTS) for name in found.columns}
        return Lifting(spec, list(codec.features.values())).encode(found.counts, integers, {})

    return run


BLOCK = pack(np.arange(OBJECTS) % 7)
GIANT = Lattice("float32", Log(1.0, 1.0000001, (1 << 62)), (Inserted(0),))
WIDE = Lattice("float64", Linear(1.0), (Inserted(0),))
CLASSES, UNKNOWN = 2 << 4, 15 << 4
HUGE = varint((1 << 64) - 1)
ATTACKS = (
    Attack(
        "payload: a condition that no model names",
        _looks_at(lambda: Condition("MET")),
        ModelRejectedError,
        "event-level branch",
    ),
    Attack(
        "payload: a formula for a feature that is not there",
        _looks_at(lambda: FormulaPoint("energy_massless", "E", ("pt", "pt"))),
        ModelRejectedError,
        "a feature that",
    ),
    Attack(
        "payload: a formula that nobody knows",
        _looks_at(lambda: FormulaPoint("nonsense", "pt", ("pt",))),
        ModelRejectedError,
        "no such formula",
    ),
    _header("2**24 + 1 events", [0, limits.MAX_EVENTS_PER_CHUNK + 1, OBJECTS, 0, 0], "events in a chunk"),
    _header("2**64 - 1 objects", [0, 100, (1 << 64) - 1, 0, 0], "objects in a chunk"),
    _header("2**63 escaped bytes", [0, 100, OBJECTS, 1 << 63, 0], "bytes in a frame"),
    _header("an override over the end", [0, 100, OBJECTS, 0, 1 << 20], "another length", CorruptionError),
    _header("another feature's number", [1, 100, OBJECTS, 0, 0], "another feature", CorruptionError),
    _lie("one event less", _said(events=99), "events of a chunk"),
    _lie("one object more", _said(objects=OBJECTS + 1), "objects of a chunk"),
    _lie("another model", _said(model=b"evil"), "another model"),
    _lie("another codec", _said(codec="masked"), "another codec"),
    _lie("other restored values", _said(content=1), "restored values do not carry"),
    Attack("payload: events that were dropped", _dropped, CorruptionError, "dropped or added"),
    Attack("payload: objects that moved to another event", _moved, CorruptionError, "counts or conditions"),
    Attack("payload: frames in each other's place", _exchanged, CorruptionError, "another feature"),
    Attack("payload: a frame of another chunk", _another_chunk, CorruptionError, "another chunk"),
    _lie("nothing", _payload(b""), "empty"),
    _lie("a kind that nobody knows", _payload(bytes([UNKNOWN])), "unknown mode"),
    _lie("a block that nobody knows", _payload(b"\x0f" + bytes(20)), "unknown layout"),
    _lie("a block of noise", _payload(b"\x04" + bytes(range(1, 200))), "block"),
    _lie("a block of noise in pcodec's own format", _payload(b"\x07pco!" + HUGE * 4), "block"),
    _lie("a block cut short", lambda frame: replace(frame, payload=frame.payload[:-3])),
    _lie("a block with more after it", lambda frame: replace(frame, payload=frame.payload + b"\0")),
    _lie("a column of one number", _payload(b"\x01" + varint(4)), ""),
    _lie("a dictionary of 2**64 - 1 values", _payload(b"\x08\x00" + HUGE + HUGE), "dictionary"),
    _lie("a dictionary that is looked up beyond its end", _payload(b"\x08\x00\x02\x02\x01\x02" + BLOCK), "dictionary"),
    _lie("classes longer than the payload", _payload(bytes([CLASSES]) + HUGE), "", of="twice"),
    _lie("no escaped value for an escape", _escaped(b""), "escapes and escaped values"),
    _lie("escaped values without escapes", _escaped(bytes(8)), "escapes and escaped values"),
    _lie("half an escaped value", _escaped(bytes(3)), "an escaped value is cut short"),
    _lie("a lattice of 2**64 - 1 bytes", lambda frame: replace(frame, override=HUGE), "lattice bytes", LimitError),
    _lie("a lattice that is no JSON", _override(b"{", BLOCK), "does not parse"),
    _lie("a lattice of 100,000 brackets", _override(b"[" * 100_000, BLOCK), "does not parse"),
    _lie("a lattice of another dtype", _override(WIDE, BLOCK), "another dtype"),
    _lie("a lattice whose tables are exabytes", _override(GIANT, BLOCK), "log lattice", LimitError),
    _lie("a lattice without its integers", _override(Lattice("float32", Linear(1.0))), "empty"),
)  # fmt: skip
