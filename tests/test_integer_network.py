"""Exact-integer networks: every evaluation gives the same bits, and what could round is refused."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator

from hepae.core.coding.ans import STATES, Tables
from hepae.core.masked.shapes import ACTIVATIONS, SHIFT, frequencies, grid, interpolate, log_tables
from hepae.errors import ModelRejectedError
from hepae.learn.masked.export import (
    CELL_SHIFT,
    EXACT,
    IntegerLayer,
    IntegerNetwork,
    export,
    headroom,
    radix,
)
from hepae.model.runtime import session

BATCHES = (1, 7, 64, 4096)


def random_network(
    seed: int, inputs: int = 23, hidden: tuple[int, ...] = (32, 16), largest: int = 127
) -> IntegerNetwork:
    """Weights of any size, and biases such that activations are neither all 0 nor all 255."""
    rng = np.random.default_rng(seed)
    sizes = [inputs, *hidden, 2]
    layers = []
    for before, after in pairwise(sizes):
        weight = rng.integers(-largest, largest + 1, (after, before))
        layers.append(IntegerLayer(weight, rng.integers(-9000, 9000, after) - 128 * weight.sum(1)))
    last = layers[-1]
    gentle = last.weight // 8
    layers[-1] = IntegerLayer(gentle, rng.integers(0, 16_000, 2) - 128 * gentle.sum(1))
    return IntegerNetwork(tuple(layers), (12, 8))


def inputs_of(network: IntegerNetwork, n: int, seed: int = 0) -> NDArray[np.uint8]:
    """Random inputs, and those that drive sums to their extremes."""
    rng = np.random.default_rng(seed)
    count = network.layers[0].weight.shape[1]
    random = rng.integers(0, 256, (count, n), dtype=np.uint8)
    weight = network.layers[0].weight
    extremes = [np.zeros(count), np.full(count, 255), *(255 * (weight > 0)), *(255 * (weight < 0))]
    return np.concatenate([random, np.stack(extremes, axis=1).astype(np.uint8)], axis=1)


def in_float64(network: IntegerNetwork, levels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The same network in float64, summed backwards."""
    x = levels.astype(np.float64)
    for layer in network.layers[:-1]:
        sums = layer.weight[:, ::-1].astype(np.float64) @ x[::-1] + layer.bias[:, None]
        x = np.clip(np.floor(sums / 2.0**SHIFT), 0, ACTIVATIONS)
    last = network.layers[-1]
    place = np.floor((last.weight.astype(np.float64) @ x + last.bias[:, None]) / 2.0**CELL_SHIFT)
    place = np.clip(place, 0, np.array(network.levels)[:, None] - 1)
    return np.asarray(radix(network.levels) @ place, np.float64).astype(np.int64)


@pytest.mark.parametrize("seed", range(4))
def test_every_evaluation_gives_the_same_cells(seed: int) -> None:
    network = random_network(seed)
    levels = inputs_of(network, 5000, seed)
    expected = network.evaluate(levels)
    np.testing.assert_array_equal(in_float64(network, levels), expected)
    model = export(network)
    reference = ReferenceEvaluator(model).run(None, {"levels": levels})[0]
    np.testing.assert_array_equal(reference[0], expected)
    assert len(np.unique(expected)) > 10, "or the test would show little"


@pytest.mark.parametrize("optimise", [False, True])
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("batch", [*BATCHES, None])
def test_runtime_gives_the_same_cells_whatever_the_setting(
    batch: int | None, threads: int, optimise: bool
) -> None:
    network = random_network(9, hidden=(64, 64))
    levels = inputs_of(network, 4200)
    run = session(export(network).SerializeToString(), threads=threads, optimise=optimise)
    size = batch or levels.shape[1]
    pieces = range(0, levels.shape[1] if size > 7 else 70 * size, size)
    found = np.concatenate([run(levels=levels[:, k : k + size])["cell"][0] for k in pieces])
    np.testing.assert_array_equal(found, network.evaluate(levels[:, : len(found)]))


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    inputs=st.integers(1, 40),
    hidden=st.lists(st.integers(1, 40), max_size=3),
    largest=st.integers(0, 127),
)
def test_no_sum_leaves_its_headroom(seed: int, inputs: int, hidden: list[int], largest: int) -> None:
    """The reach that `headroom` promises bounds every partial sum of every evaluation."""
    network = random_network(seed, inputs, tuple(hidden), largest)
    reach = headroom(network)
    x = inputs_of(network, 50, seed).astype(np.int64)
    for number, (layer, most) in enumerate(zip(network.layers, reach, strict=True)):
        products = np.abs(layer.weight)[:, :, None] * x[None, :, :]
        assert np.all(products.sum(1) + np.abs(layer.bias)[:, None] <= most), number
        x = np.clip((layer.weight @ x + layer.bias[:, None]) >> SHIFT, 0, ACTIVATIONS)


