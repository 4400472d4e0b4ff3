"""Risk: classes that share a block cost more than apart, or come back in another order; payloads of earlier hepae."""

from __future__ import annotations

import numpy as np
import pytest

from hepae.core.coding.integers import pack
from hepae.core.coding.varint import varint
from hepae.core.features import FeatureSpec
from hepae.core.lifting import codec
from hepae.core.lifting.codec import Lifting
from hepae.core.lifting.groups import groups_of
from hepae.core.prediction.columns import Here, Neighbour
from hepae.core.prediction.predictors import LiftingSpec, Lookup, Predictor, Predictors
from hepae.core.prediction.tables import WIDTH_BITS, Term, Widths
from hepae.core.values.bounds import parse
from hepae.core.values.lattice import Integer, Lattice
from hepae.errors import CorruptionError

KINDS = 40
EDGES = tuple((k << WIDTH_BITS) for k in range(1, KINDS))
NUMBERS = tuple(k << WIDTH_BITS for k in range(KINDS))


def lifting(ranked: bool = False) -> Lifting:
    """A class for each value of `kind`, or of the number before."""
    column = Neighbour("x", -1) if ranked else Here("kind")
    source = Lookup(column, 0, 0, tuple(range(1, KINDS + 1)))
    widths = Widths(0, (Term(0, (0, *NUMBERS)),), EDGES)
    features = [
        FeatureSpec(name, f"Jet_{name}", "int32", "", parse("exact"), Lattice("int32", Integer()))
        for name in ("kind", "x")
    ]
    spec = LiftingSpec(Predictors((Predictor("kind"), Predictor("x", widths=widths)), (source,)))
    return Lifting(spec, features)


def objects(n: int, spread: int, seed: int = 1) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, KINDS, n)
    x = np.rint(rng.normal(20, 1 + 5 * (kind // spread)))
    return np.full(n // 4, 4), {"kind": kind, "x": np.clip(x, 0, KINDS - 1).astype(np.int64)}


def restored(coding: Lifting, counts: np.ndarray, payloads: dict[str, bytes]) -> dict[str, np.ndarray]:
    found = coding.decode(counts, payloads, {}, ["kind", "x"])
    return {name: ranked.to_events() for name, ranked in found}


@pytest.mark.parametrize("ranked", [False, True])
@pytest.mark.parametrize("n", [4, 400, 40_000])
def test_what_shares_a_block_comes_back_in_order(
    n: int, ranked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEPAE_NATIVE", "0")
    monkeypatch.setattr(Lifting, "_smallest", by_group)
    coding = lifting(ranked)
    counts, integers = objects(n, 20)
    payloads = coding.encode(counts, dict(integers), {})
    assert payloads["x"][0] >> 4 == codec.GROUPS
    found = restored(coding, counts, payloads)
    assert all(np.array_equal(found[name], integers[name]) for name in integers)


def by_group(
    self: Lifting, name: str, q: np.ndarray, _: object, classes: list[np.ndarray], __: bool
) -> bytes:
    """The payload of groups, whether it is the smallest or not."""
    if not classes:
        return pack(q)
    return bytes([codec.GROUPS << 4]) + codec._blocks(classes, self.prepared.ranked[name])


def test_classes_that_are_alike_share_a_block_and_others_do_not() -> None:
    rng = np.random.default_rng(2)
    classes = [np.rint(rng.normal(0, 3 if k % 2 else 300, 500)).astype(np.int64) for k in range(20)]
    groups = groups_of(classes)
    assert groups[::2].tolist() == [groups[0]] * 10
    assert groups[1::2].tolist() == [groups[1]] * 10
    assert {0, 1} == set(groups.tolist())


@pytest.mark.parametrize("n", [200, 2000, 20_000, 200_000])
def test_groups_take_fewer_bytes_than_classes(n: int) -> None:
    _, integers = objects(n, 8)
    classes = [integers["x"][integers["kind"] == k] for k in range(KINDS)]
    apart = sum(len(pack(latents)) + 2 for latents in classes)
    assert len(codec._blocks(classes, False)) < apart


def test_classes_without_latents_cost_nothing() -> None:
    classes = [np.zeros(0, np.int64), np.arange(300), np.zeros(0, np.int64), 7 * np.arange(300) % 5]
    assert groups_of(classes).tolist() == [0, 0, 0, 1]
    assert groups_of(classes[:1] * 3).tolist() == [0, 0, 0]


def test_a_block_for_each_class_is_read_still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEPAE_NATIVE", "0")
    counts, integers = objects(4000, 8)
    coding = lifting()
    payloads = coding.encode(counts, dict(integers), {})
    order = np.argsort(np.tile(np.arange(4), len(counts)), kind="stable")
    kind, x = integers["kind"][order], integers["x"][order]
    blocks = [pack(x[kind == k]) for k in range(KINDS)]
    sized = [varint(len(block)) + block for block in blocks[:-1]]
    payloads["x"] = bytes([codec.CLASSES << 4]) + b"".join(sized) + blocks[-1]
    assert np.array_equal(restored(coding, counts, payloads)["x"], integers["x"])


@pytest.mark.parametrize("group", [-1, KINDS, 1 << 40])
def test_a_group_that_cannot_be_is_refused(group: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEPAE_NATIVE", "0")
    counts, integers = objects(4000, 8)
    coding = lifting()
    payloads = coding.encode(counts, dict(integers), {})
    lie = pack(np.where(np.arange(KINDS) == 3, group, 0))
    payloads["x"] = bytes([codec.GROUPS << 4]) + varint(len(lie)) + lie + pack(integers["x"])
    with pytest.raises(CorruptionError, match="group of classes"):
        restored(coding, counts, payloads)
