"""What the command line understands."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from hepae.cli import commands, interop
from hepae.cli.arguments import add_force, local, location
from hepae.learn.recipe import CODECS, EFFORTS
from hepae.version import __version__

__all__ = ["PLUGINS", "parser", "training_options"]

PLUGINS = "hepae.commands"
"""The group of entry points that add commands: each is named for its command and is a function of what adds one."""

BOUNDS_HELP = (
    "NAMES=BOUND, repeatable; names with or without prefix, wildcards allowed; BOUND is abs:E, rel:R, bits:N or exact "
    "(the default)"
)


def parser(words: Sequence[str] = ()) -> argparse.ArgumentParser:
    """The parser of the whole command line.

    Parameters
    ----------
    words
        The command line. Where the first word is a command of a plug-in or of hepae itself, other plug-ins are not
        loaded.
    """
    top = argparse.ArgumentParser(
        prog="hepae",
        description="Make ROOT files smaller, every value within its bound.",
        epilog="example: hepae compress events.root small.root --collection Jet --bound 'pt,mass=rel:1e-3' "
        "--bound 'eta,phi=abs:1e-3'",
    )
    top.add_argument("--version", action="version", version=f"hepae {__version__}")
    parts = top.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _inspect(parts)
    _train(parts)
    _compress(parts)
    _decompress(parts)
    _verify(parts)
    interop.add_commands(functools.partial(_command, parts))
    known = set(parts.choices)
    plugins = {
        plugin.name: plugin for plugin in sorted(entry_points(group=PLUGINS)) if plugin.name not in known
    }
    wanted = words[0] if words else ""
    for name in [] if wanted in known else [wanted] if wanted in plugins else plugins:
        plugins[name].load()(functools.partial(_command, parts))
    return top


Parts = "argparse._SubParsersAction[argparse.ArgumentParser]"


def _command(parts: Parts, name: str, run: commands.Run, text: str, example: str) -> argparse.ArgumentParser:  # type: ignore[valid-type]
    part: argparse.ArgumentParser = parts.add_parser(  # type: ignore[attr-defined]
        name,
        help=text,
        description=text,
        epilog=f"example: {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    part.register("action", None, Once)
    part.register("action", "store", Once)
    part.set_defaults(run=run)
    part.add_argument("--json", action="store_true", help="print the result as JSON")
    return part


class Once(argparse.Action):
    """Store what an option says; said twice, the first would be forgotten, which is an error."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option: str | None = None,
    ) -> None:
        """Store the values of an option or of positional arguments."""
        said: set[str] = vars(namespace).setdefault("options_said", set())
        if option is not None and self.dest in said:
            raise argparse.ArgumentError(self, "given twice")
        said.add(self.dest)
        setattr(namespace, self.dest, values)


def _inspect(parts: Parts) -> None:  # type: ignore[valid-type]
    part = _command(
        parts, "inspect", commands.inspect, "show what is in a file: trees, collections, features, bytes, precision",
        "hepae inspect events.root",
    )  # fmt: skip
    part.add_argument("file", type=location, help="ROOT or CSV file")
    part.add_argument("--tree", help="only this tree")


def _train(parts: Parts) -> None:  # type: ignore[valid-type]
    part = _command(
        parts, "train", commands.train, "train a model and export it to ONNX",
        "hepae train a.root b.root -o jets.onnx --collection Jet --bound 'pt,mass=rel:1e-3'",
    )  # fmt: skip
    part.add_argument("files", nargs="+", type=location, help="ROOT or CSV files to train on")
    part.add_argument("-o", "--output", type=local, required=True, help="the model to write (.onnx)")
    add_force(part)
    part.add_argument("--tree", help="name of the tree; default: the one that has the collection")
    training_options(part)


def _compress(parts: Parts) -> None:  # type: ignore[valid-type]
    part = _command(
        parts, "compress", commands.compress, "compress a file, or a collection with a model",
        "hepae compress events.root small.root --collection Jet --bound 'pt,E=rel:1e-3' --bound 'eta,phi=abs:1e-3'",
    )  # fmt: skip
    part.add_argument(
        "files",
        type=location,
        nargs="+",
        metavar="FILE",
        help="IN OUT; only inputs with --side, --out-dir or --side-dir",
    )
    part.add_argument("--model", type=location, help="a model made by `hepae train`")
    part.add_argument("--model-by-reference", action="store_true", help="store only the SHA-256 of the model")
    part.add_argument(
        "--side",
        type=local,
        metavar="FILE",
        help="write only the collection, into a friend of the untouched input",
    )
    part.add_argument("--format", choices=("ttree", "rntuple"), help="how events are stored (default: ttree)")
    part.add_argument(
        "--threads", dest="chunk_threads", type=int, help="chunks coded at once (default: the cores)"
    )
    add_force(part)
    _whole(part.add_argument_group("whole files (no collection, model or codec named)"))
    _many(part.add_argument_group("many files, one model; what is done already is not done again"))
    training_options(part)