def test_a_network_that_could_round_is_refused() -> None:
    network = random_network(1)
    first = network.layers[0]
    top = EXACT - 1 - int(np.abs(first.weight).sum(1).max()) * 255
    at_the_edge = dataclasses.replace(first, bias=np.full_like(first.bias, top))
    headroom(dataclasses.replace(network, layers=(at_the_edge, *network.layers[1:])))
    beyond = dataclasses.replace(first, bias=np.full_like(first.bias, top + 1))
    with pytest.raises(ModelRejectedError, match="exact integers"):
        export(dataclasses.replace(network, layers=(beyond, *network.layers[1:])))


def test_a_weight_that_does_not_fit_is_refused() -> None:
    network = random_network(1)
    first = dataclasses.replace(network.layers[0], weight=network.layers[0].weight + 128)
    with pytest.raises(ModelRejectedError, match="too large"):
        export(dataclasses.replace(network, layers=(first, *network.layers[1:])))


def test_the_graph_is_plain_and_small() -> None:
    model = export(random_network(2, hidden=(32, 32)))
    assert {node.op_type for node in model.graph.node} <= {
        "Add", "Cast", "Clip", "Floor", "MatMul", "Max", "Min", "Mul",
    }  # fmt: skip
    assert (model.ir_version, model.opset_import[0].version) == (8, 17)
    assert not any(tensor.external_data for tensor in model.graph.initializer)
    weights = [t for t in model.graph.initializer if t.data_type == onnx.TensorProto.INT8]
    assert sum(len(t.raw_data) for t in weights) == 23 * 32 + 32 * 32 + 32 * 2


def test_what_is_trained_is_what_is_exported() -> None:
    torch = pytest.importorskip("torch", reason="training needs PyTorch")
    from hepae.learn.masked.integer_network import CellNetworks, Plan, Size

    torch.manual_seed(3)
    rng = np.random.default_rng(3)
    anchors = (0, 4, 8, 9)
    spread = (interpolate(np.eye(4, dtype=np.int64) * 4096, anchors) / 4096).astype(np.float32)
    mask = rng.random((3, 12)) < 0.7
    networks = CellNetworks(Plan(mask, [spread] * 3, Size((16, 8), (6, 4), 8, 4)))
    with torch.no_grad():
        for parameter in networks.parameters():
            parameter.mul_(2.5).add_(torch.randn_like(parameter) * 0.1)
        levels = rng.integers(0, 256, (12, 800), dtype=np.uint8)
        places = networks.places(torch.from_numpy(levels.T.astype(np.float32))).numpy()
        logs = networks.log_probabilities()[0].numpy()
    for feature in range(3):
        seen = np.flatnonzero(mask[feature])
        network = networks.network(feature, seen)
        cells = network.evaluate(levels[seen])
        np.testing.assert_array_equal(places[feature] @ radix(network.levels), cells)
        made = log_tables(network.levels, anchors, networks.tables(feature))
        shares = 2.0 ** (made / 16)
        expected = np.log(shares / shares.sum(1, keepdims=True))
        # at anchors both are exact; between them training does not round the interpolation down
        np.testing.assert_allclose(logs[feature], expected, atol=np.log(2) / 16 + 1e-3)
        assert len(np.unique(cells)) > 5


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    tables=st.integers(1, 20),
    bins=st.integers(1, 300),
    spread=st.integers(0, 400),
)
def test_frequencies_are_tables(seed: int, tables: int, bins: int, spread: int) -> None:
    logs = np.random.default_rng(seed).integers(-spread, spread + 1, (tables, bins))
    found = frequencies(logs)
    Tables(found)
    assert np.all(found[:, -1] > 0)
    shares = 2.0 ** (logs / 16)
    shares /= shares.sum(1, keepdims=True)
    common = shares > 8 / STATES
    ratio = (found[:, :-1] / STATES)[common] / shares[common]
    assert np.all((ratio > 0.7) & (ratio < 1.3))


def test_cells_are_numbered_with_the_last_axis_fastest() -> None:
    levels = (3, 2, 4)
    places = np.stack(np.unravel_index(np.arange(24), levels))
    np.testing.assert_array_equal(radix(levels) @ places, np.arange(24))
    assert grid(levels).shape == (24, 3)
    assert abs(grid((9,))).max() == 64


@pytest.mark.parametrize("anchors", [(), (1, 4), (0, 4, 4), (0, 5, 3)])
def test_anchors_that_do_not_rise_are_refused(anchors: tuple[int, ...]) -> None:
    with pytest.raises(ModelRejectedError):
        interpolate(np.zeros((1, len(anchors)), np.int64), anchors)
