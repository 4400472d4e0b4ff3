"""`hepae compress`: one file, or many over processes of this machine or over a cluster."""

from __future__ import annotations

import argparse
import functools
import multiprocessing
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from hepae.cli import stopping, tables
from hepae.cli.arguments import Add, add_force, local, location
from hepae.cli.choices import bounds_option, choices_of, names_said, recipe_choices, training_options
from hepae.cli.inspection import dry_run
from hepae.cli.models import load_model
from hepae.cli.progress import reporter
from hepae.errors import InputError
from hepae.extras import needed
from hepae.input.events import is_csv
from hepae.learn.recipe import recipe_of
from hepae.model.dataset import DatasetModel
from hepae.model.model import Model
from hepae.root.file.atomic import check_target
from hepae.shown.notebook import sizes

__all__ = ["add_commands", "compress"]

PATIENCE = 15
"""Seconds to wait for a scheduler."""


def add_commands(add: Add) -> None:
    """Add the commands of this module to a parser."""
    part = add(
        "compress", compress, "compress a file, or a collection with a model",
        "hepae compress events.root small.root --collection Jet --bound 'pt,E=rel:1e-3' --bound 'eta,phi=abs:1e-3'",
    )  # fmt: skip
    part.add_argument(
        "files",
        type=location,
        nargs="+",
        metavar="FILE",
        help="IN OUT; only inputs with --side, --out-dir, --side-dir or --dry-run",
    )
    part.usage = "hepae compress [options] IN OUT"
    bounds_option(part)
    part.add_argument("--dry-run", action="store_true", help="write nothing: say what becomes of each table, with "
                      "estimated sizes")  # fmt: skip
    add_force(part)
    part.add_argument(
        "-v", "--verbose", action="store_true", help="list features, and branches left as they are"
    )
    _whole(part.add_argument_group("what is compressed (default: every column of every tree)"))
    _many(part.add_argument_group("many files; what is done already is not done again"))
    _stored(part.add_argument_group("how it is stored"))
    training_options(part)


def _stored(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--model", type=location, help="made by `hepae train`, of a collection or of whole files"
    )
    group.add_argument(
        "--model-by-reference", action="store_true", help="store only the SHA-256 of the model"
    )
    group.add_argument(
        "--side",
        type=local,
        metavar="FILE",
        help="write only the collection, into a friend of the untouched input",
    )
    group.add_argument(
        "--format", choices=("ttree", "rntuple"), help="what trees become (default: what they are)"
    )
    group.add_argument(
        "--threads",
        dest="chunk_threads",
        type=int,
        metavar="N",
        help="chunks coded at once (default: the cores)",
    )


def _whole(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--only",
        type=names_said,
        action="extend",
        metavar="PATTERNS",
        help="compress only these columns: 'Jet_*,run'",
    )
    group.add_argument(
        "--skip",
        "--keep",
        type=names_said,
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
    group.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="processes on this machine, one thread each (default: none; one file after the other, on all cores)",
    )
    group.add_argument("--scheduler", metavar="tcp://…", help="dask scheduler whose workers do it")


def compress(options: argparse.Namespace) -> int:
    """`hepae compress`."""
    from hepae.files.compress.file import FileDone
    from hepae.files.pipeline import compress as run

    choices = choices_of(options)
    _require_use(options, choices)
    if options.dry_run:
        _require_dry(options, choices)
        return dry_run(options, choices)
    if options.out_dir or options.side_dir:
        return compress_many(options, choices)
    source, target = _source_and_target(options)
    model = _model(options)
    narrowed = _is_narrowed(choices, options, model)
    check_target(target, [source, *filter(None, [options.model, options.config])], force=options.force)
    with reporter() as report:
        outcome = run(
            source,
            target,
            collection=choices["collection"],
            features=choices["features"],
            bounds=choices["bound"],
            only=choices["only"],
            skip=choices["skip"],
            tree=choices["tree"],
            dither=bool(choices.get("dither")) and not narrowed,
            model=model,
            recipe=recipe_of(recipe_choices(choices)) if narrowed else None,
            side=options.side is not None,
            embed=not options.model_by_reference,
            container=options.format,
            threads=options.chunk_threads,
            force=options.force,
            report=report,
        )
    shown = tables.whole_file if isinstance(outcome, FileDone) else tables.compression
    tables.show(asdict(outcome), functools.partial(shown, verbose=options.verbose), options.json)
    return 0


def _require_dry(options: argparse.Namespace, choices: dict[str, Any]) -> None:
    """Refuse a dry run of what is no whole file."""
    folder = options.out_dir or options.side_dir
    if len(options.files) > 2 or folder:
        raise InputError(
            "a dry run is of one file", expected="IN, or IN OUT", got=f"{len(options.files)} files"
        )
    if (
        options.model is not None
        or _is_narrowed(choices, options, None)
        or options.format
        or is_csv(options.files[0])
    ):
        raise InputError(
            "a dry run is of whole files",
            where=options.files[0],
            hint="leave out the collection, the model and the codec; --only 'Jet_*' is of some columns alone",
        )


