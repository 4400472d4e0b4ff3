"""What each command does: options in, a result shown, an exit code out."""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hepae.cli import tables, verification
from hepae.cli.progress import reporter
from hepae.errors import InputError, SchemaError
from hepae.learn.recipe import CHOICES, recipe_of
from hepae.model.model import Model
from hepae.root.file.atomic import atomic_output, check_target
from hepae.root.file.source import size_of

Run = Callable[[argparse.Namespace], int]


def inspect(options: argparse.Namespace) -> int:
    """`hepae inspect`."""
    from hepae.input.events import describe

    tables.show(asdict(describe(options.file, options.tree)), tables.inspection, options.json)
    return 0


def train(options: argparse.Namespace) -> int:
    """`hepae train`."""
    from hepae.learn.modelling import train as fit

    choices = choices_of(options)
    with atomic_output(options.output, options.files, force=options.force) as temporary, reporter() as report:
        model = fit(
            options.files,
            collection=choices["collection"],
            features=choices["features"],
            bounds=choices["bound"],
            tree=choices["tree"],
            recipe=recipe_of(recipe_choices(choices)),
            report=report,
        )
        model.save(temporary, force=True)
    tables.show(_model_facts(model, options.output), tables.facts, options.json)
    return 0


def compress(options: argparse.Namespace) -> int:
    """`hepae compress`."""
    from hepae.files.compress.file import FileDone
    from hepae.files.pipeline import compress as run

    choices = choices_of(options)
    _require_use(options, choices)
    if options.out_dir or options.side_dir:
        from hepae.cli import many

        return many.compress(options, choices, recipe_of(recipe_choices(choices)))
    source, target = _source_and_target(options)
    narrowed = _is_narrowed(choices, options)
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
            model=None if options.model is None else Model.load(options.model),
            recipe=recipe_of(recipe_choices(choices)) if narrowed else None,
            side=options.side is not None,
            embed=not options.model_by_reference,
            container=options.format or "ttree",
            threads=options.chunk_threads,
            force=options.force,
            report=report,
        )
    shown = tables.whole_file if isinstance(outcome, FileDone) else tables.compression
    tables.show(asdict(outcome), shown, options.json)
    return 0


def _is_narrowed(choices: dict[str, Any], options: argparse.Namespace) -> bool:
    """Whether one collection is meant: something was said that only a model has a use for."""
    said = [
        name
        for name, choice in recipe_choices(choices).items()
        if choice not in (None, False) and name != "dither"
    ]
    return (
        bool(said)
        or len(set(_names(choices["collection"]))) == 1
        or choices["features"] is not None
        or options.model is not None
        or options.side is not None
    )


def _names(said: str | list[str] | None) -> list[str]:
    return [said] if isinstance(said, str) else list(said or ())


def decompress(options: argparse.Namespace) -> int:
    """`hepae decompress`."""
    from hepae.files.pipeline import decompress as run

    models = [Model.load(path) for path in options.model]
    with reporter() as report:
        run(
            options.input,
            options.output,
            tree=options.tree,
            models=models,
            force=options.force,
            report=report,
        )
    facts = {
        "input": str(options.input),
        "output": str(options.output),
        "bytes before": size_of(options.input),
        "bytes after": size_of(options.output),
    }
    tables.show(facts, tables.facts, options.json)
    return 0


def verify(options: argparse.Namespace) -> int:
    """`hepae verify`."""
    from hepae.files.verify import verify as run

    models = [Model.load(path) for path in options.model]
    with reporter() as report:
        result = run(
            options.original,
            options.file,
            bounds=options.bound,
            tree=options.tree or None,
            models=models,
            report=report,
        )
    tables.show(
        {**asdict(result), "kept": result.kept, "combs": result.combs}, verification.table, options.json
    )
    return 0 if result.kept else 1


def _require_use(options: argparse.Namespace, choices: dict[str, Any]) -> None:
    """Refuse options of `hepae compress` that do nothing with the others."""
    one = {"--side": options.side, "--format": options.format, "--threads": options.chunk_threads}
    one |= {"--only": choices["only"] or None, "--skip": choices["skip"] or None}
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


def choices_of(options: argparse.Namespace) -> dict[str, Any]:
    """Options of the command line over those of the TOML file, whose bounds come first: later ones win."""
    names = {*CHOICES, "collection", "features", "tree", "bound", "only", "skip"}
    given = {name: value for name, value in vars(options).items() if name in names and value is not None}
    configured = _configured(options.config) if options.config else {}
    unknown = sorted(set(configured) - names - {"condition", "keep"})
    if unknown:
        raise SchemaError("unknown words in the configuration", where=options.config, got=", ".join(unknown))
    for word, name in (("condition", "conditions"), ("keep", "skip")):
        if word in configured:
            configured[name] = configured.pop(word)
    bounds = [*_listed(configured.pop("bound", [])), *given.pop("bound")]
    nothing: dict[str, Any] = {"collection": None, "features": None, "tree": None, "only": (), "skip": ()}
    return {**nothing, **configured, **given, "bound": bounds}


def _configured(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise InputError("the configuration cannot be read", where=path, got=problem.strerror) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise InputError("the configuration is not TOML", where=path, got=problem) from None


def _listed(bounds: object) -> list[str]:
    """Bounds of a TOML file: a list of NAMES=BOUND, or a table of names."""
    if isinstance(bounds, dict):
        return [f"{names}={bound}" for names, bound in bounds.items()]
    return [str(bound) for bound in bounds] if isinstance(bounds, list) else [str(bounds)]


def recipe_choices(choices: dict[str, Any]) -> dict[str, Any]:
    """Those of the choices that are of training."""
    return {name: choice for name, choice in choices.items() if name in CHOICES}


def _model_facts(model: Model, path: Path) -> dict[str, Any]:
    manifest = model.manifest
    facts = {
        "model": str(path),
        "sha256": model.sha256,
        "bytes": len(model.data),
        "codec": manifest.codec_name,
        "collection": manifest.collection,
        "features": ", ".join(f"{feature.name} ({feature.bound})" for feature in manifest.features),
        "trained on": f"{manifest.training.events} events, {manifest.training.objects} objects",
    }
    if manifest.training.history:
        facts["validation loss"] = f"{manifest.training.history[-1][1]:.4g}"
    return facts
