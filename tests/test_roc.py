"""ROC curves, areas, rejections and their errors."""

from __future__ import annotations

import numpy as np
import pytest

from hepae.errors import InputError
from hepae.lab.report.roc import auc, bootstrap, rejection, roc


def pairs(scores: np.ndarray, labels: np.ndarray) -> float:
    """The area by its definition: over all pairs of a signal and a background."""
    signal, background = scores[labels == 1][:, None], scores[labels == 0][None]
    return float(np.mean((signal > background) + 0.5 * (signal == background)))


@pytest.mark.parametrize("seed", range(5))
def test_the_area_is_the_share_of_pairs_in_order_ties_counting_half(seed: int) -> None:
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, 200)
    scores = np.round(random.normal(labels, 1), 1)
    assert auc(scores, labels) == pytest.approx(pairs(scores, labels), abs=1e-12)
    assert auc(-scores, labels) == pytest.approx(1 - pairs(scores, labels), abs=1e-12)


def test_the_curve_rises_from_nothing_to_all_with_one_point_a_threshold() -> None:
    random = np.random.default_rng(1)
    labels, scores = random.integers(0, 2, 500), random.integers(0, 40, 500)
    fpr, tpr = roc(scores, labels)
    assert (fpr[0], tpr[0], fpr[-1], tpr[-1]) == (0, 0, 1, 1)
    assert len(fpr) == len(np.unique(scores)) + 1
    assert (np.diff(fpr) >= 0).all()
    assert (np.diff(tpr) >= 0).all()
    threshold = np.unique(scores)[::-1][9]
    assert tpr[10] == np.mean(scores[labels == 1] >= threshold)
    assert fpr[10] == np.mean(scores[labels == 0] >= threshold)


def test_infinite_scores_are_the_first_and_the_last() -> None:
    assert auc([-np.inf, 0, 1, np.inf], [0, 0, 1, 1]) == 1


def test_rejection_is_one_over_the_background_left() -> None:
    background, signal = np.linspace(0, 1, 1001), np.linspace(0.8, 1.8, 1001)
    scores, labels = np.append(background, signal), np.repeat([0, 1], 1001)
    assert rejection(scores, labels, 0.9) == pytest.approx(10, rel=0.02)
    assert rejection(scores, labels, 0.3) == np.inf


def test_the_bootstrap_finds_the_error_of_the_area_and_of_a_difference_on_the_same_jets() -> None:
    def difference(s: np.ndarray, y: np.ndarray) -> float:
        return auc(s[:, 0], y) - auc(s[:, 1], y)

    random = np.random.default_rng(0)
    labels = np.repeat([0, 1], 500)
    many = [auc(random.normal(labels, 1), labels) for _ in range(200)]
    scores = random.normal(labels, 1)
    error = bootstrap(auc, scores, labels)
    assert error == pytest.approx(np.std(many), rel=0.3)
    assert error == bootstrap(auc, scores, labels)
    near = np.stack([scores, scores + random.normal(0, 0.01, len(scores))], axis=1)
    assert bootstrap(difference, near, labels) < error / 10


@pytest.mark.parametrize(
    ("scores", "labels"), [([1.0, 2.0], [1, 1]), ([1.0, np.nan], [0, 1]), ([1.0], [0, 1]), ([], [])]
)
def test_what_has_no_curve_is_refused(scores: list[float], labels: list[int]) -> None:
    with pytest.raises(InputError):
        roc(scores, labels)
    with pytest.raises(InputError):
        rejection([0, 1], [0, 1], 0)
