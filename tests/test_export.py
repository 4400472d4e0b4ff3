"""Risk: the exported network is not the trained one, or cannot be loaded elsewhere."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from hepae.errors import ModelRejectedError
from hepae.learn.bottleneck.presets import ACTIVATIONS, Architecture
from hepae.model.runtime import session

torch = pytest.importorskip("torch", reason="training needs the extra `train`")
from hepae.learn.bottleneck import export  # noqa: E402
from hepae.learn.bottleneck.calibrate import SAFETY, measured_drift  # noqa: E402
from hepae.learn.bottleneck.export import export_stack  # noqa: E402
from hepae.learn.bottleneck.networks import Stack  # noqa: E402

SAMPLE = np.random.default_rng(2).normal(size=(300, 5)).astype(np.float32)


def a_stack(architecture: Architecture, seed: int = 3) -> Stack:
    torch.manual_seed(seed)
    stack = Stack(5, architecture.layers, 3, architecture)
    stack.train()
    if architecture.batch_norm:
        for _ in range(5):
            stack(torch.randn(64, 5) * 3 + 1)  # running mean and variance, which the export folds
    return stack.eval()


ARCHITECTURES = [
    *(Architecture((7, 7), activation=activation) for activation in ACTIVATIONS),
    Architecture((8, 6), activation="leaky_relu", batch_norm=True),
    Architecture((6, 6, 6), activation="elu", residual=True, dropout=0.3),
    Architecture((5,), shortcut=True, residual=True, batch_norm=True),
    Architecture(()),
    Architecture((), shortcut=True),
]


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda a: a.describe(5))
def test_onnx_gives_what_pytorch_gives(architecture: Architecture) -> None:
    stack = a_stack(architecture)
    model = export_stack(stack, "features", "latents", SAMPLE)
    with torch.no_grad():
        expected = stack(torch.from_numpy(SAMPLE)).numpy()
    network = session(model.SerializeToString())
    for n in (0, 1, 7, 300):
        got = network(features=SAMPLE[:n])["latents"]
        np.testing.assert_allclose(got, expected[:n], rtol=1e-5, atol=1e-5)
    independent = ReferenceEvaluator(model).run(None, {"features": SAMPLE})[0]
    np.testing.assert_allclose(independent, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda a: a.describe(5))
def test_what_is_exported_is_plain(architecture: Architecture) -> None:
    model = export_stack(a_stack(architecture), "features", "latents", SAMPLE)
    onnx.checker.check_model(model, full_check=True)
    assert (model.ir_version, model.opset_import[0].version) == (8, 17)
    operators = {node.op_type for node in model.graph.node}
    assert operators <= {"Gemm", "Add", "Mul", "Identity", "Tanh", "LeakyRelu", "Elu", "Relu", "Sigmoid"}
    assert not model.metadata_props
    assert not any(node.metadata_props or node.doc_string for node in model.graph.node)
    assert (
        model.SerializeToString()
        == export_stack(a_stack(architecture), "features", "latents", SAMPLE).SerializeToString()
    )


def test_an_export_that_differs_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "LEAK", 0.2)
    with pytest.raises(ModelRejectedError, match="differs"):
        export_stack(a_stack(Architecture((7,), activation="leaky_relu")), "features", "latents", SAMPLE)


def test_the_drift_covers_other_ways_to_run_the_network() -> None:
    stack = a_stack(Architecture((64, 64)))
    model = export_stack(stack, "latents", "features", SAMPLE)
    double = a_stack(Architecture((64, 64))).double()

    def exact(x: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return double(torch.from_numpy(x).double()).numpy()

    drift = measured_drift(model.SerializeToString(), SAMPLE, exact)
    assert (drift > 0).all()
    assert (drift < 1e-4).all()
    with torch.no_grad():
        ours = stack(torch.from_numpy(SAMPLE)).numpy()
    reference = ReferenceEvaluator(model).run(None, {"latents": SAMPLE})[0]
    for outputs in (ours, reference):
        assert (np.abs(outputs - exact(SAMPLE)).max(axis=0) <= 0.5 * drift).all()
    assert SAFETY >= 4
