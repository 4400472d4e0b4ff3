"""Commands for other programs, and for files whatever is compressed in them: export, repack, skim, merge."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from rich.console import Console

from hepae.cli import tables
from hepae.cli.arguments import Add, add_force, local, location
from hepae.cli.models import load_model
from hepae.cli.progress import reporter
from hepae.shown.notebook import counted

__all__ = ["add_commands"]


def add_commands(add: Add) -> None:
    """Add the commands of this module to a parser."""
    part = add("export-cpp", export_cpp, "write a C++ header that restores a bottleneck collection",
               "hepae export-cpp small.root -o jets.h")  # fmt: skip
    part.add_argument(
        "source", type=location, metavar="MODEL_OR_FILE", help="model (.onnx) or compressed file"
    )
    part.add_argument("-o", "--output", type=local, required=True, help="header to write")
    add_force(part)
    part = add("export-onnx", export_onnx, "write encoder and decoder as plain ONNX files, transforms as JSON",
               "hepae export-onnx jets.onnx -o production")  # fmt: skip
    part.add_argument(
        "source", type=location, metavar="MODEL_OR_FILE", help="model (.onnx) or compressed file"
    )
    part.add_argument("-o", "--output", type=local, required=True, metavar="DIRECTORY", help="where to write")
    add_force(part)
    part = add(
        "repack",
        repack,
        "make a file smaller without hepae's codecs: ROOT reads it as it is",
        "hepae repack events.root smaller.root",
    )
    part.add_argument("input", type=location)
    part.add_argument("output", type=local)
    add_force(part)
    part = add("skim", skim, "write the events that pass a cut; compressed collections stay compressed",
               "hepae skim small.root dijets.root --cut 'nJet >= 2 && Jet_pt[0] > 50'")  # fmt: skip
    part.add_argument("input", type=location)
    part.add_argument("output", type=local)
    add_force(part)
    part.add_argument(
        "--cut",
        required=True,
        help="condition as for TTree::Draw: 'Sum$(Jet_pt > 30) >= 2 && MET_pt > 50'; see docs/cuts.md",
    )
    part.add_argument("--model", type=location, action="append", default=[], help="model held by reference")
    part.add_argument("--tree", help="name of the tree")
    part = add(
        "merge",
        merge,
        "put files together as hadd does, compressed or not",
        "hepae merge all.root a.root b.root",
    )
    part.add_argument("output", type=local)
    part.add_argument("inputs", type=location, nargs="+")
    add_force(part)
    part.add_argument("--others", choices=("same", "first"), default="same", help="objects that are neither trees nor "
                      "histograms: the same in all files (default), or those of the first file")  # fmt: skip
    part.add_argument(
        "--fill", action="store_true", help="fill branches that only some files have with zeros"
    )
    part.add_argument("--tree", help="tree that has to be there, whose entries are counted")


def repack(options: argparse.Namespace) -> int:
    """`hepae repack`."""
    from hepae.files.repack.file import repack as run

    with reporter() as report:
        done = run(options.input, options.output, force=options.force, report=report)
    tables.show(asdict(done), tables.rewritten, options.json)
    return 0


def export_cpp(options: argparse.Namespace) -> int:
    """`hepae export-cpp`."""
    from hepae.export import write_header

    models = write_header(options.source, options.output, force=options.force)
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

    paths = write_onnx(options.source, options.output, force=options.force)
    tables.show({path.name: path.stat().st_size for path in paths}, tables.facts, options.json)
    return 0


def skim(options: argparse.Namespace) -> int:
    """`hepae skim`."""
    from hepae.files.skim.file import skim as run

    models = [load_model(path) for path in options.model]
    with reporter() as report:
        done = run(
            options.input,
            options.output,
            options.cut,
            tree=options.tree,
            models=models,
            force=options.force,
            report=report,
        )
    tables.show(asdict(done), _skimmed, options.json)
    return 0


def _skimmed(result: tables.Result, console: Console) -> None:
    passed = f"{result['events_after']:,} of {result['events_before']:,} entries pass {result['cut']}"
    tables.rewritten({**result, "said": [f"tree {result['tree']}: {passed}"]}, console)


def merge(options: argparse.Namespace) -> int:
    """`hepae merge`."""
    from hepae.files.merge.file import merge as run

    with reporter() as report:
        done = run(
            options.output,
            options.inputs,
            tree=options.tree,
            others=options.others,
            fill=options.fill,
            force=options.force,
            report=report,
        )
    tables.show(asdict(done), _merged, options.json)
    return 0


def _merged(result: tables.Result, console: Console) -> None:
    models = f", {counted(result['models'], 'model')}" if result["models"] else ""
    told = f"{counted(result['files'], 'file')}, {result['events']:,} entries{models}"
    tables.rewritten({**result, "said": [told]}, console)
