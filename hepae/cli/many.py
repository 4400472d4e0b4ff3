"""`hepae compress` of many files: over processes of this machine, or over a cluster."""

from __future__ import annotations

import argparse
import multiprocessing
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from rich.console import Console

from hepae.cli import stopping, tables
from hepae.cli.progress import reporter
from hepae.errors import InputError
from hepae.extras import needed
from hepae.files.many.compress import compress_files
from hepae.learn.recipe import Recipe
from hepae.model.model import Model

__all__ = ["compress"]

PATIENCE = 15
"""Seconds to wait for a scheduler."""


def compress(options: argparse.Namespace, choices: Mapping[str, Any], recipe: Recipe) -> int:
    """Compress all inputs into a folder; exit code 1 where a file failed."""
    with reporter() as report, _executor(options) as executor:
        done = compress_files(
            [str(path) for path in options.files],
            options.out_dir or options.side_dir,
            executor=executor,
            collection=choices["collection"],
            features=choices["features"],
            bounds=choices["bound"],
            tree=_one_tree(choices["tree"]),
            model=None if options.model is None else Model.load(options.model),
            recipe=recipe,
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
    elif options.workers is not None and options.workers > 1:
        with _processes(options.workers) as pool:
            yield pool
    else:
        yield None


def _one_tree(named: str | Sequence[str] | None) -> str | None:
    names = [named] if isinstance(named, str) else list(named or ())
    if len(names) > 1:
        raise InputError("one tree at a time for many files", got=", ".join(names))
    return names[0] if names else None


@contextmanager
def _processes(workers: int) -> Iterator[Executor]:
    """A pool of processes; what they are at is not waited for where the command is stopped."""
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
    facts = {"model": result["model"], "files": len(outcomes)}
    facts |= {state: states.count(state) for state in ("compressed", "present", "failed")}
    facts |= {
        f"bytes {when}": sum(outcome[f"bytes_{when}"] for outcome in outcomes) for when in ("before", "after")
    }
    tables.facts(facts, console)
    for outcome in outcomes:
        if outcome["state"] == "failed":
            console.print(f"failed: {outcome['source']}: {outcome['error']}", style="red", soft_wrap=True)
