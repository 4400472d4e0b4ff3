"""Commands for other programs and for files that are compressed already: export, skim, merge."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from hepae.cli import tables

__all__ = ["add_commands"]

Add = Callable[..., argparse.ArgumentParser]
"""Adds a command: name, function, help, example."""


def add_commands(add: Add) -> None:
    """Add the commands of this module to a parser."""
    part = add("export-cpp", export_cpp, "write a C++ header that restores a bottleneck collection",
               "hepae export-cpp small.root -o jets.h")  # fmt: skip
    part.add_argument("source", type=Path, metavar="MODEL_OR_FILE", help="model (.onnx) or compressed file")
    part.add_argument("-o", "--output", type=Path, required=True, help="header to write")
    part = add("export-onnx", export_onnx, "write encoder and decoder as plain ONNX files, transforms as JSON",
               "hepae export-onnx jets.onnx -o production")  # fmt: skip
    part.add_argument("source", type=Path, metavar="MODEL_OR_FILE", help="model (.onnx) or compressed file")
    part.add_argument("-o", "--output", type=Path, required=True, metavar="DIRECTORY", help="where to write")


def export_cpp(options: argparse.Namespace) -> int:
    """`hepae export-cpp`."""
    from hepae.export import write_header

    models = write_header(options.source, options.output)
    facts = {
        "header": str(options.output),
        "models": ", ".join(models),
        "bytes": options.output.stat().st_size,
    }
    tables.show(facts, tables.facts, options.json)
    return 0


def export_onnx(options: argparse.Namespace) -> int:
    """`hepae export-onnx`."""
    from hepae.export import write_onnx

    paths = write_onnx(options.source, options.output)
    tables.show({path.name: path.stat().st_size for path in paths}, tables.facts, options.json)
    return 0
