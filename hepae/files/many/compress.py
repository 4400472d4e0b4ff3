"""Many files with one model, over any executor: resumable, all or nothing for each file, failures told at the end.

Beside the outputs a folder ``hepae-records`` holds the model and, for each output, what it was made from. A file whose
record still fits is not compressed again, so that a run that was interrupted continues where it stopped.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import uuid
from collections.abc import Iterable, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

from hepae.core.values.bounds import Bound
from hepae.core.values.names import is_url
from hepae.errors import HepaeError, InputError, OutputError, SchemaError
from hepae.files.agreement import require_agreement
from hepae.files.compress.collection import compress_collection
from hepae.files.many import records
from hepae.files.many.filesets import Files, Job, compressed_fileset, jobs_of
from hepae.files.many.records import Record, Stamp
from hepae.files.verify.run import verify
from hepae.input.events import open_events
from hepae.input.selection import Selection, selection_of
from hepae.learn.modelling import find_collection, train
from hepae.learn.recipe import Choices, Recipe
from hepae.model.model import Model
from hepae.progress import Report, silent
from hepae.root.file.atomic import check_target, output_folder
from hepae.root.file.source import size_of
from hepae.version import __version__

__all__ = ["ManyFiles", "Outcome", "compress_files"]

RECORDS = "hepae-records"
TRAINING_FILES = 64
"""At most this many files, evenly spread over all, give objects to train on."""


@dataclass(frozen=True)
class Outcome:
    """What became of one file.

    Attributes
    ----------
    state
        ``compressed``, ``present`` (it was there, complete and made from the same) or ``failed``.
    error
        Why it failed.
    bytes_before, bytes_after
        Sizes of the files.
    """

    source: str
    target: str
    state: Literal["compressed", "present", "failed"]
    error: str = ""
    bytes_before: int = 0
    bytes_after: int = 0


@dataclass
class ManyFiles:
    """What `compress_files` did.

    Attributes
    ----------
    model
        SHA-256 of the model; the file is in ``hepae-records``, for files that hold it by reference.
    outcomes
        One for each file, in the order given.
    fileset
        The files given, with the compressed ones in their place and those that failed left out.
    """

    model: str
    outcomes: list[Outcome] = field(default_factory=list)
    fileset: dict[str, Any] = field(default_factory=dict)

    @property
    def failed(self) -> list[Outcome]:
        """Files that were not compressed."""
        return [outcome for outcome in self.outcomes if outcome.state == "failed"]


def compress_files(
    files: Files,
    out: str | Path,
    *,
    executor: Executor | None = None,
    collection: str | Sequence[str] | None = None,
    features: Sequence[str] | None = None,
    bounds: Iterable[str | tuple[str, Bound]] = (),
    tree: str | None = None,
    model: Model | None = None,
    recipe: Recipe | None = None,
    side: bool = False,
    embed: bool = True,
    force: bool = False,
    report: Report = silent,
) -> ManyFiles:
    """Compress many files with one model.

    Parameters
    ----------
    files
        Paths, globs, ``{path: tree}``, or a fileset of coffea's.
    out
        Folder for the outputs, made where it is not there. Workers must see it and the inputs under the same names.
        An output is made again where its input or the choices changed. A file of its name that was not made from that
        input is never replaced: the input fails.
    executor
        Where the files are compressed, one a task and one thread each: a ``ProcessPoolExecutor``, or
        ``client.get_executor()`` of `dask.distributed`, which also starts the files of lost workers again. Here, one
        after the other, where none is given.
    collection, features, bounds, tree, recipe, side, embed
        As in `hepae.compress`.
    model
        A trained model. Without one, it is trained here on a sample of the files, or taken from ``hepae-records`` if
        the same choices made it.
    force
        Replace files in ``out`` that were not made from the input whose output gets their name.
    report
        Told how many files are done.

    Returns
    -------
    ManyFiles
        One outcome a file: a file that fails stops no other.

    Raises
    ------
    HepaeError
        If there are no files, no model can be trained on them, or what is asked for and the model do not agree.

    Examples
    --------
    >>> with Client("tcp://scheduler:8786") as client:  # doctest: +SKIP
    ...     done = compress_files("data/*.root", "small", executor=client.get_executor(), collection="Jet")
    >>> [(lost.source, lost.error) for lost in done.failed]  # doctest: +SKIP
    []
    """
    jobs = jobs_of(files, out, tree)
    kept, selection = output_folder(out) / RECORDS, selection_of(collection, features, bounds, tree)
    _refuse_inputs_as_outputs(jobs)
    if model is None:
        model = _model(jobs, kept, selection, recipe or Recipe(), report)
    else:
        require_agreement(selection, recipe, model.manifest, out)
    place = kept / f"{model.sha256}.onnx"
    records.write(place, model.data)
    # dask would answer an equal task of an earlier run from memory, without a look at the file
    run = uuid.uuid4().hex
    tasks = [_task(job, Path(out), place, selection, side, embed, force, run) for job in jobs]
    outcomes = _here(tasks, report) if executor is None else _over(executor, tasks, report)
    made = [job for job, outcome in zip(jobs, outcomes, strict=True) if outcome.state != "failed"]
    return ManyFiles(model.sha256, outcomes, compressed_fileset(files, made))


class Trained(msgspec.Struct, frozen=True):
    """Which model a request made, and the version that trained it."""

    version: str
    selection: Selection
    choices: Choices
    model: str


def _model(jobs: Sequence[Job], kept: Path, selection: Selection, recipe: Recipe, report: Report) -> Model:
    """The model of an earlier run with the same request, or a new one."""
    note = kept / "model.json"
    found = records.read(note, Trained)
    if found == Trained(__version__, selection, recipe.choices, found.model if found else ""):
        path = kept / f"{found.model}.onnx"
        if path.exists():
            return Model.load(path)
    trees = {job.tree for job in jobs}
    if len(trees) > 1:
        raise SchemaError(
            "one model for trees of several names", got=", ".join(map(str, trees)), hint="train it first"
        )
    (tree,) = trees
    model = train(
        _sample([job.source for job in jobs], tree, selection.collection),
        collection=selection.collection,
        features=selection.features,
        bounds=selection.bounds,
        tree=tree,
        recipe=recipe,
        report=report,
    )
    records.write(kept / f"{model.sha256}.onnx", model.data)
    made = Trained(__version__, selection, recipe.choices, model.sha256)
    records.write(note, msgspec.json.encode(made))
    return model


def _sample(sources: Sequence[str], tree: str | None, collection: str | None) -> list[str]:
    """Some of the files, evenly spread; those that cannot be opened will be told of as failures of their own."""
    places = np.unique(np.linspace(0, len(sources) - 1, TRAINING_FILES).round().astype(int))
    usable, problem = [], None
    for place in places.tolist():
        try:
            with open_events(sources[place], tree, collection) as events:
                find_collection(events, collection)
        except HepaeError as error:
            problem = problem or error
        else:
            usable.append(sources[place])
    if not usable:
        raise problem or InputError("no files to train on")
    return usable


class Task(msgspec.Struct, frozen=True):
    """All that a worker needs: names, no contents, so that a hundred thousand tasks are nothing to a scheduler."""

    source: str
    target: str
    record: str
    model: str
    selection: Selection
    side: bool
    embed: bool
    force: bool
    run: str


def _task(
    job: Job, out: Path, model: Path, selection: Selection, side: bool, embed: bool, force: bool, run: str
) -> Task:
    record = out / RECORDS / f"{Path(job.target).relative_to(out)}.json"
    source, target = _absolute(job.source), _absolute(job.target)
    own = dataclasses.replace(selection, tree=job.tree)
    return Task(source, target, _absolute(record), _absolute(model), own, side, embed, force, run)


def _here(tasks: Sequence[Task], report: Report) -> list[Outcome]:
    outcomes = []
    for task in tasks:
        outcomes.append(compress_one(task, threads=None))
        report("compressing files", len(outcomes), len(tasks), task.source)
    return outcomes


def _over(executor: Executor, tasks: Sequence[Task], report: Report) -> list[Outcome]:
    outcomes: dict[Task, Outcome] = {}
    futures: dict[Future[Outcome], Task] = {}
    try:
        for task in tasks:
            try:
                futures[executor.submit(compress_one, task)] = task
            except BrokenExecutor as problem:
                outcomes[task] = _failed(task, problem)
        for future in as_completed(futures):
            outcomes[futures[future]] = _outcome(future, futures[future])
            report("compressing files", len(outcomes), len(tasks), futures[future].source)
    finally:
        for future in futures:
            future.cancel()
    return [outcomes[task] for task in tasks]


def _outcome(future: Future[Outcome], task: Task) -> Outcome:
    try:
        return future.result()
    except Exception as problem:  # noqa: BLE001 - a lost worker is an error of the executor's own making
        return _failed(task, problem)


def _failed(task: Task, problem: Exception) -> Outcome:
    return Outcome(task.source, task.target, "failed", f"{type(problem).__name__}: {problem}")


def compress_one(task: Task, threads: int | None = 1) -> Outcome:
    """Compress one file unless it is there already; what a worker does."""
    state: Literal["compressed", "present"] = "present"
    try:
        if not _present(task):
            source = records.stamp(task.source)
            force = task.force or _owned(task, source)
            output_folder(Path(task.target).parent)
            check_target(task.target, (task.source,), force=force)
            _note(task, source, None)
            wanted = task.selection
            compress_collection(
                task.source, task.target, collection=wanted.collection, features=wanted.features, bounds=wanted.bounds,
                tree=wanted.tree, model=_loaded(task.model), side=task.side, embed=task.embed, threads=threads,
                force=force, check=verify,
            )  # fmt: skip
            _note(task, source, records.stamp(task.target))
            state = "compressed"
        sizes = size_of(task.source), size_of(task.target)
    except Exception as problem:  # noqa: BLE001 - whatever is wrong with one file, the others go on
        return _failed(task, problem)
    return Outcome(task.source, task.target, state, "", *sizes)


@functools.lru_cache(maxsize=4)
def _loaded(path: str) -> Model:
    return Model.load(path, threads=1)


def _owned(task: Task, source: Stamp) -> bool:
    """Whether a file under the name of the output is an earlier output of this input."""
    found = records.read(Path(task.record), Record)
    return found is not None and (found.path == task.source or found.source.xxh3 == source.xxh3)


def _note(task: Task, source: Stamp, target: Stamp | None) -> None:
    """Write down what the output is made from, and once it is complete what it is."""
    records.write(Path(task.record), msgspec.json.encode(_recorded(task, source, target)))


def _recorded(task: Task, source: Stamp, target: Stamp | None) -> Record:
    model, tree = Path(task.model).stem, task.selection.tree
    return Record(model, tree, task.side, task.embed, task.source, source, target)


def _present(task: Task) -> bool:
    """Whether the output is there as it was recorded, made in this way from this source."""
    found = records.read(Path(task.record), Record)
    return (
        found is not None
        and found.target is not None
        and msgspec.structs.replace(found, path=task.source) == _recorded(task, found.source, found.target)
        and records.same(task.target, found.target)
        and records.same(task.source, found.source)
    )


def _absolute(path: str | Path) -> str:
    """The path as another process finds it, wherever that one was started."""
    return str(path) if is_url(path) else str(Path(path).absolute())


def _refuse_inputs_as_outputs(jobs: Sequence[Job]) -> None:
    """An output may be no input, of whatever job."""
    inputs = {os.path.realpath(job.source): job.source for job in jobs if not is_url(job.source)}
    for job in jobs:
        if os.path.realpath(job.target) in inputs:
            raise OutputError(
                "an output would get the name of an input", where=job.target, hint="write to another folder"
            )
