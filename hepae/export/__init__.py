"""A bottleneck model for readers without hepae: a C++ header, or plain ONNX files with their transforms as JSON."""

from __future__ import annotations

from hepae.export.cpp import header, write_header
from hepae.export.onnx_files import write_onnx
from hepae.export.sources import bottleneck_models

__all__ = ["bottleneck_models", "header", "write_header", "write_onnx"]
