"""Risk: a bound that is misread, or an acceptance test that accepts what it must not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from hepae.core.values.bounds import EXACT, Bound, accept, assign, parse, parse_assignments
from hepae.errors import BoundError
from hepae.testing.strategies import bounds, float_columns

FEATURES = [("pt", "Jet_pt", "float32"), ("eta", "Jet_eta", "float32"), ("nConst", "Jet_nConst", "int32")]


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        ("abs:1e-3", Bound("abs", 1e-3)),
        ("rel:0.5", Bound("rel", 0.5)),
        ("bits:9", Bound("bits", 9)),
        ("exact", EXACT),
        (" rel:1e-3 ", Bound("rel", 1e-3)),
        ("abs:0", EXACT),
        ("rel:0", EXACT),
    ],
)
def test_bounds_parse(text: str, bound: Bound) -> None:
    assert parse(text) == bound


@pytest.mark.parametrize(
    "text",
    [
        "",
        "abs",
        "abs:",
        "abs:x",
        "abs:nan",
        "abs:inf",
        "abs:-1",
        "rel:0.6",
        "rel:-0.1",
        "bits:0",
        "bits:1.5",
        "bits:53",
        "bits:nan",
        "exact:1",
        "absolute:1",
        "1e-3",
    ],
)
def test_what_is_no_bound_is_refused(text: str) -> None:
    with pytest.raises(BoundError):
        parse(text)


def test_an_infeasible_size_names_the_smallest() -> None:
    with pytest.raises(BoundError, match="smallest is 0"):
        parse("abs:-3")


def test_the_text_of_a_bound_parses_to_itself() -> None:
    for bound in (Bound("abs", 1e-3), Bound("rel", 2.5e-4), Bound("bits", 7), EXACT):
        assert parse(str(bound)) == bound


@pytest.mark.parametrize("text", ["pt", "=rel:1e-3", "pt=", ",=exact"])
def test_assignments_need_a_name_and_a_bound(text: str) -> None:
    with pytest.raises(BoundError):
        parse_assignments([text])


def test_assignments_match_short_names_full_names_and_wildcards_and_the_last_wins() -> None:
    pairs = parse_assignments(["*=rel:1e-2", "Jet_eta=abs:1e-3", "p?=rel:1e-3"])
    bounds = assign(pairs, FEATURES)
    assert bounds == {"pt": Bound("rel", 1e-3), "eta": Bound("abs", 1e-3), "nConst": EXACT}


def test_no_bound_is_exact() -> None:
    assert set(assign([], FEATURES).values()) == {EXACT}


def test_a_bound_for_a_feature_that_is_not_there_names_near_ones() -> None:
    with pytest.raises(BoundError, match="did you mean eta"):
        assign(parse_assignments(["etaa=abs:1"]), FEATURES)


def test_a_lossy_bound_on_an_integer_by_name_is_refused() -> None:
    with pytest.raises(BoundError, match="Jet_nConst"):
        assign(parse_assignments(["nConst=abs:1"]), FEATURES)


def test_more_bits_than_the_mantissa_has_are_refused_and_all_of_them_are_exact() -> None:
    with pytest.raises(BoundError, match="at most bits:23"):
        assign(parse_assignments(["pt=bits:24"]), FEATURES)
    assert assign(parse_assignments(["pt=bits:23"]), FEATURES)["pt"] == EXACT


@pytest.mark.parametrize(
    ("stored", "restored", "bound", "accepted"),
    [
        (1.0, 1.0 + 2**-10, "abs:0.0009765625", True),
        (1.0, 1.0 + 2**-10 + 2**-20, "abs:0.0009765625", False),
        (100.0, 100.1, "rel:1e-3", True),
        (100.0, 100.11, "rel:1e-3", False),
        (1.5, 1.5 + 1.5 * 2**-10, "bits:9", True),
        (0.0, 0.0, "rel:1e-3", True),
        (0.0, -0.0, "rel:1e-3", False),
        (-0.0, 0.0, "abs:1e-3", False),
        (0.0, 1e-4, "abs:1e-3", False),
        (np.nan, np.nan, "abs:1e-3", True),
        (np.nan, 1.0, "abs:1e-3", False),
        (1.0, np.nan, "rel:0.5", False),
        (np.inf, np.inf, "rel:1e-3", True),
        (np.inf, 1.0, "rel:0.5", False),
        (np.inf, -np.inf, "rel:0.5", False),
        (1.0, np.inf, "abs:1e300", False),
        (1.0, 1.0, "exact", True),
        (1.0, np.nextafter(1.0, 2.0), "exact", False),
    ],
)
def test_acceptance(stored: float, restored: float, bound: str, accepted: bool) -> None:
    assert accept(np.array([stored]), np.array([restored]), parse(bound)).tolist() == [accepted]


def test_a_nan_with_another_payload_is_not_accepted() -> None:
    patterns = np.array([0x7FC00000, 0x7FC00001], np.uint32).view(np.float32)
    assert not accept(patterns[:1], patterns[1:], parse("abs:1"))[0]


def test_drift_is_taken_off_the_limit() -> None:
    stored, restored = np.array([1.0]), np.array([1.0009])
    assert accept(stored, restored, parse("abs:1e-3"))[0]
    assert not accept(stored, restored, parse("abs:1e-3"), drift=2e-4)[0]


@given(float_columns(), bounds())
def test_every_value_accepts_itself(values: np.ndarray, bound: Bound) -> None:
    assert accept(values, values.copy(), bound).all()