def _model(options: argparse.Namespace) -> Model | DatasetModel | None:
    return None if options.model is None else load_model(options.model)


def _is_narrowed(
    choices: dict[str, Any], options: argparse.Namespace, model: Model | DatasetModel | None
) -> bool:
    """Whether one collection is meant: something was said that only a model of one has a use for."""
    said = [
        name
        for name, choice in recipe_choices(choices).items()
        if choice not in (None, False) and name != "dither"
    ]
    return (
        bool(said)
        or len(set(_names(choices["collection"]))) == 1
        or choices["features"] is not None
        or isinstance(model, Model)
        or options.side is not None
        or options.side_dir is not None
    )


def _names(said: str | list[str] | None) -> list[str]:
    return [said] if isinstance(said, str) else list(said or ())


def _require_use(options: argparse.Namespace, choices: dict[str, Any]) -> None:
    """Refuse options of `hepae compress` that do nothing with the others."""
    one = {"--side": options.side, "--format": options.format, "--threads": options.chunk_threads}
    many = {"--workers": options.workers, "--scheduler": options.scheduler}
    folder = options.out_dir or options.side_dir
    useless = [name for name, said in (one if folder else many).items() if said is not None]
    if options.out_dir and options.side_dir:
        useless.append("--side-dir")
    if options.scheduler and options.workers and not useless:
        useless.append("--workers")
    if useless:
        kind = "many files" if folder else "one file"
        raise InputError(
            f"options that do nothing for {kind}",
            got=", ".join(useless),
            hint="leave them out" if folder else "give --out-dir or --side-dir to compress many files",
        )


def _source_and_target(options: argparse.Namespace) -> tuple[str | Path, str | Path]:
    paths = [*options.files, *filter(None, [options.side])]
    if len(paths) != 2:
        expected = "IN OUT, IN --side FILE, or IN… --out-dir DIR"
        raise InputError("name one input and one output", expected=expected, got=f"{len(paths)} files")
    return paths[0], paths[1]


def compress_many(options: argparse.Namespace, choices: dict[str, Any]) -> int:
    """Compress all inputs into a folder; exit code 1 where a file failed."""
    from hepae.files.many.compress import compress_files

    model = _model(options)
    narrowed = _is_narrowed(choices, options, model)
    with reporter() as report, _executor(options) as executor:
        done = compress_files(
            [str(path) for path in options.files],
            options.out_dir or options.side_dir,
            executor=executor,
            collection=choices["collection"],
            features=choices["features"],
            bounds=choices["bound"],
            only=choices["only"],
            skip=choices["skip"],
            tree=choices["tree"],
            dither=bool(choices.get("dither")) and not narrowed,
            model=model,
            recipe=recipe_of(recipe_choices(choices)) if narrowed else None,
            side=options.side_dir is not None,
            embed=not options.model_by_reference,
            force=options.force,
            report=report,
        )
    tables.show(asdict(done), _table, options.json)
    return 1 if done.failed else 0


@contextmanager
def _executor(options: argparse.Namespace) -> Iterator[Executor | None]:
    if options.scheduler is not None:
        with _cluster(options.scheduler) as executor:
            yield executor
    elif options.workers is not None:  # a single worker, too: one thread, whatever cores the machine has
        with _processes(options.workers) as pool:
            yield pool
    else:
        yield None


@contextmanager
def _processes(workers: int) -> Iterator[Executor]:
    """A pool of processes; what they are at is not waited for where the command is stopped."""
    if workers < 1:
        raise InputError("no number of processes", where="--workers", expected="1 or more", got=workers)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, initializer=stopping.worker) as pool:
        try:
            yield pool
        except KeyboardInterrupt:
            stopping.stop_workers()
            raise


@contextmanager
def _cluster(address: str) -> Iterator[Executor]:
    with needed("a scheduler"):
        from distributed import Client
    try:
        client = Client(address, timeout=PATIENCE)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as problem:
        raise InputError("no scheduler of dask's", where=address, got=problem) from None
    with client:
        yield client.get_executor()  # type: ignore[no-untyped-call]


def _table(result: Mapping[str, Any], console: Console) -> None:
    outcomes = result["outcomes"]
    states = [outcome["state"] for outcome in outcomes]
    counts = [f"{states.count(state):,} {state}" for state in ("compressed", "present", "failed")]
    console.print(f"{len(outcomes):,} files: {', '.join(counts)}", soft_wrap=True)
    before, after = (sum(outcome[f"bytes_{when}"] for outcome in outcomes) for when in ("before", "after"))
    console.print(f"all files: {sizes(before, after)}", soft_wrap=True)
    for outcome in outcomes:
        if outcome["state"] == "failed":
            console.print(f"failed: {outcome['source']}: {outcome['error']}", style="red", soft_wrap=True)
