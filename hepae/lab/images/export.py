"""Image autoencoders from PyTorch to ONNX, layer by layer."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper
from torch import nn

from hepae.errors import ModelRejectedError
from hepae.lab.images.networks import LOG_VARIANCES, ImageAutoencoder
from hepae.learn.bottleneck.export import PARITY, Graph, array_of
from hepae.model.assembly import IR_VERSION, OPSET
from hepae.model.runtime import session

__all__ = ["export_images"]

Shape = tuple[int, ...]


def export_images(network: ImageAutoencoder, sample: NDArray[np.float32]) -> dict[str, onnx.ModelProto]:
    """``encoder`` (images to latents and log_variances) and ``decoder`` (latents to images), checked on a sample.

    Raises
    ------
    ModelRejectedError
        If ONNX Runtime and PyTorch differ on the sample of images [n, channels, pixels, pixels].
    """
    with torch.no_grad():
        latents, log_variances = network.encoded(torch.from_numpy(sample))
        images = network.decoded(latents)
        expected = {"latents": latents, "images": torch.sigmoid(images) if network.bce else images}
    encoder, decoder = _encoder(network, sample.shape[1:]), _decoder(network, sample.shape[1:])
    if log_variances is not None:
        _check(encoder, {"images": sample}, "log_variances", log_variances.numpy())
    _check(encoder, {"images": sample}, "latents", expected["latents"].numpy())
    _check(decoder, {"latents": expected["latents"].numpy()}, "images", expected["images"].numpy())
    return {"encoder": encoder, "decoder": decoder}


def _encoder(network: ImageAutoencoder, shape: Shape) -> onnx.ModelProto:
    graph = Graph()
    value = graph.add("Mul", ["images", graph.constant(np.array(network.scale))])
    value = _walked(graph, network.body, value)
    size = network.latents.out_features
    outputs: dict[str, Shape] = {"latents": (size,)}
    graph.add("Identity", [_gemm(graph, network.latents, value)], "latents")
    if network.log_variances is not None:
        ends = [graph.constant(np.array(end)) for end in LOG_VARIANCES]
        graph.add("Clip", [_gemm(graph, network.log_variances, value), *ends], "log_variances")
        outputs["log_variances"] = (size,)
    return _model(graph, {"images": shape}, outputs)


def _decoder(network: ImageAutoencoder, shape: Shape) -> onnx.ModelProto:
    graph = Graph()
    value = _walked(graph, network.decoder, "latents")
    if network.bce:
        graph.add("Sigmoid", [value], "images")
    else:
        graph.add("Div", [value, graph.constant(np.array(network.scale))], "images")
    return _model(graph, {"latents": (network.latents.out_features,)}, {"images": shape})


def _walked(graph: Graph, layers: nn.Sequential, value: str) -> str:
    for layer in layers:
        value = _added(graph, layer, value)
    return value


def _added(graph: Graph, layer: nn.Module, value: str) -> str:
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        numbers = [graph.constant(array_of(x)) for x in (layer.weight, layer.bias)]
        facts: dict[str, Any] = {"kernel_shape": layer.kernel_size, "strides": layer.stride}
        facts["pads"] = [int(pad) for pad in layer.padding] * 2
        operator = "Conv" if isinstance(layer, nn.Conv2d) else "ConvTranspose"
        return graph.add(operator, [value, *numbers], **facts)
    if isinstance(layer, nn.Linear):
        return _gemm(graph, layer, value)
    if isinstance(layer, nn.Flatten):
        return graph.reshaped(value, 0, -1)
    if isinstance(layer, nn.Unflatten):
        return graph.reshaped(value, 0, *layer.unflattened_size)
    assert isinstance(layer, nn.ELU)
    return graph.activated("elu", value)


def _gemm(graph: Graph, layer: nn.Linear, value: str) -> str:
    return graph.gemm(array_of(layer.weight), array_of(layer.bias), value)


def _model(graph: Graph, inputs: dict[str, Shape], outputs: dict[str, Shape]) -> onnx.ModelProto:
    inside, outside = [
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", *shape])
            for name, shape in side.items()
        ]
        for side in (inputs, outputs)
    ]
    body = helper.make_graph(graph.nodes, "network", inside, outside, graph.initialisers)
    model = helper.make_model(body, ir_version=IR_VERSION, opset_imports=[helper.make_opsetid("", OPSET)])
    onnx.checker.check_model(model, full_check=True)
    return model


def _check(
    model: onnx.ModelProto, given: dict[str, NDArray[np.float32]], output: str, expected: NDArray[np.float32]
) -> None:
    got = session(model.SerializeToString())(**given)[output]
    worst = float(np.abs(got - expected).max(initial=0.0))
    allowed = PARITY * max(1.0, float(np.abs(expected).max(initial=0.0)))
    if not worst <= allowed:
        where = f"{output} of the exported network"
        raise ModelRejectedError("differs from the trained one", where=where, expected=allowed, got=worst)
