"""Risk: rare kinds hide the frequent ones from what classes are told by."""

from __future__ import annotations

import numpy as np
import pytest

from hepae.core.prediction.columns import Here
from hepae.learn.fit.additive import Candidate
from hepae.learn.fit.candidates import make_source
from hepae.learn.fit.contexts import _coarser, _Context

KINDS = np.array([-11, 11, -13, 13, 22, 211, -211, 111, 2212, 21, 1, -1])


def kinds(entries: int) -> np.ndarray:
    return np.random.default_rng(2).choice(KINDS, entries)


def test_a_single_nucleus_does_not_put_kinds_together() -> None:
    usual, far = kinds(5000), np.append(kinds(5000), [1_000_020_040, -1_000_010_020])
    plain, source = make_source(Here("pdgId"), usual, 16), make_source(Here("pdgId"), far, 16)
    assert plain is not None
    assert source is not None
    assert (source.low, source.shift, source.knots) == (plain.low, 0, plain.knots)
    assert len(np.unique(source.index(usual))) == len(KINDS)
    assert source.index(far).max() <= source.knots[-1]
    assert source.index(far).min() >= 0


def test_a_wide_column_of_many_values_keeps_its_range() -> None:
    values = np.random.default_rng(3).integers(-(2**40), 2**40, 5000)
    source = make_source(Here("pt"), values, 16)
    assert source is not None
    assert source.low == values.min()
    assert source.shift > 0


@pytest.mark.parametrize("most", [3, 6, 12])
def test_rare_values_go_together_where_there_are_too_many_classes(most: int) -> None:
    random = np.random.default_rng(4)
    values = np.repeat(np.arange(20), random.permutation(20) ** 2 + 1)
    source = make_source(Here("kind"), values, 16)
    assert source is not None
    index = source.index(values)
    candidate = Candidate(source, index, index)
    classes = np.searchsorted(source.knots, index, "right").astype(np.int64)
    coarse = _coarser(_Context(candidate, classes, len(source.knots) + 1, 1.0), most)
    assert coarse.n == most == len(coarse.candidate.source.knots) + 1
    assert coarse.candidate.source.knots[0] == 1
    assert coarse.classes.max() < most
    pairs = np.unique(np.stack([classes, coarse.classes]), axis=1)
    assert len(pairs[0]) == len(np.unique(classes))  # each class is in one
    rarest = 1 + np.bincount(classes)[1:].argmin()
    assert (pairs[1] == pairs[1][pairs[0] == rarest]).sum() > 1
