"""Running networks with ONNX Runtime, of which this is the only importer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import onnxruntime

from hepae.arrays import Array
from hepae.core.network import Network, Shape
from hepae.errors import ModelRejectedError

__all__ = ["session"]

SILENT = 4
"""ONNX Runtime's severity "fatal": what goes wrong is raised, and nothing is written to the terminal."""


def session(onnx_bytes: bytes, threads: int = 1, optimise: bool = True) -> Network:
    """A network that is ready to run, loaded from bytes only: a path would let a model read other files.

    Parameters
    ----------
    onnx_bytes
        ONNX model of one network that `hepae.model.admission` let through.
    threads
        Threads inside one operator.
    optimise
        Whether ONNX Runtime may rewrite the graph.

    Raises
    ------
    ModelRejectedError
        If ONNX Runtime does not take the model.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    options.log_severity_level = SILENT
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if not optimise:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        running = onnxruntime.InferenceSession(onnx_bytes, options, providers=["CPUExecutionProvider"])
    except Exception as problem:  # noqa: BLE001
        # ONNX Runtime raises a dozen classes without a common base
        raise ModelRejectedError("ONNX Runtime does not take the model", got=_line(problem)) from None
    return _Running(running, _shapes(running.get_inputs()), _shapes(running.get_outputs()))


@dataclass(frozen=True)
class _Running:
    """A session of ONNX Runtime as a function of named arrays."""

    runner: onnxruntime.InferenceSession
    inputs: Mapping[str, Shape]
    outputs: Mapping[str, Shape]

    def __call__(self, **inputs: Array) -> dict[str, Array]:
        try:
            return dict(zip(self.outputs, self.runner.run(None, inputs), strict=True))
        except Exception as problem:  # noqa: BLE001
            raise ModelRejectedError("a network does not take its input", got=_line(problem)) from None


def _shapes(ports: list[Any]) -> dict[str, Shape]:
    return {
        port.name: tuple(size if isinstance(size, int) else None for size in port.shape) for port in ports
    }


def _line(problem: Exception) -> str:
    return str(problem).splitlines()[0] if str(problem) else type(problem).__name__