def _whole(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--only",
        type=_names,
        action="extend",
        metavar="PATTERNS",
        help="compress only these columns: 'Jet_*,run'",
    )
    group.add_argument(
        "--skip",
        "--keep",
        type=_names,
        action="extend",
        metavar="PATTERNS",
        help="leave these columns as plain branches, which are read without hepae",
    )
    group.add_argument("--tree", action="append", help="compress only this tree; repeatable")


def _many(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--out-dir", type=local, metavar="DIR", help="compress every input into this folder")
    group.add_argument(
        "--side-dir", type=local, metavar="DIR", help="the same, only the collections, as with --side"
    )
    group.add_argument("--workers", type=int, help="processes on this machine (default: 1)")
    group.add_argument("--scheduler", metavar="tcp://…", help="dask scheduler whose workers do it")


def training_options(part: argparse.ArgumentParser) -> None:
    """Add the options that say what to train on, with which bounds, and how; all but the tree."""
    part.add_argument("--collection", action="append", help="such as Jet; repeatable for whole files")
    part.add_argument(
        "--features", type=_names, action="extend", help="only these features, such as pt,eta,phi,mass"
    )
    part.add_argument("--bound", action="append", default=[], metavar="NAMES=BOUND", help=BOUNDS_HELP)
    part.add_argument("--config", type=Path, help="TOML file with the same words")
    part.add_argument("--codec", choices=CODECS, help="default: masked")
    part.add_argument(
        "--condition",
        dest="conditions",
        type=_names,
        action="extend",
        help="event branches to condition on: MET,METphi",
    )
    part.add_argument("--effort", choices=EFFORTS, help="chunked codecs: size against time")
    part.add_argument(
        "--dither",
        action="store_true",
        default=None,
        help="fill the cells of the lattice evenly, against combs",
    )
    part.add_argument(
        "--kinematics", type=_roles, metavar="ROLE=FEATURE,…", help="roles that names do not tell"
    )
    part.add_argument("--seed", type=int)
    part.add_argument("--train-objects", type=int, help="train on at most this many objects")
    part.add_argument("--device", help="where torch trains: cpu (default), cuda")
    _architecture(part.add_argument_group("bottleneck (float autoencoder)"))


def _architecture(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--preset", help="architecture by name: fast (default), AE_3D_200, 200-200-20, 400-400-200, …"
    )
    group.add_argument("--layers", type=_sizes, help="widths of the encoder's hidden layers: 200,100,50")
    group.add_argument("--latents", type=int, help="number of latents")
    group.add_argument("--activation", help="tanh, leaky_relu, elu, relu or silu")
    group.add_argument("--batch-norm", action=argparse.BooleanOptionalAction, default=None)
    group.add_argument("--dropout", type=float)
    group.add_argument(
        "--residual", action=argparse.BooleanOptionalAction, default=None, help="residual blocks"
    )
    group.add_argument(
        "--shortcut", action=argparse.BooleanOptionalAction, default=None, help="linear skip connections"
    )
    group.add_argument("--scaling", help="minmax, standard, minmax-standard or standard-minmax")
    group.add_argument("--epochs", type=int)
    group.add_argument("--batch-size", type=int)
    group.add_argument("--learning-rate", type=float)
    group.add_argument("--schedule", help="one-cycle or plateau")
    group.add_argument("--patience", type=int, help="epochs without progress after which to stop")
    group.add_argument("--validation", type=float, help="share of the events held back for validation")
    group.add_argument("--latent-dtype", choices=("float32", "float16", "uint16", "uint8"))
    group.add_argument(
        "--latents-only", action="store_true", default=None, help="no corrections and no bound"
    )
    group.add_argument("--checkpoint", help="resume from this file and save to it")


def _decompress(parts: Parts) -> None:  # type: ignore[valid-type]
    part = _command(
        parts, "decompress", commands.decompress, "restore the original layout of a compressed file",
        "hepae decompress small.root restored.root",
    )  # fmt: skip
    part.add_argument("input", type=location, help="file written by `hepae compress`")
    part.add_argument("output", type=local, help="ROOT file to write")
    add_force(part)
    part.add_argument("--model", type=location, action="append", default=[], help="model held by reference")
    part.add_argument("--tree", help="name of the tree")


def _verify(parts: Parts) -> None:  # type: ignore[valid-type]
    part = _command(
        parts, "verify", commands.verify, "compare every value with the original; exit code 1 on a violation",
        "hepae verify events.root small.root",
    )  # fmt: skip
    part.add_argument("original", type=location)
    part.add_argument("file", type=location, help="compressed or restored file")
    part.add_argument("--bound", action="append", default=[], metavar="NAMES=BOUND", help=BOUNDS_HELP)
    part.add_argument("--model", type=location, action="append", default=[], help="model held by reference")
    part.add_argument(
        "--tree", action="append", metavar="PATH", help="only this tree of the original; repeatable"
    )


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(int(size) for size in text.replace("-", ",").split(","))


def _roles(text: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in _names(text))
